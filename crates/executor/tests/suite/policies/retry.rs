//! `timeout`, `retry`, `delay`, `backoff`.

use std::time::Duration;

use executor::{Backoff, CallFacts, Options, Policy};
use protocol::{Category, DataPlane, Error, Origin, codes};
use testkit::frames;
use tokio::time::Instant;

use crate::world::{PLANES, World, value};

const SECOND: Duration = Duration::from_secs(1);

fn passing() -> Error {
    Error::of(codes::PROVIDER_UNAVAILABLE, "busy just now").origin_is(Origin::Module)
}

fn for_good() -> Error {
    Error::new(Category::InvalidArgument, "text.bad", "no", Origin::Module)
}

fn codes_of(facts: &CallFacts) -> Vec<&str> {
    facts.attempts.iter().map(|attempt| attempt.code.as_deref().unwrap_or("ok")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_pass_is_tried_again_as_often_as_asked_for() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (session, mut peer) = world.provider(plane).await;
        let call = world.call_with(1, &Policy { retry: 2, ..Policy::default() });
        for attempt in 1..=3 {
            let (id, execute) = peer.execute().await;
            assert_eq!((execute.attempt, execute.input_data), (attempt, value(1)));
            let answer = if attempt < 3 { frames::failure(id, &passing()) } else { frames::output(id, value(7)) };
            peer.send([answer]).await;
        }
        let reply = call.await.unwrap().unwrap();
        assert_eq!((reply.output, reply.facts.revision, reply.facts.cached), (value(7), 1, false));
        assert_eq!(codes_of(&reply.facts), ["executor.provider.unavailable", "executor.provider.unavailable", "ok"]);
        assert!(reply.facts.attempts.iter().all(|made| (made.session, made.plane) == (Some(session.id), Some(plane))));
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_failure_is_told_when_no_attempt_is_left() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let call = world.call_with(1, &Policy { retry: 1, ..Policy::default() });
    for _ in 0..2 {
        let id = peer.execute().await.0;
        peer.send([frames::failure(id, &passing())]).await;
    }
    let failure = call.await.unwrap().unwrap_err();
    assert_eq!((failure.error.code(), failure.error.message()), ("executor.provider.unavailable", "busy just now"));
    assert!(!failure.error.trace_id().is_empty());
    assert_eq!(failure.facts.attempts.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_for_good_is_not_tried_again() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let call = world.call_with(1, &Policy { retry: 5, ..Policy::default() });
    let id = peer.execute().await.0;
    peer.send([frames::failure(id, &for_good())]).await;
    let failure = call.await.unwrap().unwrap_err();
    assert_eq!((failure.error.code(), codes_of(&failure.facts)), ("text.bad", vec!["text.bad"]));
}

#[tokio::test(start_paused = true)]
async fn a_lost_provider_is_tried_again_only_if_asked_for_where_its_module_is_not_idempotent() {
    for retry in [0, 1] {
        let mut world = World::start(Options::default());
        let (_, mut peer) = world.provider(DataPlane::Link).await;
        let call = world.call_with(1, &Policy { retry, delay: SECOND, ..Policy::default() });
        peer.execute().await;
        drop(peer);
        world.lost().await;
        if retry == 0 {
            assert_eq!(call.await.unwrap().unwrap_err().error.code(), "executor.provider.lost");
            continue;
        }
        // Its route is the one it began with; it finds the provider that came meanwhile.
        let (_, mut peer) = world.provider(DataPlane::Link).await;
        let id = peer.execute().await.0;
        peer.send([frames::output(id, value(2))]).await;
        let reply = call.await.unwrap().unwrap();
        assert_eq!((reply.output, codes_of(&reply.facts)), (value(2), vec!["executor.provider.lost", "ok"]));
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_the_timeout_for_itself_and_the_provider_is_told() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let began = Instant::now();
    let call = world.call_with(1, &Policy { timeout: Some(2 * SECOND), retry: 1, ..Policy::default() });
    for _ in 0..2 {
        let (_, execute) = peer.execute().await;
        assert_eq!(execute.timeout_ms, 2000);
        peer.cancel().await;
    }
    let failure = call.await.unwrap().unwrap_err();
    assert_eq!(failure.error.code(), "executor.deadline.exceeded");
    assert_eq!(failure.error.message(), "the module did not answer within the timeout of 2s");
    assert_eq!(codes_of(&failure.facts), ["executor.deadline.exceeded"; 2]);
    assert!((2 * 2 * SECOND..3 * 2 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert!(failure.facts.attempts.iter().all(|attempt| attempt.duration >= 2 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_call_ends_an_attempt_before_its_timeout_and_all_further_ones() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let policy = Policy { timeout: Some(5 * SECOND), retry: 9, ..Policy::default() };
    let call = world.call_with_within(1, &policy, 3 * SECOND);
    assert_eq!(peer.execute().await.1.timeout_ms, 3000);
    let failure = call.await.unwrap().unwrap_err();
    assert_eq!(failure.error.message(), "the call's time was over before the module answered");
    assert_eq!(failure.facts.attempts.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn time_in_the_queue_of_a_provider_is_no_part_of_the_timeout() {
    let world = World::start(Options { in_flight_per_provider: 1, ..Options::default() });
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let running = world.call(1);
    let first = peer.execute().await.0;
    let waiting = world.call_with(2, &Policy { timeout: Some(SECOND), ..Policy::default() });
    tokio::time::sleep(5 * SECOND).await;
    peer.send([frames::output(first, value(0))]).await;
    let (second, execute) = peer.execute().await;
    assert_eq!(execute.timeout_ms, 1000);
    peer.send([frames::output(second, value(2))]).await;
    let reply = waiting.await.unwrap().unwrap();
    assert_eq!(reply.facts.queued.as_secs(), 5);
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_delay_grows_as_the_backoff_says() {
    for (backoff, least) in
        [(Backoff::Fixed, [1, 1, 1]), (Backoff::Linear, [1, 2, 3]), (Backoff::Exponential, [1, 2, 4])]
    {
        let world = World::start(Options::default());
        let (_, mut peer) = world.provider(DataPlane::Link).await;
        let call = world.call_with(1, &Policy { retry: 3, delay: SECOND, backoff, ..Policy::default() });
        for seconds in least.map(|seconds| seconds * SECOND) {
            let id = peer.execute().await.0;
            peer.send([frames::failure(id, &passing())]).await;
            let failed = Instant::now();
            let next = tokio::time::timeout(seconds - SECOND / 100, peer.next()).await;
            assert!(next.is_err(), "{backoff:?}: {next:?} after {:?}", failed.elapsed());
            tokio::time::sleep_until(failed + seconds + seconds / 4 + SECOND / 100).await;
        }
        let id = peer.execute().await.0;
        peer.send([frames::output(id, value(1))]).await;
        assert_eq!(call.await.unwrap().unwrap().facts.attempts.len(), 4, "{backoff:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_says_when_to_come_back_is_taken_at_its_word() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let call = world.call_with(1, &Policy { retry: 1, ..Policy::default() });
    let id = peer.execute().await.0;
    peer.send([frames::failure(id, &passing().retry_after(7 * SECOND))]).await;
    let failed = Instant::now();
    let id = peer.execute().await.0;
    assert!(failed.elapsed() >= 7 * SECOND, "{:?}", failed.elapsed());
    peer.send([frames::output(id, value(1))]).await;
    call.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_delay_that_lasts_beyond_the_deadline_is_not_begun() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let policy = Policy { retry: 1, delay: 20 * SECOND, ..Policy::default() };
    let call = world.call_with_within(1, &policy, 10 * SECOND);
    let began = Instant::now();
    let id = peer.execute().await.0;
    peer.send([frames::failure(id, &passing())]).await;
    assert_eq!(call.await.unwrap().unwrap_err().error.message(), "busy just now");
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
}
