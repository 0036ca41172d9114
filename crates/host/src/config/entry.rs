//! One key with its value in force and where it came from. Decides nothing.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything else.
    Default,
    /// The configuration file.
    File {
        /// As it was named.
        path: PathBuf,
        /// Counted from 1; 0 for the file as a whole.
        line: usize,
    },
    /// A variable of the environment.
    Env(String),
    /// A flag of the command line, e.g. `--listen`.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: 0 } => write!(f, "{}", path.display()),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Env(name) => write!(f, "env {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One key with its value in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Dotted, e.g. `limits.message_bytes`; `providers[0].subject` in a list.
    pub key: String,
    /// The value as JSON would write it; a path is a string, `listen = ""` and `socket = ""` stay empty.
    pub value: serde_json::Value,
    /// Where it came from.
    pub origin: Origin,
}
