//! The modules that are registered, as JSON. What they are comes from the gRPC surface's own view.

use http::Response;
use http::request::Parts;
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::host_server::Host as _;
use protocol::generated::provider::v1::{DataPlane, ModuleExample};
use protocol::{Error, codes, schema};
use serde_json::{Value, json};
use tonic::body::Body;
use type_schema::Schema;

use crate::http::{answer, request};
use crate::surface::client::ClientSurface;

/// Most modules in a page.
pub(crate) const MAX_PAGE: u32 = 1000;

/// `GET /v1/modules`
pub(crate) async fn list(client: &ClientSurface, head: Parts) -> Result<Response<Body>, Error> {
    let [pattern, page_size, page_token] = request::query(&head, ["pattern", "page_size", "page_token"])?;
    let page_size = page_size.map(|text| request::number("page_size", &text, MAX_PAGE)).transpose()?;
    let message = pb::ListModulesRequest {
        pattern: pattern.unwrap_or_default(),
        page_size: page_size.unwrap_or_default(),
        page_token: page_token.unwrap_or_default(),
    };
    let page = client.list_modules(request::to_grpc(head, None, message)).await.map_err(coded)?.into_inner();
    let modules: Vec<_> = page.modules.iter().map(module).collect();
    let mut listing = json!({ "modules": modules });
    if !page.next_page_token.is_empty() {
        listing["next_page_token"] = page.next_page_token.into();
    }
    Ok(answer::json(listing.to_string()))
}

/// `GET /v1/modules/{name}`
pub(crate) async fn get(client: &ClientSurface, head: Parts, name: String) -> Result<Response<Body>, Error> {
    let request = request::to_grpc(head, None, pb::GetModuleRequest { name });
    let found = client.get_module(request).await.map_err(coded)?.into_inner().module.unwrap_or_default();
    Ok(answer::json(module(&found).to_string()))
}

/// The coded error of the gRPC surface.
pub(crate) fn coded(status: tonic::Status) -> Error {
    Error::from_status(&status, codes::INTERNAL)
}

/// The whole module, as the command line shows it. Members never change their meaning; new ones may come.
fn module(module: &pb::Module) -> Value {
    let offers = module.capabilities.unwrap_or_default();
    let compile = |ctype: &Option<_>, what| Schema::new(schema::from_proto(Clone::clone(ctype), what).ok()?).ok();
    let (input, output) = (compile(&module.input, "input"), compile(&module.output, "output"));
    let examples = module.examples.iter().filter_map(|one| example(one, input.as_ref()?, output.as_ref()?));
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
        "endpoints": module.endpoints.iter().map(endpoint).collect::<Vec<_>>(),
    })
}

fn example(example: &ModuleExample, input: &Schema, output: &Schema) -> Option<Value> {
    let input = type_schema::msgpack_to_json(&example.input_data, input).ok()?;
    let output = type_schema::msgpack_to_json(&example.output_data, output).ok()?;
    Some(json!({ "input": input, "output": output }))
}

fn endpoint(endpoint: &pb::Endpoint) -> Value {
    let info = endpoint.info.clone().unwrap_or_default();
    json!({
        "session_id": endpoint.session_id,
        "service_id": endpoint.service_id,
        "group_id": endpoint.group_id,
        "plane": plane(endpoint.plane()),
        "state": match endpoint.state() {
            pb::SessionState::Ready => "ready",
            pb::SessionState::Draining => "draining",
            pb::SessionState::Ejected => "ejected",
            pb::SessionState::Pending | pb::SessionState::Unspecified => "pending",
        },
        "language": info.language,
        "sdk": info.sdk,
        "pid": info.pid,
        "registered_at_ms": endpoint.registered_at.map(|at| at.seconds * 1000 + i64::from(at.nanos) / 1_000_000),
    })
}

/// `unary`, `attach`, `link`; empty while pending.
pub(crate) fn plane(plane: DataPlane) -> &'static str {
    match plane {
        DataPlane::Unary => "unary",
        DataPlane::Attach => "attach",
        DataPlane::Link => "link",
        DataPlane::Unspecified => "",
    }
}
