//! A rule that a configuration breaks. Says where and what to do; fails nothing.

use std::fmt;

/// A rule that the configuration of a component breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// JSON pointer (RFC 6901) to what breaks it, e.g. `/http/endpoint`; of what is missing, where it would stand.
    pub pointer: String,
    /// Lower case, no final dot, names in backticks.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// The layer that says so, where layers were merged.
    pub origin: Option<String>,
}

impl ConfigFault {
    pub(crate) fn new(pointer: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into(), hint: hint.into(), origin: None }
    }
}

impl ConfigFault {
    /// Whether `other` is a fault of the same place or of something in it.
    pub(super) fn covers(&self, other: &Self) -> bool {
        // Without its kind nobody knows what a component has to have.
        let kinds =
            ["/launch", "/http", "/command", "/grpc", "/auth/token_file", "/sandbox_profile", "/module_id", "/hooks"];
        is_within(&other.pointer, &self.pointer) || self.pointer == "/kind" && kinds.contains(&other.pointer.as_str())
    }
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.pointer, self.message)?;
        match &self.origin {
            Some(origin) => write!(f, " ({origin})"),
            None => Ok(()),
        }
    }
}

/// A JSON pointer with one more segment.
pub(super) fn below(pointer: &str, segment: &str) -> String {
    format!("{pointer}/{}", segment.replace('~', "~0").replace('/', "~1"))
}

/// Whether `pointer` is `other` or below it.
pub(super) fn is_within(pointer: &str, other: &str) -> bool {
    pointer.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
