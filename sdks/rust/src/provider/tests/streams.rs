//! Streams on all three planes: items for credit and no more, ends, failures, and what a cancelled handler leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tonic::Streaming;

use crate::codec;
use crate::context::Context;
use crate::error::{Category, Error, ModuleError};
use crate::generated::provider::v1::host_frame::Frame as FromHost;
use crate::generated::provider::v1::module_executor_client::ModuleExecutorClient;
use crate::generated::provider::v1::provider_frame::Frame as FromProvider;
use crate::generated::provider::v1::{Cancel, Credit, ExecuteStreamRequest, ExecuteStreamResponse, Ping, StreamStart};
use crate::provider::tests::fake_host::{Behaviour, FakeHost, Link, Wire, outcome, request, within};
use crate::provider::tests::{TellDrop, channel, start};
use crate::provider::{Plane, Provider};

/// Counts from 0 to its input, and tells how far it has come.
fn counting(reached: Arc<AtomicI64>) -> Provider {
    Provider::new("numbers").stream("Count", move |limit: i64| {
        let reached = Arc::clone(&reached);
        async_stream::try_stream! {
            for n in 0..limit {
                reached.store(n + 1, Ordering::SeqCst);
                yield n;
            }
        }
    })
}

async fn begin(wire: &Wire, call_id: u64, module: &str, input: &impl codec::Encode, credit: u32) {
    let start = StreamStart { request: Some(request(module, input)), credit };
    wire.send(vec![(call_id, FromHost::ExecuteStream(start))]).await;
}

async fn grant(wire: &Wire, call_id: u64, items: u32) {
    wire.send(vec![(call_id, FromHost::Credit(Credit { items }))]).await;
}

async fn item(wire: &mut Wire, call_id: u64) -> i64 {
    match wire.frame().await.unwrap() {
        (id, FromProvider::Item(item)) => {
            assert_eq!(id, call_id);
            codec::from_bytes(&item.data).unwrap()
        }
        other => panic!("expected an item, got {other:?}"),
    }
}

/// The provider has done all that it can do by itself: the answer of a ping comes behind all that went before.
async fn settled(wire: &mut Wire) {
    for number in 0..20 {
        wire.send(vec![(0, FromHost::Ping(Ping { number }))]).await;
        assert!(matches!(wire.frame().await.unwrap(), (0, FromProvider::Pong(pong)) if pong.number == number));
        tokio::task::yield_now().await;
    }
}

const FRAMED: [Link; 2] = [Link::Tcp, Link::None];

#[tokio::test]
async fn items_come_for_credit_and_the_handler_waits_without() {
    for link in FRAMED {
        let mut host = FakeHost::start(Behaviour { link, ..Behaviour::default() }).await;
        let reached = Arc::new(AtomicI64::new(0));
        let provider = start(counting(Arc::clone(&reached)), &host);
        let capabilities = host.registration().await.modules[0].capabilities.unwrap();
        assert!(capabilities.stream && !capabilities.batch);
        let mut wire = host.connection().await;
        begin(&wire, 7, "Count", &10i64, 2).await;
        assert_eq!((item(&mut wire, 7).await, item(&mut wire, 7).await), (0, 1));
        settled(&mut wire).await;
        assert_eq!(reached.load(Ordering::SeqCst), 2);

        grant(&wire, 7, 3).await;
        for n in 2..5 {
            assert_eq!(item(&mut wire, 7).await, n);
        }
        settled(&mut wire).await;
        assert_eq!(reached.load(Ordering::SeqCst), 5);

        grant(&wire, 7, u32::MAX).await;
        for n in 5..10 {
            assert_eq!(item(&mut wire, 7).await, n);
        }
        assert!(matches!(wire.frame().await, Some((7, FromProvider::End(_)))));
        // Credit for a stream that is over is late, not wrong.
        grant(&wire, 7, 1).await;
        settled(&mut wire).await;
        provider.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_reader_of_one_stream_holds_up_no_other() {
    let mut host = FakeHost::start(Behaviour::default()).await;
    let provider = start(counting(Arc::default()), &host);
    let mut wire = host.connection().await;
    begin(&wire, 1, "Count", &10i64, 1).await;
    assert_eq!(item(&mut wire, 1).await, 0);
    begin(&wire, 2, "Count", &1000i64, 2000).await;
    for n in 0..1000 {
        assert_eq!(item(&mut wire, 2).await, n);
    }
    assert!(matches!(wire.frame().await, Some((2, FromProvider::End(_)))));
    wire.send(vec![(1, FromHost::Cancel(Cancel::default()))]).await;
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn a_cancelled_stream_drops_its_handler_and_tells_what_it_left_behind() {
    for link in FRAMED {
        let mut host = FakeHost::start(Behaviour { link, ..Behaviour::default() }).await;
        let (dropped_tx, mut dropped) = mpsc::unbounded_channel();
        let (heard_tx, mut heard) = mpsc::unbounded_channel();
        let provider = counting(Arc::default()).stream("Forever", move |_: (), ctx: Context| {
            let guard = TellDrop(dropped_tx.clone());
            let heard = heard_tx.clone();
            tokio::spawn(async move {
                ctx.cancelled().await;
                heard.send(ctx.is_cancelled()).ok();
            });
            async_stream::try_stream! {
                let _guard = guard;
                for n in 0i64.. {
                    yield n;
                }
            }
        });
        let provider = start(provider, &host);
        let mut wire = host.connection().await;
        begin(&wire, 1, "Forever", &(), 3).await;
        for n in 0..3 {
            assert_eq!(item(&mut wire, 1).await, n);
        }
        wire.send(vec![(1, FromHost::Cancel(Cancel::default()))]).await;
        within(dropped.recv()).await.unwrap();
        assert!(within(heard.recv()).await.unwrap());
        // Nothing follows; the connection goes on.
        begin(&wire, 2, "Count", &1i64, 5).await;
        assert_eq!(item(&mut wire, 2).await, 0);
        assert!(matches!(wire.frame().await, Some((2, FromProvider::End(_)))));
        provider.stop().await.unwrap();
    }
}

fn failing() -> Provider {
    counting(Arc::default())
        .stream("Fail", |after: i64| {
            let refused = ModuleError::new(Category::NotFound, "numbers.none", "no more numbers");
            tokio_stream::iter((0..after).map(Ok)).chain(tokio_stream::once(Err(refused)))
        })
        .stream("Panic", |_: i64| {
            tokio_stream::iter(0..2).map(|n: i64| if n == 0 { Ok(n) } else { panic!("on purpose") })
        })
        .stream("Big", |size: i64| tokio_stream::iter([Ok("x".repeat(usize::try_from(size).unwrap_or(0)))]))
        .module("Plain", |n: i64| async move { Ok(n) })
}

async fn failure(wire: &mut Wire, call_id: u64) -> Error {
    loop {
        match wire.frame().await.unwrap() {
            (_, FromProvider::Item(_)) => {}
            (id, FromProvider::Error(error)) => {
                assert_eq!(id, call_id);
                return Error::from_wire(error);
            }
            other => panic!("expected a failure, got {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_stream_ends_badly_with_one_error_frame() {
    let mut host = FakeHost::start(Behaviour { max_message: 4000, ..Behaviour::default() }).await;
    let provider = start(failing(), &host);
    let mut wire = host.connection().await;
    let cases = [
        ("Fail", "numbers.none"),
        ("Panic", "module.panicked"),
        ("Big", "module.output_too_large"),
        ("Plain", "executor.stream.unsupported"),
        ("Nothing", "registry.module.unknown"),
    ];
    for (call_id, (module, code)) in (1..).zip(cases) {
        begin(&wire, call_id, module, &5000i64, 10_000).await;
        assert_eq!(failure(&mut wire, call_id).await.code(), code);
    }
    begin(&wire, 20, "Count", &"no number", 1).await;
    let error = failure(&mut wire, 20).await;
    assert_eq!((error.code(), error.trace_id()), ("executor.input.invalid", "execution-7"));
    let error = wire.call::<i64>(21, "Count", &1i64).await.unwrap_err();
    assert_eq!((error.code(), error.category()), ("executor.stream.required", Category::Unsupported));
    provider.stop().await.unwrap();
}

#[tokio::test]
async fn a_provider_that_stops_finishes_its_streams() {
    let mut host = FakeHost::start(Behaviour::default()).await;
    let provider = start(counting(Arc::default()), &host);
    let mut wire = host.connection().await;
    begin(&wire, 1, "Count", &2i64, 1).await;
    assert_eq!(item(&mut wire, 1).await, 0);
    provider.handle.stop();
    host.farewell().await;
    assert!(matches!(wire.frame().await, Some((0, FromProvider::Drain(_)))));
    grant(&wire, 1, 5).await;
    assert_eq!(item(&mut wire, 1).await, 1);
    assert!(matches!(wire.frame().await, Some((1, FromProvider::End(_)))));
    provider.end().await.unwrap();
}

#[tokio::test]
async fn on_the_unary_plane_http_carries_items_failures_and_cancellation() {
    let mut host = FakeHost::start(Behaviour::default()).await;
    let reached = Arc::new(AtomicI64::new(0));
    let (dropped_tx, mut dropped) = mpsc::unbounded_channel();
    let forever_reached = Arc::clone(&reached);
    let provider = failing().stream("Forever", move |_: ()| {
        let (guard, reached) = (TellDrop(dropped_tx.clone()), Arc::clone(&forever_reached));
        async_stream::try_stream! {
            let _guard = guard;
            for n in 0i64.. {
                reached.store(n, Ordering::SeqCst);
                yield "x".repeat(10_000);
            }
        }
    });
    let provider = start(provider.plane(Plane::Unary), &host);
    let mut executor = ModuleExecutorClient::new(channel(&host.registration().await.service_url).await);
    let begin = |module: &str, input: i64| ExecuteStreamRequest { request: Some(request(module, &input)) };

    let items = executor.execute_stream(begin("Count", 3)).await.unwrap().into_inner();
    let items: Vec<i64> = items.map(|item| codec::from_bytes(&item.unwrap().item_data).unwrap()).collect().await;
    assert_eq!(items, [0, 1, 2]);

    let mut items = executor.execute_stream(begin("Fail", 1)).await.unwrap().into_inner();
    items.message().await.unwrap().unwrap();
    let status = items.message().await.unwrap_err();
    assert_eq!(Error::from_status(&status).code(), "numbers.none");
    let status = executor.execute_stream(begin("Plain", 1)).await.unwrap_err();
    assert_eq!(Error::from_status(&status).code(), "executor.stream.unsupported");

    let forever = ExecuteStreamRequest { request: Some(request("Forever", &())) };
    let mut items: Streaming<ExecuteStreamResponse> = executor.execute_stream(forever).await.unwrap().into_inner();
    items.message().await.unwrap().unwrap();
    // The handler stops by itself where nobody reads: what the windows of HTTP/2 hold is far from this.
    assert!(reached.load(Ordering::SeqCst) < 10_000);
    drop(items);
    within(dropped.recv()).await.unwrap();
    let response = executor.execute(request("Plain", &4i64)).await.unwrap().into_inner();
    assert_eq!(outcome::<i64>(response).unwrap(), 4);
    provider.stop().await.unwrap();
}
