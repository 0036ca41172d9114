//! Rules between the members of a decision, for its JSON Schema. The same as [`MiddlewareDecision::check_form`] keeps.
//!
//! [`MiddlewareDecision::check_form`]: crate::MiddlewareDecision::check_form

use schemars::Schema;
use serde_json::{Value, json};

use crate::patch::MAX_OPERATIONS;

/// Adds what the fields alone do not say: which members belong to which decision.
pub(super) fn add_rules(schema: &mut Schema) {
    let operation = json!({
        "type": "object",
        "properties": {
            "op": { "enum": ["add", "remove", "replace", "move", "copy", "test"] },
            "path": { "type": "string" },
        },
        "required": ["op", "path"],
    });
    let rules = json!([
        { "if": is(&["rewrite"]), "then": given("patch") },
        { "if": is(&["rewrite", "return"]), "else": { "allOf": [absent("patch"), absent("patch_strategy")] } },
        { "if": given("patch"), "then": given("patch_strategy"), "else": absent("patch_strategy") },
        {
            "if": { "properties": { "patch_strategy": { "const": "json_patch" } }, "required": ["patch_strategy"] },
            "then": { "properties": { "patch": { "type": "array", "items": operation, "maxItems": MAX_OPERATIONS } } },
        },
        { "if": is(&["route"]), "then": given("route"), "else": absent("route") },
        { "if": is(&["defer"]), "else": absent("retry_after_ms") },
        {
            "if": is(&["annotate"]),
            "then": { "properties": { "annotations": { "type": "object", "minProperties": 1 } }, "required": ["annotations"] },
        },
    ]);
    schema.insert("allOf".to_owned(), rules);
}

fn is(decisions: &[&str]) -> Value {
    json!({ "properties": { "decision": { "enum": decisions } }, "required": ["decision"] })
}

/// A member that is null is one that is left out.
fn given(member: &str) -> Value {
    json!({ "properties": { member: { "not": { "type": "null" } } }, "required": [member] })
}

fn absent(member: &str) -> Value {
    json!({ "properties": { member: { "type": "null" } } })
}
