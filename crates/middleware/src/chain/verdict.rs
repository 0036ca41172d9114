//! What came of a chain. Tells no caller of it; that is the host's.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use type_schema::CType;

use crate::decision::DecisionKind;
use crate::hook::Hook;

/// Why a component gave no valid answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failed {
    /// Stable: `middleware.timeout`, say.
    pub code: &'static str,
    /// For people; says nothing that a client may not see.
    pub message: String,
}

/// Types of a module that a component routes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTypes {
    /// What it takes.
    pub input: CType,
    /// What it gives.
    pub output: CType,
    /// Its revision, for the envelopes that follow.
    pub revision: u64,
}

/// What came of a chain at one hook.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What is to happen.
    pub end: End,
    /// All annotations, those that the envelope began with included.
    pub annotations: Map<String, Value>,
    /// One entry for each component that was asked, in this order.
    pub trace: Vec<Traced>,
}

/// What is to happen.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// Go on. Also where a `return` ended the chain after the call or run.
    Continue {
        /// The payload, where it was rewritten; of the hook's type, nothing undeclared in it.
        payload: Option<Value>,
    },
    /// Go on with another module; only at `pre_invoke`.
    Route {
        /// Its qualified name, as the last `route` gave it.
        module: String,
        /// The payload, where it was rewritten: of the hook's type, which the module's input accepts.
        payload: Option<Value>,
    },
    /// Answer the caller; only before the call or run.
    Answer {
        /// Of the answer's type, nothing undeclared in it.
        payload: Value,
    },
    /// End it as CANCELLED, `middleware.dropped`.
    Dropped {
        /// Who decided.
        component: Arc<str>,
        /// Why; the caller sees it.
        reason: String,
    },
    /// End it as PERMISSION_DENIED, `middleware.rejected`.
    Rejected {
        /// Who decided.
        component: Arc<str>,
        /// Why; the caller sees it.
        reason: String,
    },
    /// End it as UNAVAILABLE, `middleware.deferred`; only before the call or run.
    Deferred {
        /// Who decided.
        component: Arc<str>,
        /// Why; the caller sees it.
        reason: String,
        /// When to ask again.
        after: Duration,
    },
    /// End it with the failure of a component that fails closed.
    Failed {
        /// Which.
        component: Arc<str>,
        /// How.
        failed: Failed,
    },
}

/// One component that was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Traced {
    /// Its id.
    pub component: Arc<str>,
    /// Where.
    pub hook: Hook,
    /// What it decided; none when it failed.
    pub decision: Option<DecisionKind>,
    /// Why; empty when it failed.
    pub reason: String,
    /// What it would do next, where it said so.
    pub next_step: Option<String>,
    /// What may help to understand the answer, where it said so.
    pub diagnostics: Option<Value>,
    /// From the request to the answer.
    pub duration: Duration,
    /// How it failed.
    pub failure: Option<Failed>,
}
