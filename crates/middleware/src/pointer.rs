//! JSON pointers (RFC 6901) with `*` for any member or index: what a field policy is written in. Looks nothing up.

/// A pointer pattern, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointer(Vec<Segment>);

/// One step of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// `*`
    Any,
    Name(String),
}

impl Pointer {
    /// None where the text is no pointer: it is empty or begins with `/`, and `~` stands before `0` or `1` alone.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(Vec::new()));
        }
        let segments = text.strip_prefix('/')?.split('/').map(|segment| match segment {
            "*" => Some(Segment::Any),
            _ => unescape(segment).map(Segment::Name),
        });
        segments.collect::<Option<Vec<_>>>().map(Self)
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.0
    }
}

impl Segment {
    pub(crate) fn covers(&self, step: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Name(name) => name == step,
        }
    }
}

/// A member's name as a segment of a pointer.
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn unescape(segment: &str) -> Option<String> {
    let mut rest = segment.split('~');
    let mut name = rest.next().unwrap_or_default().to_owned();
    for part in rest {
        let (code, after) = part.split_at_checked(1)?;
        name.push(match code {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        name.push_str(after);
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Vec<String>> {
        let pointer = Pointer::parse(text)?;
        let shown = |segment: &Segment| match segment {
            Segment::Any => "ANY".to_owned(),
            Segment::Name(name) => name.clone(),
        };
        Some(pointer.segments().iter().map(shown).collect())
    }

    #[test]
    fn a_pointer_is_empty_or_begins_with_a_slash_and_escapes_with_a_tilde() {
        assert_eq!(parsed(""), Some(vec![]));
        assert_eq!(parsed("/"), Some(vec![String::new()]));
        assert_eq!(parsed("/a/*/0"), Some(vec!["a".into(), "ANY".into(), "0".into()]));
        assert_eq!(parsed("/m~0n~1o~01"), Some(vec!["m~n/o~1".into()]));
        for refused in ["a", "#/a", "/~", "/~2", "/a~", "/~ü"] {
            assert_eq!(parsed(refused), None, "{refused}");
        }
    }

    #[test]
    fn what_is_escaped_reads_back() {
        assert_eq!(parsed(&format!("/{}", escape("~1/a~"))), Some(vec!["~1/a~".into()]));
    }
}
