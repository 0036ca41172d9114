//! Workflows of arca below a real host: the example of `examples/components`, whose second phase is down as often as its caller says.

use std::fs;
use std::time::Instant;

use serde_json::{Value, json};
use testkit::eventually;

use crate::supervision::{component, directory, provider, python, root, until, until_state};
use e2e::{Host, Http};

const SUMMARY: &str = "/v1/modules/flaky.Summarise:call";

/// arca with the example's configuration, which `change` may change.
fn arca(change: impl FnOnce(&mut Value)) -> Value {
    let read = |path: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(root().join(path)).expect("it is there")).expect("it is JSON")
    };
    let mut component = read("modules/arca/component.json");
    let layer = read("examples/components/arca-http.json");
    for (name, member) in layer.as_object().expect("it is an object") {
        component[name] = member.clone();
    }
    component["launch"] = json!({
        "executable": python(), "args": ["-I", "-m", "modrack_arca", "serve", "--bind", "{bind}"], "cwd": root(),
    });
    component["sandbox_profile"] = json!("none");
    component["http"]["startup_timeout_ms"] = json!(60_000);
    change(&mut component);
    component
}

/// A host with the text modules, the flaky ones and arca, all ready.
async fn host(change: impl FnOnce(&mut Value)) -> Host {
    let directory = directory(&[
        ("text", provider("text", "sdks/python/examples/text_modules.py")),
        ("flaky", provider("flaky", "examples/components/flaky_modules.py")),
        ("arca-http", arca(change)),
    ]);
    let host = start(directory);
    for id in ["text", "flaky", "arca-http"] {
        until_state(&host, id, "ready").await;
    }
    host
}

fn start(directory: tempfile::TempDir) -> Host {
    let parts = directory.path().join("components").to_str().expect("the name is UTF-8").to_owned();
    Host::start_in(directory, &[("components_dir", &parts)])
}

/// A call of the subject that finds the second phase down so often; with an idempotency key where there is one.
async fn call(host: &Host, key: &str, failures: u32, headers: &[(&str, &str)]) -> Result<Value, Value> {
    let body = json!({ "text": " to be  or not ", "key": key, "failures": failures }).to_string();
    let headers: Vec<_> = headers.iter().copied().chain([("content-type", "application/json")]).collect();
    let answer = Http::new(host.url()).send("POST", SUMMARY, &headers, body).await.json();
    answer.get("output").cloned().ok_or_else(|| answer["error"].clone())
}

/// How often the flaky module was called with a key.
async fn calls(host: &Host, key: &str) -> Value {
    let answer = Http::new(host.url()).post("/v1/modules/flaky.Calls:call", &json!({ "key": key })).await;
    answer.json()["output"].clone()
}

/// Runs that the host recorded.
async fn runs(host: &Host) -> usize {
    let runs = Http::new(host.url()).get("/v1/runs?limit=100").await.json();
    runs["runs"].as_array().expect("it is a list").len()
}

fn published() -> Value {
    json!({ "text": "to be or not", "words": 4, "headline": "TO BE OR NOT (4 words)" })
}

#[tokio::test]
async fn three_phases_of_which_one_fails_once_answer_in_place_of_their_subject() {
    let host = host(|_| ()).await;
    assert_eq!(call(&host, "a", 0, &[]).await, Ok(published()));
    assert_eq!(runs(&host).await, 3);
    assert_eq!(call(&host, "b", 1, &[]).await, Ok(published()));
    assert_eq!((calls(&host, "b").await, runs(&host).await), (json!(2), 7));
    let other = Http::new(host.url()).post("/v1/modules/text.Uppercase:call", &json!({ "text": "a" })).await.json();
    assert_eq!(other["output"], "A");
    let arca = component(&host, "arca-http").await;
    assert_eq!(arca["invocations"], json!({ "answered": 2, "failed": 0 }), "its filter spares it all else");
}

#[tokio::test]
async fn the_cap_stops_the_workflow_and_the_same_key_takes_it_up_behind_the_staged_phase() {
    let host = host(|_| ()).await;
    let key = [("idempotency-key", "order-7")];
    let error = call(&host, "c", 4, &key).await.expect_err("it is down more often than it is tried");
    assert_eq!((&error["code"], &error["category"]), (&json!("middleware.deferred"), &json!("UNAVAILABLE")));
    assert_eq!((&error["retryable"], &error["retry_after_ms"]), (&json!(true), &json!(1000)));
    let message = "`summary`: phase `count` failed: call 3 of `c` fails, as the first 4 do [flaky.down]";
    assert_eq!(error["message"], message);
    assert_eq!((calls(&host, "c").await, runs(&host).await), (json!(3), 4), "one run of `clean`, three of `count`");
    assert_eq!(call(&host, "c", 4, &key).await, Ok(published()));
    assert_eq!((calls(&host, "c").await, runs(&host).await), (json!(5), 7), "`clean` did not run again");
    assert_eq!(call(&host, "c", 4, &key).await, Ok(published()));
    assert_eq!(runs(&host).await, 10, "nothing is staged behind a success");
}

#[tokio::test]
async fn work_is_taken_up_after_a_restart_of_arca() {
    let host = host(|_| ()).await;
    let key = [("idempotency-key", "order-8")];
    call(&host, "d", 3, &key).await.expect_err("it is down as often as it is tried");
    let answer = Http::new(host.url()).post("/v1/components/arca-http:restart", &json!({})).await;
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("ready")));
    assert_eq!(call(&host, "d", 3, &key).await, Ok(published()));
    assert_eq!(runs(&host).await, 1 + 3 + 2);
}

#[tokio::test]
async fn a_failure_that_stays_rejects_and_later_phases_do_not_run() {
    let host = host(|arca| {
        arca["config"]["workflows"][0]["phases"][1]["source"] =
            json!("in text: String\nin key: String\nin failures: Int\nwords = failures / 0\nout words");
    })
    .await;
    let error = call(&host, "e", 0, &[]).await.expect_err("it divides by zero");
    assert_eq!((&error["code"], &error["category"]), (&json!("middleware.rejected"), &json!("PERMISSION_DENIED")));
    assert!(error["message"].as_str().is_some_and(|text| text.contains("phase `count` failed")), "{error}");
    assert_eq!(runs(&host).await, 2);
}

#[tokio::test]
async fn modules_outside_the_grant_are_not_run() {
    let host = host(|arca| {
        arca["capabilities"] = json!([{ "id": "run_pipeline", "modules": ["text.*"] }, { "id": "staging" }]);
    })
    .await;
    let error = call(&host, "f", 0, &[]).await.expect_err("`flaky.Count` is not granted");
    assert_eq!(error["code"], "middleware.rejected");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("host.scope.missing")), "{error}");
    assert_eq!(calls(&host, "f").await, json!(0));
}

#[tokio::test]
async fn without_the_grant_to_run_it_does_not_start_and_without_staging_it_works_and_says_so() {
    let directory = directory(&[("arca-http", arca(|arca| arca["capabilities"] = json!([{ "id": "staging" }])))]);
    let refused = start(directory);
    let code = |seen: &Value| seen["last_error"]["code"] == "component.init.failed";
    let seen = until(&refused, "arca-http", "a failed init", code).await;
    let message = seen["last_error"]["message"].as_str().expect("it is a text");
    assert!(message.contains("workflows need `run_pipeline`"), "{message}");

    let grant = json!([{ "id": "run_pipeline", "modules": ["text.*", "flaky.Count"] }]);
    let host = host(|arca| arca["capabilities"] = grant).await;
    assert_eq!(call(&host, "g", 1, &[("idempotency-key", "k")]).await, Ok(published()));
    let report = &component(&host, "arca-http").await["report"];
    let told = report["capabilities"][0]["description"].as_str().expect("it is a text");
    assert!(told.ends_with("Stages nothing: `staging` is not granted."), "{told}");
}

#[tokio::test]
async fn the_deadline_of_the_caller_ends_it_before_the_pause() {
    let host = host(|arca| {
        arca["config"]["workflows"][0]["phases"][1]["retry"]["backoff_ms"] = json!(60_000);
        arca["config"]["workflows"][0]["phases"][1]["retry"]["max_backoff_ms"] = json!(60_000);
    })
    .await;
    let error = call(&host, "h", 1, &[("modrack-timeout-ms", "15000")]).await.expect_err("the pause is too long");
    assert_eq!(error["code"], "middleware.deferred", "{error}");
    assert_eq!(calls(&host, "h").await, json!(1));
}

#[tokio::test]
async fn a_caller_who_leaves_ends_it_and_a_later_one_takes_it_up() {
    let host = host(|arca| {
        let retry = &mut arca["config"]["workflows"][0]["phases"][1]["retry"];
        (retry["backoff_ms"], retry["max_backoff_ms"]) = (json!(10_000), json!(10_000));
    })
    .await;
    let key = [("idempotency-key", "order-9")];
    tokio::select! {
        ended = call(&host, "i", 1, &key) => panic!("it was in its pause: {ended:?}"),
        () = eventually("the first attempt", async || (calls(&host, "i").await == 1).then_some(())) => {}
    }
    eventually("the end of the workflow", async || {
        let logs = Http::new(host.url()).get("/v1/components/arca-http/logs?tail=100").await.json();
        logs["lines"]
            .as_array()?
            .iter()
            .any(|line| line["text"].as_str().is_some_and(|text| text.contains("the caller left")))
            .then_some(())
    })
    .await;
    let taken_up = eventually("a place for the same work", async || call(&host, "i", 1, &key).await.ok()).await;
    assert_eq!((taken_up, calls(&host, "i").await), (published(), json!(2)));
    assert_eq!(runs(&host).await, 1 + 2 + 1, "`clean` ran once");
}

#[tokio::test]
async fn the_example_is_a_layer_over_the_bundle_and_works_in_its_sandbox() {
    let layer = fs::read_to_string(root().join("examples/components/arca-http.json")).expect("it is there");
    let directory = directory(&[
        ("text", provider("text", "sdks/python/examples/text_modules.py")),
        ("flaky", provider("flaky", "examples/components/flaky_modules.py")),
        ("arca-http", serde_json::from_str(&layer).expect("it is JSON")),
    ]);
    let parts = directory.path().join("components").to_str().expect("the name is UTF-8").to_owned();
    let bundle = e2e::bundle().to_str().expect("the name is UTF-8").to_owned();
    let host = Host::start_in(directory, &[("components_dir", &parts), ("bundled", "true"), ("bundle_dir", &bundle)]);
    for id in ["text", "flaky", "arca-http"] {
        until_state(&host, id, "ready").await;
    }
    assert_eq!(component(&host, "arca-http").await["sandbox"]["profile"], "module-restricted");
    assert_eq!(call(&host, "a", 1, &[("idempotency-key", "k")]).await, Ok(published()));
    let begun = Instant::now();
    assert_eq!(call(&host, "b", 0, &[]).await, Ok(published()));
    // Told, and asserted by nobody: it says as much of the machine.
    eprintln!("three phases, three staged boundaries: {} ms", begun.elapsed().as_millis());
}
