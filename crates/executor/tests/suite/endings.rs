//! How connections end, and what their calls hear of it.

use std::time::Duration;

use executor::{End, Event, Options};
use protocol::generated::provider::v1::CancelReason;
use protocol::generated::provider::v1::host_frame::Frame;
use protocol::{Category, DataPlane, Origin};
use testkit::frames;
use tokio::time::Instant;

use crate::world::{INPUT, OUTPUT, PLANES, World, value};

#[tokio::test(start_paused = true)]
async fn the_loss_of_a_provider_fails_its_calls_at_once() {
    for plane in PLANES {
        let mut world = World::start(Options::default());
        let (session, mut peer) = world.provider(plane).await;
        let calls: Vec<_> = (0..5).map(|n| world.call(n)).collect();
        for _ in 0..5 {
            peer.execute().await;
        }
        let began = Instant::now();
        drop(peer);
        for call in calls {
            let error = call.await.unwrap().unwrap_err();
            assert_eq!((error.code(), error.category()), ("executor.provider.lost", Category::Unavailable));
            assert!(error.retryable());
        }
        assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
        assert_eq!(world.lost().await.0, session.id);
        assert_eq!(world.executor.load_of(session.id), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_says_why_it_closes_is_lost_in_the_hosts_words() {
    for plane in PLANES {
        let mut world = World::start(Options::default());
        let (_, mut peer) = world.provider(plane).await;
        let call = world.call(1);
        peer.execute().await;
        let why = protocol::Error::new(Category::NotFound, "text.tired", "good night", Origin::Module);
        let closing = protocol::generated::provider::v1::provider_frame::Frame::Error(why.to_proto());
        peer.send([protocol::generated::provider::v1::ProviderFrame { call_id: 0, frame: Some(closing) }]).await;
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(
            (error.code(), error.category(), error.retryable()),
            ("executor.provider.lost", Category::Unavailable, true)
        );
        assert!(error.details()["cause"].contains("good night"), "{error:?}");
        assert!(world.lost().await.1.details().contains_key("cause"));
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_ends_the_connection_and_its_calls_hear_that_the_provider_broke_the_protocol() {
    let garbage: [&[u8]; 4] = [&[0; 4], &[0xff; 8], &[0, 0, 0, 3, 0xff, 0xff, 0xff], &[0, 0, 0, 2, 0x0a, 0]];
    for bytes in garbage {
        let mut world = World::start(Options::default());
        let (session, mut peer) = world.provider(DataPlane::Link).await;
        let call = world.call(1);
        peer.execute().await;
        peer.write(bytes).await;
        assert_eq!(peer.goodbye().await.code(), "protocol.frame.malformed", "{bytes:?}");
        assert!(peer.next().await.is_none());
        let error = call.await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.category()), ("executor.provider.protocol", Category::UpstreamError));
        assert_eq!(error.origin(), Origin::Module);
        assert_eq!(world.lost().await.0, session.id);
    }
}

#[tokio::test(start_paused = true)]
async fn frames_that_cannot_come_end_the_connection_on_both_planes() {
    for plane in PLANES {
        for frame in [frames::output(99, value(1)), frames::hello("again"), frames::item(1, b"x")] {
            let world = World::start(Options::default());
            let (_, mut peer) = world.provider(plane).await;
            let call = world.call(1);
            peer.execute().await;
            peer.send([frame]).await;
            assert_eq!(peer.goodbye().await.code(), "protocol.frame.malformed");
            assert_eq!(call.await.unwrap().unwrap_err().code(), "executor.provider.protocol");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_answer_is_dropped() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (_, mut peer) = world.provider(plane).await;
        let call = world.call(1);
        let (id, _) = peer.execute().await;
        peer.send([frames::output(id, value(1)), frames::output(id, value(2))]).await;
        assert_eq!(call.await.unwrap().unwrap().output, value(1));
        let next = world.call(3);
        let (id, _) = peer.execute().await;
        peer.send([frames::output(id, value(3))]).await;
        assert_eq!(next.await.unwrap().unwrap().output, value(3));
    }
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_and_more_than_the_provider_reads_end_the_connection() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let session = world.register(testkit::registration("text", [testkit::module("Echo", INPUT, OUTPUT)])).await;
        let mut peer = world.connect_with(&session, plane, 4096).await;
        peer.frame().await;
        for n in 0..1000 {
            peer.send([frames::ping(n)]).await;
            assert!(matches!(peer.frame().await, Frame::Pong(pong) if pong.number == n));
        }
        peer.send((0..2000).map(frames::ping)).await;
        assert_eq!(peer.goodbye().await.code(), "protocol.frame.malformed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_answers_what_runs_and_takes_nothing_new() {
    for plane in PLANES {
        let mut world = World::start(Options::default());
        let (session, mut peer) = world.provider(plane).await;
        let route = world.registry.routes().get("text.Echo").unwrap().clone();
        let call = world.call(1);
        let (id, _) = peer.execute().await;
        world.unregister(&session).await;
        assert!(matches!(peer.frame().await, Frame::Drain(drain) if drain.grace_ms == 10_000));
        let late = world.call_route(route, value(2), Duration::from_secs(5)).await.unwrap().unwrap_err();
        assert_eq!(
            (late.code(), late.category(), late.retryable()),
            ("executor.provider.unavailable", Category::Unavailable, true)
        );
        peer.send([frames::output(id, value(1))]).await;
        assert_eq!(call.await.unwrap().unwrap().output, value(1));
        assert!(peer.next().await.is_none());
        assert!(matches!(world.events.recv().await, Some(Event::Closed { session: closed }) if closed == session.id));
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_at_its_grace_and_a_later_one_does_not_prolong_it() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (session, mut peer) = world.provider(plane).await;
        let call = world.call(1);
        peer.execute().await;
        let began = Instant::now();
        world.executor.end(session.id, End::Drain(Duration::from_secs(3))).await;
        world.executor.end(session.id, End::Drain(Duration::from_secs(50))).await;
        assert_eq!(call.await.unwrap().unwrap_err().code(), "executor.provider.lost");
        assert_eq!(began.elapsed().as_secs(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_were_on_their_way_when_a_drain_came_are_still_sent_before_it() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (session, mut peer) = world.provider(plane).await;
        let calls: Vec<_> = (0..3).map(|n| world.call(n)).collect();
        while world.executor.load_of(session.id) < 3 {
            tokio::task::yield_now().await;
        }
        world.executor.end(session.id, End::Drain(Duration::from_secs(5))).await;
        for _ in 0..3 {
            let (id, execute) = peer.execute().await;
            peer.send([frames::output(id, execute.input_data)]).await;
        }
        assert!(matches!(peer.frame().await, Frame::Drain(_)));
        for (n, call) in (0..).zip(calls) {
            assert_eq!(call.await.unwrap().unwrap().output, value(n));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_drains_gets_no_new_calls_and_answers_the_old_ones() {
    for plane in PLANES {
        let mut world = World::start(Options::default());
        let (session, mut peer) = world.provider(plane).await;
        let call = world.call(1);
        let (id, _) = peer.execute().await;
        peer.send([frames::drain(), frames::drain()]).await;
        assert!(matches!(world.events.recv().await, Some(Event::ProviderDrains { session: s }) if s == session.id));
        let refused = world.call(2).await.unwrap().unwrap_err();
        assert_eq!(refused.code(), "executor.provider.unavailable");
        peer.send([frames::output(id, value(1))]).await;
        assert_eq!(call.await.unwrap().unwrap().output, value(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_does_not_read_is_cut_after_the_write_timeout() {
    for plane in PLANES {
        let mut world = World::start(Options { write_timeout: Duration::from_secs(3), ..Options::default() });
        let session = world.register(testkit::registration("text", [testkit::module("Echo", INPUT, OUTPUT)])).await;
        let _peer = world.connect_with(&session, plane, 8).await;
        let began = Instant::now();
        // The first may fill what the transport holds.
        let calls: Vec<_> = (0..4).map(|n| world.call(n)).collect();
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap_err().code(), "executor.provider.lost");
        }
        assert_eq!(began.elapsed().as_secs(), 3, "{plane:?}");
        assert_eq!(world.lost().await.0, session.id);
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_does_not_read_holds_neither_its_own_end_nor_others_up() {
    for plane in PLANES {
        let world = World::start(Options { in_flight_per_provider: 5000, ..Options::default() });
        let stuck = world.register(testkit::registration("text", [testkit::module("Echo", INPUT, OUTPUT)])).await;
        let _unread = world.connect_with(&stuck, plane, 8).await;
        // More than connection and queue take.
        let calls: Vec<_> = (0..4000).map(|n| world.call(n)).collect();
        while world.executor.load_of(stuck.id) < 4000 {
            tokio::task::yield_now().await;
        }
        let began = Instant::now();
        for _ in 0..10 {
            world.executor.end(stuck.id, End::Drain(Duration::from_secs(9))).await;
        }
        let other = world.register(testkit::registration("other", [testkit::module("Echo", INPUT, OUTPUT)])).await;
        let mut peer = world.connect(&other, plane).await;
        peer.frame().await;
        let gone = protocol::Error::of(protocol::codes::PROVIDER_LOST, "its lease ended");
        world.executor.end(stuck.id, End::Fail(gone)).await;
        for call in calls {
            let code = call.await.unwrap().unwrap_err().code().to_owned();
            // What was not sent yet can be said to be so.
            assert!(["executor.provider.lost", "executor.provider.unavailable"].contains(&code.as_str()), "{code}");
        }
        assert!(began.elapsed() < Duration::from_millis(100), "{plane:?}: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_lets_what_runs_be_answered_and_refuses_what_is_new() {
    for plane in PLANES {
        let mut world = World::start(Options::default());
        let (_, mut peer) = world.provider(plane).await;
        let call = world.call(1);
        let (id, _) = peer.execute().await;
        world.stop();
        assert!(matches!(peer.frame().await, Frame::Drain(_)));
        let refused = world.call(2).await.unwrap().unwrap_err();
        assert_eq!(
            (refused.code(), refused.category(), refused.retryable()),
            ("host.stopping", Category::Unavailable, true)
        );
        peer.send([frames::output(id, value(1))]).await;
        assert_eq!(call.await.unwrap().unwrap().output, value(1));
        assert!(peer.next().await.is_none());
        world.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_is_bounded_by_the_drain_timeout() {
    for plane in PLANES {
        let mut world = World::start(Options { drain_timeout: Duration::from_secs(4), ..Options::default() });
        let (_, mut peer) = world.provider(plane).await;
        let call = world.call(1);
        let (id, _) = peer.execute().await;
        let began = Instant::now();
        let told = async {
            assert!(matches!(peer.frame().await, Frame::Drain(_)));
            assert_eq!(peer.cancel().await, (id, CancelReason::Shutdown), "the handler may stop: nobody waits for it");
        };
        let (stopped, ()) = tokio::join!(world.stop(), told);
        stopped.unwrap();
        assert_eq!(began.elapsed().as_secs(), 4);
        assert_eq!(call.await.unwrap().unwrap_err().code(), "executor.provider.lost");
    }
}
