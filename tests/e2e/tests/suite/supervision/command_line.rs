//! `modrack components` against a real host: what an operator reads, does and is told.

use std::process::{Command, Output};

use serde_json::{Value, json};

use super::{host, runs, until_state, wayward};
use e2e::{Host, Process};

fn modrack(host: &Host, args: &[&str]) -> Command {
    let mut command = Command::new(e2e::program());
    command.arg("components").args(args).env_clear().env("HOME", "/nonexistent").env("MODRACK_HOST", host.url());
    command
}

/// Runs a command to its end.
async fn run(host: &Host, args: &[&str]) -> Output {
    let mut command = tokio::process::Command::from(modrack(host, args));
    testkit::within("the end of the command", command.kill_on_drop(true).output()).await.expect("it ran")
}

/// What a command that succeeds prints.
async fn told(host: &Host, args: &[&str]) -> String {
    let output = run(host, args).await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {stderr}");
    String::from_utf8(output.stdout).expect("it writes UTF-8")
}

async fn json_of(host: &Host, args: &[&str]) -> Value {
    let text = told(host, &[args, &["--json"]].concat()).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The exit code of a command that fails, and the code of its error.
async fn refused(host: &Host, args: &[&str]) -> (Option<i32>, Value) {
    let output = run(host, &[args, &["--json"]].concat()).await;
    let error: Value = serde_json::from_slice(&output.stderr).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code(), error["error"]["code"].clone())
}

#[tokio::test]
async fn components_are_listed_and_shown_with_state_report_sandbox_and_use() {
    let host = host(&[("good", wayward(&[])), ("gone", wayward(&["exit=7"]))]);
    let good = until_state(&host, "good", "ready").await;
    until_state(&host, "gone", "failed").await;

    let table = told(&host, &["list"]).await;
    for part in ["COMPONENT", "good", "http_local_json", "ready", "gone", "failed", "component.exited"] {
        assert!(table.contains(part), "no {part} in {table}");
    }
    let list = json_of(&host, &["list"]).await;
    let states: Vec<_> = list.as_array().expect("it is a list").iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["failed", "ready"], "in the order of their ids");

    let shown = told(&host, &["show", "good"]).await;
    for part in ["wayward", "Goes wrong ways.", "parent_death", &good["pid"].to_string()] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
    let shown = json_of(&host, &["show", "good"]).await;
    assert!(shown["usage"]["memory_bytes"].as_u64() > Some(1 << 20), "{shown}");
    assert_eq!(shown["report"]["capabilities"][0]["id"], "wayward/ways");
    let configuration: Value =
        serde_json::from_str(&told(&host, &["show", "good", "--configuration"]).await).expect("it is JSON");
    assert_eq!(configuration["module_id"], "wayward");
    assert_eq!(refused(&host, &["show", "nobody"]).await, (Some(3), json!("component.unknown")));
}

#[tokio::test]
async fn components_are_stopped_started_and_restarted() {
    let host = host(&[("good", wayward(&[])), ("gone", wayward(&["exit=7"]))]);
    let pid = until_state(&host, "good", "ready").await["pid"].as_u64().expect("it runs");
    told(&host, &["restart", "good"]).await;
    let restarted = until_state(&host, "good", "ready").await["pid"].as_u64().expect("it runs");
    assert!(restarted != pid && runs(restarted) && !runs(pid));
    told(&host, &["stop", "good"]).await;
    assert!(!runs(restarted));
    assert_eq!(json_of(&host, &["show", "good"]).await["state"], "stopped");
    told(&host, &["start", "good"]).await;
    assert_eq!(json_of(&host, &["show", "good"]).await["state"], "ready");
    let (exit, code) = refused(&host, &["start", "gone"]).await;
    assert_eq!((exit.is_some_and(|exit| exit != 0), code), (true, json!("component.exited")));
}

#[tokio::test]
async fn lines_are_printed_and_followed_across_a_restart_until_ctrl_c() {
    let host = host(&[("good", wayward(&[]))]);
    until_state(&host, "good", "ready").await;
    assert_eq!(told(&host, &["logs", "good"]).await, "here I go\n");
    let mut following = Process::start("modrack components logs -f", &mut modrack(&host, &["logs", "-f", "good"]));
    following.stdout_line("the first line", |line| (line == "here I go").then_some(()));
    told(&host, &["restart", "good"]).await;
    testkit::eventually("the line of the second start", async || {
        (following.output().lines().filter(|line| *line == "here I go").count() == 2).then_some(())
    })
    .await;
    following.signal_int();
    assert_eq!(following.ended().await.code(), Some(0));
}
