//! The OpenAPI 3.1 document: one typed operation for each registered module, and the fixed paths. Built from a picture of the
//! registry, held until the registry changes. Describes what the other files of `http` do and does none of it.

mod components;
mod fixed;
mod operation;
mod pipelines;
mod supervised;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use protocol::{Error, codes};
use registry::Routes;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

/// The document as text, with its entity tag.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) text: String,
    /// In quotes; of equal documents equal, on every host.
    pub(crate) tag: String,
}

/// Builds the document at most once for each state of the registry.
pub(crate) struct Cache {
    secured: bool,
    /// Held while one is built, so that many who ask at once wait for one.
    held: Mutex<Option<(u64, Arc<Document>)>>,
}

impl Cache {
    pub(crate) fn new(secured: bool) -> Self {
        Self { secured, held: Mutex::new(None) }
    }

    /// The document of this picture or a later one. Costs time in proportion to the modules when the registry changed, off
    /// the threads that carry calls.
    ///
    /// # Errors
    /// `host.internal` when it could not be built.
    pub(crate) async fn get(&self, routes: &Arc<Routes>) -> Result<Arc<Document>, Error> {
        let mut held = self.held.lock().await;
        if let Some((generation, document)) = &*held
            && *generation >= routes.generation()
        {
            return Ok(Arc::clone(document));
        }
        let (routes, secured) = (Arc::clone(routes), self.secured);
        let generation = routes.generation();
        let built = tokio::task::spawn_blocking(move || document(&routes, secured)).await;
        let text = built.map_err(|_| Error::of(codes::INTERNAL, "the document could not be built"))?.to_string();
        let digest = Sha256::digest(text.as_bytes());
        let tag: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let document = Arc::new(Document { text, tag: format!("\"{tag}\"") });
        *held = Some((generation, Arc::clone(&document)));
        Ok(document)
    }
}

/// The document, with sorted members. `secured` says whether callers have to show a token.
pub(crate) fn document(routes: &Routes, secured: bool) -> Value {
    let mut paths = fixed::paths();
    paths.extend(pipelines::paths());
    paths.extend(supervised::paths());
    let mut schemas = components::schemas();
    schemas.extend(pipelines::schemas());
    schemas.extend(supervised::schemas());
    for route in routes.iter() {
        operation::add(route, &mut paths, &mut schemas);
    }
    let mut document = json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Modrack",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The modules that are registered at this host, each with its own operation.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags(routes),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": components::parameters(),
            "headers": components::headers(),
            "responses": components::responses(),
        },
    });
    if secured {
        document["security"] = json!([{ "bearer": [] }]);
        document["components"]["securitySchemes"] = json!({
            "bearer": { "type": "http", "scheme": "bearer", "description": "A token of `[[clients]]`, of a live session or of a component." },
        });
        // Probes have no secrets.
        for path in ["/healthz", "/readyz"] {
            document["paths"][path]["get"]["security"] = json!([]);
        }
    }
    document
}

fn tags(routes: &Routes) -> Vec<Value> {
    let mut namespaces: Vec<_> =
        routes.iter().filter_map(|route| Some(route.name.as_str().rsplit_once('.')?.0)).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let host = json!({ "name": "host", "description": "The host itself." });
    let pipelines = json!({ "name": "pipelines", "description": "Pipelines and their runs." });
    let components =
        json!({ "name": "components", "description": "The processes beside the host, and what they keep here." });
    let named =
        namespaces.into_iter().map(|name| json!({ "name": name, "description": format!("The modules of `{name}`.") }));
    [host, pipelines, components].into_iter().chain(named).collect()
}

/// A reference to a component.
fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// An answer of JSON.
fn json_response(description: &str, schema: &Value) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

/// The members of an object in a `json!`.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
