//! A call that its caller leaves, or whose time is over, ends at its handler too.

use std::time::{Duration, Instant};

use serde_json::json;
use testkit::Client;

use e2e::{Host, Provider};

use crate::begun::begun;

/// Waits until the fixture has seen that many of its `Sleep`s cancelled.
async fn cancelled(client: &Client, provider: &Provider, count: u64) {
    testkit::eventually("the handler to be cancelled", || async {
        let answer = client.call(&provider.module("Cancelled"), json!({})).await.expect("it is answered");
        (answer.value == json!(count)).then_some(())
    })
    .await;
}

on_every_plane! {
    async fn a_caller_that_leaves_cancels_the_handler(language, plane) {
        let host = Host::start();
        let provider = Provider::start(&host, language, plane, "fixture").await;
        let (client, module) = (host.client(), provider.module("Sleep"));
        let caller = client.clone();
        let call = tokio::spawn(async move { caller.call(&module, json!({"ms": 60_000})).await });
        begun(&client, &provider).await;
        call.abort();
        cancelled(&client, &provider, 1).await;
    }
}

on_every_plane! {
    async fn a_deadline_ends_the_call_and_cancels_the_handler(language, plane) {
        let host = Host::start();
        let provider = Provider::start(&host, language, plane, "fixture").await;
        let client = host.client();
        let begun = Instant::now();
        let deadline = Some(Duration::from_millis(700));
        let error = client.call_for(&provider.module("Sleep"), json!({"ms": 60_000}), deadline).await;
        let error = error.expect_err("the time is over first");
        assert_eq!(
            (error.code(), error.category()),
            ("executor.deadline.exceeded", protocol::Category::DeadlineExceeded),
            "{error:?}"
        );
        // Less a little, which the host leaves for its answer to travel.
        assert!(begun.elapsed() >= Duration::from_millis(600), "the call had {deadline:?}");
        cancelled(&client, &provider, 1).await;
    }
}
