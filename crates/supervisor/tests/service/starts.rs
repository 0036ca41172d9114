//! Starts, the good one and each that cannot be.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use protocol::component::ComponentState as State;
use serde_json::json;

use crate::host::{Host, component, exists, with};

/// A start that fails for good: its code, its message, and that nothing is left of it.
async fn fails(config: serde_json::Value, control: serde_json::Value) -> (&'static str, String) {
    let mut host = Host::of(vec![config], &control);
    let event = host.becomes(State::Failed).await;
    assert_eq!(event.component.pid, None);
    assert_eq!(host.fails(Duration::from_secs(1)).await, "component.not_ready");
    for line in host.logs().await {
        if let Some(pid) = line.strip_prefix("pid ") {
            assert!(!exists(pid.parse().unwrap()), "process {pid} is left");
        }
    }
    let tokens = |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "token");
    let left =
        std::fs::read_dir(host.path().join("components/a")).unwrap().filter_map(Result::ok).filter(tokens).count();
    assert_eq!(left, 0, "token files are left");
    host.fault()
}

#[tokio::test]
async fn a_good_component_is_ready_soon_and_shows_its_report() {
    let config = with(component("http_local_json", &["serve"]), json!({ "config": { "greeting": "hello" } }));
    let host = Host::ready(config, &json!({})).await;
    let view = host.view();
    assert_eq!(view.report.as_ref().unwrap().version, "1.2.3");
    assert_eq!((view.starts, view.restarts, view.component_id.as_str()), (1, 0, "middleware.a"));
    assert!(view.endpoint.starts_with("http://127.0.0.1:"), "{}", view.endpoint);
    assert!(view.readiness.as_ref().unwrap().ok);
    assert_eq!(view.sandbox.as_ref().unwrap().profile, "none");
    assert_eq!(host.handle.configs().iter().map(|part| part.id.to_string()).collect::<Vec<_>>(), ["a"]);

    let init: serde_json::Value =
        serde_json::from_str(std::fs::read_to_string(host.data("inits")).unwrap().trim()).unwrap();
    assert_eq!((&init["executor_id"], &init["transport"]), (&json!("a"), &json!("http_local_json")));
    assert_eq!(init["config"], json!({ "greeting": "hello" }));
    assert_eq!(init["capabilities"], json!([]));
    assert_eq!(host.logs().await, [format!("pid {}", host.pid()), "listening".to_owned()]);
    let usage = host.handle.inspect("a").await.unwrap().usage.unwrap();
    assert!(usage.memory > 1 << 20 && usage.processes >= 1, "{usage:?}");
}

#[tokio::test]
async fn a_grant_comes_with_a_token_that_goes_with_the_start() {
    let config = with(
        component("http_local_json", &["serve"]),
        json!({ "capabilities": [{ "id": "run_pipeline", "modules": ["text.*"] }] }),
    );
    let mut host = Host::ready(config, &json!({})).await;
    let init: serde_json::Value =
        serde_json::from_str(std::fs::read_to_string(host.data("inits")).unwrap().trim()).unwrap();
    let file = init["capabilities"][0]["token_file"].as_str().unwrap().to_owned();
    let permissions = std::fs::metadata(&file).unwrap().permissions();
    assert_eq!((permissions.mode() & 0o777, std::fs::read_to_string(&file).unwrap().len()), (0o600, 64));
    host.handle.stop("a").await.unwrap();
    assert!(!std::fs::exists(&file).unwrap());
    host.end().await;
    assert_eq!(*host.asked.lock().unwrap(), ["admit a 1 1 -", "revoke a 1"]);
}

#[tokio::test]
async fn a_component_that_is_never_ready_fails_with_its_last_answer() {
    let config = with(component("http_local_json", &["serve"]), json!({ "http": { "startup_timeout_ms": 1500 } }));
    let (code, message) = fails(config, json!({ "ready": 503 })).await;
    let expected = "it was not ready within 1500 ms: /readyz answered 503 Service Unavailable";
    assert_eq!((code, message.as_str()), ("component.readiness.timeout", expected));
}

#[tokio::test]
async fn a_fixed_port_that_somebody_holds_is_not_asked() {
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = stranger.local_addr().unwrap();
    let config =
        with(component("http_local_json", &["serve"]), json!({ "http": { "endpoint": format!("http://{address}") } }));
    let (code, message) = fails(config, json!({})).await;
    assert_eq!((code, message), ("component.port.taken", format!("somebody else listens on {address}")));
}

#[tokio::test]
async fn what_is_missing_or_cannot_be_executed_is_named() {
    let launch = |launch| with(component("http_local_json", &["serve"]), json!({ "launch": launch }));
    let (code, message) = fails(launch(json!({ "executable": "nothing" })), json!({})).await;
    assert_eq!(code, "component.executable.missing", "{message}");
    let (code, message) = fails(launch(json!({ "executable": "components/a/data/control.json" })), json!({})).await;
    assert_eq!(code, "component.executable.denied", "{message}");
    let (code, message) = fails(launch(json!({ "cwd": "nowhere" })), json!({})).await;
    assert_eq!(code, "component.cwd.missing", "{message}");
}

#[tokio::test]
async fn a_crash_at_once_uses_up_the_budget_and_is_quiet_then() {
    let mut host = Host::of(vec![component("http_local_json", &["crash"])], &json!({}));
    host.becomes(State::Failed).await;
    let message =
        "it was started again 2 times within 60 s; the last time it ended with exit code 3 before it was ready";
    assert_eq!(host.fault(), ("component.restarts.exhausted", message.to_owned()));
    let view = host.view();
    assert_eq!((view.starts, view.restarts, view.restarts_in_window, view.next_restart), (3, 2, 2, None));
    assert_eq!(host.logs().await.len(), 3, "one line of each start");

    let error = host.handle.restart("a").await.expect_err("it crashes still");
    assert_eq!(error.code().name, "component.restarts.exhausted");
    assert_eq!(host.view().starts, 6, "an operator's order has a budget of its own");
}

#[tokio::test]
async fn a_report_that_lacks_something_fails_the_start() {
    let start = |report| fails(component("http_local_json", &["serve"]), json!({ "report": report }));
    let (code, message) = start(json!({ "version": null })).await;
    assert_eq!((code, message.as_str()), ("component.report.invalid", "the report has no text `version`"));
    let (code, message) = start(json!({ "module_name": "arca" })).await;
    let expected = "the report names the module `arca`, the configuration `dator`";
    assert_eq!((code, message.as_str()), ("component.report.invalid", expected));
    let (code, message) = start(json!({ "contract_version": "2" })).await;
    let expected = "the module wants contract version `2`, this host has `1`";
    assert_eq!((code, message.as_str()), ("component.contract.incompatible", expected));
}

#[tokio::test]
async fn an_init_that_is_refused_fails_the_start_in_the_components_words() {
    let (code, message) = fails(component("http_local_json", &["serve"]), json!({ "init": 500 })).await;
    let expected = "it answered its init with 500 Internal Server Error: no such init (test.refused)";
    assert_eq!((code, message.as_str()), ("component.init.failed", expected));
}

#[tokio::test]
async fn a_component_that_expects_another_token_is_never_ready() {
    let config = with(component("http_local_json", &["serve"]), json!({ "http": { "startup_timeout_ms": 1500 } }));
    let (code, message) = fails(config, json!({ "token": "of somebody else" })).await;
    let expected = "it was not ready within 1500 ms: /readyz answered 401 Unauthorized: the token is missing or wrong (component.auth)";
    assert_eq!((code, message.as_str()), ("component.readiness.timeout", expected));
}

#[tokio::test]
async fn a_disabled_component_is_configured_until_an_operator_starts_it() {
    let config = with(component("http_local_json", &["serve"]), json!({ "enabled": false }));
    let host = Host::of(vec![config], &json!({}));
    assert_eq!((host.view().state, host.handle.configs().len()), (State::Configured, 0));
    assert_eq!(host.handle.start("a").await.unwrap().state, State::Ready);
    assert_eq!(host.handle.configs().len(), 1);
}
