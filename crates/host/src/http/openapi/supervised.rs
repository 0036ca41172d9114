//! The paths of components and of what they keep at the host, and what they answer with. Knows no component.

use serde_json::{Map, Value, json};

use crate::http::components::MAX_TAIL;
use crate::http::openapi::components::failures;
use crate::http::openapi::{json_response, object, reference};

/// What a component may be called.
const ID_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$";
/// What a value may be kept as.
const KEY_PATTERN: &str = "^[A-Za-z0-9._:/-]{1,256}$";

fn operation(id: &str, summary: &str, parameters: &[Value], answer: &Value, statuses: &[&str]) -> Value {
    let mut responses = Map::from_iter([("200".to_owned(), answer.clone())]);
    responses.extend(failures(statuses));
    json!({
        "operationId": id,
        "summary": summary,
        "tags": ["components"],
        "parameters": parameters,
        "responses": responses,
    })
}

pub(super) fn paths() -> Map<String, Value> {
    let id = json!({
        "name": "id", "in": "path", "required": true, "description": "As configured.",
        "schema": { "type": "string", "pattern": ID_PATTERN },
    });
    let timeout = reference("parameters", "Timeout");
    let listed = json!({
        "type": "object",
        "properties": { "components": { "type": "array", "items": reference("schemas", "Component") } },
        "required": ["components"],
    });
    let listed = json_response("The components, in order of their ids.", &listed);
    let one = |what: &str| json_response(what, &reference("schemas", "Component"));
    let seen = ["401", "403", "404"];
    let changed = ["400", "401", "403", "404", "503"];
    let change = |verb: &str, summary: &str, answer: &str| {
        json!({ "post": operation(
            &format!("{verb}Component"),
            summary,
            &[id.clone(), timeout.clone()],
            &one(answer),
            &changed,
        ) })
    };
    let lines = json!({
        "type": "object",
        "properties": { "lines": { "type": "array", "items": reference("schemas", "LogLine") } },
        "required": ["lines"],
    });
    // The data of an event is JSON text; the schema is that of one event, as OpenAPI 3.2 has it.
    let event = json!({
        "type": "object",
        "properties": {
            "event": { "enum": ["line", "end", "error"] },
            "data": { "type": "string", "contentMediaType": "application/json" },
        },
        "required": ["event", "data"],
    });
    let logs = json!({
        "description": "The lines that are kept; with `follow`, server-sent events: `line` for each line, then those that come, and `end` with the host.",
        "content": {
            "application/json": { "schema": lines },
            "text/event-stream": { "schema": event },
        },
    });
    let asked = [
        id.clone(),
        json!({ "name": "tail", "in": "query", "description": "So many of the latest lines; all that are kept where it is left out.",
          "schema": { "type": "integer", "minimum": 1, "maximum": MAX_TAIL } }),
        json!({ "name": "follow", "in": "query", "description": "Go on with what comes.", "schema": { "enum": ["true", "false"], "default": "false" } }),
    ];
    let key = json!({
        "name": "key", "in": "path", "required": true, "description": "Of the component that asks: no component meets the keys of another.",
        "schema": { "type": "string", "pattern": KEY_PATTERN },
    });
    let value = json!({ "description": "Any JSON." });
    let mut put = operation(
        "putStaged",
        "Keep a value for a while; only components, by the grant `staging`",
        std::slice::from_ref(&key),
        &json_response("It is kept, in the place of what was there.", &reference("schemas", "Staged")),
        &["400", "401", "403", "413", "415", "429"],
    );
    put["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": value } } });
    let gone = json_response("It is gone.", &json!({ "type": "object" }));
    let kept = json_response("The value as it was put.", &value);
    object(json!({
        "/v1/components": { "get": operation("listComponents", "The components of the host", &[], &listed, &["401", "403"]) },
        "/v1/components/{id}": {
            "get": operation("getComponent", "One component, with what its processes use", std::slice::from_ref(&id), &one("The component."), &seen),
        },
        "/v1/components/{id}:start": change("start", "Start a component and wait until it is ready", "It is ready."),
        "/v1/components/{id}:stop": change("stop", "Drain and stop a component, and wait until no process of it is left", "It is stopped."),
        "/v1/components/{id}:restart": change("restart", "Drain, stop and start a component, and wait until it is ready", "It is ready."),
        "/v1/components/{id}/logs": { "get": operation("getComponentLogs", "What a component wrote", &asked, &logs, &["400", "401", "403", "404"]) },
        "/v1/staging/{key}": {
            "get": operation("getStaged", "A value that the component keeps", std::slice::from_ref(&key), &kept, &["400", "401", "403", "404"]),
            "put": put,
            "delete": operation("deleteStaged", "Take a value away", std::slice::from_ref(&key), &gone, &["400", "401", "403", "404"]),
        },
    }))
}

/// Schemas that are the same on every host.
pub(super) fn schemas() -> Map<String, Value> {
    let text = json!({ "type": "string" });
    let count = json!({ "type": "integer", "minimum": 0 });
    let time = json!({ "type": ["integer", "null"], "description": "Milliseconds since 1970." });
    let or_null = |schema: Value| json!({ "oneOf": [schema, { "type": "null" }] });
    let texts = json!({ "type": "array", "items": text });
    object(json!({
        "Component": {
            "type": "object",
            "properties": {
                "id": { "type": "string", "pattern": ID_PATTERN },
                "module_id": text,
                "component_id": text,
                "kind": { "enum": ["http_local_json", "local_http_json", "grpc_local", "command_stdio"] },
                "enabled": { "type": "boolean" },
                "state": { "enum": ["configured", "starting", "ready", "degraded", "stopping", "stopped", "failed"] },
                "since_ms": time,
                "pid": { "type": ["integer", "null"] },
                "starts": count,
                "restarts": count,
                "restarts_in_window": count,
                "next_restart_ms": time,
                "readiness": or_null(reference("schemas", "Probe")),
                "health": or_null(reference("schemas", "Probe")),
                "last_error": or_null(reference("schemas", "ComponentFault")),
                "report": { "type": ["object", "null"], "description": "What it said of itself at its last successful start." },
                "sandbox": { "type": ["object", "null"], "description": "What holds its process in, measure by measure." },
                "usage": { "type": ["object", "null"], "description": "Null in the listing.", "properties": {
                    "cpu_ms": count, "memory_bytes": count, "processes": count,
                } },
                "endpoint": { "type": ["string", "null"] },
                "hooks": texts,
                "sessions": texts,
                "invocations": {
                    "type": "object",
                    "properties": { "answered": count, "failed": count },
                    "required": ["answered", "failed"],
                },
                "config": { "description": "In force, of the shape of `docs/schemas/component.schema.json`, with what the host adds in `runtime`." },
                "layers": texts,
                "bundle": { "type": "object", "additionalProperties": text },
            },
            "required": ["id", "module_id", "component_id", "kind", "enabled", "state", "starts", "restarts", "hooks", "invocations"],
        },
        "Probe": {
            "type": "object",
            "properties": {
                "ok": { "type": "boolean" }, "at_ms": time, "duration_us": count, "message": text, "in_a_row": count,
            },
            "required": ["ok", "message"],
        },
        "ComponentFault": {
            "type": "object",
            "properties": { "code": text, "message": text, "at_ms": time },
            "required": ["code", "message"],
        },
        "LogLine": {
            "type": "object",
            "properties": {
                "number": { "type": "integer", "minimum": 1, "description": "A gap: so many lines were not told." },
                "at_ms": time,
                "stream": { "enum": ["stdout", "stderr"] },
                "text": text,
                "start": { "type": "integer", "minimum": 1, "description": "Which start of the component wrote it." },
            },
            "required": ["number", "stream", "text", "start"],
        },
        "Staged": {
            "type": "object",
            "properties": { "key": text, "expires_at_ms": count, "entries": count, "bytes": count },
            "required": ["key", "expires_at_ms", "entries", "bytes"],
        },
    }))
}
