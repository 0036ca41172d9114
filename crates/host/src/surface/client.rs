//! `Host`: what clients ask. Translates between the wire and the registry and executor.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use executor::Call;
use futures::Stream;
use prost::Message;
use protocol::frame::TraceContext;
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::host_server::Host;
use protocol::{Error, ModuleName, codes};
use registry::{Page, Pattern, Route};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::coded::Arrived;
use crate::surface::{timeout, view};
use crate::watch;

/// Modules in one page of a listing, at the most.
const PAGE: usize = 1000;

/// The most that a page token takes: a module's name and its tag and length, in bytes.
const TOKEN_BYTES: usize = 264;

/// The service for clients.
pub(crate) struct ClientSurface {
    pub(crate) registry: registry::Handle,
    pub(crate) executor: executor::Handle,
    /// Deadline of a call whose caller names none.
    pub(crate) default_timeout: Duration,
    /// Longest deadline that a caller may name; a longer one is shortened to it.
    pub(crate) max_timeout: Duration,
    /// Largest message, in bytes. An answer above it is refused here, because the library would end it without a code.
    pub(crate) message_bytes: usize,
    pub(crate) stop: CancellationToken,
}

type WatchStream = Pin<Box<dyn Stream<Item = Result<pb::WatchResponse, Status>> + Send>>;

type CallStream = Pin<Box<dyn Stream<Item = Result<pb::CallStreamResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Host for ClientSurface {
    type WatchStream = WatchStream;
    type CallStreamStream = CallStream;

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
        Ok(self.fitting(listing(&page, self.message_bytes))?)
    }

    async fn get_module(
        &self,
        request: Request<pb::GetModuleRequest>,
    ) -> Result<Response<pb::GetModuleResponse>, Status> {
        let route = self.route(&request.into_inner().name)?;
        Ok(self.fitting(pb::GetModuleResponse { module: Some(view::module(&route)) })?)
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
        Ok(self.fitting(pb::CallResponse { output: Some(output), info: Some(info) })?)
    }

    async fn call_stream(&self, _: Request<pb::CallStreamRequest>) -> Result<Response<Self::CallStreamStream>, Status> {
        Err(Error::of(codes::METHOD_UNKNOWN, "streams are not served here").into())
    }

    async fn call_batch(&self, _: Request<pb::CallBatchRequest>) -> Result<Response<pb::CallBatchResponse>, Status> {
        Err(Error::of(codes::METHOD_UNKNOWN, "batches are not served here").into())
    }

    async fn watch(&self, request: Request<pb::WatchRequest>) -> Result<Response<WatchStream>, Status> {
        let events = watch::events(&self.registry, &request.into_inner().pattern, self.stop.clone());
        Ok(Response::new(Box::pin(events)))
    }
}

impl ClientSurface {
    fn fitting<M: Message>(&self, answer: M) -> Result<Response<M>, Error> {
        let size = answer.encoded_len();
        if size <= self.message_bytes {
            return Ok(Response::new(answer));
        }
        let message = format!("an answer of {size} bytes does not fit a message of {}", self.message_bytes);
        Err(Error::of(codes::MESSAGE_TOO_LARGE, message))
    }

    fn route(&self, name: &str) -> Result<Arc<Route>, Error> {
        if let Some(route) = self.registry.routes().get(name) {
            return Ok(Arc::clone(route));
        }
        let name = ModuleName::parse(name)?;
        Err(Error::of(codes::MODULE_UNKNOWN, format!("module `{name}` is not registered"))
            .detail("module", name.as_str()))
    }
}

/// As many modules of a page as fit a message, at least one.
fn listing(page: &Page, message_bytes: usize) -> pb::ListModulesResponse {
    let mut answer = pb::ListModulesResponse::default();
    let room = message_bytes.saturating_sub(TOKEN_BYTES);
    let mut size = 0;
    for route in &page.routes {
        let module = view::module(route);
        // With its tag and length.
        size += module.encoded_len() + 6;
        if size > room && !answer.modules.is_empty() {
            break;
        }
        answer.modules.push(module);
    }
    if (page.more || answer.modules.len() < page.routes.len())
        && let Some(last) = answer.modules.last()
    {
        answer.next_page_token.clone_from(&last.name);
    }
    answer
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

#[cfg(test)]
mod tests {
    use protocol::Registration;
    use protocol::generated::provider::v1::ModuleSpec;

    use super::*;

    #[tokio::test]
    async fn a_listing_holds_what_fits_a_message_and_goes_on_behind_it() {
        let (service, registry, _) = registry::Service::new(registry::Options::default());
        tokio::spawn(service.run(std::future::pending()));
        let modules = ["A", "B", "C", "D", "E"]
            .map(|name| ModuleSpec { description: "d".repeat(1000), ..testkit::module(name, "{}", "Int") });
        let request = Registration::from_proto(testkit::registration("text", modules)).unwrap();
        registry.register(request, None).await.unwrap();
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let page = registry.routes().page(&Pattern::new("*"), after.as_deref(), PAGE);
            let answer = listing(&page, 3000);
            assert!(answer.encoded_len() <= 3000);
            pages.push(answer.modules.iter().map(|module| module.name.clone()).collect::<Vec<_>>());
            if answer.next_page_token.is_empty() {
                break;
            }
            after = Some(answer.next_page_token);
        }
        assert_eq!(pages, [vec!["text.A", "text.B"], vec!["text.C", "text.D"], vec!["text.E"]]);
        // One that fits nowhere is still told, so that the listing does not end before it.
        let page = registry.routes().page(&Pattern::new("*"), None, PAGE);
        assert_eq!(listing(&page, 10).modules.len(), 1);
    }
}
