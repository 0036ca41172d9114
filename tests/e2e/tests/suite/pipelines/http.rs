//! Pipelines over HTTP.

use serde_json::{Value, json};

use e2e::{Answer, Host, Http, Language, Plane, Provider};

const SLEEPS: &str = "# Waits.\nin ms: Int\nslept = fixture.Sleep(ms)\nout slept\n";

async fn put(http: &Http, name: &str, body: &Value) -> Answer {
    let json = [("content-type", "application/json")];
    http.send("PUT", &format!("/v1/pipelines/{name}"), &json, body.to_string()).await
}

#[tokio::test]
async fn pipelines_are_checked_run_stored_and_removed_over_http() {
    let host = Host::start();
    let _provider = Provider::start(&host, Language::Rust, Plane::Link, "fixture").await;
    let http = Http::new(host.url());
    let checked = http.post("/v1/pipelines:check", &json!({ "source": SLEEPS })).await.json();
    assert_eq!((&checked["diagnostics"], &checked["plan"]["input"]), (&json!([]), &json!("{ms: Int}")));
    let checked = http.post("/v1/pipelines:check", &json!({ "source": "out x", "file": "x.cst" })).await;
    assert_eq!((checked.status, &checked.json()["plan"]), (200, &Value::Null));
    assert!(checked.json()["rendered"].as_str().is_some_and(|text| text.contains("x.cst:1:5")), "{checked:?}");

    let ran = http.post("/v1/pipelines:run", &json!({ "source": SLEEPS, "inputs": { "ms": 2 } })).await.json();
    assert_eq!((&ran["outputs"], &ran["record"]["outcome"]), (&json!({ "slept": 2 }), &json!("succeeded")));
    let record = http.get(&format!("/v1/runs/{}", ran["record"]["run_id"].as_str().expect("a text"))).await.json();
    assert_eq!(record, ran["record"]);

    let stored = put(&http, "Sleeps", &json!({ "source": SLEEPS })).await.json();
    assert_eq!((&stored["pipeline"]["callable"], &stored["pipeline"]["description"]), (&json!(true), &json!("Waits.")));
    let answer = http.post("/v1/modules/pipeline.Sleeps:call", &json!({ "ms": 3 })).await.json();
    assert_eq!((&answer["output"], &answer["info"]["plane"]), (&json!({ "slept": 3 }), &json!("host")));
    let ran = http.post("/v1/pipelines:run", &json!({ "name": "Sleeps", "inputs": { "ms": 4 } })).await.json();
    assert_eq!(ran["outputs"], json!({ "slept": 4 }));
    let document = http.get("/openapi.json").await.json();
    assert!(document["paths"]["/v1/modules/pipeline.Sleeps:call"].is_object());
    let one = http.get("/v1/pipelines/Sleeps").await.json();
    let mut listed = http.get("/v1/pipelines?page_size=1").await.json()["pipelines"][0].clone();
    assert_eq!((&one["source"], &listed["source"]), (&json!(SLEEPS), &Value::Null));
    listed["source"] = one["source"].clone();
    assert_eq!(listed["plan"]["hash"], one["plan"]["hash"]);
    let runs = http.get("/v1/runs?pipeline=Sleeps&limit=5").await.json();
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(2));
    let other = json!({ "source": "in other: Int\nout other\n" });
    assert_eq!(put(&http, "Sleeps", &other).await.failure(), (412, "pipeline.incompatible".into()));
    assert_eq!(http.send("DELETE", "/v1/pipelines/Sleeps", &[], "").await.json(), json!({}));
    assert_eq!(http.get("/v1/pipelines/Sleeps").await.failure(), (404, "pipeline.unknown".into()));
}

#[tokio::test]
async fn a_stream_of_a_run_is_server_sent_events() {
    let host = Host::start();
    let _provider = Provider::start(&host, Language::Rust, Plane::Link, "fixture").await;
    let json = [("content-type", "application/json")];
    let body = json!({ "source": SLEEPS, "inputs": { "ms": 1 } }).to_string();
    let answer = Http::new(host.url()).send("POST", "/v1/pipelines:stream", &json, body).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/event-stream"));
    let text = String::from_utf8(answer.body.to_vec()).expect("it is text");
    let events: Vec<_> = text.split_terminator("\n\n").collect();
    let names: Vec<_> = events.iter().map(|event| event.lines().next().unwrap_or_default()).collect();
    assert_eq!(names, ["event: started", "event: node_started", "event: node_ended", "event: ended"]);
    let last: Value = serde_json::from_str(events[3].split_once("data: ").expect("it has data").1).expect("it is JSON");
    assert_eq!((&last["outputs"], &last["error"]), (&json!({ "slept": 1 }), &Value::Null));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_by_status_and_code() {
    let host = Host::start_with(&[("limits.message_bytes", "65536")]);
    let _provider = Provider::start(&host, Language::Rust, Plane::Link, "fixture").await;
    let http = Http::new(host.url());
    for (path, body, status, code) in [
        ("/v1/pipelines:run", json!({ "source": "a = Nope()\nout a" }), 400, "pipeline.check.failed"),
        ("/v1/pipelines:run", json!({ "source": SLEEPS, "inputs": { "ms": "x" } }), 400, "pipeline.inputs.invalid"),
        ("/v1/pipelines:run", json!({ "source": SLEEPS, "plan_hash": "00" }), 412, "pipeline.plan.changed"),
        ("/v1/pipelines:run", json!({ "name": "Nope" }), 404, "pipeline.unknown"),
        ("/v1/pipelines:run", json!({ "name": "a.b" }), 400, "pipeline.name.invalid"),
        ("/v1/pipelines:run", json!({}), 400, "protocol.field.invalid"),
        ("/v1/pipelines:run", json!({ "source": "", "name": "" }), 400, "protocol.field.invalid"),
        ("/v1/pipelines:stream", json!({ "source": SLEEPS, "more": 1 }), 400, "protocol.field.invalid"),
        ("/v1/pipelines:check", json!({}), 400, "protocol.field.missing"),
        ("/v1/pipelines:check", json!({ "source": " ".repeat(70_000) }), 413, "protocol.message.too_large"),
    ] {
        // On a connection of its own: the host closes one whose body it does not read.
        let http = Http::new(host.url());
        assert_eq!(http.post(path, &body).await.failure(), (status, code.to_owned()), "{path} {body:.100}");
    }
    assert_eq!(http.get("/v1/runs/nope").await.failure(), (404, "pipeline.run.unknown".into()));
    // What no message holds is no answer, and the record says that the run went well.
    let source = "a = fixture.Big(60000)\nb = fixture.Big(60000)\nout a\nout b\n";
    let failed = http.post("/v1/pipelines:run", &json!({ "source": source })).await;
    assert_eq!(failed.failure(), (413, "protocol.message.too_large".into()));
    let run_id = failed.json()["error"]["details"]["run_id"].as_str().expect("a text").to_owned();
    assert_eq!(http.get(&format!("/v1/runs/{run_id}")).await.json()["outcome"], "succeeded");
}
