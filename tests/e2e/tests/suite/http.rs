//! HTTP with JSON: the same modules, the same checks and the same errors as by gRPC.

use futures::StreamExt as _;
use http_body_util::BodyExt as _;
use protocol::generated::provider::v1::host_frame::Frame;
use protocol::generated::provider::v1::{ModuleCapabilities, ModuleSpec};
use serde_json::{Value, json};
use testkit::{Connection, Session, frames, module, msgpack, registration};

use e2e::{Host, Http, Language, Plane, Provider, get_by_socket};

const JSON: (&str, &str) = ("content-type", "application/json");
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A provider by hand of `hand.Echo` and of the stream `hand.Count`.
async fn hand(host: &Host) -> (Session, Connection) {
    let stream = Some(ModuleCapabilities { stream: true, ..ModuleCapabilities::default() });
    let count = ModuleSpec { capabilities: stream, ..module("Count", "{to: Int}", "Int") };
    let request = registration("hand", [module("Echo", "{n: Int}", "{n: Int}"), count]);
    let session = host.client().register(request).await.expect("the namespace is free").keep_alive();
    let connection = session.link().await;
    (session, connection)
}

/// Sends items as fast as the host reads them.
pub(crate) async fn send_items(connection: &mut Connection, call: u64, mut credit: u32, items: &[&str]) {
    for item in items {
        while credit == 0 {
            let frame = connection.next().await.expect("it is open").expect("it is open");
            if let Some(Frame::Credit(more)) = frame.frame {
                credit += more.items;
            }
        }
        connection.send([frames::item(call, &msgpack("Int", item))]).await.expect("the host reads");
        credit -= 1;
    }
}

/// Waits for the start of a stream: its call and its first credit.
pub(crate) async fn started(connection: &mut Connection) -> (u64, u32) {
    loop {
        let frame = connection.next().await.expect("it is open").expect("there is a call");
        if let Some(Frame::ExecuteStream(start)) = frame.frame {
            return (frame.call_id, start.credit);
        }
    }
}

#[tokio::test]
async fn health_readiness_and_metrics_are_served_on_every_listener_in_both_versions() {
    let host = Host::start();
    for http in [Http::new(host.url()), Http::version_2(host.url())] {
        assert_eq!(http.get("/healthz").await.json(), json!({ "status": "ok" }));
        assert_eq!(http.get("/readyz").await.json(), json!({ "status": "ready" }));
        let metrics = http.get("/metrics").await;
        assert!(metrics.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"));
        assert!(metrics.body.ends_with(b"# EOF\n"), "{metrics:?}");
        let head = http.send("HEAD", "/healthz", &[], "").await;
        assert_eq!((head.status, head.body.len()), (200, 0));
    }
    let socket = host.socket();
    assert_eq!(get_by_socket(&socket, "/readyz").await.json(), json!({ "status": "ready" }));
    // gRPC goes on beside it.
    assert!(host.client().names("*").await.is_empty());
}

#[tokio::test]
async fn a_call_answers_with_the_output_and_what_happened() {
    let host = Host::start();
    let provider = Provider::start(&host, Language::Python, Plane::Link, "fixture").await;
    let http = Http::new(host.url());
    let input = json!({
        "text": "naïve 😀", "int": "9223372036854775807", "float": "NaN", "flag": true, "bytes": "AP/+gA==",
        "list": ["b", "a"], "map": { "é": 1 }, "union": { "$variant": 0, "value": "3" }, "any": { "$float": 2 },
    });
    let answer = http.post(&format!("/v1/modules/{}:call", provider.module("Echo")), &input).await.json();
    let mut expected = input.clone();
    // Where the bare value tells the variant it stands alone.
    expected["union"] = "3".into();
    expected["any"] = json!({ "$float": 2.0 });
    assert_eq!(answer["output"], expected);
    assert_eq!((&answer["info"]["plane"], &answer["info"]["attempts"]), (&json!("link"), &json!(1)));

    let listed = http.get("/v1/modules?pattern=fixture.E*").await.json();
    let names: Vec<_> = listed["modules"].as_array().expect("a list").iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["fixture.Echo"]);
    let one = http.get("/v1/modules/fixture.Echo").await.json();
    assert_eq!((&one["endpoints"][0]["language"], &one["revision"]), (&json!("python"), &json!(1)));
}

#[tokio::test]
async fn what_is_wrong_is_told_by_status_and_envelope() {
    let host = Host::start_with(&[("limits.message_bytes", "2048")]);
    let (_session, _connection) = hand(&host).await;
    let http = Http::new(host.url());
    let call = "/v1/modules/hand.Echo:call";
    let good = r#"{"n": 1}"#;
    let large = format!(r#"{{"n": 1, "x": "{}"}}"#, "x".repeat(4000));
    for (method, path, headers, body, expected) in [
        ("GET", "/", &[][..], "", (404, "http.path.unknown")),
        ("GET", "/v1/modules/hand.Echo:delete", &[], "", (404, "http.path.unknown")),
        ("GET", call, &[], "", (405, "http.method.unsupported")),
        ("OPTIONS", "/v1/modules", &[], "", (405, "http.method.unsupported")),
        ("GET", "/v1/modules/nope.Nope", &[], "", (404, "registry.module.unknown")),
        ("GET", "/v1/modules/7%00", &[], "", (400, "registry.name.invalid")),
        ("GET", "/v1/modules?page_size=0", &[], "", (400, "protocol.field.invalid")),
        ("GET", "/v1/modules?pattern=a&pattern=b", &[], "", (400, "protocol.field.invalid")),
        ("GET", "/v1/modules?pagesize=1", &[], "", (400, "protocol.field.invalid")),
        ("GET", "/healthz?x", &[], "", (400, "protocol.field.invalid")),
        ("POST", call, &[("content-type", "text/plain")], good, (415, "http.content_type.unsupported")),
        ("POST", call, &[], good, (415, "http.content_type.unsupported")),
        ("POST", call, &[JSON], "", (400, "protocol.field.missing")),
        ("POST", call, &[JSON], "{", (400, "executor.input.invalid")),
        ("POST", call, &[JSON], r#"{"n": "1"}"#, (400, "executor.input.invalid")),
        ("POST", call, &[JSON], r#"{"n": 1, "n": 1}"#, (400, "executor.input.invalid")),
        ("POST", call, &[JSON], &large, (413, "protocol.message.too_large")),
        ("POST", call, &[JSON, ("modrack-timeout-ms", "0")], good, (400, "protocol.field.invalid")),
        ("POST", call, &[JSON, ("modrack-timeout-ms", "1e3")], good, (400, "protocol.field.invalid")),
        ("POST", call, &[JSON, ("idempotency-key", "a b")], good, (400, "protocol.field.invalid")),
        ("POST", call, &[JSON, ("modrack-schema-fingerprint", "x")], good, (400, "protocol.field.invalid")),
        (
            "POST",
            call,
            &[JSON, ("modrack-schema-fingerprint", &"0".repeat(64))],
            good,
            (412, "registry.schema.changed"),
        ),
        ("POST", call, &[JSON, ("modrack-timeout-ms", "50")], good, (504, "executor.deadline.exceeded")),
        ("POST", "/v1/modules/nope.Nope:call", &[JSON], good, (404, "registry.module.unknown")),
        ("POST", "/v1/modules/hand.Echo:stream", &[JSON], good, (501, "executor.stream.unsupported")),
        ("POST", "/v1/modules/hand.Count:call", &[JSON], r#"{"to": 1}"#, (501, "executor.stream.required")),
        ("POST", "/v1/modules/hand.Echo:batch", &[JSON], r#"{"inputs": []}"#, (400, "protocol.field.invalid")),
        (
            "POST",
            "/v1/modules/hand.Echo:batch",
            &[JSON],
            r#"{"inputs": [{"n": 1}, {}]}"#,
            (400, "executor.input.invalid"),
        ),
        ("POST", "/modrack.host.v1.Host/Call", &[JSON], good, (404, "http.path.unknown")),
    ] {
        let answer = http.send(method, path, headers, body.to_owned()).await;
        assert_eq!(answer.failure(), (expected.0, expected.1.to_owned()), "{method} {path} {headers:?} {body}");
    }
    let refused = http.send("DELETE", "/v1/modules", &[], "").await;
    assert_eq!((refused.status, refused.header("allow")), (405, "GET, HEAD"));
}

#[tokio::test]
async fn the_trace_and_the_key_of_a_caller_reach_the_module() {
    let host = Host::start();
    let (_session, mut connection) = hand(&host).await;
    let http = Http::new(host.url());
    let headers = [JSON, ("traceparent", TRACE), ("idempotency-key", "once"), ("modrack-timeout-ms", "20000")];
    let asking = http.send("POST", "/v1/modules/hand.Echo:call", &headers, r#"{"n": 7}"#);
    let serving = async {
        let call = connection.call().await;
        assert_eq!((call.request.idempotency_key.as_str(), call.request.traceparent.as_str()), ("once", TRACE));
        connection.send([frames::output(call.id, call.request.input_data.to_vec())]).await.expect("the host reads");
    };
    let (answer, ()) = tokio::join!(asking, serving);
    assert_eq!((answer.json()["output"].clone(), answer.header("traceparent")), (json!({ "n": 7 }), TRACE));
}

#[tokio::test]
async fn a_batch_answers_each_input() {
    let host = Host::start();
    let provider = Provider::start(&host, Language::Python, Plane::Link, "fixture").await;
    let http = Http::new(host.url());
    let inputs = json!({ "inputs": [{ "message": "a" }, { "message": "b" }] });
    let answer = http.post(&format!("/v1/modules/{}:batch", provider.module("Raise")), &inputs).await.json();
    let codes: Vec<_> =
        answer["results"].as_array().expect("a list").iter().map(|one| one["error"]["code"].clone()).collect();
    assert_eq!(codes, ["module.failed"; 2], "{answer}");
    let inputs = json!({ "inputs": [{ "size": 1 }, { "size": 2 }] });
    let answer = http.post(&format!("/v1/modules/{}:batch", provider.module("Big")), &inputs).await.json();
    assert_eq!(answer["results"], json!([{ "output": "AA==" }, { "output": "AAA=" }]));
}

/// Reads events until the stream is over.
async fn events(response: http::Response<hyper::body::Incoming>) -> Vec<(String, Value)> {
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let body = testkit::within("the events", response.into_body().collect()).await.expect("it is whole").to_bytes();
    let text = String::from_utf8(body.to_vec()).expect("it is UTF-8");
    let event = |block: &str| {
        let (event, data) = block.split_once('\n').expect("two lines");
        let data = data.strip_prefix("data: ").expect("data");
        (event.strip_prefix("event: ").expect("a name").to_owned(), serde_json::from_str(data).expect("it is JSON"))
    };
    text.split_terminator("\n\n").map(event).collect()
}

#[tokio::test]
async fn a_stream_comes_as_events_and_says_how_it_ended() {
    let host = Host::start();
    let (_session, mut connection) = hand(&host).await;
    let http = Http::new(host.url());
    for fails in [false, true] {
        let asking = async {
            let path = "/v1/modules/hand.Count:stream";
            events(http.open("POST", path, &[JSON], r#"{"to": 2}"#).await).await
        };
        let serving = async {
            let (call, credit) = started(&mut connection).await;
            let last = if fails {
                frames::error(call, &protocol::Error::of(protocol::codes::OVERLOADED, "no more"))
            } else {
                frames::end(call)
            };
            send_items(&mut connection, call, credit, &["1", "2"]).await;
            connection.send([last]).await.expect("the host reads");
        };
        let (told, ()) = tokio::join!(asking, serving);
        let names: Vec<_> = told.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["info", "item", "item", if fails { "error" } else { "end" }], "{told:?}");
        assert_eq!((&told[0].1["plane"], &told[1].1, &told[2].1), (&json!("link"), &json!(1), &json!(2)));
        if fails {
            assert_eq!(told[3].1["error"]["code"], "executor.overloaded");
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_call() {
    let host = Host::start();
    let (_session, mut connection) = hand(&host).await;
    let http = Http::new(host.url());
    let asking = tokio::spawn({
        let http = http.clone();
        async move { http.post("/v1/modules/hand.Echo:call", &json!({ "n": 1 })).await }
    });
    let call = connection.call().await;
    asking.abort();
    loop {
        let frame = testkit::within("the cancel", connection.next()).await.expect("it is open").expect("a frame");
        if matches!(frame.frame, Some(Frame::Cancel(_))) && frame.call_id == call.id {
            break;
        }
    }
}

#[tokio::test]
async fn metrics_count_calls_and_leave_with_their_module() {
    let host = Host::start();
    let (session, connection) = hand(&host).await;
    let served = tokio::spawn(connection.serve(|request| async move { request.input_data }));
    let http = Http::new(host.url());
    for _ in 0..3 {
        assert_eq!(http.post("/v1/modules/hand.Echo:call", &json!({ "n": 1 })).await.status, 200);
    }
    let page = async || String::from_utf8(http.get("/metrics").await.body.to_vec()).expect("it is text");
    let text = page().await;
    for line in [
        r#"modrack_calls_total{module="hand.Echo",plane="link",result="ok"} 3"#,
        r#"modrack_call_duration_seconds_count{module="hand.Echo",plane="link"} 3"#,
        r#"modrack_calls_in_flight{module="hand.Echo",plane="link"} 0"#,
        "modrack_modules 2",
        "modrack_sessions 1",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line}\n{text}");
    }
    session.unregister().await.expect("it is there");
    let text = page().await;
    assert!(!text.contains("hand.Echo") && text.contains("modrack_modules 0"), "{text}");
    served.abort();
}

#[tokio::test]
async fn the_openapi_document_follows_the_registry_and_has_a_tag() {
    let host = Host::start();
    let http = Http::new(host.url());
    let before = http.get("/openapi.json").await;
    let (_session, _connection) = hand(&host).await;
    let after = http.get("/openapi.json").await;
    assert_ne!(before.header("etag"), after.header("etag"));
    let document = after.json();
    let paths = &document["paths"];
    assert!(paths["/v1/modules/hand.Echo:call"]["post"].is_object(), "{paths}");
    assert!(
        paths["/v1/modules/hand.Count:stream"]["post"].is_object() && paths["/v1/modules/hand.Count:call"].is_null()
    );
    assert_eq!(document["components"]["schemas"]["hand.Echo.input"]["required"], json!(["n"]));
    let same = http.send("GET", "/openapi.json", &[("if-none-match", after.header("etag"))], "").await;
    assert_eq!((same.status, same.body.len()), (304, 0));
}

#[tokio::test]
async fn a_token_is_asked_for_and_probes_need_none() {
    let directory = tempfile::tempdir().expect("there is room");
    std::fs::write(directory.path().join("token"), "a-token-of-some-length\n").expect("it can be written");
    let clients = "[[clients]]\nsubject = \"ada\"\ntoken_file = \"token\"\nscopes = [\"list\", \"call:hand.*\"]\n";
    std::fs::write(directory.path().join("modrack.toml"), clients).expect("it can be written");
    let host = Host::start_in(directory, &[]);
    let http = Http::new(host.url());
    assert_eq!(http.get("/healthz").await.status, 200);
    assert_eq!(http.get("/readyz").await.status, 200);
    let refused = http.get("/v1/modules").await;
    assert_eq!(refused.failure(), (401, "host.token.missing".to_owned()));
    assert_eq!(refused.header("www-authenticate"), "Bearer");
    let token = ("authorization", "Bearer a-token-of-some-length");
    let document = http.send("GET", "/openapi.json", &[token], "").await.json();
    assert_eq!(document["security"], json!([{ "bearer": [] }]));
    assert_eq!(http.send("GET", "/metrics", &[token], "").await.failure(), (403, "host.scope.missing".to_owned()));
    let denied = http.send("POST", "/v1/modules/other.A:call", &[token, JSON], "{}").await;
    assert_eq!(denied.failure(), (403, "host.scope.missing".to_owned()));
}

#[tokio::test]
async fn who_stops_reading_events_cancels_the_stream() {
    let host = Host::start();
    let (_session, mut connection) = hand(&host).await;
    let http = Http::new(host.url());
    let asking = http.open("POST", "/v1/modules/hand.Count:stream", &[JSON], r#"{"to": 2}"#);
    let serving = async {
        let (call, _) = started(&mut connection).await;
        connection.send([frames::item(call, &msgpack("Int", "1"))]).await.expect("the host reads");
        call
    };
    let (response, call) = tokio::join!(asking, serving);
    let mut data = response.into_body().into_data_stream();
    assert!(testkit::within("the first event", data.next()).await.is_some());
    // Who stops reading in the middle leaves, and the module learns it.
    drop(data);
    drop(http);
    loop {
        let frame = testkit::within("the cancel", connection.next()).await.expect("it is open").expect("a frame");
        if matches!(frame.frame, Some(Frame::Cancel(_))) && frame.call_id == call {
            break;
        }
    }
}

#[tokio::test]
async fn metrics_count_runs_by_stored_pipeline_and_what_the_options_of_calls_did() {
    let host = Host::start();
    let (_session, connection) = hand(&host).await;
    let served = tokio::spawn(connection.serve(|request| async move { request.input_data }));
    let http = Http::new(host.url());
    let source = "in n: Int\necho = hand.Echo(n) with cache: 60s\nout echo\n";
    let put = http.send("PUT", "/v1/pipelines/Twice", &[JSON], json!({ "source": source }).to_string()).await;
    assert_eq!(put.status, 200, "{put:?}");
    for body in [json!({ "name": "Twice", "inputs": { "n": 1 } }), json!({ "source": source, "inputs": { "n": 1 } })] {
        let ran = http.post("/v1/pipelines:run", &body).await;
        assert_eq!(ran.status, 200, "{ran:?}");
    }
    let page = async || String::from_utf8(http.get("/metrics").await.body.to_vec()).expect("it is text");
    let text = page().await;
    for line in [
        r#"modrack_pipeline_runs_total{pipeline="",outcome="succeeded"} 1"#,
        r#"modrack_pipeline_runs_total{pipeline="Twice",outcome="succeeded"} 1"#,
        r#"modrack_pipeline_run_duration_seconds_count{pipeline="Twice"} 1"#,
        r#"modrack_pipeline_runs_in_flight{pipeline="Twice"} 0"#,
        r#"modrack_cache_calls_total{module="hand.Echo",result="hit"} 1"#,
        r#"modrack_cache_calls_total{module="hand.Echo",result="miss"} 1"#,
        r#"modrack_cache_entries{cache="memory"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "no {line}\n{text}");
    }
    assert_eq!(http.send("DELETE", "/v1/pipelines/Twice", &[], "").await.status, 200);
    let text = page().await;
    assert!(!text.contains("\"Twice\"") && text.contains(r#"runs_total{pipeline="",outcome="succeeded"} 1"#), "{text}");
    served.abort();
}
