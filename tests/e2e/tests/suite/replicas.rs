//! Three replicas under load, of which one dies or hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use e2e::{Host, Plane, Provider};
use protocol::Error;
use protocol::generated::host::v1::{Endpoint, SessionState};
use serde_json::json;
use testkit::Client;

const IN_FLIGHT: usize = 32;

/// A call of the fixture's `Echo`, which may be repeated; gives the session that answered.
async fn echo(client: &Client, within: Duration) -> Result<String, Error> {
    let value = json!({"text": "t", "int": 1, "float": 0.5, "flag": true, "bytes": "", "list": [], "map": {}, "union": 3, "any": null});
    let answer = client.call_for("fixture.Echo", value.clone(), Some(within)).await?;
    assert_eq!(answer.value, value);
    Ok(answer.info.session_id)
}

async fn endpoint_of(client: &Client, process: &Provider) -> Option<Endpoint> {
    let module = client.get_module("fixture.Echo").await.expect("it is registered");
    module.endpoints.into_iter().find(|endpoint| endpoint.info.as_ref().is_some_and(|info| info.pid == process.id()))
}

async fn session_of(client: &Client, process: &Provider) -> String {
    endpoint_of(client, process).await.expect("the process serves it").session_id
}

/// So many calls at once; gives the sessions that answered, and the failures.
async fn round(client: &Client, within: Duration) -> (Vec<String>, Vec<Error>) {
    let calls: Vec<_> = (0..IN_FLIGHT)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { echo(&client, within).await })
        })
        .collect();
    let (mut by, mut failed) = (Vec::new(), Vec::new());
    for call in calls {
        match call.await.expect("a call does not panic") {
            Ok(session) => by.push(session),
            Err(error) => failed.push(error),
        }
    }
    (by, failed)
}

on_every_plane! {
    async fn one_of_three_dies_under_load_and_no_call_that_may_be_repeated_fails(language, plane) {
        let host = Host::start();
        let mut doomed = Provider::start_replica(&host, language, plane, "fixture", 1).await;
        let _others = [
            Provider::start_replica(&host, language, plane, "fixture", 2).await,
            Provider::start_replica(&host, language, plane, "fixture", 3).await,
        ];
        let (done, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let callers: Vec<_> = (0..IN_FLIGHT)
            .map(|_| {
                let (client, done, stop) = (host.client(), Arc::clone(&done), Arc::clone(&stop));
                tokio::spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        echo(&client, Duration::from_secs(15)).await?;
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok::<(), Error>(())
                })
            })
            .collect();
        let reached = |count| {
            let done = &done;
            move || async move { (done.load(Ordering::Relaxed) >= count).then_some(()) }
        };
        testkit::eventually("the load", reached(300)).await;
        doomed.kill();
        let before = done.load(Ordering::Relaxed);
        testkit::eventually("the load after the loss", reached(before + 600)).await;
        stop.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await.expect("a caller does not panic").expect("no call fails");
        }
    }
}

on_every_plane! {
    async fn one_of_three_hangs_and_is_ejected_and_probed_back(language, plane) {
        let host = Host::start();
        let hangs = Provider::start_replica(&host, language, plane, "fixture", 1).await;
        let _others = [
            Provider::start_replica(&host, language, plane, "fixture", 2).await,
            Provider::start_replica(&host, language, plane, "fixture", 3).await,
        ];
        let client = host.client();
        let session = session_of(&client, &hangs).await;
        let within = Duration::from_millis(1500);
        testkit::eventually("an answer of each", || async {
            let (by, _) = round(&client, within).await;
            by.contains(&session).then_some(())
        })
        .await;
        hangs.signal_stop();
        testkit::eventually("a round without it", || async {
            let (_, failed) = round(&client, within).await;
            failed.is_empty().then_some(())
        })
        .await;
        testkit::eventually("that it is shown as ejected", || async {
            let shown = endpoint_of(&client, &hangs).await?;
            (shown.state() == SessionState::Ejected).then_some(())
        })
        .await;
        let mut lost = 0;
        for _ in 0..20 {
            let (by, failed) = round(&client, within).await;
            assert!(!by.contains(&session));
            lost += failed.len();
        }
        // On a connection a ping asks before any call does; on the unary plane, single calls try it.
        let permitted = if plane == Plane::Unary { 3 } else { 0 };
        assert!(lost <= permitted, "{lost} calls were lost after the ejection");
        hangs.signal_continue();
        testkit::eventually("its return", || async {
            // Where its lease ended meanwhile, it comes back as another session of the same process.
            let now = session_of(&client, &hangs).await;
            round(&client, within).await.0.contains(&now).then_some(())
        })
        .await;
    }
}
