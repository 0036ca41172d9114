//! What goes in, what comes out, and who hears what.

use std::time::Duration;

use executor::Options;
use protocol::generated::provider::v1::CancelReason;
use protocol::{Category, Origin};
use testkit::frames;

use crate::world::{INPUT, OUTPUT, PLANES, World, value};

#[tokio::test(start_paused = true)]
async fn a_call_reaches_the_provider_and_its_answer_the_caller() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (session, mut peer) = world.provider(plane).await;
        let call = world.call_within(7, Duration::from_secs(5));
        let (id, execute) = peer.execute().await;
        assert_eq!((execute.module_name.as_str(), &execute.input_data), ("Echo", &value(7)));
        assert_eq!((execute.attempt, execute.timeout_ms), (1, 5000));
        peer.send([frames::output(id, value(8))]).await;
        let reply = call.await.unwrap().unwrap();
        assert_eq!(reply.output, value(8));
        assert_eq!((reply.session, reply.plane, reply.attempts, reply.revision), (session.id, plane, 1, 1));
        assert_eq!(world.executor.load_of(session.id), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_out_of_order_reach_the_right_callers() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (_, mut peer) = world.provider(plane).await;
        let calls: Vec<_> = (0..10).map(|n| world.call(n)).collect();
        let mut taken = Vec::new();
        for _ in 0..10 {
            taken.push(peer.execute().await);
        }
        taken.reverse();
        peer.send(taken.into_iter().map(|(id, execute)| frames::output(id, execute.input_data))).await;
        for (n, call) in (0..).zip(calls) {
            assert_eq!(call.await.unwrap().unwrap().output, value(n));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_told_to_the_caller_in_time_and_cancels_at_the_provider() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (session, mut peer) = world.provider(plane).await;
        let began = tokio::time::Instant::now();
        let call = world.call_within(1, Duration::from_secs(2));
        let (id, _) = peer.execute().await;
        let error = call.await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.category()), ("executor.deadline.exceeded", Category::DeadlineExceeded));
        assert_eq!(error.trace_id().len(), 32);
        assert!(began.elapsed() < Duration::from_millis(2100), "{:?}", began.elapsed());
        assert_eq!(peer.cancel().await, (id, CancelReason::Deadline));
        assert_eq!(world.executor.load_of(session.id), 0);
        // The answer that comes too late harms nobody.
        peer.send([frames::output(id, value(1))]).await;
        let next = world.call(2);
        let (id, _) = peer.execute().await;
        peer.send([frames::output(id, value(2))]).await;
        assert_eq!(next.await.unwrap().unwrap().output, value(2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_cancels_its_call_at_the_provider() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (session, mut peer) = world.provider(plane).await;
        let call = world.call(1);
        let (id, _) = peer.execute().await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        assert_eq!(peer.cancel().await, (id, CancelReason::Caller));
        assert_eq!(world.executor.load_of(session.id), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_input_of_the_wrong_type_does_not_reach_the_provider() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(PLANES[0]).await;
    let wrong = testkit::msgpack("{n: String}", r#"{"n": "no"}"#);
    let error = world.call_bytes(wrong, Duration::from_secs(5)).await.unwrap().unwrap_err();
    assert_eq!(
        (error.code(), error.category(), error.retryable()),
        ("executor.input.invalid", Category::InvalidArgument, false)
    );
    assert!(error.details()["path"].contains('n'), "{error:?}");
    let right = world.call(3);
    assert_eq!(peer.execute().await.1.input_data, value(3));
    right.abort();
}

#[tokio::test(start_paused = true)]
async fn an_input_reaches_the_provider_canonical_and_without_undeclared_fields() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(PLANES[0]).await;
    let wide = testkit::msgpack("{a: Int, n: Int}", r#"{"a": 1, "n": 5}"#);
    let call = world.call_bytes(wide, Duration::from_secs(5));
    assert_eq!(peer.execute().await.1.input_data, value(5));
    call.abort();
}

#[tokio::test(start_paused = true)]
async fn an_input_that_no_message_holds_is_refused() {
    let world = World::start(Options { message_bytes: 64, ..Options::default() });
    let (session, _peer) = world.provider(PLANES[0]).await;
    let error = world.call(1).await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.category()), ("executor.input.too_large", Category::InvalidArgument));
    assert_eq!(world.executor.load_of(session.id), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lie_about_the_output_is_told_with_its_path_and_harms_no_other_call() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (_, mut peer) = world.provider(plane).await;
        let (lied_to, served) = (world.call(1), world.call(2));
        for _ in 0..2 {
            let (id, execute) = peer.execute().await;
            let lie = testkit::msgpack("{n: String}", r#"{"n": "no"}"#);
            let output = if execute.input_data == value(1) { lie } else { value(2) };
            peer.send([frames::output(id, output)]).await;
        }
        let error = lied_to.await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.category()), ("executor.output.invalid", Category::UpstreamError));
        assert_eq!((error.origin(), error.retryable()), (Origin::Module, false));
        assert!(error.details()["path"].contains('n'), "{error:?}");
        assert_eq!(served.await.unwrap().unwrap().output, value(2));
    }
}

#[tokio::test(start_paused = true)]
async fn an_output_reaches_the_caller_canonical_and_without_undeclared_fields() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider(PLANES[0]).await;
    let undeclared = testkit::msgpack("{n: Int, secret: String}", r#"{"n": 4, "secret": "s"}"#);
    // `{n: 4}` with the Int in nine bytes, which decoders take and encoders do not write.
    let long = [&[0x81, 0xa1, b'n', 0xd3][..], &4_i64.to_be_bytes()].concat();
    for output in [undeclared.to_vec(), long] {
        let call = world.call(4);
        let (id, _) = peer.execute().await;
        peer.send([frames::output(id, output)]).await;
        assert_eq!(call.await.unwrap().unwrap().output, value(4));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_module_is_the_callers_answer_whatever_its_code() {
    for code in ["text.bad", "executor.provider.lost"] {
        let world = World::start(Options::default());
        let request = testkit::registration("text", [testkit::module("Echo", INPUT, OUTPUT)]);
        let session = world.register(request).await;
        let mut peer = world.connect(&session, PLANES[0]).await;
        peer.frame().await;
        let call = world.call(1);
        let (id, _) = peer.execute().await;
        peer.send([frames::failure(id, &protocol::Error::new(Category::Conflict, code, "no", Origin::Module))]).await;
        let error = call.await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.category(), error.origin()), (code, Category::Conflict, Origin::Module));
        // The provider is still there.
        let next = world.call(2);
        let (id, _) = peer.execute().await;
        peer.send([frames::output(id, value(2))]).await;
        assert_eq!(next.await.unwrap().unwrap().output, value(2));
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_while_a_message_is_written_travels_in_one_message() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let session = world.register(testkit::registration("text", [testkit::module("Echo", INPUT, OUTPUT)])).await;
        // So narrow that the welcome alone fills it.
        let mut peer = world.connect_with(&session, plane, 8).await;
        let calls: Vec<_> = (0..20).map(|n| world.call(n)).collect();
        // All of them are on their way before the provider reads anything.
        while world.executor.load_of(session.id) < 20 {
            tokio::task::yield_now().await;
        }
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        let mut sizes = Vec::new();
        while sizes.iter().sum::<usize>() < 21 {
            sizes.push(peer.message().await.unwrap().len());
        }
        assert!(sizes.len() <= 4, "{plane:?}: {sizes:?}");
        calls.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
