//! `modrack components` against a host with real components: output, exit codes, JSON.

use std::process::Command;

use serde_json::{Value, json};
use testkit::eventually;

use e2e::{Host, Process, host_with_middleware};

async fn host() -> Host {
    host_with_middleware(&[("plain", json!({ "hooks": ["audit"] }))], &[]).await
}

/// Exit code, standard output, standard error.
fn run(host: &Host, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(e2e::program());
    let output = command.args(args).env_clear().env("HOME", "/nonexistent").env("MODRACK_HOST", host.url()).output();
    let output = output.expect("the program can be started");
    let text = |bytes| String::from_utf8(bytes).expect("it writes UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn json(host: &Host, args: &[&str]) -> Value {
    let (code, out, err) = run(host, args);
    assert_eq!(code, Some(0), "{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

#[tokio::test]
async fn components_are_listed_and_shown() {
    let host = host().await;
    let (code, table, err) = run(&host, &["components", "list"]);
    assert_eq!(code, Some(0), "{err}");
    for part in ["COMPONENT", "plain", "http_local_json", "words", "grpc_local", "ready"] {
        assert!(table.contains(part), "{part} is not in {table}");
    }
    let listed = json(&host, &["components", "list", "--json"]);
    let ids: Vec<_> = listed.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["plain", "words"]);
    let (code, shown, err) = run(&host, &["components", "show", "plain"]);
    assert!(code == Some(0) && shown.contains("readiness     ok") && shown.contains("SANDBOX"), "{shown}{err}");
    let config = json(&host, &["components", "show", "plain", "--configuration"]);
    assert_eq!((&config["kind"], &config["hooks"]), (&json!("http_local_json"), &json!(["audit"])));
    let (code, _, err) = run(&host, &["components", "show", "plian"]);
    assert_eq!(code, Some(3), "{err}");
    assert!(err.contains("component.unknown") && err.contains("did you mean `plain`?"), "{err}");
}

#[tokio::test]
async fn components_are_restarted_in_order_and_nothing_changes_after_a_slip() {
    let host = host().await;
    let pids = |listed: &Value| listed.as_array().unwrap().iter().map(|one| one["pid"].clone()).collect::<Vec<_>>();
    let before = pids(&json(&host, &["components", "list", "--json"]));
    let (code, out, err) = run(&host, &["components", "restart", "plain", "wurds"]);
    assert_eq!((code, out.as_str()), (Some(3), ""), "{err}");
    assert_eq!(pids(&json(&host, &["components", "list", "--json"])), before);
    let (code, out, err) = run(&host, &["components", "restart", "plain", "words"]);
    assert_eq!(code, Some(0), "{err}");
    let lines: Vec<_> = out.lines().map(|line| line.split("  ").take(2).collect::<Vec<_>>()).collect();
    assert_eq!(lines, [["plain", "ready"], ["words", "ready"]]);
    let after = pids(&json(&host, &["components", "list", "--json"]));
    assert!(before.iter().all(|pid| !after.contains(pid)), "{before:?} {after:?}");
    let (code, out, err) = run(&host, &["components", "stop", "plain"]);
    assert_eq!((code, out.as_str()), (Some(0), "plain  stopped\n"), "{err}");
    let started = json(&host, &["components", "start", "plain", "--json"]);
    assert_eq!((&started["state"], &started["starts"]), (&json!("ready"), &json!(3)));
}

#[tokio::test]
async fn output_is_followed_over_a_restart_until_ctrl_c() {
    let host = host().await;
    let mut command = Command::new(e2e::program());
    command.args(["components", "logs", "--follow", "--json"]).env_clear().env("MODRACK_HOST", host.url());
    let mut logs = Process::start("the logs", &mut command);
    let start_of = |wanted: u64| {
        logs.stdout_line("a line of a start", |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["component"] == "words" && line["start"] == wanted).then_some(())
        });
    };
    start_of(1);
    assert_eq!(run(&host, &["components", "restart", "words"]).0, Some(0));
    start_of(2);
    logs.signal_int();
    assert_eq!(logs.ended().await.code(), Some(0));
    let (code, out, err) = run(&host, &["components", "logs", "words", "--tail", "1"]);
    assert_eq!((code, out.lines().count()), (Some(0), 1), "{out}{err}");
}

#[tokio::test]
async fn a_watch_tells_of_components_when_it_is_asked_to() {
    let host = host().await;
    let mut command = Command::new(e2e::program());
    command.args(["modules", "watch", "--components", "--json"]).env_clear().env("MODRACK_HOST", host.url());
    let watch = Process::start("the watch", &mut command);
    let state = |wanted: &'static str| {
        watch.stdout_line("a state", |line| {
            let event: Value = serde_json::from_str(line).ok()?;
            let fits = event["event"] == "component" && event["component"]["id"] == "plain";
            (fits && event["component"]["state"] == wanted).then(|| event["previous"].clone())
        })
    };
    assert_eq!(state("ready"), Value::Null);
    assert_eq!(run(&host, &["components", "stop", "plain"]).0, Some(0));
    assert_eq!(state("stopped"), "stopping");
    eventually("the component in the list", || async {
        (json(&host, &["components", "list", "--json"])[0]["state"] == "stopped").then_some(())
    })
    .await;
}
