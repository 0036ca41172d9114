//! Two replicas behind one name.

use std::collections::BTreeSet;

use protocol::generated::host::v1::{SessionState, watch_response::Event};
use protocol::generated::provider::v1::{ModuleCapabilities, ModuleSpec, RegisterRequest};
use serde_json::json;
use testkit::{Client, frames, module, registration};

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

/// Calls a module of two replicas of which the one that gets the call ends in the middle of it.
async fn lose_one_of_two(idempotent: bool) -> Result<testkit::Output, protocol::Error> {
    let host = Host::start();
    let client = host.client();
    let capabilities = Some(ModuleCapabilities { idempotent, ..ModuleCapabilities::default() });
    let spec = || ModuleSpec { capabilities, ..module("Echo", "{n: Int}", "{n: Int}") };
    let replica = |service: &str| RegisterRequest {
        service_id: service.to_owned(),
        group_id: "replicas".to_owned(),
        ..registration("pair", [spec()])
    };
    let first = client.register(replica("first")).await.expect("the namespace is free").keep_alive();
    let second = client.register(replica("second")).await.expect("it agrees").keep_alive();
    let (mut one, mut other) = (first.link().await, second.link().await);
    let caller = client.clone();
    let call = tokio::spawn(async move { caller.call("pair.Echo", json!({"n": 5})).await });
    let survivor = tokio::select! {
        _ = one.call() => { drop(one); &mut other }
        _ = other.call() => { drop(other); &mut one }
    };
    if idempotent {
        let again = survivor.call().await;
        assert_eq!(again.request.attempt, 2);
        survivor.send([frames::output(again.id, again.request.input_data)]).await.expect("it is open");
    }
    call.await.expect("a call does not panic")
}

#[tokio::test]
async fn a_call_that_may_be_repeated_moves_to_the_other_replica() {
    let answer = lose_one_of_two(true).await.expect("the other one answers");
    assert_eq!((answer.value, answer.info.attempts), (json!({"n": 5}), 2));
}

#[tokio::test]
async fn a_call_that_may_not_be_repeated_is_lost_with_its_replica() {
    let error = lose_one_of_two(false).await.expect_err("it may have had its effect");
    assert_eq!((error.code(), error.retryable()), ("executor.provider.lost", true), "{error:?}");
}
