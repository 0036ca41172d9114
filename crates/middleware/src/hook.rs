//! Where a component is asked. Says nothing of what it may answer there.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A place in the life of a call or a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// Before a pipeline runs; the payload is its inputs.
    PreRun,
    /// Before a module is called, by a client or by a run; the payload is the input.
    PreInvoke,
    /// After a module has answered; the payload is its output, one item of it where it streams.
    PostInvoke,
    /// After a pipeline has run; the payload is its outputs.
    PostRun,
    /// After all of it, whatever came of it. What is answered is ignored and nobody waits for it.
    Audit,
}

impl Hook {
    /// All, in the order of a call.
    pub const ALL: [Self; 5] = [Self::PreRun, Self::PreInvoke, Self::PostInvoke, Self::PostRun, Self::Audit];

    /// `pre_run`, `pre_invoke`, `post_invoke`, `post_run` or `audit`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreRun => "pre_run",
            Self::PreInvoke => "pre_invoke",
            Self::PostInvoke => "post_invoke",
            Self::PostRun => "post_run",
            Self::Audit => "audit",
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
