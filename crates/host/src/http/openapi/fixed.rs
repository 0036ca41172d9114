//! The paths that every host has. Knows no module.

use serde_json::{Map, Value, json};

use crate::http::modules::MAX_PAGE;
use crate::http::openapi::components::{NAME_PATTERN, failures};
use crate::http::openapi::{json_response, object, reference};

/// `GET` with these answers besides failures.
fn get(id: &str, summary: &str, parameters: &Value, answers: Value, statuses: &[&str]) -> Value {
    let mut responses = object(answers);
    responses.extend(failures(statuses));
    json!({ "get": {
        "operationId": id,
        "summary": summary,
        "tags": ["host"],
        "parameters": parameters,
        "responses": responses,
    } })
}

fn status(word: &str) -> Value {
    json!({ "type": "object", "properties": { "status": { "const": word } }, "required": ["status"] })
}

pub(super) fn paths() -> Map<String, Value> {
    let none = json!([]);
    let metrics = json!({ "200": {
        "description": "OpenMetrics 1.0.",
        "content": { "application/openmetrics-text": { "schema": { "type": "string" } } },
    } });
    let document = json!({
        "200": {
            "description": "This document as it is now.",
            "headers": { "etag": { "description": "Changes with the document.", "schema": { "type": "string" } } },
            "content": { "application/json": { "schema": { "type": "object" } } },
        },
        "304": { "description": "It is what the caller has." },
    });
    let if_none_match = json!([{
        "name": "if-none-match",
        "in": "header",
        "description": "The entity tag of the document that the caller has.",
        "schema": { "type": "string" },
    }]);
    let listing = json!([
        { "name": "pattern", "in": "query", "description": "A name, or a pattern with `*` for any run of characters.",
          "schema": { "type": "string", "default": "*" } },
        { "name": "page_size", "in": "query", "description": "Most modules in the answer.",
          "schema": { "type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": MAX_PAGE } },
        { "name": "page_token", "in": "query", "description": "`next_page_token` of the answer before.",
          "schema": { "type": "string" } },
    ]);
    let name = json!([{
        "name": "name", "in": "path", "required": true, "description": "The qualified name, `namespace.Name`; both parts have at most 128 bytes.",
        "schema": { "type": "string", "pattern": NAME_PATTERN },
    }]);
    let page = json!({ "200": json_response("A page of modules, in order of their names.", &reference("schemas", "ModulePage")) });
    let module = json!({ "200": json_response("The module.", &reference("schemas", "Module")) });
    let healthy = json!({ "200": json_response("The process answers.", &status("ok")) });
    let ready = json!({ "200": json_response("The host takes calls.", &status("ready")) });
    let who = ["401", "403"];
    Map::from_iter([
        ("/healthz".into(), get("getHealth", "Whether the host is alive", &none, healthy, &[])),
        ("/readyz".into(), get("getReadiness", "Whether the host takes calls", &none, ready, &["503"])),
        ("/metrics".into(), get("getMetrics", "What the host counts", &none, metrics, &who)),
        ("/openapi.json".into(), get("getOpenapi", "This document", &if_none_match, document, &who)),
        ("/v1/modules".into(), get("listModules", "The registered modules", &listing, page, &["400", "401", "403"])),
        (
            "/v1/modules/{name}".into(),
            get("getModule", "One module with who provides it", &name, module, &["400", "401", "403", "404"]),
        ),
    ])
}
