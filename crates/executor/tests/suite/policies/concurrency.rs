//! `concurrency`.

use std::time::Duration;

use executor::{Options, Policy};
use protocol::DataPlane;
use testkit::frames;

use crate::world::{World, value};

const SECOND: Duration = Duration::from_secs(1);

fn at_once(limit: u32) -> Policy {
    Policy { concurrency: Some(limit), ..Policy::default() }
}

#[tokio::test(start_paused = true)]
async fn so_many_run_at_once_and_the_others_wait_in_order() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let mut calls = Vec::new();
    for n in 0..5 {
        calls.push(world.call_with(n, &at_once(2)));
        tokio::time::sleep(SECOND / 100).await;
    }
    let mut running = vec![peer.execute().await.0, peer.execute().await.0];
    let more = tokio::time::timeout(SECOND, peer.next()).await;
    assert!(more.is_err(), "{more:?}");
    for n in 2..5 {
        peer.send([frames::output(running.remove(0), value(0))]).await;
        let (id, execute) = peer.execute().await;
        assert_eq!(execute.input_data, value(n));
        running.push(id);
    }
    for id in running {
        peer.send([frames::output(id, value(0))]).await;
    }
    for (n, call) in calls.into_iter().enumerate() {
        let queued = call.await.unwrap().unwrap().facts.queued;
        assert_eq!(queued >= SECOND, n >= 2, "{n}: {queued:?}");
    }
    assert_eq!(world.executor.counted_policies()[0].limited, 3);
}

#[tokio::test(start_paused = true)]
async fn calls_of_another_limit_or_of_none_do_not_wait() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let policies = [at_once(1), at_once(2), Policy::default()];
    let calls: Vec<_> = policies.iter().map(|policy| world.call_with(1, policy)).collect();
    for _ in 0..3 {
        let id = peer.execute().await.0;
        peer.send([frames::output(id, value(0))]).await;
    }
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_is_kept_over_the_attempts_of_a_call_and_their_delays() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let stubborn = world.call_with(1, &Policy { retry: 1, delay: 10 * SECOND, ..at_once(1) });
    let id = peer.execute().await.0;
    let waits = world.call_with(2, &at_once(1));
    let busy = protocol::Error::of(protocol::codes::PROVIDER_UNAVAILABLE, "busy");
    peer.send([frames::failure(id, &busy)]).await;
    let (id, execute) = peer.execute().await;
    assert_eq!((execute.attempt, execute.input_data), (2, value(1)));
    peer.send([frames::output(id, value(0))]).await;
    let (id, execute) = peer.execute().await;
    assert_eq!(execute.input_data, value(2));
    peer.send([frames::output(id, value(0))]).await;
    stubborn.await.unwrap().unwrap();
    waits.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_deadline_counts_while_a_call_waits_for_a_place() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let running = world.call_with(1, &at_once(1));
    let id = peer.execute().await.0;
    let failure = world.call_with_within(2, &at_once(1), 3 * SECOND).await.unwrap().unwrap_err();
    assert_eq!(failure.error.code(), "executor.deadline.exceeded");
    assert!(failure.facts.attempts.is_empty() && failure.facts.queued >= 3 * SECOND);
    peer.send([frames::output(id, value(0))]).await;
    running.await.unwrap().unwrap();
}
