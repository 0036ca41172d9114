//! `Host`: what clients ask. Translates between the wire and the registry and executor.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use executor::Call;
use futures::Stream;
use protocol::frame::TraceContext;
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::host_server::Host;
use protocol::{Error, ModuleName, codes};
use registry::{Pattern, Route};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::coded::Arrived;
use crate::surface::{timeout, view};
use crate::watch;

/// Modules in one page of a listing, at the most.
const PAGE: usize = 1000;

/// The service for clients.
pub(crate) struct ClientSurface {
    pub(crate) registry: registry::Handle,
    pub(crate) executor: executor::Handle,
    /// Deadline of a call whose caller names none.
    pub(crate) default_timeout: Duration,
    /// Longest deadline that a caller may name; a longer one is shortened to it.
    pub(crate) max_timeout: Duration,
    pub(crate) stop: CancellationToken,
}

type WatchStream = Pin<Box<dyn Stream<Item = Result<pb::WatchResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Host for ClientSurface {
    type WatchStream = WatchStream;

    async fn list_modules(
        &self,
        request: Request<pb::ListModulesRequest>,
    ) -> Result<Response<pb::ListModulesResponse>, Status> {
        let request = request.into_inner();
        let size = match request.page_size as usize {
            0 => PAGE,
            size => size.min(PAGE),
        };
        let pattern = Pattern::new(if request.pattern.is_empty() { "*" } else { &request.pattern });
        let after = (!request.page_token.is_empty()).then_some(request.page_token.as_str());
        let page = self.registry.routes().page(&pattern, after, size);
        let last = page.routes.last().filter(|_| page.more);
        let next_page_token = last.map(|route| route.name.as_str().to_owned()).unwrap_or_default();
        let modules = page.routes.iter().map(|route| view::module(route)).collect();
        Ok(Response::new(pb::ListModulesResponse { modules, next_page_token }))
    }

    async fn get_module(
        &self,
        request: Request<pb::GetModuleRequest>,
    ) -> Result<Response<pb::GetModuleResponse>, Status> {
        let route = self.route(&request.into_inner().name)?;
        Ok(Response::new(pb::GetModuleResponse { module: Some(view::module(&route)) }))
    }

    async fn call(&self, request: Request<pb::CallRequest>) -> Result<Response<pb::CallResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let arrived = extensions.get::<Arrived>().map_or_else(Instant::now, |arrived| arrived.0);
        let timeout = timeout::of(metadata.as_ref())
            .map_or(self.default_timeout, |asked| timeout::to_answer(asked.min(self.max_timeout)));
        let route = self.route(&request.module)?;
        if !request.schema_fingerprint.is_empty() && *request.schema_fingerprint != *route.fingerprint {
            let message = format!("the types of `{}` have changed", route.name);
            return Err(Error::of(codes::SCHEMA_CHANGED, message).into());
        }
        let (input, form) = input(&route, request.input)?;
        let execution_id = self.executor.next_execution_id();
        let call = Call {
            input,
            deadline: arrived + timeout,
            idempotency_key: request.idempotency_key,
            node_id: String::new(),
            trace: trace(&metadata),
            execution_id,
        };
        let reply = self.executor.call(&route, call).await?;
        let output = match form {
            Form::MessagePack => pb::call_response::Output::OutputData(reply.output),
            Form::Json => {
                let json = type_schema::msgpack_to_json(&reply.output, &route.output)
                    .map_err(|error| Error::of(codes::INTERNAL, error.to_string()))?;
                pb::call_response::Output::OutputJson(json.to_string())
            }
        };
        let info = pb::CallInfo {
            execution_id: execution_id.to_string(),
            revision: reply.revision,
            session_id: reply.session.to_string(),
            plane: reply.plane.to_proto().into(),
            attempts: reply.attempts,
            duration_us: u64::try_from(arrived.elapsed().as_micros()).unwrap_or(u64::MAX),
        };
        Ok(Response::new(pb::CallResponse { output: Some(output), info: Some(info) }))
    }

    async fn watch(&self, request: Request<pb::WatchRequest>) -> Result<Response<WatchStream>, Status> {
        let events = watch::events(&self.registry, &request.into_inner().pattern, self.stop.clone());
        Ok(Response::new(Box::pin(events)))
    }
}

impl ClientSurface {
    fn route(&self, name: &str) -> Result<Arc<Route>, Error> {
        if let Some(route) = self.registry.routes().get(name) {
            return Ok(Arc::clone(route));
        }
        let name = ModuleName::parse(name)?;
        Err(Error::of(codes::MODULE_UNKNOWN, format!("module `{name}` is not registered"))
            .detail("module", name.as_str()))
    }
}

/// In which form the output goes back.
enum Form {
    MessagePack,
    Json,
}

fn input(route: &Route, input: Option<pb::call_request::Input>) -> Result<(bytes::Bytes, Form), Error> {
    match input {
        Some(pb::call_request::Input::InputData(data)) => Ok((data, Form::MessagePack)),
        Some(pb::call_request::Input::InputJson(json)) => {
            let data = type_schema::json_to_msgpack(&json, &route.input).map_err(|error| {
                Error::of(codes::INPUT_INVALID, format!("the input is refused: {error}"))
                    .detail("codec_code", error.code.as_str())
                    .detail("path", error.path)
            })?;
            Ok((data.into(), Form::Json))
        }
        None => Err(Error::of(codes::FIELD_MISSING, "the call has no input").detail("field", "input")),
    }
}

fn trace(metadata: &MetadataMap) -> TraceContext {
    let header = |name: &str| metadata.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    TraceContext { parent: header("traceparent"), state: header("tracestate") }
}
