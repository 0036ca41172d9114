//! Why a process was not started.

use std::path::PathBuf;

use protocol::codes::{self, Code};
use serde::{Deserialize, Serialize};

/// Why a process was not started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum SpawnFault {
    /// There is no such file.
    #[error("executable `{}` does not exist", path.display())]
    ExecutableMissing {
        /// As it was ordered.
        path: PathBuf,
    },
    /// The kernel does not execute it.
    #[error("executable `{}` cannot be executed: {reason}", path.display())]
    ExecutableDenied {
        /// As it was ordered.
        path: PathBuf,
        /// Why, in a line.
        reason: String,
    },
    /// It cannot be entered.
    #[error("working directory `{}` cannot be used: {reason}", path.display())]
    CwdMissing {
        /// As it was ordered.
        path: PathBuf,
        /// Why, in a line.
        reason: String,
    },
    /// The kernel has a measure and refuses it.
    #[error("the sandbox cannot be applied: {reason}")]
    Sandbox {
        /// Which, and why, in a line.
        reason: String,
    },
    /// Anything else: no process left, no shim.
    #[error("the process was not started: {reason}")]
    Failed {
        /// Why, in a line.
        reason: String,
    },
}

impl SpawnFault {
    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::ExecutableMissing { .. } => codes::COMPONENT_EXECUTABLE_MISSING,
            Self::ExecutableDenied { .. } => codes::COMPONENT_EXECUTABLE_DENIED,
            Self::CwdMissing { .. } => codes::COMPONENT_CWD_MISSING,
            Self::Sandbox { .. } => codes::COMPONENT_SANDBOX_FAILED,
            Self::Failed { .. } => codes::COMPONENT_SPAWN_FAILED,
        }
    }
}
