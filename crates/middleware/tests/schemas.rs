//! `docs/schemas` holds the JSON Schemas of the types, and they say what the types say. `UPDATE_SCHEMAS=1` writes them.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::{env, fs};

use jsonschema::Validator;
use middleware::{MiddlewareDecision, MiddlewareInit, ModuleReport, WorkflowEnvelope};
use proptest::prelude::*;
use proptest::sample::select;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// What one side writes and the other reads.
enum Side {
    /// The host writes it: a reader finds every member that is not optional.
    Written,
    /// The host reads it: a writer may leave out what has a default.
    Read,
}

fn schema<T: JsonSchema>(side: &Side) -> Value {
    let settings = SchemaSettings::draft2020_12();
    let settings = match side {
        Side::Written => settings.for_serialize(),
        Side::Read => settings.for_deserialize(),
    };
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

fn validator(schema: &Value) -> Validator {
    assert!(jsonschema::meta::is_valid(schema), "{schema}");
    jsonschema::draft202012::new(schema).unwrap()
}

#[track_caller]
fn check_file(name: &str, schema: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas").join(format!("{name}.schema.json"));
    let text = format!("{}\n", serde_json::to_string_pretty(schema).unwrap());
    if env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == text,
        "docs/schemas/{name}.schema.json is stale; run `UPDATE_SCHEMAS=1 cargo nextest run -p middleware --test schemas`"
    );
    validator(schema);
}

#[test]
fn the_tree_holds_the_schemas_of_the_types() {
    check_file("middleware-init", &schema::<MiddlewareInit>(&Side::Written));
    check_file("module-report", &schema::<ModuleReport>(&Side::Read));
    check_file("workflow-envelope", &schema::<WorkflowEnvelope>(&Side::Written));
    check_file("middleware-decision", &schema::<MiddlewareDecision>(&Side::Read));
}

fn init() -> Value {
    json!({
        "contract_version": "1", "host_version": "0.0.0", "host_api_version": "1", "executor_id": "dator-http",
        "transport": "http_local_json", "node_id": "n-1", "hooks": ["pre_invoke", "audit"],
        "capabilities": [{
            "id": "run_pipeline", "endpoint": "http://127.0.0.1:1", "path": "/v1/pipelines:run", "token_file": "/t",
            "modules": ["text.*"],
        }],
        "config": { "queue": 3 },
    })
}

fn report() -> Value {
    json!({
        "module_name": "dator", "description": "Shapes.", "version": "1.0.0", "contract_version": "1",
        "expected_host_api_version": "1",
        "capabilities": [
            { "id": "dator/offers", "class": "base", "output_contract": "offers.v1" },
            { "id": "dator/shaping", "class": "other", "description": "Shapes calls." },
        ],
    })
}

fn envelope() -> Value {
    json!({
        "schema_version": "1", "envelope_id": "e", "hook": "audit",
        "correlation": { "run_id": "", "node_id": "", "execution_id": "x", "trace_id": "", "idempotency_key": "" },
        "attempt": 1,
        "subject": { "kind": "module", "name": "text.Upper", "namespace": "text", "revision": 1 },
        "caller": { "subject": "anybody" },
        "payload": null, "annotations": { "a": [1] }, "deadline": "2026-01-01T00:00:00.000Z", "remaining_ms": 5,
        "outcome": { "ok": false, "code": "executor.overloaded", "duration_us": 12 },
    })
}

/// What the type writes of a sample is the sample, and the schema takes it; each broken sample both refuse.
fn check_sample<T>(side: &Side, sample: &Value, broken: &[(&str, Value)])
where
    T: JsonSchema + serde::Serialize + serde::de::DeserializeOwned,
{
    let validator = validator(&schema::<T>(side));
    let read: T = serde_json::from_value(sample.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), *sample);
    assert!(validator.is_valid(sample), "{sample}");
    for (pointer, value) in broken {
        let mut broken = sample.clone();
        *broken.pointer_mut(pointer).unwrap() = value.clone();
        assert!(serde_json::from_value::<T>(broken.clone()).is_err(), "serde takes {broken}");
        assert!(!validator.is_valid(&broken), "the schema takes {broken}");
    }
    for member in sample.as_object().unwrap().keys().filter(|member| *member != "outcome") {
        let mut broken = sample.clone();
        broken.as_object_mut().unwrap().remove(member);
        assert!(serde_json::from_value::<T>(broken.clone()).is_err(), "serde takes {broken}");
        assert!(!validator.is_valid(&broken), "the schema takes {broken}");
    }
}

#[test]
fn schemas_and_types_agree_about_init_report_and_envelope() {
    check_sample::<MiddlewareInit>(
        &Side::Written,
        &init(),
        &[
            ("/hooks/0", json!("pre")),
            ("/config", json!([])),
            ("/capabilities/0/path", json!(null)),
            ("/node_id", json!(1)),
        ],
    );
    let broken = [("/capabilities/0/class", json!("basic")), ("/capabilities/1/id", json!(1)), ("/version", json!(1))];
    check_sample::<ModuleReport>(&Side::Read, &with_empty_texts(report()), &broken);
    check_sample::<WorkflowEnvelope>(
        &Side::Written,
        &envelope(),
        &[
            ("/hook", json!("pre")),
            ("/attempt", json!(-1)),
            ("/subject/kind", json!("node")),
            ("/subject/revision", json!("1")),
            ("/annotations", json!(null)),
            ("/outcome/ok", json!("yes")),
            ("/caller", json!("ada")),
            ("/correlation/run_id", json!(null)),
        ],
    );
}

/// `description` is written also where it is empty.
fn with_empty_texts(mut report: Value) -> Value {
    report["capabilities"][0]["description"] = json!("");
    report
}

#[test]
fn the_schema_of_a_report_wants_what_each_class_needs() {
    let validator = validator(&schema::<ModuleReport>(&Side::Read));
    assert!(validator.is_valid(&report()));
    for capabilities in [
        json!([]),
        json!([{ "id": "a", "class": "base" }]),
        json!([{ "id": "a", "class": "base", "output_contract": "" }]),
        json!([{ "id": "a", "class": "base", "output_contract": null }]),
        json!([{ "id": "", "class": "other", "description": "d" }]),
        json!([{ "id": "a", "class": "other" }]),
        json!([{ "id": "a", "class": "other", "description": "" }]),
    ] {
        let mut broken = report();
        broken["capabilities"] = capabilities;
        assert!(!validator.is_valid(&broken), "{broken}");
    }
}

/// Whether the schema and the reader take a decision; they must agree.
#[track_caller]
fn is_decision(validator: &Validator, body: &Value) -> bool {
    let read = MiddlewareDecision::read(body.to_string().as_bytes());
    assert_eq!(validator.is_valid(body), read.is_ok(), "{body}: {read:?}");
    read.is_ok()
}

#[test]
fn schema_and_reader_take_and_refuse_the_same_decisions() {
    let validator = validator(&schema::<MiddlewareDecision>(&Side::Read));
    for body in [
        json!({ "decision": "allow", "reason": "r" }),
        json!({ "decision": "allow", "reason": "r", "patch": null, "route": null, "annotations": null, "diagnostics": null }),
        json!({ "decision": "annotate", "reason": "r", "annotations": { "a": null } }),
        json!({ "decision": "rewrite", "reason": "r", "patch": 1, "patch_strategy": "merge" }),
        json!({ "decision": "rewrite", "reason": "r", "patch": [], "patch_strategy": "json_patch" }),
        json!({ "decision": "return", "reason": "r" }),
        json!({ "decision": "return", "reason": "r", "patch": {}, "patch_strategy": "merge" }),
        json!({ "decision": "route", "reason": "r", "route": "text.Lower" }),
        json!({ "decision": "drop", "reason": "r", "diagnostics": [1], "next_step": "n" }),
        json!({ "decision": "defer", "reason": "r", "retry_after_ms": 3_600_000 }),
        json!({ "decision": "defer", "reason": "r" }),
        json!({ "decision": "reject", "reason": "r", "annotations": {} }),
    ] {
        assert!(is_decision(&validator, &body), "{body}");
    }
    for body in [
        json!(null),
        json!([]),
        json!({}),
        json!({ "decision": "allow" }),
        json!({ "decision": "allow", "reason": "" }),
        json!({ "decision": "allow", "reason": " " }),
        json!({ "decision": "allow", "reason": null }),
        json!({ "decision": "allow", "reason": "x".repeat(1025) }),
        json!({ "decision": "permit", "reason": "r" }),
        json!({ "decision": "allow", "reason": "r", "note": 1 }),
        json!({ "decision": "allow", "reason": "r", "patch": {}, "patch_strategy": "merge" }),
        json!({ "decision": "allow", "reason": "r", "patch_strategy": "merge" }),
        json!({ "decision": "allow", "reason": "r", "route": "text.Lower" }),
        json!({ "decision": "allow", "reason": "r", "retry_after_ms": 1 }),
        json!({ "decision": "annotate", "reason": "r" }),
        json!({ "decision": "annotate", "reason": "r", "annotations": null }),
        json!({ "decision": "annotate", "reason": "r", "annotations": {} }),
        json!({ "decision": "annotate", "reason": "r", "annotations": [] }),
        json!({ "decision": "rewrite", "reason": "r" }),
        json!({ "decision": "rewrite", "reason": "r", "patch": {} }),
        json!({ "decision": "rewrite", "reason": "r", "patch": null, "patch_strategy": "merge" }),
        json!({ "decision": "rewrite", "reason": "r", "patch_strategy": "merge" }),
        json!({ "decision": "rewrite", "reason": "r", "patch": {}, "patch_strategy": "diff" }),
        json!({ "decision": "return", "reason": "r", "patch_strategy": "merge" }),
        json!({ "decision": "route", "reason": "r" }),
        json!({ "decision": "route", "reason": "r", "route": "" }),
        json!({ "decision": "route", "reason": "r", "route": null }),
        json!({ "decision": "defer", "reason": "r", "retry_after_ms": 0 }),
        json!({ "decision": "defer", "reason": "r", "retry_after_ms": 3_600_001 }),
        json!({ "decision": "defer", "reason": "r", "retry_after_ms": 1.5 }),
        json!({ "decision": "drop", "reason": "r", "next_step": "x".repeat(1025) }),
    ] {
        assert!(!is_decision(&validator, &body), "{body}");
    }
    let too_many: Value = (0..65).map(|i| (i.to_string(), json!(1))).collect();
    assert!(!is_decision(&validator, &json!({ "decision": "annotate", "reason": "r", "annotations": too_many })));
}

fn decision() -> impl Strategy<Value = Value> {
    let kinds = select(vec!["allow", "annotate", "rewrite", "route", "return", "drop", "defer", "reject"]);
    let members = prop::collection::vec(0..8_usize, 0..4);
    (kinds, members).prop_map(|(kind, members)| {
        let mut body = json!({ "decision": kind, "reason": "r" });
        for member in members {
            let (name, value) = [
                ("annotations", json!({ "a": 1 })),
                ("annotations", json!({})),
                ("patch", json!({ "a": 1 })),
                ("patch_strategy", json!("merge")),
                ("route", json!("text.Lower")),
                ("retry_after_ms", json!(5)),
                ("next_step", json!("n")),
                ("patch", json!(null)),
            ][member]
                .clone();
            body[name] = value;
        }
        body
    })
}

proptest! {
    #[test]
    fn schema_and_reader_agree_about_any_members(body in decision()) {
        let validator = validator(&schema::<MiddlewareDecision>(&Side::Read));
        if is_decision(&validator, &body) {
            let read = MiddlewareDecision::read(body.to_string().as_bytes()).unwrap();
            let written = serde_json::to_value(&read).unwrap();
            prop_assert!(is_decision(&validator, &written), "{written}");
        }
    }
}
