//! Handlers that hold their thread hold neither the heartbeats nor the other calls.

use serde_json::json;

use e2e::{Host, Provider};

on_every_plane! {
    [python Python, rust Rust] async fn a_handler_that_blocks_stalls_nothing_else(language, plane) {
        let host = Host::start_with(&[("timeouts.lease_ms", "1500"), ("timeouts.heartbeat_ms", "400")]);
        let provider = Provider::start(&host, language, plane, "fixture").await;
        let (client, module) = (host.client(), provider.module("Block"));
        let caller = client.clone();
        let call = tokio::spawn(async move { caller.call(&module, json!({"ms": 4000})).await });
        let mut sessions = testkit::eventually("the end of the block", || async {
            let answer = client.call(&provider.module("Inspect"), json!({})).await.expect("it is answered meanwhile");
            call.is_finished().then_some(vec![answer.info.session_id])
        })
        .await;
        let answer = call.await.expect("a call does not panic").expect("the lease outlives the handler");
        assert_eq!(answer.value, json!(4000));
        sessions.push(answer.info.session_id);
        sessions.dedup();
        assert_eq!(sessions.len(), 1, "no lease ran out: it is the session of before");
    }
}
