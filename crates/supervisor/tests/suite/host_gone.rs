//! The host is killed: nothing of what it started is left.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{LONG, child, ended, parent, start};

/// Says to the program below what to start.
const PLAY: &str = "SUPERVISOR_TEST_HOST";

/// The host of the tests below, in a process of its own: starts what the environment says, tells what the children say, and waits to
/// be killed.
#[tokio::test]
#[ignore = "no test: a program that tests start"]
async fn plays_the_host() {
    let words = std::env::var(PLAY).unwrap();
    let mut children = Vec::new();
    for word in words.split(' ') {
        let mut child = start(child(&[word])).await;
        let mut said = child.says().await;
        said["shim"] = json!(parent(child.process.pid));
        println!("\n{said}");
        children.push(child);
    }
    std::future::pending().await
}

/// Starts a host with children, kills it with SIGKILL as soon as all run, waits until nothing is left.
async fn check(words: &str) {
    let mut host = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "host_gone::plays_the_host", "--ignored", "--nocapture"])
        .env(PLAY, words)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
    let mut pids = Vec::new();
    for _ in words.split(' ') {
        let said = loop {
            let line = timeout(LONG, lines.next_line()).await.unwrap().unwrap().expect("the host goes on");
            if let Ok(said @ Value::Object(_)) = serde_json::from_str(&line) {
                break said;
            }
        };
        let numbers = said.as_object().unwrap().values().filter_map(Value::as_u64);
        pids.extend(numbers.map(|pid| u32::try_from(pid).unwrap()));
    }
    assert!(pids.len() >= 2 * words.split(' ').count());
    host.start_kill().unwrap();
    for pid in pids {
        ended(pid).await;
    }
    host.wait().await.unwrap();
}

#[tokio::test]
async fn a_process_ends_with_a_host_that_is_killed() {
    check("wait").await;
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_ends_with_a_host_that_is_killed() {
    check("deaf").await;
}

#[tokio::test]
async fn who_forked_twice_into_a_session_of_its_own_and_ignores_sigterm_ends_with_a_host_that_is_killed() {
    check("escape-and-wait").await;
}

#[tokio::test]
async fn several_processes_end_with_a_host_that_is_killed() {
    check("escape-and-wait deaf wait").await;
}
