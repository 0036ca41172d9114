//! Providers that break the rules of the link and of the attach stream: each is told why and cut, its calls fail with a
//! code, and nobody else notices.

use protocol::generated::host::v1::SessionState;
use protocol::generated::provider::v1::{RegisterRequest, host_frame::Frame};
use serde_json::json;
use testkit::{Connection, Session, frames, module, registration};

use e2e::{Host, Plane};

use crate::others::Others;

/// A provider of `liar.Echo` that has not connected yet.
async fn liar(host: &Host) -> Session {
    let modules = [module("Echo", "{n: Int}", "{n: Int}")];
    host.client().register(registration("liar", modules)).await.expect("the namespace is free").keep_alive()
}

async fn dial(session: &Session, plane: Plane) -> Connection {
    match plane {
        Plane::Link => session.dial_link().await,
        Plane::Attach => session.dial_attach(),
        Plane::Unary => unreachable!("nobody connects on the unary plane"),
    }
}

const PLANES: [Plane; 2] = [Plane::Link, Plane::Attach];

#[tokio::test]
async fn a_first_message_that_is_no_hello_is_refused() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let session = liar(&host).await;
    let token = session.token().to_owned();
    for plane in PLANES {
        for (first, code) in [
            (frames::message([frames::ping(1)]), "protocol.hello.missing"),
            (frames::message([frames::output(1, *b"\x01")]), "protocol.hello.missing"),
            (frames::message([frames::hello(&token), frames::hello(&token)]), "protocol.hello.missing"),
            (frames::message([frames::hello(&token), frames::ping(1)]), "protocol.hello.missing"),
            (frames::message([frames::empty(0)]), "protocol.frame.malformed"),
            (frames::message([frames::hello("")]), "registry.session.unknown"),
            (frames::message([frames::hello("garbage")]), "registry.session.unknown"),
            (frames::message([frames::hello(&"00".repeat(32))]), "registry.session.unknown"),
            (frames::message([]), "protocol.frame.malformed"),
            (b"\xff\xff\xff\xff".to_vec(), "protocol.frame.malformed"),
        ] {
            if plane == Plane::Link && first.is_empty() {
                continue; // A length of 0, which is another test.
            }
            let mut connection = dial(&session, plane).await;
            connection.send_message(first.clone()).await.expect("the host reads");
            let error = connection.refusal().await;
            assert_eq!(error.code(), code, "{plane:?} {first:02x?}: {error:?}");
        }
    }
    // After all this the right hello still opens a connection.
    let mut connection = session.link().await;
    connection.send([frames::ping(7)]).await.expect("the host reads");
    let pong = connection.next().await.expect("the connection is open").expect("it is answered");
    assert!(matches!(pong.frame, Some(Frame::Pong(pong)) if pong.number == 7));
    others.are_unharmed().await;
}

#[tokio::test]
async fn garbage_in_place_of_a_hello_on_the_link_is_refused() {
    let host = Host::start_with(&[("timeouts.hello_ms", "400")]);
    let others = Others::start(&host).await;
    let session = liar(&host).await;
    let half_a_message = [&16u32.to_be_bytes()[..], b"half"].concat();
    for (bytes, code) in [
        (&0u32.to_be_bytes()[..], "protocol.frame.malformed"),
        (&u32::MAX.to_be_bytes(), "protocol.frame.malformed"),
        (&(65u32 << 20).to_be_bytes(), "protocol.frame.malformed"),
        (b"GET / HTTP/1.1\r\n\r\n", "protocol.frame.malformed"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "protocol.frame.malformed"),
        (b"\0\0\0\x04\xff\xff\xff\xff", "protocol.frame.malformed"),
        // Silence, and what is never finished, end with the time for a hello.
        (b"", "protocol.hello.missing"),
        (b"\0\0", "protocol.hello.missing"),
        (&half_a_message, "protocol.hello.missing"),
    ] {
        let mut connection = session.dial_link().await;
        connection.send_bytes(bytes).await.expect("the host reads");
        let error = connection.refusal().await;
        assert_eq!(error.code(), code, "{bytes:02x?}: {error:?}");
    }
    let mut connection = session.dial_link().await;
    connection.finish_sending().await;
    assert_eq!(connection.refusal().await.code(), "protocol.hello.missing");

    let connection = session.dial_attach();
    assert_eq!(connection.refusal().await.code(), "protocol.hello.missing", "silence on the attach stream");
    let mut connection = session.dial_attach();
    connection.finish_sending().await;
    assert_eq!(connection.refusal().await.code(), "protocol.hello.missing");
    others.are_unharmed().await;
}

/// What a provider may do on an open connection to be cut.
fn breaches(token: &str) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a second hello", frames::message([frames::hello(token)])),
        ("a frame without content", frames::message([frames::empty(1)])),
        ("a result without a call", frames::message([frames::output(0, *b"\x01")])),
        ("a result for a call that was never sent", frames::message([frames::output(999, *b"\x01")])),
        ("an item without a call", frames::message([frames::item(0, b"\x01")])),
        ("garbage", b"\xff\xff\xff\xff".to_vec()),
        ("a field that ends too early", b"\x0a\x7f\x00".to_vec()),
    ]
}

#[tokio::test]
async fn a_provider_that_breaks_the_rules_is_cut_and_its_calls_fail_with_a_code() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let client = host.client();
    for plane in PLANES {
        for number in 0..breaches("").len() {
            let session = liar(&host).await;
            let (what, message) = breaches(session.token()).swap_remove(number);
            let mut connection = dial(&session, plane).await;
            connection.open(session.token()).await;
            let caller = client.clone();
            let call = tokio::spawn(async move { caller.call("liar.Echo", json!({"n": 1})).await });
            connection.call().await;
            let mut watch = client.watch("liar.*").await.expect("the host can be watched");

            connection.send_message(message).await.expect("the host reads");
            let error = call.await.expect("a call does not panic").expect_err("its provider was cut");
            assert_eq!(error.code(), "executor.provider.protocol", "{what} on {plane:?}: {error:?}");
            assert_eq!(watch.removed().await.reason, "link_lost", "{what} on {plane:?}");
            assert_eq!(connection.refusal().await.code(), "protocol.frame.malformed", "{what} on {plane:?}");
        }
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn lengths_that_cannot_be_cut_an_open_link() {
    let host = Host::start_with(&[("limits.message_bytes", "65536")]);
    let others = Others::start(&host).await;
    for bytes in [0u32.to_be_bytes(), 65_537u32.to_be_bytes(), u32::MAX.to_be_bytes()] {
        let session = liar(&host).await;
        assert_eq!(session.response.max_message_bytes, 65_536);
        let mut connection = session.link().await;
        connection.send_bytes(&bytes).await.expect("the host reads");
        assert_eq!(connection.refusal().await.code(), "protocol.frame.malformed", "{bytes:?}");
        gone(&host).await;
    }
    let session = liar(&host).await;
    let mut connection = session.attach().await;
    connection.send_message(vec![0; 65_537]).await.expect("there is room on the stream");
    assert_eq!(connection.refusal().await.code(), "protocol.frame.malformed");
    others.are_unharmed().await;
}

/// Waits until the liar's names are free again.
async fn gone(host: &Host) {
    testkit::eventually("the liar to leave", || async { host.client().names("liar.*").await.is_empty().then_some(()) })
        .await;
}

#[tokio::test]
async fn items_of_a_call_that_does_not_stream_are_a_breach() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let client = host.client();
    for plane in PLANES {
        let session = liar(&host).await;
        let mut connection = dial(&session, plane).await;
        connection.open(session.token()).await;
        let caller = client.clone();
        let call = tokio::spawn(async move { caller.call("liar.Echo", json!({"n": 1})).await });
        let id = connection.call().await.id;
        connection.send([frames::item(id, b"\x01")]).await.expect("the host reads");
        let error = call.await.expect("a call does not panic").expect_err("an item is no answer");
        assert_eq!(error.code(), "executor.provider.protocol", "{plane:?}: {error:?}");
        drop(connection);
        gone(&host).await;
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn one_connection_carries_a_session() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let client = host.client();
    for (first, second) in [
        (Plane::Link, Plane::Link),
        (Plane::Link, Plane::Attach),
        (Plane::Attach, Plane::Link),
        (Plane::Attach, Plane::Attach),
    ] {
        let session = liar(&host).await;
        let mut connection = dial(&session, first).await;
        connection.open(session.token()).await;
        let mut intruder = dial(&session, second).await;
        intruder.send([frames::hello(session.token())]).await.expect("the host reads");
        assert_eq!(intruder.refusal().await.code(), "registry.session.attached", "{first:?}, {second:?}");

        let caller = client.clone();
        let call = tokio::spawn(async move { caller.call("liar.Echo", json!({"n": 1})).await });
        let received = connection.call().await;
        connection.send([frames::output(received.id, received.request.input_data)]).await.expect("it is open");
        let answer = call.await.expect("a call does not panic").expect("the first connection goes on");
        assert_eq!(answer.value, json!({"n": 1}));
        session.unregister().await.expect("it is there");
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_refused_until_others_close() {
    let host = Host::start_with(&[("limits.connections", "2")]);
    let silent = [Connection::link(&host.link_socket()).await, Connection::link(&host.link_socket()).await];
    let third = Connection::link(&host.link_socket()).await;
    let error = third.refusal().await;
    assert_eq!((error.code(), error.retryable()), ("host.connection.limit", true), "{error:?}");
    drop(silent);
    testkit::eventually("room for a connection", || async {
        let mut connection = Connection::link(&host.link_socket()).await;
        // The host may have refused it already.
        let _refused: std::io::Result<()> = connection.send([frames::ping(1)]).await;
        (connection.refusal().await.code() == "protocol.hello.missing").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_plane_that_the_registration_did_not_name_is_refused() {
    let host = Host::start();
    let others = Others::start(&host).await;
    for (named, used) in [(Plane::Link, Plane::Attach), (Plane::Attach, Plane::Link)] {
        let request = RegisterRequest {
            planes: vec![named.to_proto().into()],
            ..registration("narrow", [module("Echo", "{}", "Int")])
        };
        let session = host.client().register(request).await.expect("the namespace is free");
        let mut connection = match used {
            // The answer to the registration does not tell where it is.
            Plane::Link => Connection::link(&host.link_socket()).await,
            _ => session.dial_attach(),
        };
        connection.send([frames::hello(session.token())]).await.expect("the host reads");
        assert_eq!(connection.refusal().await.code(), "registry.plane.unsupported", "{named:?}, {used:?}");
        // Whether the session outlives its own fault is the registry's business; the name is free in any case.
        let _over = session.unregister().await;
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn a_provider_can_be_called_when_it_has_its_welcome() {
    let host = Host::start();
    let client = host.client();
    for plane in PLANES {
        for n in 0..20 {
            let session = liar(&host).await;
            let mut connection = dial(&session, plane).await;
            connection.open(session.token()).await;
            let caller = client.clone();
            let call = tokio::spawn(async move { caller.call("liar.Echo", json!({"n": n})).await });
            let serve = connection.serve(|request| async move { request.input_data });
            let answer = tokio::select! {
                () = serve => panic!("the connection ended"),
                answer = call => answer.expect("a call does not panic").expect("it is callable"),
            };
            assert_eq!(answer.value, json!({"n": n}));
            gone(&host).await;
        }
    }
}

#[tokio::test]
async fn a_connection_that_closes_in_the_middle_of_a_message_loses_its_calls_alone() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let session = liar(&host).await;
    let mut connection = session.link().await;
    let client = host.client();
    let call = tokio::spawn(async move { client.call("liar.Echo", json!({"n": 1})).await });
    let id = connection.call().await.id;
    let message = frames::message([frames::output(id, testkit::msgpack("{n: Int}", r#"{"n": 1}"#))]);
    let length = u32::try_from(message.len()).expect("it is small");
    connection.send_bytes(&length.to_be_bytes()).await.expect("the host reads");
    connection.send_bytes(&message[..message.len() - 1]).await.expect("the host reads");
    drop(connection);
    let error = call.await.expect("a call does not panic").expect_err("the answer never came");
    assert_eq!(error.code(), "executor.provider.lost", "{error:?}");
    gone(&host).await;
    others.are_unharmed().await;
}

#[tokio::test]
async fn a_flood_of_pings_that_reads_is_answered_and_one_that_does_not_is_cut() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let session = liar(&host).await;
    let mut connection = session.link().await;
    for round in 0..20 {
        connection.send((0..200).map(|n| frames::ping(round * 200 + n))).await.expect("the host reads");
        for n in 0..200 {
            let pong = connection.next().await.expect("it is open").expect("it is answered");
            assert!(matches!(pong.frame, Some(Frame::Pong(pong)) if pong.number == round * 200 + n));
        }
    }
    drop(connection);
    gone(&host).await;

    for plane in PLANES {
        let session = liar(&host).await;
        let mut connection = dial(&session, plane).await;
        connection.open(session.token()).await;
        let mut watch = host.client().watch("liar.*").await.expect("the host can be watched");
        let message = frames::message((0..1000).map(frames::ping));
        let flood = async { while connection.send_message(message.clone()).await.is_ok() {} };
        tokio::select! {
            // Ends by itself on the link; on attach the stream only stops taking messages.
            () = flood => {}
            removed = watch.removed() => assert_eq!(removed.reason, "link_lost"),
        }
        drop(connection);
        gone(&host).await;
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn a_provider_that_does_not_read_is_cut_and_its_callers_hear_of_it() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let modules = [module("Sink", "Bytes", "Int")];
    let client = host.client();
    let session = client.register(registration("deaf", modules)).await.expect("it is free").keep_alive();
    let connection = session.link().await;
    // More than the sockets' buffers hold.
    let input = testkit::msgpack("Bytes", &format!("\"{}\"", "AAAA".repeat(700_000)));
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let (client, input) = (client.clone(), input.clone());
            tokio::spawn(async move { client.call_bytes("deaf.Sink", input).await })
        })
        .collect();
    let mut codes = std::collections::BTreeSet::new();
    for call in calls {
        let error = call.await.expect("a call does not panic").expect_err("nobody reads it");
        assert!(error.category() == protocol::Category::Unavailable && error.retryable(), "{error:?}");
        codes.insert(error.code().to_owned());
    }
    // Calls that were not written yet could go elsewhere, if there were a replica; the others are lost.
    codes.remove("executor.provider.unavailable");
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), ["executor.provider.lost"]);
    drop(connection);
    others.are_unharmed().await;
}

#[tokio::test]
async fn a_provider_that_drains_gets_no_new_calls_and_finishes_what_it_has() {
    let host = Host::start();
    let client = host.client();
    for plane in PLANES {
        let session = liar(&host).await;
        let mut connection = dial(&session, plane).await;
        connection.open(session.token()).await;
        let caller = client.clone();
        let call = tokio::spawn(async move { caller.call("liar.Echo", json!({"n": 1})).await });
        let received = connection.call().await;
        connection.send([frames::drain()]).await.expect("the host reads");
        testkit::eventually("the drain to be known", || async {
            let module = client.get_module("liar.Echo").await.expect("the name stays");
            (module.endpoints[0].state() == SessionState::Draining).then_some(())
        })
        .await;
        let error = client.call("liar.Echo", json!({"n": 2})).await.expect_err("it takes no new calls");
        assert_eq!((error.code(), error.retryable()), ("executor.provider.unavailable", true), "{error:?}");
        connection.send([frames::output(received.id, received.request.input_data)]).await.expect("it is open");
        let answer = call.await.expect("a call does not panic").expect("what runs is answered");
        assert_eq!(answer.value, json!({"n": 1}));
        session.unregister().await.expect("it is there");
    }
}
