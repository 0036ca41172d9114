//! Two replicas behind one name.

use std::collections::BTreeSet;

use protocol::generated::host::v1::{SessionState, watch_response::Event};
use serde_json::json;
use testkit::Client;

use e2e::{Host, Provider};

async fn who_answers(client: &Client) -> u64 {
    let answer = client.call("fixture.Inspect", json!({})).await.expect("a replica answers");
    answer.value["pid"].as_u64().expect("a process has an id")
}

on_every_plane! {
    async fn both_replicas_get_calls_and_one_goes_on_alone(language, plane) {
        let host = Host::start_with(&[("timeouts.lease_ms", "3000"), ("timeouts.heartbeat_ms", "1000")]);
        let mut first = Provider::start_replica(&host, language, plane, "fixture", 1).await;
        let second = Provider::start_replica(&host, language, plane, "fixture", 2).await;
        let client = host.client();
        // Calls at the same time: the one with less to do is chosen.
        let seen = testkit::eventually("calls at both replicas", || async {
            let calls: Vec<_> = (0..8)
                .map(|_| {
                    let client = client.clone();
                    tokio::spawn(async move { who_answers(&client).await })
                })
                .collect();
            let mut seen = BTreeSet::new();
            for call in calls {
                seen.insert(call.await.expect("a call does not panic"));
            }
            (seen.len() > 1).then_some(seen)
        })
        .await;
        assert_eq!(seen, BTreeSet::from([first.id().into(), second.id().into()]));

        let mut watch = client.watch("fixture.Inspect").await.expect("the host can be watched");
        first.kill();
        loop {
            let module = match watch.next().await {
                Ok(Some(Event::Added(added))) => added.module,
                Ok(Some(Event::Changed(changed))) => changed.module,
                Ok(Some(Event::Synced(_))) => continue,
                other => panic!("the name stays while a replica lives: {other:?}"),
            };
            let endpoints = module.expect("an event holds its module").endpoints;
            if let [endpoint] = endpoints.as_slice() && endpoint.state() == SessionState::Ready {
                break;
            }
        }
        for _ in 0..10 {
            assert_eq!(who_answers(&client).await, u64::from(second.id()));
        }
    }
}
