//! An operator restarts replicas one after the other while they are called.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::{host, order, provider, until_state};

const CALLS: usize = 1000;
const IN_FLIGHT: usize = 16;

#[tokio::test]
async fn a_thousand_calls_across_a_rolling_restart_of_two_replicas_are_all_answered() {
    // No such call may be repeated by the host: each one is done by one replica, once.
    let replica = provider("replica", "tests/fixtures/python/replica.py");
    let ids = ["replica-a", "replica-b"];
    let host = host(&ids.map(|id| (id, replica.clone())));
    let mut pids = Vec::new();
    for id in ids {
        pids.push(until_state(&host, id, "ready").await["pid"].clone());
    }
    let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (go_on, mut restarted) = tokio::sync::watch::channel(false);
    let callers: Vec<_> = (0..IN_FLIGHT)
        .map(|_| {
            let (client, begun, ended, restarted) =
                (host.client(), Arc::clone(&begun), Arc::clone(&ended), restarted.clone());
            tokio::spawn(async move {
                // At least so many, and as long as the restart goes on.
                while begun.fetch_add(1, Ordering::Relaxed) < CALLS || !*restarted.borrow() {
                    let answer = client.call("replica.Add", json!({ "n": 1 })).await.expect("no call is lost");
                    assert_eq!(answer.value, json!(2));
                    ended.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for (id, before) in ids.iter().zip(&pids) {
        let (status, seen) = order(&host, id, "restart").await;
        assert_eq!((status, &seen["state"]), (200, &json!("ready")), "{seen}");
        assert_ne!(&seen["pid"], before);
    }
    go_on.send(true).expect("the callers wait for it");
    restarted.mark_unchanged();
    for caller in callers {
        caller.await.expect("a caller does not panic");
    }
    assert!(ended.load(Ordering::Relaxed) >= CALLS);
}
