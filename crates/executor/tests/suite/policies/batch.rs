//! `batch` and `batch_timeout`: calls that travel together.

use std::time::Duration;

use executor::{BatchPolicy, Options, Policy};
use protocol::generated::provider::v1::{ExecuteRequest, ModuleCapabilities};
use protocol::{Category, DataPlane, Error, Origin, codes};
use testkit::frames;
use tokio::time::Instant;

use crate::world::{PLANES, Peer, World, value};

const SECOND: Duration = Duration::from_secs(1);
const BATCH: ModuleCapabilities = ModuleCapabilities { idempotent: false, batch: true, stream: false };

fn together(size: u32, wait: Duration) -> Policy {
    Policy { batch: Some(BatchPolicy { size, wait }), ..Policy::default() }
}

fn inputs(requests: &[ExecuteRequest]) -> Vec<bytes::Bytes> {
    requests.iter().map(|request| request.input_data.clone()).collect()
}

/// Answers a batch with its inputs.
async fn echo(peer: &mut Peer, id: u64, requests: &[ExecuteRequest]) {
    peer.send([frames::batch(id, requests.iter().map(|request| Ok(request.input_data.to_vec())))]).await;
}

/// Nothing reached the provider within `time`.
async fn quiet(peer: &mut Peer, time: Duration) {
    let next = tokio::time::timeout(time, peer.next()).await;
    assert!(next.is_err(), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn calls_that_come_together_travel_together_at_once_and_each_has_its_own_result() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (session, mut peer) = world.provider_of(plane, BATCH).await;
        let began = Instant::now();
        let calls: Vec<_> = (0..3).map(|n| world.call_with(n, &together(10, 60 * SECOND))).collect();
        let (id, requests) = peer.batch_start().await;
        assert_eq!(inputs(&requests), [0, 1, 2].map(value));
        assert!(requests.iter().all(|request| request.execution_id == requests[0].execution_id));
        assert!(began.elapsed() < SECOND / 10, "{:?}", began.elapsed());
        let bad = Error::new(Category::InvalidArgument, "text.bad", "no", Origin::Module);
        let lie = testkit::msgpack("{n: String}", r#"{"n": "no"}"#).to_vec();
        peer.send([frames::batch(id, [Ok(value(7).to_vec()), Err(bad), Ok(lie)])]).await;
        let mut ends = Vec::new();
        for call in calls {
            ends.push(call.await.unwrap());
        }
        let facts = &ends[0].as_ref().unwrap().facts;
        assert_eq!((facts.attempts.len(), facts.attempts[0].session), (1, Some(session.id)));
        let codes: Vec<_> =
            ends.iter().map(|end| end.as_ref().map_or_else(|failure| failure.error.code(), |_| "ok")).collect();
        assert_eq!(codes, ["ok", "text.bad", "executor.output.invalid"]);
        let [bad, lie] = [1, 2].map(|i| ends[i].as_ref().unwrap_err().facts.attempts[0].code.as_deref().unwrap());
        assert_eq!((bad, lie), ("text.bad", "executor.output.invalid"));
        let counted = &world.executor.counted_policies()[0];
        assert_eq!((counted.batched, &counted.batch_sizes[..3]), (3, &[0, 0, 1][..]));
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_batch_is_under_way_the_next_gathers_until_it_is_back() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider_of(DataPlane::Link, BATCH).await;
    let policy = together(10, 60 * SECOND);
    let first = world.call_with(0, &policy);
    let (id, requests) = peer.batch_start().await;
    assert_eq!(inputs(&requests), [value(0)]);
    let mut calls = Vec::new();
    for n in 1..4 {
        calls.push(world.call_with(n, &policy));
        quiet(&mut peer, SECOND).await;
    }
    echo(&mut peer, id, &requests).await;
    let (id, requests) = peer.batch_start().await;
    assert_eq!(inputs(&requests), [1, 2, 3].map(value));
    echo(&mut peer, id, &requests).await;
    first.await.unwrap().unwrap();
    for (waited, call) in [3, 2, 1].into_iter().zip(calls) {
        assert_eq!(call.await.unwrap().unwrap().facts.queued.as_secs(), waited);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_goes_at_once() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider_of(DataPlane::Link, BATCH).await;
    let policy = together(2, 60 * SECOND);
    let calls: Vec<_> = (0..5).map(|n| world.call_with(n, &policy)).collect();
    let mut batches = Vec::new();
    for _ in 0..2 {
        batches.push(peer.batch_start().await);
    }
    quiet(&mut peer, SECOND).await;
    for (id, requests) in &batches {
        assert_eq!(requests.len(), 2);
        echo(&mut peer, *id, requests).await;
    }
    let (id, requests) = peer.batch_start().await;
    assert_eq!(inputs(&requests), [value(4)]);
    echo(&mut peer, id, &requests).await;
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_batch_longer_than_the_batch_timeout() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider_of(DataPlane::Link, BATCH).await;
    let policy = together(10, 2 * SECOND);
    let _first = world.call_with(0, &policy);
    peer.batch_start().await;
    let began = Instant::now();
    let _second = world.call_with(1, &policy);
    tokio::time::sleep(SECOND).await;
    let _third = world.call_with(2, &policy);
    assert_eq!(inputs(&peer.batch_start().await.1), [1, 2].map(value));
    assert_eq!(began.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_batch_timeout_only_those_of_one_wake_travel_together() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider_of(DataPlane::Link, BATCH).await;
    let policy = together(64, Duration::ZERO);
    let _first = [world.call_with(0, &policy), world.call_with(1, &policy)];
    assert_eq!(inputs(&peer.batch_start().await.1), [0, 1].map(value));
    // Though the first is not back.
    let _second = [world.call_with(2, &policy), world.call_with(3, &policy)];
    assert_eq!(inputs(&peer.batch_start().await.1), [2, 3].map(value));
}

#[tokio::test(start_paused = true)]
async fn elements_that_leave_or_run_out_of_time_do_not_hurt_the_others() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider_of(DataPlane::Link, BATCH).await;
    let policy = together(10, 60 * SECOND);
    let stays = world.call_with(0, &policy);
    let hasty = world.call_with_within(1, &policy, SECOND);
    let leaves = world.call_with(2, &policy);
    let (id, requests) = peer.batch_start().await;
    // The batch has the time of its most patient element.
    assert!(requests.iter().all(|request| request.timeout_ms == 60_000), "{requests:?}");
    leaves.abort();
    assert_eq!(hasty.await.unwrap().unwrap_err().error.code(), "executor.deadline.exceeded");
    quiet(&mut peer, SECOND).await;
    echo(&mut peer, id, &requests).await;
    assert_eq!(stays.await.unwrap().unwrap().output, value(0));

    // When all have left, nobody needs it.
    let all = [world.call_with(3, &policy), world.call_with(4, &policy)];
    let (id, _) = peer.batch_start().await;
    let gathers = world.call_with(5, &policy);
    quiet(&mut peer, SECOND).await;
    all.iter().for_each(tokio::task::JoinHandle::abort);
    let mut next = [peer.next().await.unwrap(), peer.next().await.unwrap()];
    next.sort_by_key(|(id, _)| *id);
    assert!(
        matches!(&next[0], (cancelled, protocol::generated::provider::v1::host_frame::Frame::Cancel(_)) if *cancelled == id)
    );
    let (id, protocol::generated::provider::v1::host_frame::Frame::ExecuteBatch(batch)) = &next[1] else {
        panic!("{next:?}")
    };
    assert_eq!(inputs(&batch.requests), [value(5)]);
    echo(&mut peer, *id, &batch.requests).await;
    gathers.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_leaves_while_it_gathers_is_not_sent() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider_of(DataPlane::Link, BATCH).await;
    let policy = together(10, 60 * SECOND);
    let first = world.call_with(0, &policy);
    let (id, requests) = peer.batch_start().await;
    let leaves = world.call_with(1, &policy);
    let hasty = world.call_with_within(2, &policy, SECOND);
    let stays = world.call_with(3, &policy);
    quiet(&mut peer, SECOND / 2).await;
    leaves.abort();
    let failure = hasty.await.unwrap().unwrap_err();
    assert_eq!(failure.error.code(), "executor.deadline.exceeded");
    echo(&mut peer, id, &requests).await;
    let (id, requests) = peer.batch_start().await;
    assert_eq!(inputs(&requests), [value(3)]);
    echo(&mut peer, id, &requests).await;
    first.await.unwrap().unwrap();
    stays.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_element_is_tried_again_for_itself_with_its_own_count() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider_of(DataPlane::Link, BATCH).await;
    let policy = Policy { retry: 1, ..together(10, 60 * SECOND) };
    let calls = [world.call_with(0, &policy), world.call_with(1, &policy)];
    let (id, requests) = peer.batch_start().await;
    assert!(requests.iter().all(|request| request.attempt == 1));
    let busy = Error::of(codes::PROVIDER_UNAVAILABLE, "busy").origin_is(Origin::Module);
    peer.send([frames::batch(id, [Ok(value(0).to_vec()), Err(busy)])]).await;
    let (id, requests) = peer.batch_start().await;
    assert_eq!((inputs(&requests), requests[0].attempt), (vec![value(1)], 2));
    echo(&mut peer, id, &requests).await;
    let [first, second] = calls;
    assert_eq!(first.await.unwrap().unwrap().facts.attempts.len(), 1);
    let reply = second.await.unwrap().unwrap();
    let codes: Vec<_> = reply.facts.attempts.iter().map(|attempt| attempt.code.as_deref()).collect();
    assert_eq!(codes, [Some("executor.provider.unavailable"), None]);
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_an_attempt_is_that_of_its_batch() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider_of(DataPlane::Link, BATCH).await;
    let policy = Policy { timeout: Some(2 * SECOND), ..together(10, 60 * SECOND) };
    let calls = [world.call_with(0, &policy), world.call_with(1, &policy)];
    let (_, requests) = peer.batch_start().await;
    assert!(requests.iter().all(|request| request.timeout_ms == 2000));
    for call in calls {
        let failure = call.await.unwrap().unwrap_err();
        assert_eq!(failure.error.message(), "the module did not answer within the timeout of 2s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_no_larger_than_a_message() {
    let world = World::start(Options { message_bytes: 600, ..Options::default() });
    let (_, mut peer) = world.provider_of(DataPlane::Link, BATCH).await;
    let calls: Vec<_> = (0..6).map(|n| world.call_with(n, &together(10, Duration::ZERO))).collect();
    let mut seen = Vec::new();
    let mut most = 0;
    while seen.len() < 6 {
        let (id, requests) = peer.batch_start().await;
        most = most.max(requests.len());
        seen.extend(inputs(&requests));
        echo(&mut peer, id, &requests).await;
    }
    assert!(most > 1 && most < 6, "{most}");
    assert_eq!(seen, [0, 1, 2, 3, 4, 5].map(value));
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_module_that_takes_no_batches_is_called_call_by_call() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let calls: Vec<_> = (0..2).map(|n| world.call_with(n, &together(10, 60 * SECOND))).collect();
    for _ in 0..2 {
        let (id, execute) = peer.execute().await;
        peer.send([frames::output(id, execute.input_data)]).await;
    }
    for call in calls {
        call.await.unwrap().unwrap();
    }
}
