//! `docs/schemas` holds the JSON Schema of a component's configuration, and it says what the type says. `UPDATE_SCHEMAS=1` writes it.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::{env, fs};

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use supervisor::config::ComponentConfig;

fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    settings.into_generator().into_root_schema_for::<ComponentConfig>().to_value()
}

#[test]
fn the_tree_holds_the_schema_of_a_component() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas/component.schema.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == text,
        "docs/schemas/component.schema.json is stale; run `UPDATE_SCHEMAS=1 cargo nextest run -p supervisor --test schema`"
    );
    assert!(jsonschema::meta::is_valid(&schema()));
}

#[test]
fn schema_and_type_take_and_refuse_the_same_components() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let least = json!({ "id": "guard", "kind": "http_local_json", "module_id": "guard" });
    let with = |member: &str, value: Value| {
        let mut component = least.clone();
        component[member] = value;
        component
    };
    let accepted = [
        least.clone(),
        with("launch", json!({ "executable": "guard", "cwd": "." })),
        with("http", json!({ "endpoint": "http://127.0.0.1:0", "headers": { "x": "y" } })),
        with("filter", json!({ "AND": [{ "module": "text.*" }, { "NOT": { "/a": 1 } }] })),
        with("field_policy", json!({ "change": ["/a"], "answer": true, "route": [] })),
        with("on_component_failure", json!({ "pre_invoke": "fail_open" })),
        with("hooks", json!(["pre_run", "audit"])),
        with("capabilities", json!([{ "id": "staging" }, { "id": "call", "modules": ["text.*"] }])),
        with("restart_policy", json!({ "mode": "never" })),
        with("sandbox_profile", json!("module-restricted")),
    ];
    let refused = [
        json!([]),
        json!({ "id": "guard", "kind": "http_local_json" }),
        with("kind", json!("docker")),
        with("enabled", json!("yes")),
        with("launch", json!({ "executable": "guard" })),
        with("launch", json!({ "executable": "guard", "cwd": ".", "shell": true })),
        with("http", json!({ "endpoint": 1 })),
        with("hooks", json!(["pre"])),
        with("filter", json!("text.*")),
        with("filter", json!({ "AND": {} })),
        with("field_policy", json!({ "chnage": [] })),
        with("on_component_failure", json!({ "pre_invoke": "ignore" })),
        with("capabilities", json!([{ "id": "root" }])),
        with("log_lines", json!(-1)),
        with("unheard", json!(1)),
    ];
    for component in accepted {
        assert!(validator.is_valid(&component), "the schema refuses {component}");
        serde_json::from_value::<ComponentConfig>(component).unwrap();
    }
    for component in refused {
        assert!(!validator.is_valid(&component), "the schema takes {component}");
        assert!(serde_json::from_value::<ComponentConfig>(component.clone()).is_err(), "serde takes {component}");
    }
}
