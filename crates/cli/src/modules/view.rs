//! A module as people and as machines see it. Asks the host for nothing.

use base64::Engine as _;
use protocol::generated::host::v1 as pb;
use protocol::generated::provider::v1::{DataPlane, ModuleExample};
use protocol::schema;
use serde_json::{Value, json};
use type_schema::Schema;

/// `{text: String} -> String`.
pub(super) fn signature(module: &pb::Module) -> String {
    format!("{} -> {}", module.input_text, module.output_text)
}

/// The distinct, non-empty values over all endpoints, sorted, joined by commas; `-` when there are none.
pub(super) fn joined(module: &pb::Module, value: impl Fn(&pb::Endpoint) -> String) -> String {
    let mut values: Vec<_> = module.endpoints.iter().map(value).filter(|value| !value.is_empty()).collect();
    values.sort_unstable();
    values.dedup();
    if values.is_empty() { "-".into() } else { values.join(",") }
}

/// As the provider named it; empty where it named none.
pub(super) fn language(endpoint: &pb::Endpoint) -> String {
    endpoint.info.as_ref().map(|info| info.language.clone()).unwrap_or_default()
}

/// `unary`, `attach`, `link`; empty while pending.
pub(super) fn plane(plane: DataPlane) -> &'static str {
    match plane {
        DataPlane::Unary => "unary",
        DataPlane::Attach => "attach",
        DataPlane::Link => "link",
        DataPlane::Unspecified => "",
    }
}

/// `ready`, `draining`, `ejected`, `pending`; `unknown` for one that this version does not know.
pub(super) fn state(state: pb::SessionState) -> &'static str {
    match state {
        pb::SessionState::Ready => "ready",
        pb::SessionState::Draining => "draining",
        pb::SessionState::Ejected => "ejected",
        pb::SessionState::Pending => "pending",
        pb::SessionState::Unspecified => "unknown",
    }
}

/// The best state of all endpoints: whether a call would find one.
pub(super) fn best_state(module: &pb::Module) -> &'static str {
    let rank = |endpoint: &pb::Endpoint| match endpoint.state() {
        pb::SessionState::Ready => 4,
        pb::SessionState::Ejected => 3,
        pb::SessionState::Pending => 2,
        pb::SessionState::Draining => 1,
        pb::SessionState::Unspecified => 0,
    };
    module.endpoints.iter().max_by_key(|endpoint| rank(endpoint)).map_or("gone", |endpoint| state(endpoint.state()))
}

/// The names of what the module offers beyond a plain call.
pub(super) fn capabilities(module: &pb::Module) -> Vec<&'static str> {
    let offers = module.capabilities.unwrap_or_default();
    [("idempotent", offers.idempotent), ("batch", offers.batch), ("stream", offers.stream)]
        .into_iter()
        .filter_map(|(name, offered)| offered.then_some(name))
        .collect()
}

/// An example as JSON of the module's types; as base64 where it does not have them.
pub(super) fn example(module: &pb::Module, example: &ModuleExample) -> (Value, Value) {
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
pub(super) fn json(module: &pb::Module) -> Value {
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
