//! Spans around handlers and calls: by the program's own tracer provider where it has set one, else by an exporter to
//! `OTEL_EXPORTER_OTLP_ENDPOINT` where that is set, else none. Configures nothing that the standard's variables configure.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, ContextGuard, KeyValue, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use crate::provider::request::Request;
use crate::provider::{Plane, env};

/// Name of the library that makes the spans.
const SCOPE: &str = "modrack";
/// How long a provider that stops waits for its last spans to be sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The exporter of this crate; `None` where nobody asked for one.
static OWN: OnceLock<Option<Own>> = OnceLock::new();

struct Own {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// The trace that code runs in.
#[derive(Debug, Clone)]
pub(crate) struct Trace(Context);

/// A call that is watched; not at all where nobody asked for traces.
#[derive(Debug)]
pub(crate) struct Observed(Option<Context>);

/// A trace that is current until this is dropped.
pub(crate) struct Attached {
    _guard: Option<ContextGuard>,
}

pub(crate) fn current() -> Trace {
    Trace(Context::current())
}

/// The trace of the code that runs, as headers; `None` outside of any.
pub(crate) fn headers() -> Option<(String, String)> {
    Context::map_current(|current| {
        current.span().span_context().is_valid().then(|| {
            let mut headers = HashMap::new();
            TraceContextPropagator::new().inject_context(current, &mut headers);
            let mut take = |name| headers.remove(name).unwrap_or_default();
            (take("traceparent"), take("tracestate"))
        })
    })
}

/// A span around a handler: a child of the request's trace.
pub(crate) fn serving(namespace: &str, request: &Request<'_>, plane: Option<Plane>) -> Observed {
    let module = format!("{namespace}.{}", request.module_name);
    let mut attributes = vec![
        KeyValue::new("modrack.module", module.clone()),
        KeyValue::new("modrack.execution_id", request.execution_id.to_owned()),
    ];
    attributes.extend(plane.map(|plane| KeyValue::new("modrack.plane", plane.as_str())));
    let span = SpanBuilder::from_name(module).with_kind(SpanKind::Server).with_attributes(attributes);
    Observed(start(span, &remote(request.traceparent, request.tracestate), namespace))
}

/// A span around a call: a child of the code's own trace, else of the one that is passed on.
pub(crate) fn calling(module: &str, traceparent: &str, tracestate: &str) -> Observed {
    let current = Context::current();
    let parent = match current.span().span_context().is_valid() {
        true => current,
        false => remote(traceparent, tracestate),
    };
    let attributes = [KeyValue::new("modrack.module", module.to_owned())];
    let span = SpanBuilder::from_name(module.to_owned()).with_kind(SpanKind::Client).with_attributes(attributes);
    Observed(start(span, &parent, SCOPE))
}

/// Sends the spans that wait, within 2 s. [`Provider::run`](crate::Provider::run) does it at its end; a program that only calls does it before its own.
pub async fn flush() {
    if let Some(Some(own)) = OWN.get() {
        let provider = own.provider.clone();
        let flushed = tokio::task::spawn_blocking(move || provider.force_flush());
        match tokio::time::timeout(FLUSH_TIMEOUT, flushed).await {
            Ok(Ok(Ok(()))) => {}
            _ => tracing::debug!("the last spans could not be sent within {FLUSH_TIMEOUT:?}"),
        }
    }
}

impl Trace {
    pub(crate) fn attach(&self) -> Attached {
        Attached { _guard: Some(self.0.clone().attach()) }
    }
}

impl Observed {
    pub(crate) fn attach(&self) -> Attached {
        Attached { _guard: self.0.clone().map(Context::attach) }
    }

    /// The call is over, well or with a failure of this code. A call that is dropped ends as well, without a status.
    pub(crate) fn end(self, failure: Option<&str>) {
        let Some(context) = self.0 else { return };
        let span = context.span();
        if let Some(code) = failure {
            span.set_attribute(KeyValue::new("error.type", code.to_owned()));
            span.set_status(Status::error(code.to_owned()));
        }
        span.end();
    }
}

fn remote(traceparent: &str, tracestate: &str) -> Context {
    if traceparent.is_empty() {
        return Context::new();
    }
    let headers = [("traceparent", traceparent), ("tracestate", tracestate)];
    let headers: HashMap<String, String> = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    TraceContextPropagator::new().extract_with_context(&Context::new(), &headers)
}

fn start(span: SpanBuilder, parent: &Context, service: &str) -> Option<Context> {
    let started = global::tracer(SCOPE).build_with_context(span.clone(), parent);
    let context = parent.with_span(started);
    // Without a tracer provider the API passes the parent on.
    let (own, given) = (context.span().span_context().clone(), parent.span().span_context().clone());
    if own.is_valid() && own.span_id() != given.span_id() {
        return Some(context);
    }
    let own = OWN.get_or_init(|| export(service)).as_ref()?;
    Some(parent.with_span(own.tracer.build_with_context(span, parent)))
}

/// An exporter where the environment names a collector.
fn export(service: &str) -> Option<Own> {
    env("OTEL_EXPORTER_OTLP_ENDPOINT").or_else(|| env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))?;
    let exporter = match opentelemetry_otlp::SpanExporter::builder().with_tonic().build() {
        Ok(exporter) => exporter,
        Err(source) => {
            tracing::warn!("traces are not exported: {source}");
            return None;
        }
    };
    let mut resource = Resource::builder();
    if env("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(service.to_owned());
    }
    let provider = SdkTracerProvider::builder().with_resource(resource.build()).with_batch_exporter(exporter).build();
    let tracer = provider.tracer(SCOPE);
    Some(Own { provider, tracer })
}
