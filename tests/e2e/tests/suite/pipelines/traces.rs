//! One trace of a run: the caller, the run, each call, each attempt, and the provider's own span below it.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;

use e2e::{Collector, Host, Http, Language, Plane, Provider, Recorded};

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

async fn the_spans_of_a_run_hang_together(language: Language) {
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let host = Host::start_with(&[("telemetry.otlp_endpoint", &endpoint)]);
    let environment = [
        ("MODRACK_NAMESPACE", "fixture"),
        ("OTEL_SERVICE_NAME", "fixture"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
    ];
    let provider = Provider::launch(&host, language, Plane::Link, &environment);
    provider.listed(&host, 1).await;
    let inner = "seen = fixture.Inspect()\nattempt = seen.attempt\nout attempt\n";
    host.client().store("Seen", inner).await.expect("it checks");
    let source = "failed = fixture.Fail(\"UNAVAILABLE\", \"fixture.busy\", \"busy\", true) with retry: 1, fallback: \"x\"\n\
                  seen = pipeline.Seen()\nout failed\nout seen\n";
    let parent = format!("00-{TRACE_ID}-{CALLER}-01");
    let headers = [("content-type", "application/json"), ("traceparent", parent.as_str())];
    let body = json!({ "source": source }).to_string();
    let answer = Http::new(host.url()).send("POST", "/v1/pipelines:run", &headers, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let record = answer.json()["record"].clone();

    let named = |name: &'static str, key: &'static str, value: &'static str| {
        move |span: &Recorded| span.span.name == name && span.attribute(key) == value
    };
    let find = async |name, key, value| collector.span(name, named(name, key, value)).await;
    let run = find("modrack.run", "modrack.pipeline", "").await;
    assert_eq!((run.trace(), run.parent(), run.span.kind()), (TRACE_ID.into(), CALLER.into(), SpanKind::Server));
    assert_eq!(run.attribute("modrack.execution_id"), record["run_id"].as_str().expect("a text"));
    assert_eq!(answer.header("traceparent"), format!("00-{TRACE_ID}-{}-01", run.id()));
    let failed = find("modrack.node", "modrack.module", "fixture.Fail").await;
    assert_eq!((failed.parent(), failed.attribute("modrack.attempts")), (run.id(), "2".into()));
    assert_eq!(failed.attribute("error.type"), "fixture.busy");
    // The provider's spans hang below the attempts', one below each.
    let below = |parent: String| {
        move |span: &Recorded| {
            let of_provider = span.service == "fixture" && span.attribute("modrack.module") == "fixture.Fail";
            of_provider && span.parent() == parent
        }
    };
    for number in ["1", "2"] {
        let node = failed.id();
        let attempt = collector
            .span("an attempt", |span| {
                span.span.name == "modrack.attempt"
                    && span.parent() == node
                    && span.attribute("modrack.attempt") == number
            })
            .await;
        assert_eq!((attempt.span.kind(), attempt.attribute("modrack.plane")), (SpanKind::Client, "link".into()));
        let handler = collector.span("a handler", below(attempt.id())).await;
        assert_eq!((handler.trace(), handler.span.kind()), (TRACE_ID.into(), SpanKind::Server));
    }
    // A run inside the run: below the attempt that called it.
    let inner = find("modrack.run", "modrack.pipeline", "Seen").await;
    let node = find("modrack.node", "modrack.module", "pipeline.Seen").await;
    let parent = inner.parent();
    let attempt = collector.span("the attempt", |span| span.id() == parent).await;
    assert_eq!(
        (attempt.parent(), attempt.attribute("modrack.plane"), node.parent()),
        (node.id(), "host".into(), run.id())
    );
    let seen = find("modrack.node", "modrack.module", "fixture.Inspect").await;
    assert_eq!((seen.parent(), seen.trace()), (inner.id(), TRACE_ID.into()));
}

#[tokio::test]
async fn the_spans_of_a_run_hang_together_with_those_of_python() {
    the_spans_of_a_run_hang_together(Language::Python).await;
}

#[tokio::test]
async fn the_spans_of_a_run_hang_together_with_those_of_typescript() {
    the_spans_of_a_run_hang_together(Language::TypeScript).await;
}

#[tokio::test]
async fn the_spans_of_a_run_hang_together_with_those_of_rust() {
    the_spans_of_a_run_hang_together(Language::Rust).await;
}
