//! HTTP with JSON beside gRPC: the same operations, on the same listeners. Translates to what [`ClientSurface`] serves and
//! decides nothing about calls itself; `docs/http.md` is its contract.

mod answer;
mod call;
mod components;
pub(crate) mod front;
mod metrics;
mod modules;
mod openapi;
mod pipelines;
mod process;
mod request;
mod resource;
mod staging;
mod stream;

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use protocol::{Error, codes};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

use crate::access::Principal;
use crate::http::resource::Resource;
use crate::listen::Door;
use crate::surface::client::ClientSurface;

pub(crate) use answer::failure;

/// The W3C trace context: taken from callers, and told to them.
const TRACE_PARENT: &str = "traceparent";

/// Everything that HTTP requests are answered from.
pub(crate) struct Http {
    client: Arc<ClientSurface>,
    openapi: openapi::Cache,
    connections: Door,
    /// Cancelled when the host takes no new calls.
    stopping: CancellationToken,
}

impl Http {
    /// `secured` says whether callers have to show a token, which the OpenAPI document then tells.
    pub(crate) fn new(
        client: Arc<ClientSurface>,
        connections: Door,
        secured: bool,
        stopping: CancellationToken,
    ) -> Self {
        Self { client, openapi: openapi::Cache::new(secured), connections, stopping }
    }

    /// Answers one request. Never fails: what goes wrong is an answer with the envelope.
    pub(crate) async fn answer(self: Arc<Self>, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let is_head = head.method == Method::HEAD;
        let caller = head.headers.get(TRACE_PARENT).cloned();
        let mut response = self.serve(head, body).await.unwrap_or_else(|error| answer::failure(&error));
        // Without a span of the host the caller's own is what there is.
        if let (Some(caller), false) = (caller, response.headers().contains_key(TRACE_PARENT)) {
            response.headers_mut().insert(TRACE_PARENT, caller);
        }
        if is_head { response.map(|_| Body::empty()) } else { response }
    }

    async fn serve(&self, head: Parts, body: Body) -> Result<Response<Body>, Error> {
        let resource = Resource::of(&head.method, head.uri.path())?;
        let takes_query =
            matches!(resource, Resource::Modules | Resource::Pipelines | Resource::Runs | Resource::ComponentLogs(_));
        if !takes_query {
            request::no_query(&head)?;
        }
        match resource {
            Resource::Health => Ok(answer::json(r#"{"status":"ok"}"#)),
            Resource::Readiness if self.stopping.is_cancelled() => {
                Err(Error::of(codes::HOST_STOPPING, "the host is shutting down"))
            }
            Resource::Readiness => Ok(answer::json(r#"{"status":"ready"}"#)),
            Resource::Metrics => {
                Principal::of(&head.extensions).may_read_metrics()?;
                Ok(metrics::page(&self.client, &self.connections).await)
            }
            Resource::OpenApi => {
                Principal::of(&head.extensions).may_list()?;
                self.openapi(&head.headers).await
            }
            Resource::Modules => modules::list(&self.client, head).await,
            Resource::Module(name) => modules::get(&self.client, head, name).await,
            Resource::Call(name) => call::one(&self.client, head, body, name).await,
            Resource::Batch(name) => call::batch(&self.client, head, body, name).await,
            Resource::Stream(name) => stream::open(&self.client, head, body, name).await,
            Resource::CheckPipeline => pipelines::check(&self.client, head, body).await,
            Resource::RunPipeline => pipelines::run(&self.client, head, body).await,
            Resource::StreamPipeline => pipelines::stream(&self.client, head, body).await,
            Resource::Pipelines => pipelines::list(&self.client, head).await,
            Resource::Pipeline(name) => pipelines::one(&self.client, head, body, name).await,
            Resource::Runs => pipelines::runs(&self.client, head).await,
            Resource::Run(id) => pipelines::record(&self.client, head, id).await,
            Resource::Components => components::list(&self.client, head).await,
            Resource::Component(id) => components::get(&self.client, head, id).await,
            Resource::ChangeComponent(id, change) => components::change(&self.client, head, id, change).await,
            Resource::ComponentLogs(id) => components::logs(&self.client, head, id).await,
            Resource::Staged(key) => staging::one(&self.client, head, body, key).await,
        }
    }

    async fn openapi(&self, headers: &HeaderMap) -> Result<Response<Body>, Error> {
        let document = self.openapi.get(&self.client.registry.routes()).await?;
        let tag = HeaderValue::from_str(&document.tag).expect("a tag is hexadecimal digits in quotes");
        let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|tags| names(tags, &document.tag));
        let mut response = if known {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = http::StatusCode::NOT_MODIFIED;
            response
        } else {
            answer::json(document.text.clone())
        };
        response.headers_mut().insert(header::ETAG, tag);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Ok(response)
    }
}

/// Whether a list of entity tags (RFC 9110, 8.8.3) names one.
fn names(tags: &HeaderValue, tag: &str) -> bool {
    let tags = tags.to_str().unwrap_or_default();
    tags.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == tag || one == "*")
}
