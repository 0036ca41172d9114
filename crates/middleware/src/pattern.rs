//! Patterns over names of modules: `*` stands for any run of characters, everything else for itself. Knows no module.

/// Whether the whole name matches; the empty pattern matches everything, like `*`. Allocates nothing, and costs at most the product
/// of both lengths, whatever the pattern.
#[must_use]
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    if pattern.is_empty() {
        return true;
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, name, expected) in [
            ("", "text.Upper", true),
            ("*", "", true),
            ("text.*", "text.Upper", true),
            ("text.*", "texts.Upper", false),
            ("*.Upper", "a.b.UpperCase", false),
            ("t*t.*r", "text.Upper", true),
            ("text.Upper", "text.Uppe", false),
            ("text.?pper", "text.Upper", false),
            ("*a*b*c*", "xxaxxcxxbxx", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_definition(pattern in "[ab*]{1,8}", name in "[ab]{0,8}") {
            fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
                match pattern.split_first() {
                    None => name.is_empty(),
                    Some((b'*', rest)) => (0..=name.len()).any(|i| by_definition(rest, &name[i..])),
                    Some((byte, rest)) => name.first() == Some(byte) && by_definition(rest, &name[1..]),
                }
            }
            prop_assert_eq!(matches(&pattern, &name), by_definition(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
