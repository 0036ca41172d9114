//! `Host`: what clients ask. Translates between the wire and the registry and executor.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use prost::Message;
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::host_server::Host;
use protocol::{Error, ModuleName, SessionId, codes};
use registry::{Page, Pattern, Route};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::access::Principal;
use crate::components::Components;
use crate::middleware::Middleware;
use crate::pipelines::Pipelines;
use crate::surface::calls::{self, Asked, Waits, With};
use crate::surface::components::LogStream;
use crate::surface::pipelines::RunStream;
use crate::surface::view;
use crate::telemetry::{Telemetry, Traced};
use crate::watch;

/// Modules in one page of a listing, at the most.
const PAGE: usize = 1000;

/// The most that a page token takes: a module's name and its tag and length, in bytes.
const TOKEN_BYTES: usize = 264;

/// The service for clients.
pub(crate) struct ClientSurface {
    pub(crate) registry: registry::Handle,
    pub(crate) executor: executor::Handle,
    pub(crate) middleware: Middleware,
    /// Deadline of a call whose caller names none.
    pub(crate) default_timeout: Duration,
    /// Longest deadline that a caller may name; a longer one is shortened to it.
    pub(crate) max_timeout: Duration,
    /// Largest message, in bytes. An answer above it is refused here, because the library would end it without a code.
    pub(crate) message_bytes: usize,
    pub(crate) telemetry: Telemetry,
    pub(crate) pipelines: Pipelines,
    pub(crate) components: Components,
    pub(crate) stop: CancellationToken,
}

type WatchStream = Pin<Box<dyn Stream<Item = Result<pb::WatchResponse, Status>> + Send>>;

type CallStream = Pin<Box<dyn Stream<Item = Result<pb::CallStreamResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Host for ClientSurface {
    type WatchStream = WatchStream;
    type RunPipelineStreamStream = RunStream;
    type CallStreamStream = CallStream;
    type ComponentLogsStream = LogStream;

    async fn list_modules(
        &self,
        request: Request<pb::ListModulesRequest>,
    ) -> Result<Response<pb::ListModulesResponse>, Status> {
        Principal::of(request.extensions()).may_list()?;
        let request = request.into_inner();
        let size = match request.page_size as usize {
            0 => PAGE,
            size => size.min(PAGE),
        };
        let pattern = Pattern::new(if request.pattern.is_empty() { "*" } else { &request.pattern });
        let after = (!request.page_token.is_empty()).then_some(request.page_token.as_str());
        let page = self.registry.routes().page(&pattern, after, size);
        Ok(self.fitting(listing(&page, self.message_bytes, |session| self.executor.is_ejected(session)))?)
    }

    async fn get_module(
        &self,
        request: Request<pb::GetModuleRequest>,
    ) -> Result<Response<pb::GetModuleResponse>, Status> {
        let principal = Principal::of(request.extensions());
        let route = self.route(&request.into_inner().name, |module| principal.may_see(module))?;
        let module = view::module(&route, |session| self.executor.is_ejected(session));
        Ok(self.fitting(pb::GetModuleResponse { module: Some(module) })?)
    }

    async fn call(&self, request: Request<pb::CallRequest>) -> Result<Response<pb::CallResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let mut asked = Asked::of(&metadata, &extensions, self.waits());
        let span = self.telemetry.begin(&request.module, &mut asked.trace);
        span.end(self.answer(&Principal::of(&extensions), asked, request).await, |answer| answer.info.as_ref())
    }

    async fn call_stream(
        &self,
        request: Request<pb::CallStreamRequest>,
    ) -> Result<Response<Self::CallStreamStream>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let mut asked = Asked::of(&metadata, &extensions, self.waits());
        let missing = || Error::of(codes::FIELD_MISSING, "the stream has no call").detail("field", "call");
        let call = request.call.ok_or_else(missing)?;
        let span = self.telemetry.begin(&call.module, &mut asked.trace);
        match self.open(&Principal::of(&extensions), asked, call).await {
            Ok(messages) => Ok(span.told(()).map(|()| -> CallStream { Box::pin(Traced::new(messages, span)) })),
            Err(error) => span.end(Err(error), |_| None),
        }
    }

    async fn call_batch(
        &self,
        request: Request<pb::CallBatchRequest>,
    ) -> Result<Response<pb::CallBatchResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let mut asked = Asked::of(&metadata, &extensions, self.waits());
        let span = self.telemetry.begin(&request.module, &mut asked.trace);
        span.end(self.answer_all(&Principal::of(&extensions), asked, request).await, |answer| answer.info.as_ref())
    }

    async fn check_pipeline(
        &self,
        request: Request<pb::CheckPipelineRequest>,
    ) -> Result<Response<pb::CheckPipelineResponse>, Status> {
        self.checked(request).await
    }

    async fn run_pipeline(
        &self,
        request: Request<pb::RunPipelineRequest>,
    ) -> Result<Response<pb::RunPipelineResponse>, Status> {
        self.run(request).await
    }

    async fn put_pipeline(
        &self,
        request: Request<pb::PutPipelineRequest>,
    ) -> Result<Response<pb::PutPipelineResponse>, Status> {
        self.put(request).await
    }

    async fn get_pipeline(
        &self,
        request: Request<pb::GetPipelineRequest>,
    ) -> Result<Response<pb::GetPipelineResponse>, Status> {
        self.get(&request)
    }

    async fn list_pipelines(
        &self,
        request: Request<pb::ListPipelinesRequest>,
    ) -> Result<Response<pb::ListPipelinesResponse>, Status> {
        self.list(&request)
    }

    async fn delete_pipeline(
        &self,
        request: Request<pb::DeletePipelineRequest>,
    ) -> Result<Response<pb::DeletePipelineResponse>, Status> {
        self.delete(request).await
    }

    async fn get_run(&self, request: Request<pb::GetRunRequest>) -> Result<Response<pb::GetRunResponse>, Status> {
        self.run_record(&request)
    }

    async fn list_runs(&self, request: Request<pb::ListRunsRequest>) -> Result<Response<pb::ListRunsResponse>, Status> {
        self.run_records(&request)
    }

    async fn list_components(
        &self,
        request: Request<pb::ListComponentsRequest>,
    ) -> Result<Response<pb::ListComponentsResponse>, Status> {
        self.components(&request)
    }

    async fn get_component(
        &self,
        request: Request<pb::GetComponentRequest>,
    ) -> Result<Response<pb::GetComponentResponse>, Status> {
        self.component(request).await
    }

    async fn start_component(
        &self,
        request: Request<pb::StartComponentRequest>,
    ) -> Result<Response<pb::StartComponentResponse>, Status> {
        let component = Some(self.start_one(request.extensions(), &request.get_ref().id).await?);
        Ok(self.fitting(pb::StartComponentResponse { component })?)
    }

    async fn stop_component(
        &self,
        request: Request<pb::StopComponentRequest>,
    ) -> Result<Response<pb::StopComponentResponse>, Status> {
        let component = Some(self.stop_one(request.extensions(), &request.get_ref().id).await?);
        Ok(self.fitting(pb::StopComponentResponse { component })?)
    }

    async fn restart_component(
        &self,
        request: Request<pb::RestartComponentRequest>,
    ) -> Result<Response<pb::RestartComponentResponse>, Status> {
        let component = Some(self.restart_one(request.extensions(), &request.get_ref().id).await?);
        Ok(self.fitting(pb::RestartComponentResponse { component })?)
    }

    async fn component_logs(&self, request: Request<pb::ComponentLogsRequest>) -> Result<Response<LogStream>, Status> {
        self.logs(&request)
    }

    async fn run_pipeline_stream(
        &self,
        request: Request<pb::RunPipelineStreamRequest>,
    ) -> Result<Response<RunStream>, Status> {
        self.run_stream(request).await
    }

    async fn watch(&self, request: Request<pb::WatchRequest>) -> Result<Response<WatchStream>, Status> {
        Principal::of(request.extensions()).may_watch()?;
        let pb::WatchRequest { pattern, runs, components } = request.into_inner();
        let pipelines = watch::Pipelines {
            shelf: self.pipelines.stored.subscribe(),
            runs: runs.then(|| self.pipelines.runs.subscribe()),
            caches: self.pipelines.options.cache_names(),
        };
        let components = components.then(|| watch::Components::of(&self.components.supervisor));
        let events = watch::events(&self.registry, &pattern, pipelines, components, self.stop.clone());
        Ok(Response::new(Box::pin(events)))
    }
}

impl ClientSurface {
    async fn answer(
        &self,
        principal: &Principal,
        asked: Asked,
        request: pb::CallRequest,
    ) -> Result<pb::CallResponse, Error> {
        let route = self.callable(principal, &request.module, &request.schema_fingerprint)?;
        let answer = calls::call(self.with(), &route, asked, request).await?;
        calls::fitting(answer, self.message_bytes)
    }

    async fn answer_all(
        &self,
        principal: &Principal,
        asked: Asked,
        request: pb::CallBatchRequest,
    ) -> Result<pb::CallBatchResponse, Error> {
        let route = self.callable(principal, &request.module, &request.schema_fingerprint)?;
        let answer = calls::call_batch(self.with(), &route, asked, request.inputs).await?;
        calls::fitting(answer, self.message_bytes)
    }

    async fn open(
        &self,
        principal: &Principal,
        asked: Asked,
        call: pb::CallRequest,
    ) -> Result<impl Stream<Item = Result<pb::CallStreamResponse, Error>> + Send + use<>, Error> {
        let route = self.callable(principal, &call.module, &call.schema_fingerprint)?;
        calls::call_stream(self.with(), route, asked, call, self.message_bytes).await
    }

    fn with(&self) -> With<'_> {
        With { executor: &self.executor, middleware: &self.middleware }
    }

    fn waits(&self) -> Waits {
        Waits { default: self.default_timeout, max: self.max_timeout }
    }

    pub(crate) fn fitting<M: Message>(&self, answer: M) -> Result<Response<M>, Error> {
        calls::fitting(answer, self.message_bytes).map(Response::new)
    }

    /// The route of a module that the caller may call, with the types for which it encoded its input.
    fn callable(&self, principal: &Principal, name: &str, fingerprint: &str) -> Result<Arc<Route>, Error> {
        let route = self.route(name, |module| principal.may_call(module))?;
        calls::same_types(&route, fingerprint)?;
        Ok(route)
    }

    /// The route of a module that the caller may use as `permitted` says. Who may not does not learn whether it exists.
    pub(crate) fn route(
        &self,
        name: &str,
        permitted: impl FnOnce(&ModuleName) -> Result<(), Error>,
    ) -> Result<Arc<Route>, Error> {
        if let Some(route) = self.registry.routes().get(name) {
            permitted(&route.name)?;
            return Ok(Arc::clone(route));
        }
        let name = ModuleName::parse(name)?;
        permitted(&name)?;
        if let Some(error) = self.pipelines.stored.why_no_module(&name) {
            return Err(error);
        }
        Err(Error::of(codes::MODULE_UNKNOWN, format!("module `{name}` is not registered"))
            .detail("module", name.as_str()))
    }
}

/// As many modules of a page as fit a message, at least one.
fn listing(page: &Page, message_bytes: usize, is_ejected: impl Fn(SessionId) -> bool) -> pb::ListModulesResponse {
    let mut answer = pb::ListModulesResponse::default();
    let room = message_bytes.saturating_sub(TOKEN_BYTES);
    let mut size = 0;
    for route in &page.routes {
        let module = view::module(route, &is_ejected);
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
            let answer = listing(&page, 3000, |_| false);
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
        assert_eq!(listing(&page, 10, |_| false).modules.len(), 1);
    }
}
