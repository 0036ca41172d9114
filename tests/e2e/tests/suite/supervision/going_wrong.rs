//! One fault at a time: what becomes of the component, what is said of it, and what is left of its processes.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use testkit::eventually;

use super::{component, directory, host, order, runs, until, until_state, wayward};
use e2e::{Host, Http};

/// The component with other members at these pointers.
fn with(mut component: Value, members: &[(&str, Value)]) -> Value {
    for (pointer, value) in members {
        let (parent, name) = pointer.rsplit_once('/').expect("it is a pointer");
        let parent = component.pointer_mut(parent).unwrap_or_else(|| panic!("nothing at {pointer}"));
        parent[name] = value.clone();
    }
    component
}

/// Waits until a component has failed, without a process; gives the code and the message.
async fn failed(host: &Host, id: &str) -> (String, String) {
    let component = until_state(host, id, "failed").await;
    assert_eq!(component["pid"], Value::Null, "{component}");
    let text = |name: &str| component["last_error"][name].as_str().unwrap_or_else(|| panic!("{component}")).to_owned();
    (text("code"), text("message"))
}

fn file(host: &Host, id: &str, name: &str) -> std::path::PathBuf {
    host.socket().with_file_name(format!("components/{id}/data/{name}"))
}

#[tokio::test]
async fn what_cannot_be_started_has_failed_with_its_reason_and_the_host_serves_on() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let endpoint = format!("http://{}", taken.local_addr().expect("it is bound"));
    let plain = tempfile::NamedTempFile::new().expect("there is room for a file");
    fs::set_permissions(plain.path(), fs::Permissions::from_mode(0o644)).expect("it is ours");
    let cases = [
        ("missing", "/launch/executable", json!("/nonexistent/program"), "component.executable.missing"),
        ("denied", "/launch/executable", json!(plain.path()), "component.executable.denied"),
        ("nowhere", "/launch/cwd", json!("/nonexistent"), "component.cwd.missing"),
        ("taken", "/http/endpoint", json!(endpoint), "component.port.taken"),
    ];
    let components: Vec<_> =
        cases.iter().map(|(id, pointer, value, _)| (*id, with(wayward(&[]), &[(pointer, value.clone())]))).collect();
    let host = host(&components);
    for (id, _, _, expected) in cases {
        let (code, message) = failed(&host, id).await;
        assert_eq!(code, expected, "{message}");
        assert!(!message.is_empty());
        let (status, error) = order(&host, id, "start").await;
        assert_eq!((status >= 400, &error["error"]["code"]), (true, &json!(expected)), "{error}");
    }
    assert_eq!(Http::new(host.url()).get("/readyz").await.status, 200);
}

#[tokio::test]
async fn an_operator_starts_what_failed_when_its_cause_is_mended() {
    let programs = tempfile::tempdir().expect("there is room for a directory");
    let program = programs.path().join("late");
    let host = host(&[("late", with(wayward(&[]), &[("/launch/executable", json!(program))]))]);
    assert_eq!(failed(&host, "late").await.0, "component.executable.missing");
    let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", super::python().display());
    fs::write(&program, script).expect("there is room for a file");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let (status, started) = order(&host, "late", "start").await;
    assert_eq!((status, &started["state"]), (200, &json!("ready")), "{started}");
}

#[tokio::test]
async fn who_is_never_ready_has_failed_and_its_process_is_gone() {
    let short = [("/http/startup_timeout_ms", json!(1500))];
    let host = host(&[
        ("deaf", with(wayward(&["deaf"]), &short)),
        ("unready", with(wayward(&["unready", "stubborn"]), &short)),
    ]);
    let mut pids = Vec::new();
    for id in ["deaf", "unready"] {
        // It may have failed already.
        pids.extend(component(&host, id).await["pid"].as_u64());
        let (code, message) = failed(&host, id).await;
        assert_eq!(code, "component.readiness.timeout", "{message}");
    }
    for pid in pids {
        assert!(!runs(pid), "{pid} is left");
    }
    let unready = component(&host, "unready").await;
    assert_eq!(unready["readiness"]["ok"], false, "{unready}");
}

#[tokio::test]
async fn who_crashes_in_a_loop_is_restarted_within_its_budget_and_then_left_alone() {
    let policy = json!({ "mode": "on_failure", "max_restarts": 2, "window_sec": 600, "delay_ms": 1 });
    let once = with(wayward(&["exit=3"]), &[("/restart_policy", json!({ "mode": "never" }))]);
    let host = host(&[("loop", with(wayward(&["exit=4"]), &[("/restart_policy", policy)])), ("once", once)]);
    let (code, message) = failed(&host, "loop").await;
    assert_eq!(code, "component.restarts.exhausted", "{message}");
    assert_eq!(failed(&host, "once").await.0, "component.exited");
    let seen = component(&host, "loop").await;
    assert_eq!((&seen["starts"], &seen["restarts"], &seen["next_restart_ms"]), (&json!(3), &json!(2), &Value::Null));
    assert_eq!(component(&host, "once").await["starts"], 1);
    let logs = Http::new(host.url()).get("/v1/components/loop/logs?tail=100").await.json();
    let said = logs["lines"].as_array().expect("there are lines").iter().filter(|line| line["text"] == "here I go");
    assert_eq!(said.count(), 3, "{logs}");
    let (status, error) = order(&host, "loop", "restart").await;
    assert!(status >= 400, "{error}");
    assert!(component(&host, "loop").await["starts"].as_u64() > Some(3), "an operator may try again");
}

#[tokio::test]
async fn a_report_that_is_missing_or_wrong_fails_the_start_and_ends_the_process() {
    let cases = [
        ("missing", "component.init.failed"),
        ("text", "component.report.invalid"),
        ("empty", "component.report.invalid"),
        ("name", "component.report.invalid"),
        ("output", "component.report.invalid"),
        ("contract", "component.contract.incompatible"),
        ("api", "component.contract.incompatible"),
    ];
    let words: Vec<_> = cases.iter().map(|(wrong, _)| format!("report={wrong}")).collect();
    let components: Vec<_> = cases.iter().zip(&words).map(|((id, _), word)| (*id, wayward(&[word.as_str()]))).collect();
    let host = host(&components);
    for (id, expected) in cases {
        let (code, message) = failed(&host, id).await;
        assert_eq!(code, expected, "{id}: {message}");
        assert_eq!(component(&host, id).await["report"], Value::Null);
    }
}

#[tokio::test]
async fn health_that_flaps_is_degraded_and_ready_again_without_a_restart() {
    let health =
        json!({ "interval_ms": 100, "timeout_ms": 2000, "degraded_after": 2, "restart_after": 1000, "ready_after": 2 });
    let host = host(&[("flaps", with(wayward(&[]), &[("/health", health)]))]);
    let pid = until_state(&host, "flaps", "ready").await["pid"].clone();
    for _ in 0..2 {
        fs::write(file(&host, "flaps", "health"), "bad").expect("it is ours");
        let degraded = until_state(&host, "flaps", "degraded").await;
        assert_eq!((&degraded["health"]["ok"], &degraded["pid"]), (&json!(false), &pid), "{degraded}");
        fs::write(file(&host, "flaps", "health"), "good").expect("it is ours");
        until_state(&host, "flaps", "ready").await;
    }
    let seen = component(&host, "flaps").await;
    assert_eq!((&seen["restarts"], &seen["pid"]), (&json!(0), &pid), "{seen}");
}

#[tokio::test]
async fn health_that_stays_slow_ends_in_a_restart() {
    let health =
        json!({ "interval_ms": 100, "timeout_ms": 100, "degraded_after": 1, "restart_after": 3, "ready_after": 1 });
    let policy = json!({ "mode": "on_failure", "max_restarts": 5, "window_sec": 60, "delay_ms": 1 });
    let slow = with(
        wayward(&[]),
        &[("/health", health), ("/restart_policy", policy), ("/stop", json!({ "drain_ms": 0, "grace_ms": 200 }))],
    );
    let host = host(&[("slow", slow)]);
    let before = until_state(&host, "slow", "ready").await["pid"].as_u64().expect("it runs");
    fs::write(file(&host, "slow", "health"), "slow").expect("it is ours");
    let seen = until(&host, "slow", "a restart", |seen| seen["restarts"].as_u64() > Some(0)).await;
    assert_eq!(seen["last_error"]["code"], "component.unhealthy", "{seen}");
    fs::write(file(&host, "slow", "health"), "good").expect("it is ours");
    let after =
        until(&host, "slow", "well again", |seen| seen["state"] == "ready" && seen["health"]["ok"] == true).await;
    assert_ne!(after["pid"].as_u64(), Some(before));
    assert!(!runs(before), "{before} is left");
}

#[tokio::test]
async fn who_hangs_at_its_stop_is_killed_with_all_that_it_let_loose() {
    let short = [("/stop", json!({ "drain_ms": 100, "grace_ms": 300 }))];
    let host = host(&[("stubborn", with(wayward(&["stubborn", "fork"]), &short))]);
    let pid = until_state(&host, "stubborn", "ready").await["pid"].as_u64().expect("it runs");
    let loose: u64 = eventually("the loose process", async || {
        fs::read_to_string(file(&host, "stubborn", "loose")).ok()?.parse().ok()
    })
    .await;
    assert!(runs(pid) && runs(loose));
    let (status, stopped) = order(&host, "stubborn", "stop").await;
    assert_eq!((status, &stopped["state"], &stopped["pid"]), (200, &json!("stopped"), &Value::Null), "{stopped}");
    assert!(!runs(pid) && !runs(loose), "{pid} or {loose} is left");
    assert_eq!(stopped["restarts"], 0, "what an operator stopped stays so");
}

#[tokio::test]
async fn huge_output_is_kept_in_bounds_and_holds_nobody_up() {
    let host = host(&[("huge", with(wayward(&["huge"]), &[("/log_lines", json!(50))]))]);
    until_state(&host, "huge", "ready").await;
    let logs = Http::new(host.url()).get("/v1/components/huge/logs?tail=1000").await.json();
    let lines = logs["lines"].as_array().expect("there are lines");
    assert_eq!(lines.len(), 50);
    assert!(lines.last().expect("there is one")["number"].as_u64() > Some(60_000), "{}", lines[49]);
}

#[tokio::test]
async fn a_host_that_is_killed_leaves_none_behind_and_the_next_one_starts_all_anew() {
    let directory = directory(&[("fork", wayward(&["fork", "stubborn"])), ("good", wayward(&[]))]);
    let parts = directory.path().join("components").to_str().expect("the name is UTF-8").to_owned();
    let mut host = Host::start_in(directory, &[("components_dir", &parts)]);
    let mut pids = Vec::new();
    for id in ["fork", "good"] {
        pids.extend(until_state(&host, id, "ready").await["pid"].as_u64());
    }
    let loose = fs::read_to_string(file(&host, "fork", "loose")).expect("it was written before it was ready");
    pids.push(loose.parse().expect("it is a number"));
    host.kill();
    eventually("the end of all processes", async || (!pids.iter().any(|pid| runs(*pid))).then_some(())).await;
    host.restart();
    for id in ["fork", "good"] {
        let seen = until_state(&host, id, "ready").await;
        assert_eq!(seen["starts"], 1, "{seen}");
    }
}
