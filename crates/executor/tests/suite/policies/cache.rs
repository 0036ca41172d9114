//! `cache`, `cache_backend`, and equal calls in flight.

use std::time::Duration;

use executor::{CachePolicy, CountedPolicies, DEFAULT_CACHE, NamedCache, Options, Policy, PolicyFailure, PolicyReply};
use protocol::{Category, DataPlane, Error, Origin, codes};
use testkit::frames;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::world::{Peer, World, value};

const SECOND: Duration = Duration::from_secs(1);

fn kept_for(ttl: Duration) -> Policy {
    let cache = CachePolicy { ttl, backend: DEFAULT_CACHE.into() };
    Policy { cache: Some(cache), ..Policy::default() }
}

fn minute() -> Policy {
    kept_for(60 * SECOND)
}

/// Answers the next call with `n`.
async fn answer(peer: &mut Peer, n: i64) {
    let id = peer.execute().await.0;
    peer.send([frames::output(id, value(n))]).await;
}

async fn fail(peer: &mut Peer, error: &Error) {
    let id = peer.execute().await.0;
    peer.send([frames::failure(id, error)]).await;
}

/// Nothing reached the provider until everybody who waits has settled.
async fn quiet(peer: &mut Peer) {
    let next = tokio::time::timeout(SECOND / 1000, peer.next()).await;
    assert!(next.is_err(), "{next:?}");
}

type Called = JoinHandle<Result<PolicyReply, PolicyFailure>>;

async fn output(call: Called) -> (i64, bool) {
    let reply = call.await.unwrap().unwrap();
    assert_eq!(reply.facts.attempts.is_empty(), reply.facts.cached);
    assert_eq!(reply.facts.revision, 1);
    let n = (0..100).find(|n| reply.output == value(*n)).unwrap();
    (n, reply.facts.cached)
}

async fn code(call: Called) -> String {
    call.await.unwrap().unwrap_err().error.code().to_owned()
}

fn counted(world: &World) -> CountedPolicies {
    world.executor.counted_policies().pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_output_is_kept_for_its_time_and_not_longer() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let first = world.call_with(1, &kept_for(10 * SECOND));
    answer(&mut peer, 7).await;
    assert_eq!(output(first).await, (7, false));
    tokio::time::advance(9 * SECOND).await;
    assert_eq!(output(world.call_with(1, &kept_for(10 * SECOND))).await, (7, true));
    tokio::time::advance(SECOND).await;
    let again = world.call_with(1, &kept_for(10 * SECOND));
    answer(&mut peer, 8).await;
    assert_eq!(output(again).await, (8, false));
    assert_eq!(output(world.call_with(1, &kept_for(10 * SECOND))).await, (8, true));
    let counted = counted(&world);
    assert_eq!((counted.cache_hits, counted.cache_misses, counted.cache_shared), (2, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn no_call_takes_an_output_that_is_older_than_its_own_time() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let first = world.call_with(1, &kept_for(60 * SECOND));
    answer(&mut peer, 1).await;
    output(first).await;
    tokio::time::advance(5 * SECOND).await;
    let strict = world.call_with(1, &kept_for(2 * SECOND));
    answer(&mut peer, 2).await;
    assert_eq!(output(strict).await, (2, false));
    // It was kept anew, for the time of the call that made it.
    assert_eq!(output(world.call_with(1, &kept_for(60 * SECOND))).await, (2, true));
    tokio::time::advance(3 * SECOND).await;
    let late = world.call_with(1, &kept_for(60 * SECOND));
    answer(&mut peer, 3).await;
    assert_eq!(output(late).await, (3, false));
}

#[tokio::test(start_paused = true)]
async fn other_inputs_revisions_and_caches_have_outputs_of_their_own() {
    let caches = vec![NamedCache { name: "small".into(), max_bytes: 10_000 }];
    let world = World::start(Options { caches, ..Options::default() });
    let (session, mut peer) = world.provider(DataPlane::Link).await;
    let small = Policy { cache: Some(CachePolicy { ttl: 60 * SECOND, backend: "small".into() }), ..Policy::default() };
    for (n, policy, gives) in [(1, minute(), 10), (2, minute(), 20), (1, small.clone(), 30)] {
        let call = world.call_with(n, &policy);
        answer(&mut peer, gives).await;
        assert_eq!(output(call).await, (gives, false));
    }
    assert_eq!(output(world.call_with(1, &minute())).await, (10, true));
    assert_eq!(output(world.call_with(1, &small)).await, (30, true));

    world.unregister(&session).await;
    let mut changed = crate::world::echo(protocol::generated::provider::v1::ModuleCapabilities::default());
    changed.version = "9.0.0".into();
    let session = world.register(testkit::registration("text", [changed])).await;
    let mut peer = world.connect(&session, DataPlane::Link).await;
    peer.frame().await;
    let call = world.call_with(1, &minute());
    answer(&mut peer, 40).await;
    let reply = call.await.unwrap().unwrap();
    assert_eq!((reply.output, reply.facts.cached), (value(40), false));
    assert!(reply.facts.revision > 1);
}

#[tokio::test(start_paused = true)]
async fn inputs_are_compared_in_their_canonical_form() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let first = world.call_with(1, &minute());
    answer(&mut peer, 7).await;
    output(first).await;
    // The same record, its Int in nine bytes.
    let long = bytes::Bytes::from_static(b"\x81\xa1n\xd3\0\0\0\0\0\0\0\x01");
    let (executor, route, call) = (world.executor.clone(), world.route(), world.call_of(long, 60 * SECOND));
    let reply = executor.call_with(&route, call, &minute()).await.unwrap();
    assert_eq!((reply.output, reply.facts.cached), (value(7), true));
}

#[tokio::test(start_paused = true)]
async fn failures_are_not_kept() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let first = world.call_with(1, &minute());
    fail(&mut peer, &Error::new(Category::InvalidArgument, "text.bad", "no", Origin::Module)).await;
    assert_eq!(code(first).await, "text.bad");
    let second = world.call_with(1, &minute());
    answer(&mut peer, 7).await;
    assert_eq!(output(second).await, (7, false));
}

#[tokio::test(start_paused = true)]
async fn equal_calls_in_flight_share_one_execution() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let first = world.call_with(1, &minute());
    let id = peer.execute().await.0;
    let others = [world.call_with(1, &minute()), world.call_with(1, &minute())];
    quiet(&mut peer).await;
    peer.send([frames::output(id, value(7))]).await;
    assert_eq!(output(first).await, (7, false));
    for other in others {
        assert_eq!(output(other).await, (7, true));
    }
    let counted = counted(&world);
    assert_eq!((counted.cache_hits, counted.cache_misses, counted.cache_shared), (0, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn an_execution_goes_on_when_the_call_that_began_it_leaves_and_ends_when_all_have_left() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let first = world.call_with(1, &minute());
    let id = peer.execute().await.0;
    let second = world.call_with(1, &minute());
    quiet(&mut peer).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    quiet(&mut peer).await;
    peer.send([frames::output(id, value(7))]).await;
    assert_eq!(output(second).await, (7, true));

    let all = [world.call_with(2, &minute()), world.call_with(2, &minute())];
    let id = peer.execute().await.0;
    quiet(&mut peer).await;
    all.iter().for_each(JoinHandle::abort);
    assert_eq!(peer.cancel().await.0, id);
    // And the next begins anew.
    let next = world.call_with(2, &minute());
    answer(&mut peer, 8).await;
    assert_eq!(output(next).await, (8, false));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_shared_by_those_who_waited_for_it_alone() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let calls = [world.call_with(1, &minute()), world.call_with(1, &minute())];
    fail(&mut peer, &Error::new(Category::InvalidArgument, "text.bad", "no", Origin::Module)).await;
    let mut ids = Vec::new();
    for call in calls {
        let failure = call.await.unwrap().unwrap_err();
        assert_eq!((failure.error.code(), failure.facts.cached), ("text.bad", false));
        ids.push(failure.error.trace_id().to_owned());
    }
    assert_ne!(ids[0], ids[1]);
    quiet(&mut peer).await;
}

#[tokio::test(start_paused = true)]
async fn who_has_more_time_or_another_policy_tries_again_where_an_execution_failed() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let hasty = world.call_with_within(1, &minute(), 2 * SECOND);
    peer.execute().await;
    let patient = world.call_with_within(1, &minute(), 20 * SECOND);
    let began = Instant::now();
    assert_eq!(code(hasty).await, "executor.deadline.exceeded");
    assert!(began.elapsed() < 3 * SECOND);
    peer.cancel().await;
    answer(&mut peer, 7).await;
    assert_eq!(output(patient).await, (7, false));

    let gone = Error::of(codes::PROVIDER_UNAVAILABLE, "busy").origin_is(Origin::Module);
    let plain = world.call_with(2, &minute());
    let id = peer.execute().await.0;
    let stubborn = world.call_with(2, &Policy { retry: 1, ..minute() });
    quiet(&mut peer).await;
    peer.send([frames::failure(id, &gone)]).await;
    assert_eq!(code(plain).await, "executor.provider.unavailable");
    fail(&mut peer, &gone).await;
    answer(&mut peer, 8).await;
    assert_eq!(stubborn.await.unwrap().unwrap().output, value(8));
}

#[tokio::test(start_paused = true)]
async fn who_has_less_time_leaves_an_execution_to_the_others() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let patient = world.call_with_within(1, &minute(), 20 * SECOND);
    let id = peer.execute().await.0;
    let hasty = world.call_with_within(1, &minute(), 2 * SECOND);
    assert_eq!(code(hasty).await, "executor.deadline.exceeded");
    peer.send([frames::output(id, value(7))]).await;
    assert_eq!(output(patient).await, (7, false));
}

#[tokio::test(start_paused = true)]
async fn a_kept_output_waits_for_nothing() {
    let world = World::start(Options { in_flight_per_provider: 1, ..Options::default() });
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let first = world.call_with(1, &minute());
    answer(&mut peer, 7).await;
    output(first).await;
    let busy = world.call_with(2, &Policy { concurrency: Some(1), ..Policy::default() });
    peer.execute().await;
    let policy = Policy { concurrency: Some(1), ..minute() };
    assert_eq!(output(world.call_with(1, &policy)).await, (7, true));
    busy.abort();
}

#[tokio::test(start_paused = true)]
async fn a_cache_holds_no_more_bytes_than_it_may() {
    let world = World::start(Options { cache_bytes: 10_000, ..Options::default() });
    let (_, peer) = world.provider(DataPlane::Link).await;
    let echo = tokio::spawn(echoes(peer));
    for n in 0..100 {
        world.call_with(n, &minute()).await.unwrap().unwrap();
    }
    let [cache] = world.executor.counted_caches().await.try_into().unwrap();
    assert_eq!((cache.name.as_str(), cache.max_bytes), ("memory", 10_000));
    assert!(cache.bytes <= 10_000 && cache.entries > 20, "{cache:?}");
    // Input, output, and what an entry takes beside them.
    assert_eq!(cache.bytes, cache.entries * (2 * value(1).len() as u64 + 256));
    echo.abort();
}

async fn echoes(mut peer: Peer) {
    loop {
        let (id, execute) = peer.execute().await;
        peer.send([frames::output(id, execute.input_data)]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_is_not_there_is_named_and_nothing_is_called() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(DataPlane::Link).await;
    let cache = CachePolicy { ttl: SECOND, backend: "redis".into() };
    let failure = world.call_with(1, &Policy { cache: Some(cache), ..Policy::default() }).await.unwrap().unwrap_err();
    assert_eq!(failure.error.code(), "executor.cache.unknown");
    assert_eq!(failure.error.message(), "there is no cache `redis`");
    quiet(&mut peer).await;
}
