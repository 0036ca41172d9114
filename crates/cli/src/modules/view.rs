//! A module as people and as machines see it. Asks the host for nothing.

use protocol::generated::host::v1 as pb;
pub(super) use protocol::listing::{example, json, plane, state};

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
