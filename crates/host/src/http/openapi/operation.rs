//! The operations of one module: its types as schemas, `:call` and `:batch`, or `:stream`. Reads the route, asks nobody.

use registry::Route;
use serde_json::{Map, Value, json};
use type_schema::{CType, json_schema_parts, msgpack_to_json};

use crate::http::call::MAX_BATCH;
use crate::http::openapi::components::failures;
use crate::http::openapi::{json_response, reference};
use crate::http::request::FINGERPRINT;

/// Adds the paths and the schemas of a module.
pub(super) fn add(route: &Route, paths: &mut Map<String, Value>, schemas: &mut Map<String, Value>) {
    let name = route.name.as_str();
    let input = define(&route.spec.input, &format!("{name}.input"), schemas);
    let output = define(&route.spec.output, &format!("{name}.output"), schemas);
    let mut insert = |verb: &str, operation: Value| {
        paths.insert(format!("/v1/modules/{name}:{verb}"), json!({ "post": operation }));
    };
    if route.spec.capabilities.stream {
        insert("stream", stream(route, &input, &output));
    } else {
        insert("call", call(route, &input, &output));
        insert("batch", batch(route, &input, &output));
    }
}

/// Puts a type under a name and gives the reference to it.
fn define(ctype: &CType, name: &str, schemas: &mut Map<String, Value>) -> Value {
    let (schema, parts) = json_schema_parts(ctype, "#/components/schemas/", &format!("{name}."));
    schemas.extend(parts);
    schemas.insert(name.to_owned(), schema);
    reference("schemas", name)
}

const STATUSES: [&str; 9] = ["400", "401", "403", "404", "412", "413", "415", "429", "503"];

/// What all operations of a module have. The answer has the status 200.
fn operation(route: &Route, verb: &str, body: &Value, examples: Map<String, Value>, mut answer: Value) -> Value {
    let name = route.name.as_str();
    let namespace = name.rsplit_once('.').map_or(name, |(namespace, _)| namespace);
    let description = &route.spec.description;
    let summary = description.lines().next().filter(|line| !line.trim().is_empty()).unwrap_or(name);
    answer["headers"] = json!({ "traceparent": reference("headers", "TraceParent") });
    let mut responses = Map::from_iter([("200".to_owned(), answer)]);
    responses.extend(failures(&STATUSES));
    let mut content = json!({ "schema": body });
    if !examples.is_empty() {
        content["examples"] = Value::Object(examples);
    }
    // Only the present one is right, so that a generated client tells when it is out of date.
    let fingerprint = json!({
        "name": FINGERPRINT,
        "in": "header",
        "description": "The types that the caller was made for; the call fails with `registry.schema.changed` when they are others.",
        "schema": { "const": &*route.fingerprint },
    });
    let shared = ["Timeout", "IdempotencyKey", "TraceParent", "TraceState"].map(|name| reference("parameters", name));
    let parameters: Vec<_> = std::iter::once(fingerprint).chain(shared).collect();
    json!({
        "operationId": format!("{name}.{verb}"),
        "summary": summary,
        "description": format!("{description}\n\n`{} -> {}`, version {}", route.input_text, route.output_text, route.spec.version).trim_start(),
        "tags": [namespace],
        "parameters": parameters,
        "requestBody": { "required": true, "content": { "application/json": content } },
        "responses": responses,
    })
}

/// The examples of the module as the JSON of its types.
fn examples(route: &Route) -> impl Iterator<Item = (Value, Value)> {
    route.spec.examples.iter().filter_map(|example| {
        let input = msgpack_to_json(&example.input, &route.input).ok()?;
        Some((input, msgpack_to_json(&example.output, &route.output).ok()?))
    })
}

fn numbered(values: impl Iterator<Item = Value>) -> Map<String, Value> {
    values.enumerate().map(|(i, value)| (format!("example{}", i + 1), json!({ "value": value }))).collect()
}

fn call(route: &Route, input: &Value, output: &Value) -> Value {
    let answer = json!({
        "type": "object",
        "properties": { "output": output, "info": reference("schemas", "CallInfo") },
        "required": ["output", "info"],
    });
    let inputs = numbered(examples(route).map(|(input, _)| input));
    operation(route, "call", input, inputs, json_response("The output.", &answer))
}

fn batch(route: &Route, input: &Value, output: &Value) -> Value {
    let body = json!({
        "type": "object",
        "properties": { "inputs": { "type": "array", "items": input, "minItems": 1, "maxItems": MAX_BATCH } },
        "required": ["inputs"],
        "additionalProperties": false,
    });
    let result = json!({ "oneOf": [
        { "type": "object", "properties": { "output": output }, "required": ["output"] },
        reference("schemas", "Failure"),
    ] });
    let answer = json!({
        "type": "object",
        "properties": { "results": { "type": "array", "items": result }, "info": reference("schemas", "CallInfo") },
        "required": ["results", "info"],
    });
    let inputs: Vec<_> = examples(route).map(|(input, _)| input).collect();
    let inputs = if inputs.is_empty() { Map::new() } else { numbered(std::iter::once(json!({ "inputs": inputs }))) };
    operation(route, "batch", &body, inputs, json_response("An output or an error for each input, in order.", &answer))
}

fn stream(route: &Route, input: &Value, output: &Value) -> Value {
    // The schema is that of one event, as OpenAPI 3.2 has it; the data of an event is JSON text.
    let event = |name: &str, data: Value| {
        json!({
            "type": "object",
            "properties": {
                "event": { "const": name },
                "data": { "type": "string", "contentMediaType": "application/json", "contentSchema": data },
            },
            "required": ["event", "data"],
        })
    };
    let events = [
        event("info", reference("schemas", "CallInfo")),
        event("item", output.clone()),
        event("end", json!({ "type": "object" })),
        event("error", reference("schemas", "Failure")),
    ];
    let answer = json!({
        "description": "Server-sent events: `info` once, `item` for each item, then `end` or `error`.",
        "content": { "text/event-stream": { "schema": { "oneOf": events } } },
    });
    let inputs = numbered(examples(route).map(|(input, _)| input));
    operation(route, "stream", input, inputs, answer)
}
