//! `priority`, in each queue where calls wait.

use std::time::Duration;

use bytes::Bytes;
use executor::{BatchPolicy, Options, Policy, Rate};
use protocol::DataPlane;
use protocol::generated::provider::v1::ModuleCapabilities;
use testkit::frames;

use crate::world::{Peer, World, value};

const SECOND: Duration = Duration::from_secs(1);

/// Calls in the order in which they come: one that holds the place, then these, of which the number is the input.
const COMING: [(i64, i32); 5] = [(1, 50), (2, 0), (3, 50), (4, 100), (5, 20)];
const SERVED: [i64; 5] = [4, 1, 3, 5, 2];

async fn check(options: Options, of: Policy) {
    let world = World::start(options);
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let first = world.call_with(0, &of);
    let mut id = peer.execute().await.0;
    let mut calls = vec![first];
    for (n, priority) in COMING {
        calls.push(world.call_with(n, &Policy { priority, ..of.clone() }));
        tokio::time::sleep(SECOND / 1000).await;
    }
    let mut served = Vec::new();
    for _ in COMING {
        peer.send([frames::output(id, value(0))]).await;
        let execute;
        (id, execute) = peer.execute().await;
        served.push(execute.input_data);
    }
    peer.send([frames::output(id, value(0))]).await;
    assert_eq!(served, SERVED.map(value));
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn in_the_queue_of_a_provider_the_greater_priority_goes_first() {
    check(Options { in_flight_per_provider: 1, ..Options::default() }, Policy::default()).await;
}

#[tokio::test(start_paused = true)]
async fn in_the_queue_of_a_concurrency_the_greater_priority_goes_first() {
    check(Options::default(), Policy { concurrency: Some(1), ..Policy::default() }).await;
}

#[tokio::test(start_paused = true)]
async fn in_the_queue_of_a_rate_the_greater_priority_goes_first() {
    let throttle = Some(Rate { count: 1, per: SECOND });
    check(Options::default(), Policy { throttle, ..Policy::default() }).await;
}

#[tokio::test(start_paused = true)]
async fn a_plain_call_has_the_normal_priority() {
    let world = World::start(Options { in_flight_per_provider: 1, ..Options::default() });
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let first = world.call(0);
    let mut id = peer.execute().await.0;
    let low = world.call_with(1, &Policy { priority: 49, ..Policy::default() });
    tokio::time::sleep(SECOND / 1000).await;
    let plain = world.call(2);
    tokio::time::sleep(SECOND / 1000).await;
    let high = world.call_with(3, &Policy { priority: 51, ..Policy::default() });
    tokio::time::sleep(SECOND / 1000).await;
    for n in [3, 2, 1] {
        peer.send([frames::output(id, value(0))]).await;
        let execute;
        (id, execute) = peer.execute().await;
        assert_eq!(execute.input_data, value(n));
    }
    peer.send([frames::output(id, value(0))]).await;
    for call in [low, high] {
        call.await.unwrap().unwrap();
    }
    for call in [first, plain] {
        call.await.unwrap().unwrap();
    }
}

async fn batch(peer: &mut Peer) -> (u64, Vec<Bytes>) {
    let (id, requests) = peer.batch_start().await;
    (id, requests.into_iter().map(|request| request.input_data).collect())
}

#[tokio::test(start_paused = true)]
async fn of_the_calls_that_gather_for_a_batch_the_greater_priority_goes_first() {
    let world = World::start(Options::default());
    let capabilities = ModuleCapabilities { batch: true, ..ModuleCapabilities::default() };
    let (_, mut peer) = world.provider_of(DataPlane::Link, capabilities).await;
    // The first takes the whole batch; the others gather until it is back.
    let of = Policy { batch: Some(BatchPolicy { size: 6, wait: 60 * SECOND }), ..Policy::default() };
    let first = world.call_with(0, &of);
    let (id, _) = batch(&mut peer).await;
    let mut calls = Vec::new();
    for (n, priority) in COMING {
        calls.push(world.call_with(n, &Policy { priority, ..of.clone() }));
        tokio::time::sleep(SECOND / 1000).await;
    }
    peer.send([frames::batch(id, [Ok(value(0).to_vec())])]).await;
    let (id, inputs) = batch(&mut peer).await;
    assert_eq!(inputs, SERVED.map(value));
    peer.send([frames::batch(id, inputs.iter().map(|_| Ok(value(0).to_vec())))]).await;
    for call in calls.into_iter().chain([first]) {
        call.await.unwrap().unwrap();
    }
}
