//! What a component is told at a hook. Decides nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::hook::Hook;

/// One call or run at one hook, as a component is told of it. A component passes over members that it does not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowEnvelope {
    /// Version of this form: `1`.
    pub schema_version: String,
    /// Names this envelope alone.
    pub envelope_id: String,
    /// Where the call or run is.
    pub hook: Hook,
    /// What it belongs to.
    pub correlation: Correlation,
    /// Attempts at providers: 1 before the call, behind it and at `audit` how many it took, also where it failed (1 where there was
    /// none). Of a run 1.
    pub attempt: u32,
    /// What is called or run.
    pub subject: Subject,
    /// On whose behalf.
    pub caller: Caller,
    /// Input or output as JSON of the declared type (`docs/codec.md`). At `audit` it is null.
    pub payload: Value,
    /// What components said so far; a later one overrides members of an earlier one.
    pub annotations: Map<String, Value>,
    /// When the call or run has to have ended: RFC 3339, UTC, with milliseconds.
    pub deadline: String,
    /// How long that is from now, in milliseconds.
    pub remaining_ms: u64,
    /// What came of it; only at `audit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// Names that join what belongs together. Empty where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Correlation {
    /// The run of a pipeline.
    #[serde(default)]
    pub run_id: String,
    /// The node of the run.
    #[serde(default)]
    pub node_id: String,
    /// The call of a module, as in logs; that of the run for a run.
    #[serde(default)]
    pub execution_id: String,
    /// W3C trace id, in hex.
    #[serde(default)]
    pub trace_id: String,
    /// What the caller gave to name one effect. Inside a run it is the host's.
    #[serde(default)]
    pub idempotency_key: String,
}

/// What is called or run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    /// Which of both.
    pub kind: SubjectKind,
    /// Qualified name of the module, or of the stored pipeline (`pipeline.NAME`); empty for a pipeline that is not stored.
    pub name: String,
    /// The name without its last part.
    pub namespace: String,
    /// Revision of the module; 0 for a pipeline that is not stored.
    pub revision: u64,
}

/// What a subject is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// One call of one module.
    Module,
    /// One run of a pipeline.
    Pipeline,
}

/// On whose behalf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Caller {
    /// Subject of the caller's token; `anybody` where the host asks for none; `component ID` for a component.
    pub subject: String,
}

/// What came of a call or run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// Whether it has an output.
    pub ok: bool,
    /// Code of the failure; empty without one.
    #[serde(default)]
    pub code: String,
    /// From the request to the answer, in microseconds.
    pub duration_us: u64,
}
