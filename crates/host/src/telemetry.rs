//! Spans of calls, sent to an OpenTelemetry collector over OTLP/gRPC. Off unless an endpoint is configured, and then a call
//! pays for one comparison. Measures nothing: counters are `http::metrics`'.
//!
//! The host's span is the child of the caller's and the parent of the handler's: [`Telemetry::begin`] puts it into the trace
//! context that travels on. Spans wait in a bounded queue for a thread that sends them; when it is full, they are dropped and
//! never a call is held up.

mod context;
mod decision;
mod run;
mod stream;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Span as _, SpanKind, Status, TraceContextExt as _, TraceId, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, Span};
use protocol::frame::TraceContext;
use protocol::generated::host::v1 as pb;
use protocol::{Category, Error, listing};
use tonic::Response;
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::config;

use run::wall;
pub(crate) use stream::Traced;

/// Spans that may wait to be sent.
const QUEUE: usize = 4096;
/// The longest time after which a span is sent.
const DELAY: Duration = Duration::from_secs(1);
/// Time for one transfer.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Begins the spans of calls. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Telemetry(Option<Arc<Active>>);

struct Active {
    tracer: SdkTracer,
    provider: SdkTracerProvider,
}

impl Telemetry {
    /// Starts the thread that sends spans, if there is an endpoint. Connects when there is something to send; a collector that
    /// cannot be reached costs spans and a line in the log.
    ///
    /// # Errors
    /// When the endpoint is no address.
    pub(crate) fn start(config: &config::Telemetry) -> Result<Self, ExporterBuildError> {
        let Some(endpoint) = &config.otlp_endpoint else { return Ok(Self(None)) };
        let exporter =
            SpanExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(EXPORT_TIMEOUT).build()?;
        let batches = BatchConfigBuilder::default().with_max_queue_size(QUEUE).with_scheduled_delay(DELAY).build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let resource = Resource::builder().with_service_name(config.service_name.clone()).build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            // Whoever began the trace decided for all of it.
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample_ratio.as_f64()))))
            .with_id_generator(run::Ids::default())
            .with_resource(resource)
            .build();
        Ok(Self(Some(Arc::new(Active { tracer: provider.tracer("modrack.host"), provider }))))
    }

    /// Begins the span of a call, and puts it into the context that goes to the provider. Without telemetry the context stays
    /// as the caller sent it.
    pub(crate) fn begin(&self, module: &str, trace: &mut TraceContext) -> CallSpan {
        let attribute = || vec![KeyValue::new("modrack.module", module.to_owned())];
        let attributes = if self.0.is_some() { attribute() } else { Vec::new() };
        self.begin_as("modrack.call", SpanKind::Server, attributes, trace)
    }

    fn begin_as(
        &self,
        name: &'static str,
        kind: SpanKind,
        attributes: Vec<KeyValue>,
        trace: &mut TraceContext,
    ) -> CallSpan {
        let caller = context::read(trace);
        let Some(active) = &self.0 else {
            return CallSpan { span: None, trace_id: caller.map(|caller| caller.trace_id()), parent: None };
        };
        let parent = caller.map_or_else(Context::new, |caller| Context::new().with_remote_span_context(caller));
        let builder = active
            .tracer
            .span_builder(name)
            .with_kind(kind)
            .with_start_time(SystemTime::now())
            .with_attributes(attributes);
        let span = builder.start_with_context(&active.tracer, &parent);
        *trace = context::write(span.span_context());
        CallSpan {
            trace_id: Some(span.span_context().trace_id()),
            parent: Some(trace.parent.clone()),
            span: Some(span),
        }
    }

    /// Sends what waits, at the longest for `within`.
    pub(crate) async fn stop(self, within: Duration) {
        let Some(active) = self.0 else { return };
        // It blocks its thread until the collector has answered.
        let sent = tokio::task::spawn_blocking(move || active.provider.shutdown_with_timeout(within));
        match tokio::time::timeout(within, sent).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the last spans were not sent"),
            Ok(Err(_)) | Err(_) => tracing::warn!("the last spans were not sent in time"),
        }
    }
}

/// The span of one call. Dropped without an end, the caller left.
pub(crate) struct CallSpan {
    span: Option<Span>,
    /// The trace of the call, by the host's span or the caller's word.
    trace_id: Option<TraceId>,
    /// The host's span as a header.
    parent: Option<String>,
}

impl CallSpan {
    /// Notes what happened, without an end.
    pub(crate) fn note(&mut self, info: Option<&pb::CallInfo>) {
        let (Some(span), Some(info)) = (&mut self.span, info) else { return };
        let plane = match listing::plane(info.plane()) {
            "" => "none",
            plane => plane,
        };
        span.set_attributes([
            KeyValue::new("modrack.plane", plane),
            KeyValue::new("modrack.execution_id", info.execution_id.clone()),
            KeyValue::new("modrack.attempts", i64::from(info.attempts)),
            KeyValue::new("modrack.revision", i64::try_from(info.revision).unwrap_or(i64::MAX)),
        ]);
    }

    /// Ends the span well.
    pub(crate) fn succeed(mut self) {
        // Ends when it is dropped.
        drop(self.span.take());
    }

    /// Ends the span with a failure, which then names the trace where there is one.
    pub(crate) fn fail(mut self, error: Error) -> Error {
        if let Some(mut span) = self.span.take() {
            if self.trace_id.is_some() && !error.trace_id().is_empty() {
                // The executor named the execution there.
                span.set_attribute(KeyValue::new("modrack.execution_id", error.trace_id().to_owned()));
            }
            span.set_attributes([
                KeyValue::new("error.type", error.code().to_owned()),
                KeyValue::new("modrack.error.category", error.category().as_str()),
            ]);
            span.set_status(Status::error(error.message().to_owned()));
        }
        match self.trace_id {
            Some(id) => error.traced(&id.to_string()),
            None => error,
        }
    }

    /// Ends the span with a result, and tells the caller which span it was.
    pub(crate) fn end<M>(
        mut self,
        result: Result<M, Error>,
        info: impl FnOnce(&M) -> Option<&pb::CallInfo>,
    ) -> Result<Response<M>, tonic::Status> {
        let parent = self.parent.take();
        let result = match result {
            Ok(answer) => {
                self.note(info(&answer));
                self.succeed();
                Ok(answer)
            }
            Err(error) => Err(self.fail(error)),
        };
        answered(result, parent)
    }

    /// A response whose answer goes on in the span.
    pub(crate) fn told<M>(&self, answer: M) -> Response<M> {
        let mut response = Response::new(answer);
        tell(response.metadata_mut(), self.parent.clone());
        response
    }
}

/// What the caller gets: the answer or the failure, which names the host's span.
pub(crate) fn answered<M>(result: Result<M, Error>, parent: Option<String>) -> Result<Response<M>, tonic::Status> {
    match result {
        Ok(answer) => {
            let mut response = Response::new(answer);
            tell(response.metadata_mut(), parent);
            Ok(response)
        }
        Err(error) => {
            let mut status = error.to_status();
            tell(status.metadata_mut(), parent);
            Err(status)
        }
    }
}

/// Names the host's span in an answer.
fn tell(metadata: &mut MetadataMap, parent: Option<String>) {
    if let Some(value) = parent.and_then(|parent| MetadataValue::try_from(parent).ok()) {
        metadata.insert("traceparent", value);
    }
}

impl Drop for CallSpan {
    fn drop(&mut self) {
        if let Some(mut span) = self.span.take() {
            span.set_attribute(KeyValue::new("modrack.error.category", Category::Cancelled.as_str()));
            span.set_status(Status::error("the caller left"));
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::trace::InMemorySpanExporter;
    use protocol::codes;

    use super::*;

    const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn recorded() -> (Telemetry, InMemorySpanExporter) {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        (Telemetry(Some(Arc::new(Active { tracer: provider.tracer("test"), provider }))), exporter)
    }

    fn of_caller(parent: &str) -> TraceContext {
        TraceContext { parent: parent.into(), state: "vendor=1".into(), attempts: false }
    }

    #[test]
    fn the_span_stands_between_the_caller_and_the_provider() {
        let (telemetry, exporter) = recorded();
        let mut trace = of_caller(CALLER);
        let span = telemetry.begin("text.Upper", &mut trace);
        let answer = span.end(Ok(()), |()| None).unwrap();
        let [span] = exporter.get_finished_spans().unwrap().try_into().unwrap();
        assert_eq!(span.parent_span_id.to_string(), "b7ad6b7169203331");
        let own = format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", span.span_context.span_id());
        assert_eq!((trace.parent.as_str(), trace.state.as_str()), (own.as_str(), "vendor=1"));
        assert_eq!(answer.metadata().get("traceparent").unwrap().to_str().unwrap(), own);
        assert_eq!(span.status, Status::Unset);
    }

    #[test]
    fn a_failure_names_the_trace_and_the_span_the_failure() {
        let (telemetry, exporter) = recorded();
        let mut trace = TraceContext::default();
        let span = telemetry.begin("text.Upper", &mut trace);
        let error = Error::of(codes::OVERLOADED, "too much").traced("execution");
        let status = span.end(Err::<(), _>(error), |()| None).unwrap_err();
        let error = Error::from_status(&status, codes::INTERNAL);
        let [span] = exporter.get_finished_spans().unwrap().try_into().unwrap();
        assert_eq!(error.trace_id(), span.span_context.trace_id().to_string());
        let attribute =
            |key: &str| span.attributes.iter().find(|one| one.key.as_str() == key).unwrap().value.to_string();
        assert_eq!(
            (attribute("error.type"), attribute("modrack.execution_id")),
            ("executor.overloaded".into(), "execution".into())
        );
    }

    #[test]
    fn a_caller_that_leaves_ends_the_span_as_cancelled() {
        let (telemetry, exporter) = recorded();
        drop(telemetry.begin("text.Upper", &mut TraceContext::default()));
        let [span] = exporter.get_finished_spans().unwrap().try_into().unwrap();
        assert_eq!(span.status, Status::error("the caller left"));
    }

    #[test]
    fn what_a_component_decided_is_a_span_below_that_of_the_call() {
        let (telemetry, exporter) = recorded();
        let mut trace = of_caller(CALLER);
        let call = telemetry.begin("text.Upper", &mut trace);
        let decided = |decision: &str, reason: &str, code: &str| pb::MiddlewareTrace {
            component: "guard".into(),
            hook: "pre_invoke".into(),
            decision: decision.into(),
            reason: reason.into(),
            duration_us: 1500,
            code: code.into(),
        };
        let began = std::time::Instant::now();
        telemetry.decision(&trace, &decided("allow", "fine", ""), began);
        telemetry.decision(&trace, &decided("", "", "middleware.timeout"), began);
        call.succeed();
        let [allowed, failed, call] = exporter.get_finished_spans().unwrap().try_into().unwrap();
        for span in [&allowed, &failed] {
            assert_eq!(span.parent_span_id, call.span_context.span_id());
            assert_eq!(span.end_time.duration_since(span.start_time).unwrap(), Duration::from_micros(1500));
        }
        let attributes = |span: &opentelemetry_sdk::trace::SpanData| -> Vec<_> {
            span.attributes.iter().map(|one| format!("{}={}", one.key, one.value)).collect()
        };
        let who = ["modrack.component=guard", "modrack.hook=pre_invoke"];
        assert_eq!(attributes(&allowed), [&who[..], &["modrack.decision=allow", "modrack.reason=fine"]].concat());
        assert_eq!(attributes(&failed), [&who[..], &["error.type=middleware.timeout"]].concat());
        assert_eq!((&allowed.status, &failed.status), (&Status::Unset, &Status::error("")));
    }

    #[test]
    fn without_telemetry_the_trace_passes_as_it_is_and_still_names_failures() {
        let mut trace = of_caller(CALLER);
        let span = Telemetry::default().begin("text.Upper", &mut trace);
        assert_eq!(trace, of_caller(CALLER));
        let error = span.fail(Error::of(codes::OVERLOADED, "too much").traced("execution"));
        assert_eq!(error.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        let span = Telemetry::default().begin("text.Upper", &mut of_caller("garbage"));
        assert_eq!(span.fail(Error::of(codes::OVERLOADED, "").traced("execution")).trace_id(), "execution");
    }
}
