//! Spans of a run: one for each call of a module, and one for each of its attempts, below which the provider's hangs. An attempt's span
//! is written when the attempt is over; its id follows from the call's, so that the provider could be told it before.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::trace::{Span as _, SpanId, SpanKind, Status, TraceContextExt as _, TraceId, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, Span};
use protocol::frame::TraceContext;
use protocol::generated::host::v1 as pb;
use protocol::{Category, DataPlane, Error};

use crate::telemetry::{CallSpan, Telemetry, context};

impl Telemetry {
    /// Whether spans are sent.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Begins the span of a run, of a stored pipeline or (with an empty name) of a source; see [`Telemetry::begin`].
    pub(crate) fn begin_run(&self, pipeline: &str, trace: &mut TraceContext) -> CallSpan {
        let attributes = vec![KeyValue::new("modrack.pipeline", pipeline.to_owned())];
        self.begin_as("modrack.run", SpanKind::Server, attributes, trace)
    }

    /// Begins the span of one call of a run, in the trace of the run, and puts it into the context that goes on.
    pub(crate) fn begin_node(&self, node: &pb::PipelineNode, call: u64, trace: &mut TraceContext) -> NodeSpan {
        if !self.is_on() {
            return NodeSpan { telemetry: Self(None), span: None, trace: TraceContext::default() };
        }
        let attributes = vec![
            KeyValue::new("modrack.module", node.module.clone()),
            KeyValue::new("modrack.node", i64::from(node.node)),
            KeyValue::new("modrack.label", node.label.clone()),
            KeyValue::new("modrack.call", i64::try_from(call).unwrap_or(i64::MAX)),
        ];
        let mut begun = self.begin_as("modrack.node", SpanKind::Internal, attributes, trace);
        // The provider's span hangs below the attempt's.
        trace.attempts = true;
        NodeSpan { telemetry: self.clone(), span: begun.span.take(), trace: trace.clone() }
    }
}

impl CallSpan {
    /// Says which run it is.
    pub(crate) fn note_run(&mut self, run_id: &str, plan_hash: &str) {
        if let Some(span) = &mut self.span {
            span.set_attributes([
                KeyValue::new("modrack.execution_id", run_id.to_owned()),
                KeyValue::new("modrack.plan_hash", plan_hash.to_owned()),
            ]);
        }
    }

    /// The host's span as a header, where there is one.
    pub(crate) fn header(&self) -> Option<&str> {
        self.parent.as_deref()
    }
}

/// The span of one call of a run. Dropped without an end, the run was over before.
pub(crate) struct NodeSpan {
    telemetry: Telemetry,
    span: Option<Span>,
    /// With the span as parent.
    trace: TraceContext,
}

impl NodeSpan {
    /// Ends the span and writes those of its attempts.
    pub(crate) fn end(mut self, facts: &executor::CallFacts, failure: Option<&Error>) {
        let Some(mut span) = self.span.take() else { return };
        for (number, attempt) in (1..).zip(&facts.attempts) {
            self.attempt(number, attempt);
        }
        span.set_attributes([
            KeyValue::new("modrack.attempts", i64::try_from(facts.attempts.len()).unwrap_or(i64::MAX)),
            KeyValue::new("modrack.revision", i64::try_from(facts.revision).unwrap_or(i64::MAX)),
            KeyValue::new("modrack.cached", facts.cached),
            KeyValue::new("modrack.queued_us", i64::try_from(facts.queued.as_micros()).unwrap_or(i64::MAX)),
        ]);
        if let Some(error) = failure {
            span.set_attributes([
                KeyValue::new("error.type", error.code().to_owned()),
                KeyValue::new("modrack.error.category", error.category().as_str()),
            ]);
            span.set_status(Status::error(error.message().to_owned()));
        }
    }

    fn attempt(&self, number: u32, attempt: &executor::AttemptFacts) {
        let Some(active) = &self.telemetry.0 else { return };
        let told = context::read(&self.trace.of_attempt(number));
        let (Some(parent), Some(told)) = (context::read(&self.trace), told) else { return };
        let began = wall(attempt.started);
        let mut attributes = vec![
            KeyValue::new("modrack.attempt", i64::from(number)),
            KeyValue::new("modrack.plane", attempt.plane.map_or("none", DataPlane::as_str)),
        ];
        if let Some(session) = attempt.session {
            attributes.push(KeyValue::new("modrack.session_id", session.to_string()));
        }
        let parent = Context::new().with_remote_span_context(parent);
        let builder = active
            .tracer
            .span_builder("modrack.attempt")
            .with_kind(SpanKind::Client)
            .with_start_time(began)
            .with_attributes(attributes);
        let mut span = with_id(told.span_id(), || builder.start_with_context(&active.tracer, &parent));
        if let Some(code) = &attempt.code {
            span.set_attribute(KeyValue::new("error.type", code.clone().into_owned()));
            span.set_status(Status::error(""));
        }
        span.end_with_timestamp(began + attempt.duration);
    }
}

impl Drop for NodeSpan {
    fn drop(&mut self) {
        if let Some(mut span) = self.span.take() {
            span.set_attribute(KeyValue::new("modrack.error.category", Category::Cancelled.as_str()));
            span.set_status(Status::error("the run ended first"));
        }
    }
}

/// Ids at random, but where one is given.
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

thread_local! {
    static GIVEN: Cell<Option<SpanId>> = const { Cell::new(None) };
}

/// Begins a span with this id: the SDK asks its generator on the same thread, and takes no id otherwise.
fn with_id(id: SpanId, begin: impl FnOnce() -> Span) -> Span {
    GIVEN.set(Some(id));
    let span = begin();
    GIVEN.set(None);
    span
}

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        self.0.new_trace_id()
    }

    fn new_span_id(&self) -> SpanId {
        GIVEN.take().unwrap_or_else(|| self.0.new_span_id())
    }
}

/// A moment of the monotonic clock by the wall clock.
pub(super) fn wall(moment: Instant) -> SystemTime {
    let ago = tokio::time::Instant::now().into_std().checked_duration_since(moment).unwrap_or(Duration::ZERO);
    SystemTime::now().checked_sub(ago).unwrap_or_else(SystemTime::now)
}
