//! The paths of pipelines and runs, and what they answer with. Knows no stored pipeline: as modules those have operations of their own.

use serde_json::{Map, Value, json};

use crate::http::openapi::components::failures;
use crate::http::openapi::{json_response, object, reference};
use crate::surface::pipelines::MAX_RUNS;
use crate::surface::stored::PAGE;

/// What a stored pipeline may be called.
const NAME_PATTERN: &str = "^[A-Za-z_][A-Za-z0-9_-]{0,127}$";

fn operation(id: &str, summary: &str, parameters: &Value, answer: &Value, statuses: &[&str]) -> Value {
    let mut responses = Map::from_iter([("200".to_owned(), answer.clone())]);
    responses.extend(failures(statuses));
    json!({
        "operationId": id,
        "summary": summary,
        "tags": ["pipelines"],
        "parameters": parameters,
        "responses": responses,
    })
}

fn with_body(mut operation: Value, body: &Value) -> Value {
    operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": body } } });
    operation
}

fn body(properties: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

pub(super) fn paths() -> Map<String, Value> {
    let text = json!({ "type": "string" });
    let traced = ["Timeout", "TraceParent", "TraceState"].map(|name| reference("parameters", name));
    let statuses = ["400", "401", "403", "404", "412", "413", "415", "429", "503"];
    let name = json!({
        "name": "name", "in": "path", "required": true, "description": "The name of the pipeline, without `pipeline.`.",
        "schema": { "type": "string", "pattern": NAME_PATTERN },
    });
    let file = json!({ "type": "string", "description": "What to call the source in messages." });
    let check = with_body(
        operation(
            "checkPipeline",
            "Check a source against the registered modules",
            &json!([]),
            &json_response(
                "All that is to be said of the source; `plan` is null where it does not check.",
                &reference("schemas", "CheckedPipeline"),
            ),
            &["400", "401", "403", "413", "415"],
        ),
        &body(json!({ "source": text, "file": file }), &["source"]),
    );
    let plan_hash = json!({ "type": "string", "description": "The run fails with `pipeline.plan.changed` where the plan has another hash." });
    let inputs = json!({ "type": "object", "description": "The inputs by name; none where it is left out." });
    let run_of = |what: &str, schema: &Value| {
        body(json!({ what: schema, "inputs": inputs, "plan_hash": plan_hash, "file": file }), &[what])
    };
    let request = json!({ "oneOf": [
        run_of("source", &text),
        run_of("name", &json!({ "type": "string", "description": "A stored pipeline." })),
    ] });
    let ran = json!({
        "type": "object",
        "properties": { "outputs": { "type": "object" }, "record": reference("schemas", "Run") },
        "required": ["outputs", "record"],
    });
    let mut answer = json_response("The outputs by name, and what happened.", &ran);
    answer["headers"] = json!({ "traceparent": reference("headers", "TraceParent") });
    let run = operation("runPipeline", "Run a pipeline", &json!(traced), &answer, &statuses);
    // The data of an event is JSON text; the schema is that of one event, as OpenAPI 3.2 has it.
    let event = json!({
        "type": "object",
        "properties": {
            "event": { "enum": ["started", "node_started", "node_ended", "ended"] },
            "data": { "type": "string", "contentMediaType": "application/json" },
        },
        "required": ["event", "data"],
    });
    let events = json!({
        "description": "Server-sent events: `started` once, `node_started` and `node_ended` for each call, and last `ended`.",
        "headers": { "traceparent": reference("headers", "TraceParent") },
        "content": { "text/event-stream": { "schema": event } },
    });
    let stream =
        operation("streamPipeline", "Run a pipeline and hear what happens", &json!(traced), &events, &statuses);
    let one = |what: &str| json_response(what, &reference("schemas", "StoredPipeline"));
    let put_answer = json!({
        "type": "object",
        "properties": {
            "pipeline": reference("schemas", "StoredPipeline"),
            "diagnostics": { "type": "array", "items": reference("schemas", "Diagnostic") },
        },
        "required": ["pipeline", "diagnostics"],
    });
    let put = with_body(
        operation(
            "putPipeline",
            "Store a pipeline as the module `pipeline.NAME`",
            &json!([name]),
            &json_response("The pipeline as it is stored, and the warnings of its source.", &put_answer),
            &["400", "401", "403", "412", "413", "415", "429"],
        ),
        &body(
            json!({
                "source": text,
                "replaces": { "type": "string", "description": "The hash of the plan that is there, or `new`; without it, whatever is." },
                "allow_breaking": { "type": "boolean", "description": "Store it also where callers would no longer fit." },
            }),
            &["source"],
        ),
    );
    let gone = json_response("It is gone.", &json!({ "type": "object" }));
    let paged = json!([
        { "name": "page_size", "in": "query", "description": "Most pipelines in the answer.",
          "schema": { "type": "integer", "minimum": 1, "maximum": PAGE, "default": PAGE } },
        { "name": "page_token", "in": "query", "description": "`next_page_token` of the answer before.", "schema": text },
    ]);
    let list = |what: &str, kind: &str| {
        json!({
            "type": "object",
            "properties": {
                what: { "type": "array", "items": reference("schemas", kind) },
                "next_page_token": { "type": "string", "description": "Absent on the last page." },
            },
            "required": [what],
        })
    };
    let limited = json!([
        { "name": "pipeline", "in": "query", "description": "Only those of this stored pipeline.", "schema": text },
        { "name": "limit", "in": "query", "description": "Most runs in the answer.",
          "schema": { "type": "integer", "minimum": 1, "maximum": MAX_RUNS, "default": 100 } },
    ]);
    let id = json!([{
        "name": "run_id", "in": "path", "required": true, "description": "As errors and answers name the run.",
        "schema": { "type": "string", "pattern": "^[0-9a-f]{32}$" },
    }]);
    let pipelines =
        json_response("A page of stored pipelines, in order of their names.", &list("pipelines", "StoredPipeline"));
    let runs = json_response("Runs, those that began last first.", &list("runs", "Run"));
    let seen = ["401", "403", "404"];
    object(json!({
        "/v1/pipelines:check": { "post": check },
        "/v1/pipelines:run": { "post": with_body(run, &request) },
        "/v1/pipelines:stream": { "post": with_body(stream, &request) },
        "/v1/pipelines": {
            "get": operation("listPipelines", "The stored pipelines", &paged, &pipelines, &["400", "401", "403"]),
        },
        "/v1/pipelines/{name}": {
            "get": operation("getPipeline", "One stored pipeline", &json!([name]), &one("The pipeline."), &seen),
            "put": put,
            "delete": operation("deletePipeline", "Remove a stored pipeline", &json!([name]), &gone, &seen),
        },
        "/v1/runs": { "get": operation("listRuns", "The latest runs", &limited, &runs, &["400", "401", "403"]) },
        "/v1/runs/{run_id}": {
            "get": operation("getRun", "What happened in a run", &id, &json_response("The record of the run.", &reference("schemas", "Run")), &seen),
        },
    }))
}

/// Schemas that are the same on every host.
pub(super) fn schemas() -> Map<String, Value> {
    let text = json!({ "type": "string" });
    let count = json!({ "type": "integer", "minimum": 0 });
    let or_null = |schema: Value| json!({ "oneOf": [schema, { "type": "null" }] });
    let list = |of: Value| json!({ "type": "array", "items": of });
    object(json!({
        "CheckedPipeline": {
            "type": "object",
            "properties": {
                "diagnostics": list(reference("schemas", "Diagnostic")),
                "rendered": { "type": "string", "description": "The diagnostics as text for a terminal." },
                "plan": or_null(reference("schemas", "PipelinePlan")),
            },
            "required": ["diagnostics", "rendered", "plan"],
        },
        "Diagnostic": {
            "type": "object",
            "properties": {
                "code": { "type": "string", "pattern": "^[EW][0-9]{3}$" },
                "severity": { "enum": ["error", "warning"] },
                "message": text,
                "span": or_null(reference("schemas", "SourceSpan")),
                "label": text,
                "related": { "type": "array" },
                "help": list(text.clone()),
            },
            "required": ["code", "severity", "message", "span"],
        },
        "SourceSpan": {
            "type": "object",
            "properties": { "start": count, "end": count, "line": count, "column": count },
            "required": ["start", "end", "line", "column"],
        },
        "PipelinePlan": {
            "type": "object",
            "properties": {
                "hash": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
                "input": { "type": "string", "description": "The type of the inputs as text." },
                "output": { "type": "string", "description": "The type of the outputs as text." },
                "schema_fingerprint": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
                "modules": list(text.clone()),
                "graph": { "description": "The plan as a picture needs it; null in listings." },
                "examples": { "type": "array", "description": "Inputs made of the `@example`s." },
            },
            "required": ["hash", "input", "output", "schema_fingerprint", "modules"],
        },
        "StoredPipeline": {
            "type": "object",
            "properties": {
                "name": text,
                "module": text,
                "description": text,
                "callable": { "type": "boolean", "description": "Whether it checks, so that its module can be called." },
                "stored_at_ms": { "type": ["integer", "null"] },
                "source": { "type": ["string", "null"] },
                "plan": or_null(reference("schemas", "PipelinePlan")),
                "diagnostics": list(reference("schemas", "Diagnostic")),
            },
            "required": ["name", "module", "callable", "plan", "diagnostics"],
        },
        "Run": {
            "type": "object",
            "properties": {
                "run_id": text,
                "pipeline": { "type": "string", "description": "The stored pipeline; empty for a source." },
                "plan_hash": text,
                "started_at_ms": { "type": ["integer", "null"] },
                "duration_us": count,
                "outcome": { "enum": ["running", "succeeded", "failed", "cancelled", "unknown"] },
                "error": or_null(reference("schemas", "Error")),
                "nodes": { "type": "array", "items": { "type": "object" } },
                "partial_outputs": { "type": "object", "description": "Outputs that were there when the run failed." },
            },
            "required": ["run_id", "pipeline", "plan_hash", "duration_us", "outcome"],
        },
    }))
}
