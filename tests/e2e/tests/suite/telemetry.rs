//! One trace from the caller through the host to the handler, and on through what the handler calls, as a collector sees it.

use http::HeaderMap;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;
use testkit::{module, registration};

use e2e::{Collector, Host, Http, Language, Plane, Provider, Recorded};

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

async fn traced(http: &Http, module: &str, input: &str, flags: &str) -> (u16, HeaderMap) {
    let parent = format!("00-{TRACE_ID}-{CALLER}-{flags}");
    let headers = [("content-type", "application/json"), ("traceparent", parent.as_str())];
    let answer = http.send("POST", &format!("/v1/modules/{module}:call"), &headers, input.to_owned()).await;
    (answer.status, answer.headers)
}

fn of_host(span: &Recorded) -> bool {
    span.service == "modrack-host" && span.span.name == "modrack.call"
}

const PLANES: [Plane; 3] = [Plane::Link, Plane::Attach, Plane::Unary];

/// Asserts each link of the trace of a call whose handler calls `inner` by the client of its SDK, as the collector received them.
async fn assert_one_trace(collector: &Collector, outer: &str, inner: &str, plane: &str) {
    let mut parent = CALLER.to_owned();
    for (service, module, kind) in [
        ("modrack-host", outer, SpanKind::Server),
        ("fixture", outer, SpanKind::Server),
        ("fixture", inner, SpanKind::Client),
        ("modrack-host", inner, SpanKind::Server),
        ("fixture", inner, SpanKind::Server),
    ] {
        let what = format!("{service}, {kind:?}, {module}");
        let fits = |span: &Recorded| {
            (span.service.as_str(), span.span.kind()) == (service, kind) && span.attribute("modrack.module") == module
        };
        let span = collector.span(&what, fits).await;
        assert_eq!((span.trace(), span.parent()), (TRACE_ID.to_owned(), parent), "{what}");
        if kind == SpanKind::Server {
            assert_eq!(span.attribute("modrack.plane"), plane, "{what}");
        }
        parent = span.id();
    }
}

async fn the_client_of_a_handler_is_in_the_trace_of_its_caller_on_every_plane(language: Language) {
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let host = Host::start_with(&[("telemetry.otlp_endpoint", &endpoint)]);
    let providers = PLANES.map(|plane| {
        let environment = [
            ("MODRACK_NAMESPACE", plane.as_str()),
            ("OTEL_SERVICE_NAME", "fixture"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ];
        Provider::launch(&host, language, plane, &environment)
    });
    let http = Http::new(host.url());
    for (provider, plane) in providers.iter().zip(PLANES) {
        provider.listed(&host, 1).await;
        let (outer, inner) = (provider.module("Nest"), provider.module("Inspect"));
        let (status, _) = traced(&http, &outer, &json!({ "module": inner, "input": {} }).to_string(), "01").await;
        assert_eq!(status, 200);
        assert_one_trace(&collector, &outer, &inner, plane.as_str()).await;
    }
    // Nobody else made a span of it.
    assert_eq!(collector.spans().iter().filter(|span| span.trace() == TRACE_ID).count(), 5 * PLANES.len());
}

#[tokio::test]
async fn the_client_of_a_handler_in_python_is_in_the_trace_of_its_caller() {
    the_client_of_a_handler_is_in_the_trace_of_its_caller_on_every_plane(Language::Python).await;
}

#[tokio::test]
async fn the_client_of_a_handler_in_typescript_is_in_the_trace_of_its_caller() {
    the_client_of_a_handler_is_in_the_trace_of_its_caller_on_every_plane(Language::TypeScript).await;
}

#[tokio::test]
async fn the_client_of_a_handler_in_rust_is_in_the_trace_of_its_caller() {
    the_client_of_a_handler_is_in_the_trace_of_its_caller_on_every_plane(Language::Rust).await;
}

#[tokio::test]
async fn the_provider_is_told_the_span_of_the_host_and_the_collector_what_happened() {
    let collector = Collector::start().await;
    let host = Host::start_with(&[("telemetry.otlp_endpoint", &collector.endpoint())]);
    let session = host.client().register(registration("hand", [module("A", "{}", "Int")])).await.expect("it is free");
    let mut connection = session.keep_alive().link().await;
    let http = Http::new(host.url());
    let serving = async {
        let call = connection.call().await;
        connection.send([testkit::frames::output(call.id, *b"\x01")]).await.expect("the host reads");
        call.request
    };
    let ((status, headers), request) = tokio::join!(traced(&http, "hand.A", "{}", "01"), serving);
    assert_eq!(status, 200);
    let span = collector.span("the host", of_host).await;
    let own = format!("00-{TRACE_ID}-{}-01", span.id());
    assert_eq!((request.traceparent.as_str(), headers["traceparent"].as_bytes()), (own.as_str(), own.as_bytes()));
    assert_eq!(span.parent(), CALLER);
    for (key, value) in [
        ("modrack.module", "hand.A"),
        ("modrack.plane", "link"),
        ("modrack.attempts", "1"),
        ("modrack.execution_id", &request.execution_id),
    ] {
        assert_eq!(span.attribute(key), value, "{span:?}");
    }
}

#[tokio::test]
async fn a_failure_names_the_trace_that_the_collector_has() {
    let collector = Collector::start().await;
    let host = Host::start_with(&[("telemetry.otlp_endpoint", &collector.endpoint())]);
    let error = host.client().call("nope.Nope", json!({})).await.expect_err("there is none");
    let span = collector.span("the host", of_host).await;
    assert_eq!((error.trace_id(), span.parent()), (span.trace().as_str(), String::new()));
    assert_eq!(span.attribute("error.type"), "registry.module.unknown");
}

#[tokio::test]
async fn the_last_spans_are_sent_when_the_host_stops_and_callers_decide_what_is_recorded() {
    let collector = Collector::start().await;
    let mut host = Host::start_with(&[("telemetry.otlp_endpoint", &collector.endpoint())]);
    let modules = ["Unsampled", "Sampled"].map(|name| module(name, "{}", "Int"));
    let session = host.client().register(registration("hand", modules)).await.expect("it is free").keep_alive();
    let served = tokio::spawn(session.link().await.serve(|_| async { b"\x01".as_slice().into() }));
    let http = Http::new(host.url());
    let (status, headers) = traced(&http, "hand.Unsampled", "{}", "00").await;
    assert_eq!(status, 200);
    assert!(headers["traceparent"].to_str().is_ok_and(|own| own.starts_with(&format!("00-{TRACE_ID}-"))));
    traced(&http, "hand.Sampled", "{}", "01").await;
    served.abort();
    assert!(host.terminate().await.success());
    let spans = collector.spans();
    let modules: Vec<_> = spans.iter().map(|span| span.attribute("modrack.module")).collect();
    assert_eq!(modules, ["hand.Sampled"]);
}

#[tokio::test]
async fn a_collector_that_nobody_can_reach_holds_neither_calls_nor_the_end() {
    let mut host = Host::start_with(&[("telemetry.otlp_endpoint", "http://127.0.0.1:1")]);
    let error = host.client().call("nope.Nope", json!({})).await.expect_err("there is none");
    assert_eq!(error.code(), "registry.module.unknown");
    assert!(host.terminate().await.success());
}
