//! Patterns over module names: `*` stands for any run of characters, everything else for itself. No regular expressions.

/// A pattern such as `text.*`, or a plain name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Reads a pattern; any text is one. Empty text matches everything, like `*`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(if text.is_empty() { "*".into() } else { text.into() })
    }

    /// Whether the whole name matches. Costs at most the product of both lengths, whatever the pattern.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut p, mut n) = (0, 0);
        // The last star and where its run began: on a mismatch only that run grows, which is enough.
        let mut star: Option<(usize, usize)> = None;
        while n < name.len() {
            if pattern.get(p) == Some(&b'*') {
                star = Some((p, n));
                p += 1;
            } else if pattern.get(p) == Some(&name[n]) {
                p += 1;
                n += 1;
            } else if let Some((at, from)) = star {
                star = Some((at, from + 1));
                p = at + 1;
                n = from + 1;
            } else {
                return false;
            }
        }
        pattern[p..].iter().all(|&byte| byte == b'*')
    }

    /// What every matching name begins with.
    pub(crate) fn prefix(&self) -> &str {
        self.0.split('*').next().unwrap_or_default()
    }

    /// The only name that matches, when there is no star.
    pub(crate) fn literal(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, name, expected) in [
            ("", "text.Upper", true),
            ("*", "text.Upper", true),
            ("text.*", "text.Upper", true),
            ("text.*", "text.", true),
            ("text.*", "texts.Upper", false),
            ("*.Upper", "a.b.Upper", true),
            ("*.Upper", "a.b.UpperCase", false),
            ("t*t.*r", "text.Upper", true),
            ("t**r", "text.Upper", true),
            ("text.Upper", "text.Upper", true),
            ("text.Upper", "text.Uppe", false),
            ("text.?pper", "text.Upper", false),
            ("*a*b*c*", "xxaxxbxxcxx", true),
            ("*a*b*c*", "xxaxxcxxbxx", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_the_product_of_the_lengths() {
        let pattern = Pattern::new(&"*a".repeat(2_000));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(4_000))));
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_definition(pattern in "[ab*]{0,8}", name in "[ab]{0,8}") {
            fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
                match pattern.split_first() {
                    None => name.is_empty(),
                    Some((b'*', rest)) => (0..=name.len()).any(|i| by_definition(rest, &name[i..])),
                    Some((byte, rest)) => name.first() == Some(byte) && by_definition(rest, &name[1..]),
                }
            }
            let expected = pattern.is_empty() || by_definition(pattern.as_bytes(), name.as_bytes());
            prop_assert_eq!(Pattern::new(&pattern).matches(&name), expected);
        }
    }
}
