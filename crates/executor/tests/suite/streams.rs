//! Streams on attach and link: items in order, credit as they are read, and every way in which a stream ends.

use std::time::Duration;

use executor::{ItemStream, Options};
use futures::StreamExt as _;
use protocol::generated::provider::v1::{CancelReason, ModuleCapabilities, RegisterRequest};
use protocol::{Category, Error, Origin};
use testkit::frames;

use crate::world::{OUTPUT, PLANES, Peer, World, echo, value};

const STREAM: ModuleCapabilities = ModuleCapabilities { idempotent: false, batch: false, stream: true };

async fn next(stream: &mut ItemStream) -> Option<Result<bytes::Bytes, Error>> {
    tokio::time::timeout(Duration::from_secs(600), stream.next()).await.unwrap()
}

/// Sends items numbered from `from` while there is credit, until the host sends something else than credit.
async fn feed(peer: &mut Peer, call: u64, mut credit: u32, items: std::ops::Range<i64>) {
    for n in items {
        while credit == 0 {
            let (of, more) = peer.credit().await;
            assert_eq!(of, call);
            credit += more;
        }
        peer.send([frames::item(call, &value(n))]).await;
        credit -= 1;
    }
}

#[tokio::test(start_paused = true)]
async fn items_come_in_order_and_then_the_end() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (session, mut peer) = world.provider_of(plane, STREAM).await;
        let stream = world.stream();
        let (call, request, credit) = peer.stream_start().await;
        assert_eq!((request.module_name.as_str(), &request.input_data, request.attempt), ("Echo", &value(1), 1));
        assert_eq!((request.timeout_ms, credit), (60_000, 1));
        let provider = tokio::spawn(async move {
            feed(&mut peer, call, credit, 0..1000).await;
            peer.send([frames::end(call)]).await;
            peer
        });
        let mut stream = stream.await.unwrap().unwrap();
        assert_eq!((stream.session, stream.plane, stream.attempts, stream.revision), (session.id, plane, 1, 1));
        for n in 0..1000 {
            assert_eq!(next(&mut stream).await, Some(Ok(value(n))));
        }
        assert_eq!(next(&mut stream).await, None);
        assert_eq!(next(&mut stream).await, None);
        provider.await.unwrap();
        while world.executor.load_of(session.id) > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_gives_no_credit_and_holds_nobody_up() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let request = testkit::registration("text", [echo(STREAM), testkit::module("Plain", OUTPUT, OUTPUT)]);
        let session = world.register(request).await;
        let mut peer = world.connect(&session, plane).await;
        peer.frame().await;
        let stream = world.stream();
        let (call, _, credit) = peer.stream_start().await;
        assert_eq!(credit, 1);
        peer.send([frames::item(call, &value(0))]).await;
        // The first item is there, and was taken by nobody but the start.
        let mut stream = stream.await.unwrap().unwrap();
        let mut permitted = match tokio::time::timeout(Duration::from_secs(1), peer.credit()).await {
            Ok((_, more)) => more,
            Err(_) => 0,
        };
        assert!(permitted <= 2, "{permitted}");
        for n in 1..=i64::from(permitted) {
            peer.send([frames::item(call, &value(n))]).await;
        }
        // Nothing is read, so nothing more is permitted; other calls of the connection go their way.
        let plain = world.registry.routes().get("text.Plain").unwrap().clone();
        for n in 0..10 {
            let call = world.call_route(plain.clone(), value(n), Duration::from_secs(5));
            let (id, _) = peer.execute().await;
            peer.send([frames::output(id, value(n))]).await;
            assert_eq!(call.await.unwrap().unwrap().output, value(n));
        }
        let mut read = 0;
        while read <= permitted {
            assert_eq!(next(&mut stream).await, Some(Ok(value(read.into()))));
            read += 1;
            if read <= permitted && read > 2 {
                continue;
            }
        }
        permitted += peer.credit().await.1;
        assert!(permitted > read - 1, "a reader that reads gets more");
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_beyond_the_credit_ends_the_connection() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (_, mut peer) = world.provider_of(plane, STREAM).await;
        let stream = world.stream();
        let (call, _, credit) = peer.stream_start().await;
        assert_eq!(credit, 1);
        peer.send([frames::item(call, &value(0)), frames::item(call, &value(1))]).await;
        let mut stream = stream.await.unwrap().unwrap();
        assert_eq!(next(&mut stream).await, Some(Ok(value(0))));
        let error = next(&mut stream).await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.origin()), ("executor.provider.protocol", Origin::Module));
        assert_eq!(error.trace_id().len(), 32);
        assert_eq!(next(&mut stream).await, None);
        assert_eq!(peer.goodbye().await.code(), "protocol.frame.malformed");
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_of_a_wrong_type_ends_the_stream_and_cancels_the_handler() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (session, mut peer) = world.provider_of(plane, STREAM).await;
        let stream = world.stream();
        let (call, _, _) = peer.stream_start().await;
        peer.send([frames::item(call, &testkit::msgpack("{n: String}", r#"{"n": "no"}"#))]).await;
        let mut stream = stream.await.unwrap().unwrap();
        let error = next(&mut stream).await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.origin()), ("executor.output.invalid", Origin::Module));
        assert!(error.details()["path"].contains('n'));
        assert_eq!(next(&mut stream).await, None);
        loop {
            match peer.next().await.unwrap() {
                (_, protocol::generated::provider::v1::host_frame::Frame::Credit(_)) => {}
                (of, protocol::generated::provider::v1::host_frame::Frame::Cancel(cancel)) => {
                    break assert_eq!((of, cancel.reason()), (call, CancelReason::Caller));
                }
                other => panic!("{other:?}"),
            }
        }
        while world.executor.load_of(session.id) > 0 {
            tokio::task::yield_now().await;
        }
        // What still comes is dropped.
        peer.send([frames::item(call, &value(0)), frames::end(call)]).await;
        let again = world.stream();
        let (call, _, _) = peer.stream_start().await;
        peer.send([frames::end(call)]).await;
        assert_eq!(next(&mut again.await.unwrap().unwrap()).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_is_canonical_and_without_undeclared_fields() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider_of(PLANES[0], STREAM).await;
    let stream = world.stream();
    let (call, _, _) = peer.stream_start().await;
    let wide = testkit::msgpack("{a: Int, n: Int}", r#"{"a": 1, "n": 5}"#);
    peer.send([frames::item(call, &wide), frames::end(call)]).await;
    let mut stream = stream.await.unwrap().unwrap();
    assert_eq!(next(&mut stream).await, Some(Ok(value(5))));
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_that_of_the_whole_stream() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (session, mut peer) = world.provider_of(plane, STREAM).await;
        let began = tokio::time::Instant::now();
        let stream = world.stream_within(Duration::from_secs(3));
        let (call, _, _) = peer.stream_start().await;
        peer.send([frames::item(call, &value(0))]).await;
        let mut stream = stream.await.unwrap().unwrap();
        assert_eq!(next(&mut stream).await, Some(Ok(value(0))));
        let error = next(&mut stream).await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.category()), ("executor.deadline.exceeded", Category::DeadlineExceeded));
        assert!(began.elapsed() < Duration::from_millis(3100), "{:?}", began.elapsed());
        peer.credit().await;
        assert_eq!(peer.cancel().await, (call, CancelReason::Deadline));
        assert_eq!(world.executor.load_of(session.id), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_nobody_reads_leaves_its_place_at_the_deadline() {
    let world = World::start(Options::default());
    let (session, mut peer) = world.provider_of(PLANES[0], STREAM).await;
    let stream = world.stream_within(Duration::from_secs(3));
    let (call, _, _) = peer.stream_start().await;
    peer.send([frames::item(call, &value(0))]).await;
    let mut stream = stream.await.unwrap().unwrap();
    loop {
        if let (of, protocol::generated::provider::v1::host_frame::Frame::Cancel(cancel)) = peer.next().await.unwrap() {
            break assert_eq!((of, cancel.reason()), (call, CancelReason::Deadline));
        }
    }
    assert_eq!(world.executor.load_of(session.id), 0);
    assert_eq!(next(&mut stream).await, Some(Ok(value(0))));
    assert_eq!(next(&mut stream).await.unwrap().unwrap_err().code(), "executor.deadline.exceeded");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_cancels_the_handler_before_and_after_the_first_item() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (session, mut peer) = world.provider_of(plane, STREAM).await;
        let starting = world.stream();
        let (call, _, _) = peer.stream_start().await;
        starting.abort();
        assert!(starting.await.unwrap_err().is_cancelled());
        assert_eq!(peer.cancel().await, (call, CancelReason::Caller));
        let stream = world.stream();
        let (call, _, _) = peer.stream_start().await;
        peer.send([frames::item(call, &value(0))]).await;
        drop(stream.await.unwrap().unwrap());
        peer.credit().await;
        assert_eq!(peer.cancel().await, (call, CancelReason::Caller));
        while world.executor.load_of(session.id) > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_the_middle_comes_behind_the_items_before_it() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (_, mut peer) = world.provider_of(plane, STREAM).await;
        let stream = world.stream();
        let (call, _, _) = peer.stream_start().await;
        let failure = Error::new(Category::NotFound, "text.no_more", "no more", Origin::Module);
        peer.send([frames::item(call, &value(0)), frames::error(call, &failure)]).await;
        let mut stream = stream.await.unwrap().unwrap();
        assert_eq!(next(&mut stream).await, Some(Ok(value(0))));
        let error = next(&mut stream).await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.origin()), ("text.no_more", Origin::Module));
        assert_eq!(next(&mut stream).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_the_first_item_fails_the_call() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider_of(PLANES[0], STREAM).await;
    let stream = world.stream();
    let (call, _, _) = peer.stream_start().await;
    let failure = Error::new(Category::NotFound, "text.nothing", "nothing", Origin::Module);
    peer.send([frames::error(call, &failure)]).await;
    assert_eq!(stream.await.unwrap().unwrap_err().code(), "text.nothing");
}

#[tokio::test(start_paused = true)]
async fn the_loss_of_a_provider_ends_a_stream_at_once() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (_, mut peer) = world.provider_of(plane, STREAM).await;
        let stream = world.stream();
        let (call, _, _) = peer.stream_start().await;
        peer.send([frames::item(call, &value(0))]).await;
        let mut stream = stream.await.unwrap().unwrap();
        let began = tokio::time::Instant::now();
        drop(peer);
        assert_eq!(next(&mut stream).await, Some(Ok(value(0))));
        let error = next(&mut stream).await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.category()), ("executor.provider.lost", Category::Unavailable));
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_to_another_replica_only_before_its_first_item() {
    for (first_item, idempotent) in [(false, true), (false, false), (true, true)] {
        let world = World::start(Options::default());
        let mut peers = Vec::new();
        for name in ["a", "b"] {
            let request = RegisterRequest {
                service_id: name.into(),
                group_id: "replicas".into(),
                ..testkit::registration("text", [echo(ModuleCapabilities { idempotent, ..STREAM })])
            };
            let session = world.register(request).await;
            let mut peer = world.connect(&session, PLANES[0]).await;
            peer.frame().await;
            peers.push((session, peer));
        }
        let stream = world.stream();
        while peers.iter().all(|(session, _)| world.executor.load_of(session.id) == 0) {
            tokio::task::yield_now().await;
        }
        let chosen = peers.iter().position(|(session, _)| world.executor.load_of(session.id) > 0).unwrap();
        let (_, mut lost) = peers.remove(chosen);
        let (_, mut other) = peers.remove(0);
        let (call, _, _) = lost.stream_start().await;
        if first_item {
            lost.send([frames::item(call, &value(0))]).await;
            let mut stream = stream.await.unwrap().unwrap();
            assert_eq!(next(&mut stream).await, Some(Ok(value(0))));
            drop(lost);
            assert_eq!(next(&mut stream).await.unwrap().unwrap_err().code(), "executor.provider.lost");
        } else if idempotent {
            drop(lost);
            let (call, request, _) = other.stream_start().await;
            assert_eq!(request.attempt, 2);
            other.send([frames::end(call)]).await;
            assert_eq!(stream.await.unwrap().unwrap().attempts, 2);
        } else {
            drop(lost);
            assert_eq!(stream.await.unwrap().unwrap_err().code(), "executor.provider.lost");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_module_is_called_in_the_way_that_it_declares() {
    let world = World::start(Options::default());
    let (_, _peer) = world.provider_of(PLANES[0], STREAM).await;
    let error = world.call(1).await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.category()), ("executor.stream.required", Category::Unsupported));
    let error = world.batch(vec![Ok(value(1))]).await.unwrap().unwrap_err();
    assert_eq!(error.code(), "executor.stream.required");
    let world = World::start(Options::default());
    let (_, _peer) = world.provider(PLANES[0]).await;
    let error = world.stream().await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.category()), ("executor.stream.unsupported", Category::Unsupported));
}

#[tokio::test(start_paused = true)]
async fn a_stream_takes_a_place_until_it_ends() {
    let world = World::start(Options { in_flight_per_provider: 1, queued_per_provider: 0, ..Options::default() });
    let (_, mut peer) = world.provider_of(PLANES[0], STREAM).await;
    let stream = world.stream();
    let (call, _, _) = peer.stream_start().await;
    peer.send([frames::item(call, &value(0))]).await;
    let mut stream = stream.await.unwrap().unwrap();
    assert_eq!(world.stream().await.unwrap().unwrap_err().code(), "executor.overloaded");
    assert_eq!(next(&mut stream).await, Some(Ok(value(0))));
    peer.send([frames::end(call)]).await;
    assert_eq!(next(&mut stream).await, None);
    let after = world.stream();
    peer.credit().await;
    let (call, _, _) = peer.stream_start().await;
    peer.send([frames::end(call)]).await;
    assert_eq!(next(&mut after.await.unwrap().unwrap()).await, None);
}
