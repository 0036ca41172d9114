//! Invocations over HTTP: what comes back, and every way in which nothing does.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::host::{Host, component, with};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_answer_comes_back_as_it_is_over_a_connection_that_stays() {
    let config =
        with(component("http_local_json", &["serve"]), json!({ "http": { "headers": { "X-Extra": "there" } } }));
    let host = Host::ready(config, &json!({})).await;
    for i in 0..20 {
        let body = format!("{{\"i\": {i}}}");
        assert_eq!(host.invoke(&body, SOON).await.unwrap(), body);
    }
    assert_eq!(std::fs::read_to_string(host.data("invocations")).unwrap(), "there\n".repeat(20));
    host.handle.invoked("a", true);
    host.handle.invoked("a", false);
    host.handle.invoked("a", true);
    assert_eq!((host.view().answered, host.view().failed), (2, 1));
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused_with_and_without_a_length() {
    let host = Host::ready(component("http_local_json", &["serve"]), &json!({ "invoke": "large" })).await;
    assert_eq!(host.fails(SOON).await, "middleware.response.too_large");
    host.control(&json!({ "invoke": "chunked" }));
    assert_eq!(host.fails(SOON).await, "middleware.response.too_large");
    host.control(&json!({}));
    assert_eq!(host.invoke("{}", SOON).await.unwrap(), "{}", "the next has a connection of its own");
}

#[tokio::test]
async fn a_late_answer_ends_at_the_sooner_of_both_deadlines() {
    let config = with(component("http_local_json", &["serve"]), json!({ "http": { "request_timeout_ms": 400 } }));
    let host = Host::ready(config, &json!({ "invoke": "slow", "delay": 5 })).await;
    let begin = Instant::now();
    let error = host.invoke("{}", Duration::from_millis(100)).await.expect_err("it is late");
    assert_eq!(error.code().name, "middleware.timeout");
    assert!(begin.elapsed() < Duration::from_millis(350), "{:?}", begin.elapsed());
    let error = host.invoke("{}", SOON).await.expect_err("it is late");
    assert_eq!(error.to_string(), "component `a` did not answer within 400 ms");
}

#[tokio::test]
async fn statuses_and_broken_answers_have_their_codes() {
    let host = Host::ready(component("http_local_json", &["serve"]), &json!({})).await;
    for (invoke, code) in [
        (json!(500), "middleware.response.invalid"),
        (json!(302), "middleware.response.invalid"),
        (json!(403), "middleware.refused"),
        (json!("break"), "middleware.unreachable"),
    ] {
        host.control(&json!({ "invoke": invoke }));
        assert_eq!(host.fails(SOON).await, code, "{invoke}");
    }
    host.control(&json!({ "token": "another" }));
    assert_eq!(host.fails(SOON).await, "middleware.refused");
    host.control(&json!({ "invoke": "nothing" }));
    assert_eq!(host.invoke("{}", SOON).await.unwrap(), "", "at `audit` there may be no body");
}

#[tokio::test]
async fn a_connection_that_the_component_closed_is_replaced() {
    let host = Host::ready(component("http_local_json", &["serve"]), &json!({ "invoke": "close" })).await;
    for _ in 0..20 {
        assert_eq!(host.invoke("{}", SOON).await.unwrap(), "\"closed\"");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_each_get_their_own_answer() {
    let host = Host::ready(component("http_local_json", &["serve"]), &json!({})).await;
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..100 {
        let handle = host.handle.clone();
        tasks.spawn(async move {
            let body = format!("\"{i}\"");
            let answer = handle.invoke("a", body.clone().into(), Instant::now() + Duration::from_secs(20)).await;
            (body, answer)
        });
    }
    while let Some(done) = tasks.join_next().await {
        let (body, answer) = done.unwrap();
        assert_eq!(answer.unwrap(), body.as_bytes());
    }
}
