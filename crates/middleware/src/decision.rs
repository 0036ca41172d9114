//! What a component may answer, and how an answer is read. Which answers are valid at a hook is the chain's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

mod read;
mod schema;

pub(crate) use read::check_annotations;
pub use read::{
    DecisionFault, MAX_ANNOTATION_BYTES, MAX_ANNOTATION_DEPTH, MAX_ANNOTATIONS, MAX_DIAGNOSTICS_BYTES,
    MAX_NEXT_STEP_BYTES, MAX_REASON_BYTES, MAX_RETRY_AFTER_MS, MAX_ROUTE_BYTES,
};

/// The answer of a component. A member that is null is one that is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = schema::add_rules)]
pub struct MiddlewareDecision {
    /// What is to happen.
    pub decision: DecisionKind,
    /// Why, for people; not empty, at most 1024 bytes. The caller sees that of `drop`, `defer` and `reject`.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"\S"))]
    pub reason: String,
    /// Added to the annotations of the envelope for those who follow; `annotate` needs at least one. At most 64 of them, 16 KiB as JSON
    /// and 32 levels, with those of the envelope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 64))]
    pub annotations: Option<Map<String, Value>>,
    /// With `rewrite` and `return`: what to change in the payload. `rewrite` needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<Value>,
    /// With `patch`: how it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch_strategy: Option<PatchStrategy>,
    /// With `route`, which needs it: qualified name of the module to call instead, at most 512 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub route: Option<String>,
    /// With `defer`: when to ask again, in milliseconds from now; 1 to 3 600 000, 1000 where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3_600_000))]
    pub retry_after_ms: Option<u64>,
    /// What the component would do next, at most 1024 bytes; only kept for the trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub next_step: Option<String>,
    /// What may help to understand the answer, at most 16 KiB as JSON and 32 levels; only kept for the trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<Value>,
}

/// What is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    /// The component is done; go on.
    Allow,
    /// Go on, with these annotations.
    Annotate,
    /// Go on with the patched payload.
    Rewrite,
    /// Go on with another module; only at `pre_invoke`.
    Route,
    /// Answer the caller with the patched payload; those who follow and the module are not asked.
    Return,
    /// End it; the caller sees CANCELLED.
    Drop,
    /// End it; the caller may try again later (UNAVAILABLE). Only before the call or run.
    Defer,
    /// End it; the caller sees PERMISSION_DENIED.
    Reject,
}

impl DecisionKind {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Annotate => "annotate",
            Self::Rewrite => "rewrite",
            Self::Route => "route",
            Self::Return => "return",
            Self::Drop => "drop",
            Self::Defer => "defer",
            Self::Reject => "reject",
        }
    }
}

/// How a patch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PatchStrategy {
    /// RFC 7396.
    Merge,
    /// RFC 6902.
    JsonPatch,
}
