//! The unary plane against real gRPC servers on free ports. Time is real here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use executor::{End, Options};
use protocol::generated::provider::v1::RegisterRequest;
use protocol::{Category, DataPlane, Origin};
use testkit::{PATIENCE, Reply, ScriptedExecutor};

use crate::world::{INPUT, OUTPUT, Session, World, value};

async fn register(world: &World, url: &str) -> Session {
    let request = testkit::registration("text", [testkit::module("Echo", INPUT, OUTPUT)]);
    world.register(RegisterRequest { planes: vec![], service_url: url.into(), ..request }).await
}

#[tokio::test]
async fn a_call_is_answered_over_one_request() {
    let provider = ScriptedExecutor::start(|call| Reply::output(call.input_data.to_vec())).await;
    let world = World::start(Options::default());
    let session = register(&world, &provider.url).await;
    for n in 0..20 {
        let reply = world.call(n).await.unwrap().unwrap();
        assert_eq!((reply.output, reply.plane, reply.session), (value(n), DataPlane::Unary, session.id));
    }
    assert_eq!(world.executor.load_of(session.id), 0);
}

#[tokio::test]
async fn a_deadline_ends_a_call_that_is_never_answered() {
    let provider = ScriptedExecutor::start(|_| Reply::Never).await;
    let world = World::start(Options::default());
    let session = register(&world, &provider.url).await;
    let began = Instant::now();
    let error = world.call_within(1, Duration::from_millis(200)).await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.category()), ("executor.deadline.exceeded", Category::DeadlineExceeded));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(world.executor.load_of(session.id), 0);
    // Slow is not lost.
    assert!(world.registry.routes().get("text.Echo").is_some());
}

#[tokio::test]
async fn a_provider_where_nobody_listens_is_unreachable_and_lost() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut world = World::start(Options::default());
    let session = register(&world, &url).await;
    let error = world.call(1).await.unwrap().unwrap_err();
    assert_eq!(
        (error.code(), error.category(), error.retryable()),
        ("executor.provider.unreachable", Category::Unavailable, true)
    );
    let (lost, error) = tokio::time::timeout(PATIENCE, world.lost()).await.unwrap();
    assert_eq!((lost, error.code()), (session.id, "executor.provider.unreachable"));
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_of_a_call_is_a_loss() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut world = World::start(Options::default());
    let session = register(&world, &url).await;
    let call = world.call(1);
    let (stream, _) = listener.accept().await.unwrap();
    // The call is on its way, and then the process is gone.
    stream.readable().await.unwrap();
    drop((stream, listener));
    let error = tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap().unwrap_err();
    assert_eq!((error.category(), error.retryable()), (Category::Unavailable, true), "{error:?}");
    assert_eq!(tokio::time::timeout(PATIENCE, world.lost()).await.unwrap().0, session.id);
}

#[tokio::test]
async fn a_handler_that_breaks_off_loses_its_own_call_alone() {
    let broke = Arc::new(AtomicBool::new(false));
    let once = Arc::clone(&broke);
    let provider = ScriptedExecutor::start(move |call| {
        assert!(once.swap(true, Ordering::Relaxed), "the first call breaks its handler");
        Reply::output(call.input_data.to_vec())
    })
    .await;
    let world = World::start(Options::default());
    register(&world, &provider.url).await;
    let error = world.call(1).await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.category()), ("executor.provider.lost", Category::Unavailable));
    assert_eq!(world.call(2).await.unwrap().unwrap().output, value(2));
}

#[tokio::test]
async fn the_end_of_a_session_fails_its_calls_at_once() {
    let began = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&began);
    let provider = ScriptedExecutor::start(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Reply::Never
    })
    .await;
    let world = World::start(Options::default());
    let session = register(&world, &provider.url).await;
    let call = world.call(1);
    testkit::eventually("the call", || async { (began.load(Ordering::Relaxed) == 1).then_some(()) }).await;
    let gone = protocol::Error::of(protocol::codes::PROVIDER_LOST, "its lease ended");
    world.executor.end(session.id, End::Fail(gone)).await;
    let error = tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap().unwrap_err();
    assert_eq!((error.code(), error.message()), ("executor.provider.lost", "its lease ended"));
}

#[tokio::test]
async fn a_drain_lets_what_runs_be_answered_within_its_grace() {
    let provider = ScriptedExecutor::start(|_| Reply::Never).await;
    let world = World::start(Options::default());
    let session = register(&world, &provider.url).await;
    let call = world.call(1);
    testkit::eventually("the call", || async { (world.executor.load_of(session.id) == 1).then_some(()) }).await;
    let began = Instant::now();
    world.executor.end(session.id, End::Drain(Duration::from_millis(300))).await;
    let error = tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.code(), "executor.provider.lost");
    assert!(began.elapsed() >= Duration::from_millis(290), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_a_provider_by_hand_answers_wrongly_is_its_own_fault() {
    for (reply, code) in [
        (Reply::nothing(), "executor.output.missing"),
        (Reply::Message(vec![0xff]), "executor.provider.protocol"),
        (Reply::output(vec![0xc1]), "executor.output.invalid"),
    ] {
        let provider = ScriptedExecutor::start(move |_| reply.clone()).await;
        let world = World::start(Options::default());
        register(&world, &provider.url).await;
        let error = world.call(1).await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.category(), error.origin()), (code, Category::UpstreamError, Origin::Module));
    }
}
