//! A component as operators see it, put together from its configuration and its life. Decides nothing.

use std::sync::Arc;

use protocol::component::ComponentView;
use serde_json::{Map, Value};

use crate::config::{ComponentConfig, Kind};
use crate::state::{Facts, Machine};

/// What of a view does not change.
pub(super) struct Fixed {
    config: Arc<ComponentConfig>,
    layers: Vec<String>,
    json: Map<String, Value>,
}

impl Fixed {
    pub(super) fn new(config: Arc<ComponentConfig>, layers: Vec<String>) -> Self {
        let json = match serde_json::to_value(&*config) {
            Ok(Value::Object(members)) => members,
            // A configuration was read from an object, and its maps have texts as keys.
            _ => Map::new(),
        };
        Self { config, layers, json }
    }

    /// As it is now. `runtime`: what the host adds in this start.
    pub(super) fn view(&self, machine: &Machine, runtime: Map<String, Value>) -> ComponentView {
        let config = &*self.config;
        let Facts { state, since, pid, starts, restarts, restarts_in_window, next_restart, .. } = *machine.facts();
        let facts = machine.facts().clone();
        let mut json = self.json.clone();
        json.insert("runtime".to_owned(), Value::Object(runtime));
        ComponentView {
            id: config.id.clone(),
            module_id: config.module_id.clone(),
            component_id: config.name().to_owned(),
            kind: config.kind.to_protocol(),
            enabled: config.enabled,
            state,
            since,
            pid,
            starts,
            restarts,
            restarts_in_window,
            next_restart,
            readiness: facts.readiness,
            health: facts.health,
            last_error: facts.last_error,
            report: facts.report,
            sandbox: facts.sandbox,
            usage: None,
            endpoint: facts.endpoint,
            hooks: config.hooks.clone(),
            sessions: match config.kind {
                Kind::GrpcLocal => machine.sessions().cloned().collect(),
                _ => Vec::new(),
            },
            answered: 0,
            failed: 0,
            config_json: Value::Object(json).to_string(),
            layers: self.layers.clone(),
            bundle: config.bundle.clone(),
        }
    }
}
