//! Streams on the unary plane, where HTTP/2 holds the provider up. Time is real here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use executor::{End, Options};
use futures::StreamExt as _;
use protocol::generated::provider::v1::{ModuleCapabilities, RegisterRequest};
use protocol::{DataPlane, Error};
use testkit::{Asked, ItemsEnd, Reply, ScriptedExecutor, eventually, within};

use crate::world::{INPUT, OUTPUT, Session, World, echo, value};

const STREAM: ModuleCapabilities = ModuleCapabilities { idempotent: false, batch: false, stream: true };

async fn register(world: &World, url: &str) -> Session {
    let request = testkit::registration("text", [echo(STREAM), testkit::module("Plain", INPUT, OUTPUT)]);
    world.register(RegisterRequest { planes: vec![], service_url: url.into(), ..request }).await
}

async fn provider(end: ItemsEnd, item: Vec<u8>) -> ScriptedExecutor {
    ScriptedExecutor::start_all(move |asked| match asked {
        Asked::Call(call) if call.module_name == "Plain" => Reply::output(call.input_data.to_vec()),
        _ => Reply::items([item.clone()], end.clone()),
    })
    .await
}

#[tokio::test]
async fn items_come_and_then_the_end_or_a_failure() {
    let provider_ = provider(ItemsEnd::Well, value(7).to_vec()).await;
    let world = World::start(Options::default());
    let session = register(&world, &provider_.url).await;
    let mut stream = world.stream().await.unwrap().unwrap();
    assert_eq!((stream.session, stream.plane), (session.id, DataPlane::Unary));
    assert_eq!(within("an item", stream.next()).await, Some(Ok(value(7))));
    assert_eq!(within("the end", stream.next()).await, None);
    eventually("the place", || async { (world.executor.load_of(session.id) == 0).then_some(()) }).await;

    let status = tonic::Status::not_found("no such row");
    let failing = provider(ItemsEnd::Status(status), value(7).to_vec()).await;
    let world = World::start(Options::default());
    register(&world, &failing.url).await;
    let mut stream = world.stream().await.unwrap().unwrap();
    assert_eq!(within("an item", stream.next()).await, Some(Ok(value(7))));
    let error = within("the failure", stream.next()).await.unwrap().unwrap_err();
    assert_eq!((error.category().as_str(), error.message()), ("NOT_FOUND", "no such row"));
    assert_eq!(within("the end", stream.next()).await, None);
}

#[tokio::test]
async fn a_deadline_and_the_end_of_the_session_end_a_stream_in_the_middle() {
    let hanging = provider(ItemsEnd::Never, value(7).to_vec()).await;
    let world = World::start(Options::default());
    let session = register(&world, &hanging.url).await;
    let mut stream = world.stream_within(Duration::from_millis(300)).await.unwrap().unwrap();
    assert_eq!(within("an item", stream.next()).await, Some(Ok(value(7))));
    let error = within("the deadline", stream.next()).await.unwrap().unwrap_err();
    assert_eq!(error.code(), "executor.deadline.exceeded");
    eventually("the place", || async { (world.executor.load_of(session.id) == 0).then_some(()) }).await;
    let mut stream = world.stream().await.unwrap().unwrap();
    assert_eq!(within("an item", stream.next()).await, Some(Ok(value(7))));
    let gone = Error::of(protocol::codes::PROVIDER_LOST, "its lease ended");
    world.executor.end(session.id, End::Fail(gone)).await;
    let error = within("the loss", stream.next()).await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.message()), ("executor.provider.lost", "its lease ended"));
}

#[tokio::test]
async fn slow_readers_hold_up_their_own_streams_and_no_other_call() {
    let made = Arc::new(AtomicUsize::new(0));
    let item = testkit::msgpack("{n: Int, wide: String}", &format!(r#"{{"n": 1, "wide": "{}"}}"#, "x".repeat(100_000)));
    let endless = provider(ItemsEnd::Again(Arc::clone(&made)), item.to_vec()).await;
    let world = World::start(Options::default());
    let session = register(&world, &endless.url).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(world.stream().await.unwrap().unwrap());
    }
    // As soon as nothing more is made, all are held up.
    eventually("a standstill", || async {
        let before = made.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(100)).await;
        (made.load(Ordering::Relaxed) == before).then_some(())
    })
    .await;
    let held = made.load(Ordering::Relaxed);
    assert!(held <= 20 * 30, "{held} items of 100 kB were made for 20 readers that do not read");
    let plain = world.registry.routes().get("text.Plain").unwrap().clone();
    for n in 0..5 {
        let reply = world.call_route(plain.clone(), value(n), Duration::from_secs(10)).await.unwrap().unwrap();
        assert_eq!(reply.output, value(n));
    }
    for stream in &mut streams {
        for _ in 0..50 {
            assert_eq!(within("an item", stream.next()).await, Some(Ok(value(1))));
        }
    }
    assert!(made.load(Ordering::Relaxed) > held);
    drop(streams);
    eventually("the places", || async { (world.executor.load_of(session.id) == 0).then_some(()) }).await;
}
