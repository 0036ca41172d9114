//! The modules that are registered, as JSON. What they are comes from the gRPC surface's own view.

use http::Response;
use http::request::Parts;
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::host_server::Host as _;
use protocol::{Error, codes, listing};
use serde_json::json;
use tonic::body::Body;

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
    let modules: Vec<_> = page.modules.iter().map(listing::json).collect();
    let mut body = json!({ "modules": modules });
    if !page.next_page_token.is_empty() {
        body["next_page_token"] = page.next_page_token.into();
    }
    Ok(answer::json(body.to_string()))
}

/// `GET /v1/modules/{name}`
pub(crate) async fn get(client: &ClientSurface, head: Parts, name: String) -> Result<Response<Body>, Error> {
    let request = request::to_grpc(head, None, pb::GetModuleRequest { name });
    let found = client.get_module(request).await.map_err(coded)?.into_inner().module.unwrap_or_default();
    Ok(answer::json(listing::json(&found).to_string()))
}

/// The coded error of the gRPC surface.
pub(crate) fn coded(status: tonic::Status) -> Error {
    Error::from_status(&status, codes::INTERNAL)
}
