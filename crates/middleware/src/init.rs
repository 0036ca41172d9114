//! What a component is told before its first envelope, and what it says of itself. Checks nothing.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::hook::Hook;

/// What the host says to a component at its start. A component passes over members that it does not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MiddlewareInit {
    /// Version of the contract that the host speaks: `1`.
    pub contract_version: String,
    /// Version of the host's program.
    pub host_version: String,
    /// Version of the API that granted capabilities offer: `1`.
    pub host_api_version: String,
    /// Id of the component, e.g. `dator-http`.
    pub executor_id: String,
    /// `http_local_json`, `local_http_json` or `command_stdio`.
    pub transport: String,
    /// Names the host, for logs.
    pub node_id: String,
    /// Hooks that the host will ask at.
    pub hooks: Vec<Hook>,
    /// What the component may ask of the host.
    pub capabilities: Vec<HostCapability>,
    /// The component's own part of the configuration.
    pub config: Map<String, Value>,
}

/// Something of the host that a component may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostCapability {
    /// `run_pipeline`, `call`, `list_modules` or `staging`.
    pub id: String,
    /// Where: `http://127.0.0.1:PORT` or `unix:PATH` with HTTP/1.1 on it.
    pub endpoint: String,
    /// Path of the request there, e.g. `/v1/pipelines:run`.
    pub path: String,
    /// File with the token to show as `Authorization: Bearer TOKEN`.
    pub token_file: String,
    /// Modules that it covers, as patterns; empty where it is about none.
    #[serde(default)]
    pub modules: Vec<String>,
}

/// What a component says of itself in answer to its init. The host passes over members that it does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModuleReport {
    /// Its name, e.g. `dator`; that of `module_id` in the configuration.
    pub module_name: String,
    /// What it does.
    pub description: String,
    /// Its version.
    pub version: String,
    /// Version of the contract that it speaks.
    pub contract_version: String,
    /// Version of the host's API that it expects.
    pub expected_host_api_version: String,
    /// What it can do; at least one.
    #[schemars(length(min = 1))]
    pub capabilities: Vec<Capability>,
}

/// One thing that a module can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = add_classes)]
pub struct Capability {
    /// Stable, e.g. `dator/service-execution-shaping`.
    #[schemars(length(min = 1))]
    pub id: String,
    /// Whether others may build on its output.
    pub class: CapabilityClass,
    /// What it is; `other` needs it.
    #[serde(default)]
    pub description: String,
    /// Reference to the contract of its output; `base` needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_contract: Option<String>,
}

/// Class of a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CapabilityClass {
    /// Needs a stable id and a reference to an output contract.
    Base,
    /// Needs a stable id and a description.
    Other,
}

impl CapabilityClass {
    /// `base` or `other`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Other => "other",
        }
    }
}

/// Adds what each class needs to the JSON Schema of a capability.
fn add_classes(schema: &mut Schema) {
    let needs = |class: &str, member: &str| {
        let is = json!({ "properties": { "class": { "const": class } }, "required": ["class"] });
        json!({ "if": is, "then": { "properties": { member: { "type": "string", "minLength": 1 } }, "required": [member] } })
    };
    let rules = json!([needs("base", "output_contract"), needs("other", "description")]);
    schema.insert("allOf".to_owned(), rules);
}
