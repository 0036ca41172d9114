//! How many calls one provider has, and what becomes of one more.

use std::time::Duration;

use executor::Options;
use protocol::Category;
use testkit::frames;

use crate::world::{PLANES, World, value};

fn narrow() -> Options {
    Options { in_flight_per_provider: 2, queued_per_provider: 1, ..Options::default() }
}

#[tokio::test(start_paused = true)]
async fn so_many_run_so_many_wait_and_one_more_is_refused_with_a_time_to_come_back() {
    for plane in PLANES {
        let world = World::start(narrow());
        let (session, mut peer) = world.provider(plane).await;
        let running = [world.call(1), world.call(2)];
        let mut ids = [peer.execute().await.0, peer.execute().await.0].into_iter();
        let waiting = world.call(3);
        while world.executor.load_of(session.id) < 3 {
            tokio::task::yield_now().await;
        }
        let refused = world.call(4).await.unwrap().unwrap_err();
        assert_eq!((refused.code(), refused.category()), ("executor.overloaded", Category::RateLimited));
        assert!(refused.retryable() && refused.retry_after_ms() > 0);
        // The place that an answer frees is taken by who waits.
        peer.send([frames::output(ids.next().unwrap(), value(0))]).await;
        let (third, execute) = peer.execute().await;
        assert_eq!(execute.input_data, value(3));
        peer.send([frames::output(ids.next().unwrap(), value(0)), frames::output(third, value(0))]).await;
        for call in running.into_iter().chain([waiting]) {
            assert_eq!(call.await.unwrap().unwrap().output, value(0));
        }
        assert_eq!(world.executor.load_of(session.id), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_counts_while_a_call_waits_and_gives_its_place_back() {
    let world = World::start(narrow());
    let (session, mut peer) = world.provider(PLANES[0]).await;
    let running = [world.call(1), world.call(2)];
    let first = peer.execute().await.0;
    peer.execute().await;
    for _ in 0..3 {
        let error = world.call_within(3, Duration::from_secs(1)).await.unwrap().unwrap_err();
        assert_eq!(error.code(), "executor.deadline.exceeded");
    }
    // And so does a caller that leaves the queue.
    let leaves = world.call(3);
    while world.executor.load_of(session.id) < 3 {
        tokio::task::yield_now().await;
    }
    leaves.abort();
    assert!(leaves.await.unwrap_err().is_cancelled());
    let stays = world.call(4);
    peer.send([frames::output(first, value(0))]).await;
    // Nothing of those that left reaches the provider.
    let (id, execute) = peer.execute().await;
    assert_eq!(execute.input_data, value(4));
    peer.send([frames::output(id, value(4))]).await;
    assert_eq!(stays.await.unwrap().unwrap().output, value(4));
    running.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn cancelled_and_late_calls_give_their_places_back() {
    let world = World::start(narrow());
    let (session, mut peer) = world.provider(PLANES[0]).await;
    for n in 0..20 {
        let call = world.call_within(n, Duration::from_secs(1));
        peer.execute().await;
        if n % 2 == 0 {
            call.abort();
        }
        drop(call.await);
        peer.cancel().await;
    }
    assert_eq!(world.executor.load_of(session.id), 0);
}
