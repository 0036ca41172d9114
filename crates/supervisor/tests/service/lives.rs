//! Health, crashes, orders of operators and the end of the host.

use std::time::Duration;

use protocol::component::ComponentState as State;
use serde_json::json;

use crate::host::{Host, component, exists, with};

#[tokio::test]
async fn slow_health_degrades_and_good_health_mends() {
    let config = with(
        component("http_local_json", &["serve"]),
        json!({ "health": { "timeout_ms": 100, "restart_after": 100 } }),
    );
    let mut host = Host::ready(config, &json!({})).await;
    host.control(&json!({ "health_delay": 0.5 }));
    let event = host.becomes(State::Degraded).await;
    assert_eq!(event.reason, "its health is bad: /healthz: no answer within 100 ms");
    assert_eq!(host.invoke("{}", Duration::from_secs(5)).await.unwrap(), "{}", "calls reach it still");
    host.control(&json!({}));
    host.becomes(State::Ready).await;
    let view = host.view();
    assert_eq!((view.restarts, view.health.as_ref().unwrap().ok), (0, true));
}

#[tokio::test]
async fn health_that_stays_bad_costs_a_restart() {
    let mut host = Host::ready(component("http_local_json", &["serve"]), &json!({})).await;
    let first = host.pid();
    host.control(&json!({ "health": 500 }));
    host.becomes(State::Stopping).await;
    assert_eq!(host.fault().0, "component.unhealthy");
    host.control(&json!({}));
    host.becomes(State::Ready).await;
    assert_eq!(host.view().restarts, 1);
    assert!(!exists(first) && host.pid() != first);
}

#[tokio::test]
async fn a_crash_while_it_is_ready_costs_a_restart_and_fails_the_call() {
    let mut host = Host::ready(component("http_local_json", &["serve"]), &json!({ "invoke": "exit" })).await;
    assert_eq!(host.fails(Duration::from_secs(5)).await, "middleware.unreachable");
    let event = host.becomes(State::Starting).await;
    assert_eq!(event.reason, "it ended with exit code 7; it is started again in 20 ms");
    assert!(event.component.next_restart.is_some());
    host.becomes(State::Ready).await;
    assert_eq!((host.view().starts, host.fault().0), (2, "component.exited"));
}

#[tokio::test]
async fn a_stop_lets_running_invocations_end_and_refuses_new_ones() {
    let host = Host::ready(component("http_local_json", &["serve"]), &json!({ "invoke": "slow", "delay": 0.5 })).await;
    let pid = host.pid();
    let running = async { host.invoke("{}", Duration::from_secs(5)).await };
    let stop = async {
        while !host.data("slow").exists() {
            tokio::task::yield_now().await;
        }
        let refused = async {
            while host.view().state != State::Stopping {
                tokio::task::yield_now().await;
            }
            host.fails(Duration::from_secs(5)).await
        };
        let (stopped, refused) = tokio::join!(host.handle.stop("a"), refused);
        (refused, stopped.unwrap().state)
    };
    let (answer, (refused, state)) = tokio::join!(running, stop);
    assert_eq!((answer.unwrap().as_str(), refused, state), ("\"slow\"", "component.not_ready", State::Stopped));
    assert!(!exists(pid));
    assert_eq!(host.handle.configs().len(), 0, "who stops it takes it out of the chain");
}

#[tokio::test]
async fn what_does_not_end_when_asked_is_killed_in_time() {
    let config = with(component("http_local_json", &["serve"]), json!({ "stop": { "grace_ms": 300 } }));
    let host = Host::ready(config, &json!({ "deaf": true })).await;
    let (pid, begin) = (host.pid(), std::time::Instant::now());
    assert_eq!(host.handle.stop("a").await.unwrap().state, State::Stopped);
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(10), "{took:?}");
    assert!(!exists(pid));
}

#[tokio::test]
async fn an_operator_restarts_what_failed() {
    let mut host =
        Host::of(vec![component("http_local_json", &["serve"])], &json!({ "contract_version": "1", "init": 500 }));
    host.becomes(State::Failed).await;
    host.control(&json!({}));
    let view = host.handle.restart("a").await.unwrap();
    assert_eq!((view.state, view.starts), (State::Ready, 2));
    let first = view.pid.unwrap();
    let view = host.handle.restart("a").await.unwrap();
    assert_eq!((view.state, view.starts), (State::Ready, 3));
    assert!(!exists(first));
}

#[tokio::test]
async fn the_end_of_the_host_stops_all_at_the_same_time() {
    let of =
        |id: &str| with(component("http_local_json", &["serve"]), json!({ "id": id, "stop": { "grace_ms": 1000 } }));
    let mut host = Host::of(vec![of("a"), of("b"), of("c")], &json!({ "deaf": true }));
    for id in ["a", "b", "c"] {
        host.handle.start(id).await.unwrap();
    }
    let pids: Vec<u32> = host.handle.components().iter().map(|view| view.pid.unwrap()).collect();
    let mut logs = host.handle.logs("a", 1, true).unwrap();
    assert_eq!(logs.next().await.unwrap()[0].text, "listening");
    let took = host.end().await;
    assert!(took < Duration::from_secs(8), "one after the other: {took:?}");
    assert!(pids.into_iter().all(|pid| !exists(pid)));
    assert!(host.handle.components().iter().all(|view| view.state == State::Stopped));
    assert_eq!(logs.next().await, None, "who follows learns of the end");
    assert_eq!(host.handle.start("a").await.expect_err("nobody starts it").code().name, "host.stopping");
    assert_eq!(host.fails(Duration::from_secs(1)).await, "component.not_ready");
}

#[tokio::test]
async fn an_unknown_component_is_unknown_to_every_request() {
    let host = Host::of(vec![component("http_local_json", &["serve"])], &json!({}));
    let handle = &host.handle;
    let codes = [
        handle.component("b").map(drop).unwrap_err().code().name,
        handle.start("b").await.map(drop).unwrap_err().code().name,
        handle.logs("b", 0, false).map(drop).unwrap_err().code().name,
        handle.invoke("b", bytes::Bytes::new(), std::time::Instant::now()).await.map(drop).unwrap_err().code().name,
    ];
    assert_eq!(codes, ["component.unknown"; 4]);
}
