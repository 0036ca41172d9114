//! Waits for what nothing announces: that a call which was just made has reached its handler.

use serde_json::json;
use testkit::Client;

use e2e::Provider;

/// Lets the call out that was spawned last, and then a few others, one after the other, on the same way. Each station of the
/// way takes calls in turn, so the first one is with its handler when the last one is answered.
pub(crate) async fn begun(client: &Client, provider: &Provider) {
    tokio::task::yield_now().await;
    for _ in 0..4 {
        client.call(&provider.module("Inspect"), json!({})).await.expect("it is answered");
    }
}
