//! The spans that a program's own tracer provider gets to see.

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SpanData};

use super::*;
use crate::error::{Category, ModuleError};
use crate::testing::TestClient;
use crate::{Client, Context as CallContext, Provider};

fn recorded() -> InMemorySpanExporter {
    static EXPORTER: OnceLock<InMemorySpanExporter> = OnceLock::new();
    EXPORTER
        .get_or_init(|| {
            let exporter = InMemorySpanExporter::default();
            let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
            global::set_tracer_provider(provider);
            exporter
        })
        .clone()
}

fn spans(exporter: &InMemorySpanExporter, namespace: &str) -> Vec<SpanData> {
    let mut spans = exporter.get_finished_spans().unwrap();
    spans.retain(|span| span.name.starts_with(namespace));
    spans
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    span.attributes.iter().find(|attribute| attribute.key.as_str() == key).map(|attribute| attribute.value.to_string())
}

#[tokio::test]
async fn a_nested_call_is_one_trace_from_its_caller_to_the_last_handler() {
    let exporter = recorded();
    let outer = |n: i64, ctx: CallContext| async move { Ok(ctx.client().call::<_, i64>("traced.Inner", &n).await?) };
    let provider = Provider::new("traced").module("Outer", outer).module("Inner", |n: i64| async move {
        tokio::task::yield_now().await;
        Ok(n + 1)
    });
    let client = TestClient::new(provider).unwrap();
    assert_eq!(client.call::<_, i64>("Outer", &1).await.unwrap(), 2);

    let spans = spans(&exporter, "traced.");
    let kinds: Vec<_> = spans.iter().map(|span| (span.name.as_ref(), span.span_kind.clone())).collect();
    assert_eq!(
        kinds,
        [
            ("traced.Inner", SpanKind::Server),
            ("traced.Inner", SpanKind::Client),
            ("traced.Outer", SpanKind::Server),
            ("traced.Outer", SpanKind::Client)
        ]
    );
    for pair in spans.windows(2) {
        assert_eq!(pair[0].parent_span_id, pair[1].span_context.span_id());
        assert_eq!(pair[0].span_context.trace_id(), pair[1].span_context.trace_id());
    }
    assert_eq!(spans[3].parent_span_id, SpanId::INVALID);
    assert_eq!(attribute(&spans[0], "modrack.execution_id").as_deref(), Some("test"));
    assert_eq!(attribute(&spans[0], "modrack.module").as_deref(), Some("traced.Inner"));
}

#[tokio::test]
async fn a_handler_is_a_child_of_the_trace_in_its_request_and_sees_it_as_current() {
    recorded();
    let request = Request {
        module_name: "Look",
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        tracestate: "a=b",
        ..Request::default()
    };
    let observed = serving("requested", &request, Some(Plane::Link));
    let _attached = observed.attach();
    let (traceparent, tracestate) = headers().unwrap();
    assert!(traceparent.starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{traceparent}");
    assert!(!traceparent.contains("b7ad6b7169203331"));
    assert_eq!(tracestate, "a=b");
    let spans_trace = Context::current().span().span_context().trace_id();
    assert_eq!(spans_trace, TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").unwrap());
}

#[tokio::test]
async fn failures_of_calls_batches_and_streams_are_told_by_their_code() {
    let exporter = recorded();
    let refused = || ModuleError::new(Category::NotFound, "failing.nothing", "nothing there");
    let provider = Provider::new("failing")
        .module("Plain", move |_: i64| async move { Err::<i64, _>(refused()) })
        .stream("Items", move |_: i64| tokio_stream::iter([Ok(1i64), Err(refused())]));
    let test = TestClient::new(provider).unwrap();
    let client: Client = test.client();
    client.call::<_, i64>("failing.Plain", &1i64).await.unwrap_err();
    let mut items = client.stream::<_, i64>("failing.Items", &1i64).await.unwrap();
    while items.next().await.is_some() {}
    let spans = spans(&exporter, "failing.");
    assert_eq!(spans.len(), 4);
    for span in spans {
        assert_eq!(attribute(&span, "error.type").as_deref(), Some("failing.nothing"), "{}", span.name);
    }
}
