//! Components that register by themselves; the test tells of their sessions as a host does.

use std::time::Duration;

use protocol::component::ComponentState as State;
use serde_json::{Value, json};
use supervisor::SessionChange;

use crate::host::{Host, component, exists, with};

fn up(host: &Host, name: &str) {
    host.handle.session("a", SessionChange::Up(name.into()));
}

fn down(host: &Host, name: &str) {
    host.handle.session("a", SessionChange::Down(name.into()));
}

async fn started(changes: Value) -> Host {
    let mut host = Host::of(vec![with(component("grpc_local", &["provider"]), changes)], &json!({}));
    host.becomes(State::Starting).await;
    host
}

/// Waits until it has a process.
async fn runs(host: &Host) -> u32 {
    let mut logs = host.handle.logs("a", 0, true).unwrap();
    let line = tokio::time::timeout(crate::host::LONG, logs.next()).await.unwrap().unwrap();
    line.last().unwrap().text.strip_prefix("pid ").unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_provider_is_ready_with_its_session_and_drained_before_it_is_stopped() {
    let mut host = started(json!({ "module_id": "text.*" })).await;
    let pid = runs(&host).await;
    assert_eq!(host.view().state, State::Starting);
    up(&host, "s1");
    host.becomes(State::Ready).await;
    assert_eq!((host.view().sessions.clone(), host.view().pid), (vec!["s1".to_owned()], Some(pid)));
    let error = host.fails(Duration::from_secs(1)).await;
    assert_eq!(error, "component.not_ready");
    host.handle.stop("a").await.unwrap();
    assert!(!exists(pid));
    assert_eq!(*host.asked.lock().unwrap(), ["admit a 1 0 text.*", "drain a", "revoke a 1"]);
}

#[tokio::test]
async fn a_provider_sees_its_environment_and_nothing_else() {
    let mut host = started(json!({ "launch": { "env": { "GREETING": "hello" } } })).await;
    runs(&host).await;
    up(&host, "s1");
    host.becomes(State::Ready).await;
    let environment = loop {
        match std::fs::read_to_string(host.data("environment")) {
            Ok(text) if text.ends_with('\n') => break text,
            _ => tokio::task::yield_now().await,
        }
    };
    let environment: Value = serde_json::from_str(&environment).unwrap();
    let mut names: Vec<_> = environment.as_object().unwrap().keys().filter(|name| *name != "LC_CTYPE").collect();
    names.sort();
    let expected = [
        "GREETING",
        "MODRACK_COMPONENT",
        "MODRACK_COMPONENT_DATA",
        "MODRACK_CREDENTIAL_FILE",
        "MODRACK_HOST",
        "MODRACK_SERVICE_ID",
    ];
    assert_eq!(names, expected);
    assert_eq!((&environment["MODRACK_SERVICE_ID"], &environment["GREETING"]), (&json!("a"), &json!("hello")));
}

#[tokio::test]
async fn a_provider_without_a_session_is_degraded_and_then_started_again() {
    let mut host = started(json!({})).await;
    let pid = runs(&host).await;
    up(&host, "s1");
    host.becomes(State::Ready).await;
    down(&host, "s1");
    host.becomes(State::Degraded).await;
    up(&host, "s2");
    host.becomes(State::Ready).await;
    down(&host, "s2");
    host.becomes(State::Stopping).await;
    assert_eq!(host.fault().0, "component.unhealthy");
    host.becomes(State::Starting).await;
    assert!(!exists(pid));
    assert_eq!(host.view().restarts_in_window, 0, "its delay has not passed");
}

#[tokio::test]
async fn a_provider_that_never_registers_fails() {
    let mut host = started(json!({ "grpc": { "startup_timeout_ms": 700 } })).await;
    host.becomes(State::Failed).await;
    let message = "it was not ready within 700 ms: no session of it can be called";
    assert_eq!(host.fault(), ("component.readiness.timeout", message.to_owned()));
}
