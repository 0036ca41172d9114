//! Providers that lie about their output, say nothing, or say it twice: the caller gets a code, the next call its answer.

use std::time::Duration;

use protocol::generated::host::v1::CallRequest;
use protocol::generated::host::v1::call_request::Input;
use protocol::generated::provider::v1::{CancelReason, DataPlane, RegisterRequest, host_frame::Frame};
use protocol::{Category, Origin};
use serde_json::json;
use testkit::{Client, Connection, Reply, ScriptedExecutor, Session, frames, module, msgpack, registration};
use tokio::task::JoinHandle;

use e2e::{Host, Plane};

use crate::others::Others;

const OUTPUT: &str = "{n: Int, tags: List<String>}";
const RIGHT: &str = r#"{"n": 1, "tags": ["a"]}"#;

fn request() -> RegisterRequest {
    registration("liar", [module("Lie", "{}", OUTPUT)])
}

/// A provider of `liar.Lie` on an open connection.
async fn liar(host: &Host, plane: Plane) -> (Session, Connection) {
    let session = host.client().register(request()).await.expect("the namespace is free").keep_alive();
    let connection = match plane {
        Plane::Link => session.link().await,
        Plane::Attach => session.attach().await,
        Plane::Unary => unreachable!("nobody connects on the unary plane"),
    };
    (session, connection)
}

fn call(client: &Client) -> JoinHandle<Result<testkit::Output, protocol::Error>> {
    let client = client.clone();
    tokio::spawn(async move { client.call("liar.Lie", json!({})).await })
}

async fn error_of(call: JoinHandle<Result<testkit::Output, protocol::Error>>) -> protocol::Error {
    call.await.expect("a call does not panic").expect_err("a lie is no output")
}

/// Outputs that are not of the declared type, with what the host says of each.
fn lies() -> Vec<(Vec<u8>, &'static str, &'static str)> {
    let right = msgpack(OUTPUT, RIGHT).to_vec();
    vec![
        (msgpack("Int", "1").to_vec(), "codec.type_mismatch", ""),
        (msgpack("{n: String}", r#"{"n": "1"}"#).to_vec(), "codec.type_mismatch", ".n"),
        (msgpack("{n: Int}", r#"{"n": 1}"#).to_vec(), "codec.missing_field", ".tags"),
        (
            msgpack("{n: Int, tags: List<Any>}", r#"{"n": 1, "tags": ["a", 2]}"#).to_vec(),
            "codec.type_mismatch",
            ".tags[1]",
        ),
        ([right.as_slice(), &[0]].concat(), "codec.trailing_bytes", ""),
        (right[..right.len() - 1].to_vec(), "codec.truncated", ".tags[0]"),
        (vec![], "codec.truncated", ""),
        (vec![0xc1; 16], "codec.unsupported", ""),
        (vec![0xdd, 0xff, 0xff, 0xff, 0xff], "codec.type_mismatch", ""),
    ]
}

fn assert_lie(error: &protocol::Error, codec_code: &str, path: &str) {
    assert_eq!((error.code(), error.category()), ("executor.output.invalid", Category::UpstreamError), "{error:?}");
    let details = error.details();
    assert_eq!((details["codec_code"].as_str(), details["path"].as_str()), (codec_code, path), "{error:?}");
}

#[tokio::test]
async fn an_output_of_another_type_is_refused_and_the_provider_stays() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let client = host.client();
    for plane in [Plane::Link, Plane::Attach] {
        let (session, mut connection) = liar(&host, plane).await;
        for (lie, codec_code, path) in lies() {
            let called = call(&client);
            let id = connection.call().await.id;
            connection.send([frames::output(id, lie)]).await.expect("the host reads");
            assert_lie(&error_of(called).await, codec_code, path);
        }
        let called = call(&client);
        let id = connection.call().await.id;
        connection.send([frames::nothing(id)]).await.expect("the host reads");
        assert_eq!(error_of(called).await.code(), "executor.output.missing");

        let called = call(&client);
        let id = connection.call().await.id;
        connection.send([frames::output(id, msgpack(OUTPUT, RIGHT))]).await.expect("the host reads");
        let answer = called.await.expect("a call does not panic").expect("the truth is told");
        assert_eq!(answer.value, json!({"n": 1, "tags": ["a"]}));
        session.unregister().await.expect("it is there");
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn what_is_not_declared_does_not_reach_the_caller() {
    let host = Host::start();
    let (_session, mut connection) = liar(&host, Plane::Link).await;
    let client = host.client();
    let caller = client.clone();
    let called = tokio::spawn(async move { caller.call_bytes("liar.Lie", msgpack("{}", "{}")).await });
    let id = connection.call().await.id;
    let wider = msgpack("{n: Int, secret: String, tags: List<String>}", r#"{"n": 1, "secret": "s", "tags": ["a"]}"#);
    connection.send([frames::output(id, wider)]).await.expect("the host reads");
    let output = called.await.expect("a call does not panic").expect("a wider record is one of the type");
    assert_eq!(output, msgpack(OUTPUT, RIGHT));
}

#[tokio::test]
async fn a_second_answer_is_dropped_and_the_first_one_counts() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let client = host.client();
    for plane in [Plane::Link, Plane::Attach] {
        let (session, mut connection) = liar(&host, plane).await;
        let answer = |n: u64| msgpack(OUTPUT, &json!({"n": n, "tags": []}).to_string());
        for round in 0..3 {
            let called = call(&client);
            let id = connection.call().await.id;
            // Also for a call of before, which was answered long ago.
            let twice =
                [frames::output(id, answer(round)), frames::output(id, answer(99)), frames::output(1, answer(98))];
            connection.send(twice).await.expect("the host reads");
            let output = called.await.expect("a call does not panic").expect("the first answer is right");
            assert_eq!(output.value["n"], json!(round), "{plane:?}");
        }
        session.unregister().await.expect("it is there");
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn a_provider_that_never_answers_is_told_that_the_deadline_passed() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let client = host.client();
    for plane in [Plane::Link, Plane::Attach] {
        let (session, mut connection) = liar(&host, plane).await;
        let caller = client.clone();
        let deadline = Some(Duration::from_millis(300));
        let called = tokio::spawn(async move { caller.call_for("liar.Lie", json!({}), deadline).await });
        let received = connection.call().await;
        assert!((1..=300).contains(&received.request.timeout_ms), "{received:?}");
        assert_eq!(error_of(called).await.code(), "executor.deadline.exceeded");
        let cancel = connection.next().await.expect("it is open").expect("it is told");
        assert_eq!(cancel.call_id, received.id);
        assert!(
            matches!(cancel.frame, Some(Frame::Cancel(cancel)) if cancel.reason() == CancelReason::Deadline),
            "{plane:?}: {cancel:?}"
        );
        // The answer that comes too late is dropped, and the next call is answered.
        connection.send([frames::output(received.id, msgpack(OUTPUT, RIGHT))]).await.expect("the host reads");
        let called = call(&client);
        let id = connection.call().await.id;
        connection.send([frames::output(id, msgpack(OUTPUT, RIGHT))]).await.expect("the host reads");
        called.await.expect("a call does not panic").expect("the connection goes on");
        session.unregister().await.expect("it is there");
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn a_call_without_a_deadline_gets_the_hosts_own() {
    let host = Host::start_with(&[("timeouts.call_ms", "300")]);
    let (_session, mut connection) = liar(&host, Plane::Link).await;
    let called = call(&host.client());
    let received = connection.call().await;
    assert!((1..=300).contains(&received.request.timeout_ms), "{received:?}");
    assert_eq!(error_of(called).await.code(), "executor.deadline.exceeded");
}

#[tokio::test]
async fn a_caller_that_leaves_is_told_to_the_provider() {
    let host = Host::start();
    for plane in [Plane::Link, Plane::Attach] {
        let (session, mut connection) = liar(&host, plane).await;
        let called = call(&host.client());
        let id = connection.call().await.id;
        called.abort();
        let cancel = connection.next().await.expect("it is open").expect("it is told");
        assert_eq!(cancel.call_id, id);
        assert!(matches!(cancel.frame, Some(Frame::Cancel(cancel)) if cancel.reason() == CancelReason::Caller));
        session.unregister().await.expect("it is there");
    }
}

#[tokio::test]
async fn an_error_of_a_provider_is_bounded_and_keeps_its_code() {
    let host = Host::start();
    let (_session, mut connection) = liar(&host, Plane::Link).await;
    let called = call(&host.client());
    let id = connection.call().await.id;
    let message = "m".repeat(1 << 20);
    let error = protocol::Error::new(Category::Conflict, "liar.tall.tale", message, Origin::Module);
    connection.send([frames::failure(id, &error)]).await.expect("the host reads");
    let error = error_of(called).await;
    assert_eq!(
        (error.code(), error.category(), error.origin()),
        ("liar.tall.tale", Category::Conflict, Origin::Module)
    );
    assert!(error.message().len() < 16 * 1024, "{} bytes", error.message().len());
}

#[tokio::test]
async fn an_input_that_no_message_to_the_provider_can_hold_is_refused() {
    let host = Host::start_with(&[("limits.message_bytes", "65536")]);
    let others = Others::start(&host).await;
    let client = host.client();
    let session = client.register(registration("wide", [module("Wide", "Bytes", "Int")])).await.expect("it is free");
    let _connection = session.link().await;
    // The request fits the limit, the frame around the same input does not.
    let input = testkit::msgpack("Bytes", &format!("\"{}\"", "AAAA".repeat(21_832)));
    let request =
        CallRequest { module: "wide.Wide".into(), input: Some(Input::InputData(input)), ..CallRequest::default() };
    let error = testkit::coded(&client.call_request(request, None).await.expect_err("it is too large"));
    assert_eq!((error.code(), error.category()), ("executor.input.too_large", Category::InvalidArgument), "{error:?}");
    others.are_unharmed().await;
}

/// Registers `liar.Lie` at an address.
async fn dialled(client: &Client, url: &str) -> Session {
    let request = RegisterRequest { service_url: url.to_owned(), planes: vec![DataPlane::Unary.into()], ..request() };
    client.register(request).await.expect("the namespace is free").keep_alive()
}

#[tokio::test]
async fn a_unary_provider_that_lies_is_found_out() {
    let host = Host::start_with(&[("limits.message_bytes", "65536")]);
    let others = Others::start(&host).await;
    let client = host.client();
    for (lie, codec_code, path) in lies() {
        let executor = ScriptedExecutor::start(move |_| Reply::output(lie.clone())).await;
        let session = dialled(&client, &executor.url).await;
        assert_lie(&error_of(call(&client)).await, codec_code, path);
        session.unregister().await.expect("it is there");
    }
    let large = Reply::output(vec![0; 100_000]);
    let status = |code| Reply::Status(tonic::Status::new(code, "no luck"));
    for (reply, code, category) in [
        (Reply::nothing(), "executor.output.missing", Category::UpstreamError),
        (Reply::Message(vec![0xff; 8]), "executor.provider.protocol", Category::UpstreamError),
        (large, "executor.provider.protocol", Category::UpstreamError),
        (status(tonic::Code::Unimplemented), "executor.provider.protocol", Category::Unsupported),
        (status(tonic::Code::NotFound), "executor.provider.protocol", Category::NotFound),
        (status(tonic::Code::Unavailable), "executor.provider.protocol", Category::Unavailable),
    ] {
        let told = format!("{reply:?}");
        let executor = ScriptedExecutor::start(move |_| reply.clone()).await;
        let session = dialled(&client, &executor.url).await;
        let error = error_of(call(&client)).await;
        let told: String = told.chars().take(200).collect();
        assert_eq!((error.code(), error.category()), (code, category), "{told}: {error:?}");
        session.unregister().await.expect("it is there");
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn a_unary_provider_that_is_not_there_or_never_answers_costs_its_callers_only_their_time() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let client = host.client();
    let executor = ScriptedExecutor::start(|_| Reply::Never).await;
    let session = dialled(&client, &executor.url).await;
    let deadline = Some(Duration::from_millis(300));
    let error = client.call_for("liar.Lie", json!({}), deadline).await.expect_err("nobody answers");
    assert_eq!(error.code(), "executor.deadline.exceeded");
    session.unregister().await.expect("it is there");

    // A port that is taken, so that nobody else gets it, and on which nobody listens.
    let taken = tokio::net::TcpSocket::new_v4().expect("there are sockets");
    taken.bind("127.0.0.1:0".parse().expect("an address")).expect("loopback has a free port");
    let url = format!("http://{}", taken.local_addr().expect("it is bound"));
    let mut watch = client.watch("liar.*").await.expect("the host can be watched");
    let _session = dialled(&client, &url).await;
    let error = error_of(call(&client)).await;
    assert_eq!(
        (error.code(), error.category(), error.retryable()),
        ("executor.provider.unreachable", Category::Unavailable, true),
        "{error:?}"
    );
    assert_eq!(watch.removed().await.reason, "link_lost");

    // Something that listens and speaks no HTTP/2.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let garbage = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 200 OK\r\n\r\nnothing here");
            // The host may have closed already.
            let _closed: std::io::Result<()> = answer.await;
        }
    });
    let _session = dialled(&client, &url).await;
    let error = error_of(call(&client)).await;
    assert_eq!(error.category(), Category::Unavailable, "{error:?}");
    assert_eq!(watch.removed().await.reason, "link_lost");
    garbage.abort();
    others.are_unharmed().await;
}
