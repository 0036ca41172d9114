//! Replicas and replacements: who gets a call, and where it goes when one is lost.

use std::time::Duration;

use executor::Options;
use protocol::generated::provider::v1::{ModuleCapabilities, ModuleSpec, RegisterRequest};
use protocol::{Category, DataPlane};
use testkit::frames;

use crate::world::{INPUT, OUTPUT, PLANES, Peer, Session, World, value};

async fn replica(world: &World, name: &str, idempotent: bool, plane: DataPlane) -> (Session, Peer) {
    let module = ModuleSpec {
        capabilities: Some(ModuleCapabilities { idempotent, ..Default::default() }),
        ..testkit::module("Echo", INPUT, OUTPUT)
    };
    let request = RegisterRequest {
        service_id: name.into(),
        group_id: "replicas".into(),
        ..testkit::registration("text", [module])
    };
    let session = world.register(request).await;
    let mut peer = world.connect(&session, plane).await;
    peer.frame().await;
    (session, peer)
}

#[tokio::test(start_paused = true)]
async fn the_replica_with_the_least_to_do_is_chosen() {
    let world = World::start(Options::default());
    let (a, mut to_a) = replica(&world, "a", false, PLANES[0]).await;
    let (b, mut to_b) = replica(&world, "b", false, PLANES[1]).await;
    let mut calls = Vec::new();
    for n in 0..6 {
        calls.push(world.call(n));
        while world.executor.load_of(a.id) + world.executor.load_of(b.id) < calls.len() {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!((world.executor.load_of(a.id), world.executor.load_of(b.id)), (3, 3));
    // One replica answers all it has: everything new is its.
    for _ in 0..3 {
        let (id, execute) = to_b.execute().await;
        to_b.send([frames::output(id, execute.input_data)]).await;
    }
    while world.executor.load_of(b.id) > 0 {
        tokio::task::yield_now().await;
    }
    for n in 10..12 {
        let call = world.call(n);
        let (id, execute) = to_b.execute().await;
        assert_eq!(execute.input_data, value(n));
        to_b.send([frames::output(id, execute.input_data)]).await;
        assert_eq!(call.await.unwrap().unwrap().session, b.id);
    }
    assert!(to_a.execute().await.0 > 0);
    calls.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_call_goes_to_the_other_replica_when_one_is_lost() {
    let world = World::start(Options::default());
    let (a, to_a) = replica(&world, "a", true, PLANES[0]).await;
    let (b, to_b) = replica(&world, "b", true, PLANES[1]).await;
    let call = world.call(1);
    while world.executor.load_of(a.id) + world.executor.load_of(b.id) == 0 {
        tokio::task::yield_now().await;
    }
    let first_is_a = world.executor.load_of(a.id) == 1;
    let (mut first, mut second, other) = if first_is_a { (to_a, to_b, b) } else { (to_b, to_a, a) };
    assert_eq!(first.execute().await.1.attempt, 1);
    drop(first);
    let (id, execute) = second.execute().await;
    assert_eq!((execute.attempt, &execute.input_data), (2, &value(1)));
    second.send([frames::output(id, value(9))]).await;
    let reply = call.await.unwrap().unwrap();
    assert_eq!((reply.output, reply.attempts, reply.session), (value(9), 2, other.id));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_idempotent_is_never_sent_twice() {
    let world = World::start(Options::default());
    let (a, to_a) = replica(&world, "a", false, PLANES[0]).await;
    let (b, to_b) = replica(&world, "b", false, PLANES[1]).await;
    let call = world.call(1);
    while world.executor.load_of(a.id) + world.executor.load_of(b.id) == 0 {
        tokio::task::yield_now().await;
    }
    let first_is_a = world.executor.load_of(a.id) == 1;
    let (mut first, mut second) = if first_is_a { (to_a, to_b) } else { (to_b, to_a) };
    first.execute().await;
    drop(first);
    let error = call.await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.category()), ("executor.provider.lost", Category::Unavailable));
    // The other one's next call is a new one.
    let next = world.call(2);
    assert_eq!(second.execute().await.1.input_data, value(2));
    next.abort();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_met_a_replacement_on_its_way_goes_to_the_successor() {
    let mut world = World::start(Options::default());
    let (old, mut to_old) = world.provider(PLANES[0]).await;
    let before = world.registry.routes().get("text.Echo").unwrap().clone();
    world.unregister(&old).await;
    while to_old.next().await.is_some() {}
    world.events.recv().await;
    let (new, mut to_new) = world.provider(PLANES[1]).await;
    let call = world.call_route(before, value(1), Duration::from_secs(5));
    let (id, _) = to_new.execute().await;
    to_new.send([frames::output(id, value(1))]).await;
    let reply = call.await.unwrap().unwrap();
    assert_eq!((reply.session, reply.revision), (new.id, 2));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_met_other_types_on_its_way_is_told_so() {
    let mut world = World::start(Options::default());
    let (old, mut to_old) = world.provider(PLANES[0]).await;
    let before = world.registry.routes().get("text.Echo").unwrap().clone();
    world.unregister(&old).await;
    while to_old.next().await.is_some() {}
    world.events.recv().await;
    let session = world.register(testkit::registration("text", [testkit::module("Echo", "{s: String}", "Int")])).await;
    let _peer = world.connect(&session, PLANES[0]).await;
    let error = world.call_route(before, value(1), Duration::from_secs(5)).await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("registry.schema.changed", true));
}
