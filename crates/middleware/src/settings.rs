//! What an operator configures of one component's part in the chain, and what is wrong with it. Asks nobody.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::filter::Filter;
use crate::hook::Hook;

mod check;

pub use check::SettingFault;

/// One component's part in the chain.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where it is asked.
    pub hooks: Vec<Hook>,
    /// Which calls and runs it is asked about; all where it is left out. Evaluated by the host before any round trip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// What it may change.
    pub field_policy: FieldPolicy,
    /// What follows when it fails, per hook; `fail_closed` where nothing is said. `audit` cannot fail a call.
    pub on_component_failure: BTreeMap<Hook, OnFailure>,
}

/// What a component may change of a payload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FieldPolicy {
    /// JSON pointers (RFC 6901) of fields that it may add, change and remove, with all below them; a segment `*` is any member or
    /// index. `""` is the whole payload. None: it changes nothing.
    pub change: Vec<String>,
    /// Whether it may answer in the module's place: `return` before the call or run.
    pub answer: bool,
    /// Modules that it may route to, as patterns like `text.*`.
    pub route: Vec<String>,
}

/// What follows when a component fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The call or run fails.
    FailClosed,
    /// It goes on as if the component had not been asked.
    FailOpen,
}
