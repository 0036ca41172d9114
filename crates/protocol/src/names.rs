//! Names that have been checked: an ill-formed one cannot be built. Says nothing about who may use a name.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::codes;
use crate::error::Error;

/// Longest name of any kind, in bytes.
pub const MAX_NAME_BYTES: usize = 128;

fn is_identifier(text: &str, extra: &[u8]) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' || extra.contains(&byte))
        && text.len() <= MAX_NAME_BYTES
}

/// A name as an error may repeat it: bounded, without control characters.
fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().filter(|c| !c.is_control()).take(64).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_name! {
    /// Dot-separated owner of module names, e.g. `ml.sentiment`.
    Namespace
}
text_name! {
    /// The name of a module inside its namespace, e.g. `Uppercase`.
    LocalName
}
text_name! {
    /// Who a provider is, stable over restarts.
    ServiceId
}
text_name! {
    /// What replicas have in common.
    GroupId
}
text_name! {
    /// Whom a credential identifies.
    Subject
}

impl Namespace {
    /// Checks a namespace: identifiers joined by dots, at most 128 bytes.
    ///
    /// # Errors
    /// `registry.name.invalid`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() <= MAX_NAME_BYTES && text.split('.').all(|part| is_identifier(part, &[])) {
            Ok(Self(text.into()))
        } else {
            Err(Error::of(codes::NAME_INVALID, format!("`{}` is not a namespace", quoted(text)))
                .detail("field", "namespace"))
        }
    }

    /// Whether it belongs to the host: `std`, `stdlib`, `pipeline` and what is below them.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        matches!(self.0.split('.').next(), Some("std" | "stdlib" | "pipeline"))
    }
}

impl LocalName {
    /// Checks the name of a module inside its namespace: one identifier, at most 128 bytes.
    ///
    /// # Errors
    /// `registry.name.invalid`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if is_identifier(text, &[]) {
            Ok(Self(text.into()))
        } else {
            Err(Error::of(codes::NAME_INVALID, format!("`{}` is not a module name", quoted(text)))
                .detail("field", "modules.name"))
        }
    }
}

impl ServiceId {
    /// Checks a service id: an identifier that may hold dots, at most 128 bytes.
    ///
    /// # Errors
    /// `registry.name.invalid`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if is_identifier(text, b".") {
            Ok(Self(text.into()))
        } else {
            Err(Error::of(codes::NAME_INVALID, format!("`{}` is not a service id", quoted(text)))
                .detail("field", "service_id"))
        }
    }
}

impl GroupId {
    /// Checks a group id: an identifier that may hold dots, at most 128 bytes.
    ///
    /// # Errors
    /// `registry.name.invalid`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if is_identifier(text, b".") {
            Ok(Self(text.into()))
        } else {
            Err(Error::of(codes::NAME_INVALID, format!("`{}` is not a group id", quoted(text)))
                .detail("field", "group_id"))
        }
    }
}

impl Subject {
    /// The subject of a credential, as the host's configuration names it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }
}

/// Qualified name of a module, `namespace.Name`. Cheap to clone.
#[derive(Clone)]
pub struct ModuleName {
    text: Arc<str>,
    /// Where the last dot is; the parts around it were checked. Follows from the text, which alone is compared and hashed.
    dot: usize,
}

impl PartialEq for ModuleName {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ModuleName {}

impl PartialOrd for ModuleName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ModuleName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for ModuleName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As `str` does, which a map with these keys is asked for.
        self.text.hash(state);
    }
}

impl ModuleName {
    /// Joins the parts.
    #[must_use]
    pub fn new(namespace: &Namespace, name: &LocalName) -> Self {
        Self { text: format!("{namespace}.{name}").into(), dot: namespace.as_str().len() }
    }

    /// Checks a qualified name.
    ///
    /// # Errors
    /// `registry.name.invalid`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = || {
            Error::of(codes::NAME_INVALID, format!("`{}` is not a qualified module name", quoted(text)))
                .detail("field", "module")
        };
        let dot = text.rfind('.').ok_or_else(invalid)?;
        Namespace::parse(&text[..dot]).map_err(|_| invalid())?;
        LocalName::parse(&text[dot + 1..]).map_err(|_| invalid())?;
        Ok(Self { text: text.into(), dot })
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the last dot.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.text[..self.dot]
    }

    /// What stands behind the last dot.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.text[self.dot + 1..]
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl std::borrow::Borrow<str> for ModuleName {
    fn borrow(&self) -> &str {
        &self.text
    }
}

/// Names a session in logs and listings. Random, so that ids of two runs of the host do not meet; no secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u64);

impl SessionId {
    /// A new id from the system's randomness.
    ///
    /// # Panics
    /// When the system has no randomness to give, which leaves nothing safe to do.
    #[must_use]
    pub fn random() -> Self {
        Self(getrandom::u64().expect("the operating system gives random numbers"))
    }

    /// An id with a chosen number, for tests and for reading one back.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ses-{:016x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qualified_name_splits_at_its_last_dot() {
        let name = ModuleName::parse("ml.sentiment.Score").unwrap();
        assert_eq!((name.namespace(), name.local()), ("ml.sentiment", "Score"));
    }

    #[test]
    fn a_map_of_names_is_asked_with_text() {
        let names = std::collections::HashSet::from([ModuleName::parse("ml.sentiment.Score").unwrap()]);
        assert!(names.contains("ml.sentiment.Score"));
    }

    #[test]
    fn names_that_are_not_identifiers_are_refused_with_one_code() {
        for text in ["", "Score", ".Score", "ml.", "ml..Score", "ml.1", "ml.Ü", "ml.a b", "m\0l.Score"] {
            assert_eq!(ModuleName::parse(text).unwrap_err().code(), "registry.name.invalid", "{text:?}");
        }
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        assert_eq!(LocalName::parse(&long).unwrap_err().code(), "registry.name.invalid");
        assert_eq!(Namespace::parse(&long).unwrap_err().code(), "registry.name.invalid");
    }

    #[test]
    fn the_hosts_own_namespaces_are_reserved_with_all_below_them() {
        for (text, reserved) in [("std", true), ("stdlib.math", true), ("pipeline", true), ("stdx", false)] {
            assert_eq!(Namespace::parse(text).unwrap().is_reserved(), reserved, "{text}");
        }
    }

    #[test]
    fn an_error_repeats_a_bad_name_bounded_and_without_control_characters() {
        let message = Namespace::parse(&format!("a\n{}", "b".repeat(500))).unwrap_err().message().to_owned();
        assert!(message.len() < 120 && !message.contains('\n'), "{message}");
    }
}
