//! What operations share: the envelope, the headers of calls, the answers that are failures. Knows no module.

use serde_json::{Map, Value, json};

use crate::http::openapi::{object, reference};
use crate::http::request::{IDEMPOTENCY_KEY, MAX_KEY_BYTES, TIMEOUT, TIMEOUT_PATTERN};

/// What a qualified name looks like. That namespace and name have at most 128 bytes each stands in the description: as a
/// pattern it would be more than tools that read patterns can do.
pub(super) const NAME_PATTERN: &str = r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)+$";

/// Schemas that are the same on every host. Names of modules have a dot, so that theirs never meet these.
pub(super) fn schemas() -> Map<String, Value> {
    let text = json!({ "type": "string" });
    let count = json!({ "type": "integer", "minimum": 0 });
    object(json!({
        "Failure": {
            "type": "object",
            "description": "What every failure looks like.",
            "properties": { "error": reference("schemas", "Error") },
            "required": ["error"],
        },
        "Error": {
            "type": "object",
            "properties": {
                "category": { "enum": protocol::Category::ALL.map(protocol::Category::as_str) },
                "code": { "type": "string", "description": "Stable, dotted, lower case, e.g. `registry.module.unknown`." },
                "message": { "type": "string", "description": "For people." },
                "origin": { "enum": ["module", "core", "middleware", "upstream"] },
                "retryable": { "type": "boolean", "description": "Whether the same request may succeed later." },
                "trace_id": { "type": "string", "description": "The trace, or the execution where there is none." },
                "retry_after_ms": count,
                "details": { "type": "object", "additionalProperties": text },
            },
            "required": ["category", "code", "message", "origin", "retryable"],
        },
        "CallInfo": {
            "type": "object",
            "description": "What happened to a call.",
            "properties": {
                "execution_id": text,
                "revision": count,
                "session_id": text,
                "plane": { "enum": ["", "unary", "attach", "link", "host"] },
                "attempts": count,
                "duration_us": count,
            },
            "required": ["execution_id", "revision", "session_id", "plane", "attempts", "duration_us"],
        },
        "Module": {
            "type": "object",
            "properties": {
                "name": { "type": "string", "pattern": NAME_PATTERN },
                "description": text,
                "input": { "type": "string", "description": "The input type as text, e.g. `{text: String}`." },
                "output": { "type": "string", "description": "The output type as text." },
                "version": text,
                "revision": count,
                "schema_fingerprint": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
                "capabilities": {
                    "type": "object",
                    "properties": {
                        "idempotent": { "type": "boolean" },
                        "batch": { "type": "boolean" },
                        "stream": { "type": "boolean" },
                    },
                    "required": ["idempotent", "batch", "stream"],
                },
                "examples": {
                    "type": "array",
                    "items": { "type": "object", "properties": { "input": {}, "output": {} }, "required": ["input", "output"] },
                },
                "endpoints": { "type": "array", "items": reference("schemas", "Endpoint") },
            },
            "required": ["name", "input", "output", "version", "revision", "schema_fingerprint", "capabilities", "endpoints"],
        },
        "Endpoint": {
            "type": "object",
            "properties": {
                "session_id": text,
                "service_id": text,
                "group_id": text,
                "plane": { "enum": ["", "unary", "attach", "link", "host"] },
                "state": { "enum": ["pending", "ready", "draining", "ejected"] },
                "language": text,
                "sdk": text,
                "pid": count,
                "registered_at_ms": { "type": ["integer", "null"] },
            },
            "required": ["session_id", "service_id", "plane", "state"],
        },
        "ModulePage": {
            "type": "object",
            "properties": {
                "modules": { "type": "array", "items": reference("schemas", "Module") },
                "next_page_token": { "type": "string", "description": "Absent on the last page." },
            },
            "required": ["modules"],
        },
    }))
}

/// Headers that every call takes.
pub(super) fn parameters() -> Value {
    json!({
        "Timeout": {
            "name": TIMEOUT,
            "in": "header",
            "description": "Milliseconds after which the call fails with `executor.deadline.exceeded`; the host may have a shorter limit.",
            "schema": { "type": "string", "pattern": TIMEOUT_PATTERN },
            "example": "30000",
        },
        "IdempotencyKey": {
            "name": IDEMPOTENCY_KEY,
            "in": "header",
            "description": "Equal for calls that must have one effect.",
            "schema": { "type": "string", "pattern": format!("^[!-~]{{1,{MAX_KEY_BYTES}}}$") },
        },
        "TraceParent": {
            "name": "traceparent",
            "in": "header",
            "description": "W3C trace context of the caller; one that is malformed is ignored, as the recommendation says.",
            "schema": { "type": "string" },
        },
        "TraceState": {
            "name": "tracestate",
            "in": "header",
            "description": "W3C trace state of the caller.",
            "schema": { "type": "string" },
        },
    })
}

pub(super) fn headers() -> Value {
    json!({
        "TraceParent": {
            "description": "The span in which the host answered, where there is a trace.",
            "schema": { "type": "string" },
        },
        "RetryAfter": { "description": "Seconds to wait.", "schema": { "type": "integer", "minimum": 0 } },
    })
}

const FAILURES: [(&str, &str, &str); 9] = [
    ("400", "Invalid", "The input or a parameter is wrong; `details` say where."),
    ("401", "Unauthenticated", "The token is missing or not known."),
    ("403", "Denied", "The token does not cover this."),
    ("404", "NotFound", "There is no such module now."),
    ("412", "SchemaChanged", "The types have changed since the fingerprint was taken."),
    ("413", "TooLarge", "The body is larger than a message may be."),
    ("415", "ContentType", "The body is no `application/json`."),
    ("429", "Overloaded", "Too much at once; come back later."),
    ("503", "Unavailable", "No provider takes calls now."),
];

pub(super) fn responses() -> Value {
    let failure = |description: &str, name: &str| {
        let mut response = super::json_response(description, &reference("schemas", "Failure"));
        let mut headers = object(json!({ "traceparent": reference("headers", "TraceParent") }));
        if matches!(name, "Overloaded" | "Unavailable") {
            headers.insert("retry-after".into(), reference("headers", "RetryAfter"));
        }
        response["headers"] = Value::Object(headers);
        response
    };
    let mut responses: Map<_, _> =
        FAILURES.iter().map(|(_, name, text)| ((*name).to_owned(), failure(text, name))).collect();
    responses.insert("Failure".into(), failure("Any other failure; `error.category` tells its kind.", "Failure"));
    Value::Object(responses)
}

/// The failures with these statuses, and the one for all others.
pub(super) fn failures(statuses: &[&str]) -> Map<String, Value> {
    let of = |status: &str| FAILURES.iter().find(|failure| failure.0 == status);
    let named = statuses.iter().filter_map(|status| of(status));
    let mut failures: Map<_, _> =
        named.map(|(status, name, _)| ((*status).to_owned(), reference("responses", name))).collect();
    failures.insert("default".into(), reference("responses", "Failure"));
    failures
}
