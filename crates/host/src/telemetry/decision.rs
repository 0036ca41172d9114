//! Spans of what middleware decided, below that of the call or run, each written when the component has answered. Asks nobody.

use std::time::{Duration, Instant};

use opentelemetry::trace::{Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use protocol::frame::TraceContext;
use protocol::generated::host::v1 as pb;

use crate::telemetry::{Telemetry, context, wall};

impl Telemetry {
    /// Writes the span of one decision that was asked for at `began`. Nothing where no spans are sent, or outside a trace.
    pub(crate) fn decision(&self, trace: &TraceContext, decided: &pb::MiddlewareTrace, began: Instant) {
        let (Some(active), Some(parent)) = (&self.0, context::read(trace)) else { return };
        let parent = Context::new().with_remote_span_context(parent);
        let mut attributes = vec![
            KeyValue::new("modrack.component", decided.component.clone()),
            KeyValue::new("modrack.hook", decided.hook.clone()),
        ];
        for (key, value) in [("modrack.decision", &decided.decision), ("modrack.reason", &decided.reason)] {
            if !value.is_empty() {
                attributes.push(KeyValue::new(key, value.clone()));
            }
        }
        let began = wall(began);
        let builder = active
            .tracer
            .span_builder("modrack.middleware")
            .with_kind(SpanKind::Client)
            .with_start_time(began)
            .with_attributes(attributes);
        let mut span = builder.start_with_context(&active.tracer, &parent);
        if !decided.code.is_empty() {
            span.set_attribute(KeyValue::new("error.type", decided.code.clone()));
            span.set_status(Status::error(""));
        }
        span.end_with_timestamp(began + Duration::from_micros(decided.duration_us));
    }
}
