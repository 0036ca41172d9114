//! A registered module as JSON, as the command line and HTTP show it. Asks nobody for anything, and is not the lock's form.

pub mod components;
pub mod pipelines;

use base64::Engine as _;
use serde_json::{Map, Value, json};
use type_schema::Schema;

use crate::error::Error;
use crate::generated::host::v1 as pb;
use crate::generated::provider::v1::{DataPlane, ModuleExample};
use crate::schema;

/// The envelope of a failure. Members that say nothing are left out.
pub fn envelope(error: &Error) -> Value {
    let mut object = Map::from_iter([
        ("category".to_owned(), Value::from(error.category().as_str())),
        ("code".to_owned(), error.code().into()),
        ("message".to_owned(), error.message().into()),
        ("origin".to_owned(), error.origin().as_str().into()),
        ("retryable".to_owned(), error.retryable().into()),
    ]);
    if !error.trace_id().is_empty() {
        object.insert("trace_id".to_owned(), error.trace_id().into());
    }
    if error.retry_after_ms() > 0 {
        object.insert("retry_after_ms".to_owned(), error.retry_after_ms().into());
    }
    if !error.details().is_empty() {
        let details = error.details().iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
        object.insert("details".to_owned(), Value::Object(details.collect()));
    }
    Value::Object(object)
}

/// `unary`, `attach`, `link`, `host`; empty while pending.
pub fn plane(plane: DataPlane) -> &'static str {
    match plane {
        DataPlane::Unary => "unary",
        DataPlane::Attach => "attach",
        DataPlane::Link => "link",
        DataPlane::Host => "host",
        DataPlane::Unspecified => "",
    }
}

/// `ready`, `draining`, `ejected`, `pending`; `unknown` for one that this version does not know.
pub fn state(state: pb::SessionState) -> &'static str {
    match state {
        pb::SessionState::Ready => "ready",
        pb::SessionState::Draining => "draining",
        pb::SessionState::Ejected => "ejected",
        pb::SessionState::Pending => "pending",
        pb::SessionState::Unspecified => "unknown",
    }
}

/// An example as JSON of the module's types; as base64 where it does not have them.
pub fn example(module: &pb::Module, example: &ModuleExample) -> (Value, Value) {
    let value = |data: &[u8], ctype: Option<_>, what| {
        schema::from_proto(ctype, what)
            .ok()
            .and_then(|ctype| type_schema::msgpack_to_json(data, &Schema::new(ctype).ok()?).ok())
            .unwrap_or_else(|| json!({ "$bytes": base64::engine::general_purpose::STANDARD.encode(data) }))
    };
    (
        value(&example.input_data, module.input.clone(), "input"),
        value(&example.output_data, module.output.clone(), "output"),
    )
}

/// The whole module. Members never change their meaning; new ones may come.
pub fn json(module: &pb::Module) -> Value {
    let endpoints = module.endpoints.iter().map(|endpoint| {
        let info = endpoint.info.clone().unwrap_or_default();
        json!({
            "session_id": endpoint.session_id,
            "service_id": endpoint.service_id,
            "group_id": endpoint.group_id,
            "plane": plane(endpoint.plane()),
            "state": state(endpoint.state()),
            "language": info.language,
            "sdk": info.sdk,
            "pid": info.pid,
            "registered_at_ms": endpoint.registered_at.map(|at| at.seconds * 1000 + i64::from(at.nanos) / 1_000_000),
        })
    });
    let examples = module.examples.iter().map(|one| {
        let (input, output) = example(module, one);
        json!({ "input": input, "output": output })
    });
    let offers = module.capabilities.unwrap_or_default();
    json!({
        "name": module.name,
        "description": module.description,
        "input": module.input_text,
        "output": module.output_text,
        "version": module.version,
        "revision": module.revision,
        "schema_fingerprint": module.schema_fingerprint,
        "capabilities": { "idempotent": offers.idempotent, "batch": offers.batch, "stream": offers.stream },
        "examples": examples.collect::<Vec<_>>(),
        "endpoints": endpoints.collect::<Vec<_>>(),
    })
}
