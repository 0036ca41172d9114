//! `throttle`.

use std::time::Duration;

use executor::{Options, Policy, Rate};
use protocol::{Category, DataPlane};
use testkit::frames;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::world::{Peer, World};

const SECOND: Duration = Duration::from_secs(1);

fn rate(count: u32, per: Duration) -> Policy {
    Policy { throttle: Some(Rate { count, per }), ..Policy::default() }
}

/// Answers every call at once, and tells when each came, since this was called.
fn times(mut peer: Peer) -> mpsc::UnboundedReceiver<Duration> {
    let (told, times) = mpsc::unbounded_channel();
    let began = Instant::now();
    tokio::spawn(async move {
        loop {
            let (id, execute) = peer.execute().await;
            told.send(began.elapsed()).unwrap();
            peer.send([frames::output(id, execute.input_data)]).await;
        }
    });
    times
}

/// In tenths of a second.
async fn next(times: &mut mpsc::UnboundedReceiver<Duration>) -> u128 {
    (times.recv().await.unwrap().as_millis() + 5) / 100
}

#[tokio::test(start_paused = true)]
async fn so_many_pass_at_once_and_then_one_as_often_as_the_rate_says() {
    let world = World::start(Options::default());
    let (_, peer) = world.provider(DataPlane::Link).await;
    let mut times = times(peer);
    let policy = rate(2, SECOND);
    let calls: Vec<_> = (0..5).map(|n| world.call_with(n, &policy)).collect();
    let mut at = Vec::new();
    for _ in 0..5 {
        at.push(next(&mut times).await);
    }
    assert_eq!(at, [0, 0, 5, 10, 15]);
    let mut queued = Vec::new();
    for call in calls {
        queued.push((call.await.unwrap().unwrap().facts.queued.as_millis() + 5) / 100);
    }
    queued.sort_unstable();
    assert_eq!(queued, [0, 0, 5, 10, 15]);
    // After a pause, so many again.
    tokio::time::advance(10 * SECOND).await;
    let began = Instant::now();
    for n in 0..2 {
        world.call_with(n, &policy).await.unwrap().unwrap();
    }
    assert!(began.elapsed() < SECOND / 10);
    assert_eq!(world.executor.counted_policies()[0].throttled, 3);
}

#[tokio::test(start_paused = true)]
async fn calls_of_another_rate_or_of_none_do_not_wait() {
    let world = World::start(Options::default());
    let (_, peer) = world.provider(DataPlane::Link).await;
    let _times = times(peer);
    let began = Instant::now();
    world.call_with(1, &rate(1, 60 * SECOND)).await.unwrap().unwrap();
    let waits = world.call_with(2, &rate(1, 60 * SECOND));
    world.call_with(3, &rate(1, 30 * SECOND)).await.unwrap().unwrap();
    world.call_with(4, &Policy::default()).await.unwrap().unwrap();
    assert!(began.elapsed() < SECOND && !waits.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_comes_too_late_is_refused_at_once_with_a_time_to_come_back() {
    let world = World::start(Options::default());
    let (_, peer) = world.provider(DataPlane::Link).await;
    let _times = times(peer);
    let policy = rate(1, 10 * SECOND);
    world.call_with(1, &policy).await.unwrap().unwrap();
    let began = Instant::now();
    let failure = world.call_with_within(2, &policy, 5 * SECOND).await.unwrap().unwrap_err();
    assert_eq!((failure.error.code(), failure.error.category()), ("executor.throttle.exceeded", Category::RateLimited));
    assert!(failure.error.retryable() && failure.error.retry_after_ms() > 9000, "{}", failure.error.retry_after_ms());
    assert_eq!(failure.error.message(), "1 calls in 10s are taken, and the call's time is over before its turn");
    // One whose turn comes in time waits, and the one behind it is refused for the queue alone.
    let waits = world.call_with_within(3, &policy, 12 * SECOND);
    let refused = world.call_with_within(4, &policy, 5 * SECOND).await.unwrap().unwrap_err();
    assert_eq!(refused.error.code(), "executor.throttle.exceeded");
    assert!(began.elapsed() < SECOND);
    waits.await.unwrap().unwrap();
    let counted = &world.executor.counted_policies()[0];
    assert_eq!((counted.throttled, counted.throttle_exceeded), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_leaves_gives_its_turn_to_the_next() {
    let world = World::start(Options::default());
    let (_, peer) = world.provider(DataPlane::Link).await;
    let mut times = times(peer);
    let policy = rate(1, SECOND);
    world.call_with(1, &policy).await.unwrap().unwrap();
    let leaves = world.call_with(2, &policy);
    tokio::time::sleep(SECOND / 4).await;
    let stays = world.call_with(3, &policy);
    tokio::time::sleep(SECOND / 4).await;
    leaves.abort();
    stays.await.unwrap().unwrap();
    assert_eq!([next(&mut times).await, next(&mut times).await], [0, 10]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_made_again_takes_no_turn_of_its_own() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let call = world.call_with(1, &Policy { retry: 1, ..rate(1, 60 * SECOND) });
    let began = Instant::now();
    let busy = protocol::Error::of(protocol::codes::PROVIDER_UNAVAILABLE, "busy");
    let id = peer.execute().await.0;
    peer.send([frames::failure(id, &busy)]).await;
    let (id, execute) = peer.execute().await;
    peer.send([frames::output(id, execute.input_data)]).await;
    call.await.unwrap().unwrap();
    assert!(began.elapsed() < SECOND);
}
