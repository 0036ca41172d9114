//! How a process ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody can tell: its shim was killed, and it with it.
    Lost,
}

impl Exit {
    /// Whether it ended by itself and says that all was well.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "ended with exit code {code}"),
            Self::Signal(signal) => match signal_hook::low_level::signal_name(signal) {
                Some(name) => write!(f, "ended by {name}"),
                None => write!(f, "ended by signal {signal}"),
            },
            Self::Lost => f.write_str("was killed together with its shim"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_reads_as_a_person_would_say_it() {
        let said = [Exit::Code(3), Exit::Signal(9), Exit::Signal(40), Exit::Lost].map(|exit| exit.to_string());
        let expected =
            ["ended with exit code 3", "ended by SIGKILL", "ended by signal 40", "was killed together with its shim"];
        assert_eq!(said, expected);
    }
}
