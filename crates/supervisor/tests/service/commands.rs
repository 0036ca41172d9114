//! One process per invocation.

use std::time::{Duration, Instant};

use protocol::component::ComponentState as State;
use serde_json::json;

use crate::host::{Host, component, exists, with};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_command_answers_from_a_process_of_its_own_and_none_is_left() {
    let host = Host::ready(component("command_stdio", &[]), &json!({})).await;
    assert_eq!(host.view().report.as_ref().unwrap().module_name, "dator");
    assert_eq!(host.view().sandbox.as_ref().unwrap().profile, "none");
    assert_eq!(host.invoke("{\"a\": 1}", SOON).await.unwrap(), "{\"a\": 1}");
    assert_eq!(host.invoke("{\"b\": 2}", SOON).await.unwrap(), "{\"b\": 2}");
    let pids = host.logs().await;
    assert_eq!(pids.len(), 3, "{pids:?}");
    assert!(pids.iter().all(|line| !exists(line.strip_prefix("pid ").unwrap().parse().unwrap())));
}

#[tokio::test]
async fn a_command_that_fails_is_late_or_says_too_much_has_its_code() {
    let config = with(component("command_stdio", &[]), json!({ "command": { "max_response_bytes": 65536 } }));
    let host = Host::ready(config, &json!({ "invoke": "fail" })).await;
    let error = host.invoke("{}", SOON).await.expect_err("it fails");
    assert_eq!(error.code().name, "middleware.response.invalid");
    assert_eq!(error.to_string(), "component `a` answered nothing: it ended with exit code 3");
    assert_eq!(host.logs().await.last().unwrap(), "it is broken", "what it complains of is in the log alone");
    host.control(&json!({ "invoke": "large" }));
    assert_eq!(host.fails(SOON).await, "middleware.response.too_large");
    host.control(&json!({ "invoke": "slow" }));
    let begin = Instant::now();
    assert_eq!(host.fails(Duration::from_millis(500)).await, "middleware.timeout");
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_command_whose_report_is_wrong_or_whose_file_is_missing_fails() {
    let mut host = Host::of(vec![component("command_stdio", &[])], &json!({ "report": { "contract_version": "9" } }));
    host.becomes(State::Failed).await;
    assert_eq!(host.fault().0, "component.contract.incompatible");
    let config = with(component("command_stdio", &[]), json!({ "launch": { "executable": "nothing" } }));
    let mut host = Host::of(vec![config], &json!({}));
    host.becomes(State::Failed).await;
    assert_eq!(host.fault().0, "component.executable.missing");
}

#[tokio::test]
async fn no_more_processes_run_at_once_than_configured() {
    let config =
        with(component("command_stdio", &[]), json!({ "command": { "concurrency": 1, "request_timeout_ms": 20000 } }));
    let host = Host::ready(config, &json!({ "invoke": "slow" })).await;
    let first = host.invoke("{}", Duration::from_secs(2));
    let second = async {
        while !host.data("slow").exists() {
            tokio::task::yield_now().await;
        }
        host.control(&json!({}));
        let begin = Instant::now();
        (host.invoke("\"2\"", Duration::from_secs(20)).await.unwrap(), begin.elapsed())
    };
    let (first, (second, waited)) = tokio::join!(first, second);
    assert_eq!((first.unwrap_err().code().name, second.as_str()), ("middleware.timeout", "\"2\""));
    assert!(waited > Duration::from_millis(500), "it did not wait: {waited:?}");
}
