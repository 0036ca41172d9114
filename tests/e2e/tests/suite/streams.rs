//! Streams and batches from a client through the host to providers that a test plays, frame by frame.

use std::time::Duration;

use e2e::Host;
use protocol::generated::provider::v1::host_frame::Frame;
use protocol::generated::provider::v1::{ExecuteRequest, HostFrame, ModuleCapabilities, ModuleSpec};
use protocol::{Category, Error, Origin};
use serde_json::json;
use testkit::{Client, Connection, Session, frames, module, msgpack, registration};

const N: &str = "{n: Int}";

async fn provider(client: &Client) -> (Session, Connection) {
    let stream = ModuleCapabilities { stream: true, ..ModuleCapabilities::default() };
    let batch = ModuleCapabilities { batch: true, ..ModuleCapabilities::default() };
    let modules = [
        ModuleSpec { capabilities: Some(stream), ..module("Count", N, "Int") },
        ModuleSpec { capabilities: Some(batch), ..module("Double", N, "Int") },
        module("Plain", N, "Int"),
    ];
    let session = client.register(registration("num", modules)).await.expect("it is free").keep_alive();
    let connection = session.link().await;
    (session, connection)
}

fn int(n: i64) -> Vec<u8> {
    msgpack("Int", &n.to_string()).to_vec()
}

/// The next stream: its call, its request, its credit.
async fn started(connection: &mut Connection) -> (u64, ExecuteRequest, u32) {
    loop {
        match connection.next().await.expect("the connection is open") {
            Some(HostFrame { call_id, frame: Some(Frame::ExecuteStream(start)) }) => {
                return (call_id, start.request.expect("a stream has its call"), start.credit);
            }
            Some(_) => {}
            None => panic!("the host closed"),
        }
    }
}

async fn cancelled(connection: &mut Connection, call: u64) {
    loop {
        match connection.next().await.expect("the connection is open") {
            Some(HostFrame { call_id, frame: Some(Frame::Cancel(_)) }) if call_id == call => return,
            Some(_) => {}
            None => panic!("the host closed"),
        }
    }
}

#[tokio::test]
async fn a_stream_reaches_its_client_item_by_item() {
    let host = Host::start();
    let client = host.client();
    let (_session, mut connection) = provider(&client).await;
    let provider = tokio::spawn(async move {
        let (call, request, credit) = started(&mut connection).await;
        connection.send_items(call, credit, (0..500).map(int)).await;
        (request, connection)
    });
    let items = client.stream("num.Count", json!({"n": 500}), None).await.expect("it begins");
    assert_eq!((items.info.revision, items.info.attempts), (1, 1));
    assert_eq!(items.collect().await.expect("it ends well"), (0..500).map(|n| json!(n)).collect::<Vec<_>>());
    let (request, _connection) = provider.await.expect("a provider does not panic");
    assert_eq!(request.module_name, "Count");
}

#[tokio::test]
async fn a_failure_and_a_wrong_item_end_a_stream_with_their_codes() {
    let host = Host::start();
    let client = host.client();
    let (_session, mut connection) = provider(&client).await;
    let failure = Error::new(Category::Conflict, "num.stuck", "stuck", Origin::Module);
    for (end, code) in [
        (frames::error as fn(u64, &Error) -> _, "num.stuck"),
        (
            (|call, _| frames::item(call, &msgpack("String", r#""no""#))) as fn(u64, &Error) -> _,
            "executor.output.invalid",
        ),
    ] {
        let caller = client.clone();
        let stream = tokio::spawn(async move { caller.stream("num.Count", json!({"n": 1}), None).await });
        let (call, _, _) = started(&mut connection).await;
        connection.send([frames::item(call, &int(1))]).await.expect("the connection is open");
        let mut items = stream.await.expect("a call does not panic").expect("it begins");
        assert_eq!(items.next().await, Ok(Some(json!(1))));
        connection.send([end(call, &failure)]).await.expect("the connection is open");
        let error = items.next().await.expect_err("it ends badly");
        assert_eq!((error.code(), error.trace_id()), (code, items.info.execution_id.as_str()));
    }
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_cancels_its_handler() {
    let host = Host::start();
    let client = host.client();
    let (_session, mut connection) = provider(&client).await;
    let caller = client.clone();
    let stream = tokio::spawn(async move { caller.stream("num.Count", json!({"n": 1}), None).await });
    let (call, _, _) = started(&mut connection).await;
    connection.send([frames::item(call, &int(1))]).await.expect("the connection is open");
    let mut items = stream.await.expect("a call does not panic").expect("it begins");
    assert_eq!(items.next().await, Ok(Some(json!(1))));
    drop(items);
    cancelled(&mut connection, call).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_its_provider_and_nobody_else() {
    let host = Host::start();
    let client = host.client();
    let (session, mut connection) = provider(&client).await;
    let caller = client.clone();
    let stream = tokio::spawn(async move { caller.stream("num.Count", json!({"n": 1}), None).await });
    let (call, _, mut credit) = started(&mut connection).await;
    connection.send([frames::item(call, &int(0))]).await.expect("the connection is open");
    credit -= 1;
    // Not read beyond its beginning.
    let items = stream.await.expect("a call does not panic").expect("it begins");
    let mut sent = 1;
    // Other calls are answered on the same connection while the provider sends what it may.
    for n in 0..200 {
        let caller = client.clone();
        let plain = tokio::spawn(async move { caller.call("num.Plain", json!({"n": n})).await });
        let answered = loop {
            while credit > 0 {
                connection.send([frames::item(call, &int(sent))]).await.expect("the connection is open");
                (credit, sent) = (credit - 1, sent + 1);
            }
            match connection.next().await.expect("the connection is open") {
                Some(HostFrame { call_id, frame: Some(Frame::Execute(_)) }) => {
                    connection.send([frames::output(call_id, int(n))]).await.expect("the connection is open");
                    break plain.await.expect("a call does not panic").expect("it is answered");
                }
                Some(HostFrame { frame: Some(Frame::Credit(more)), .. }) => credit += more.items,
                Some(_) => {}
                None => panic!("the host closed"),
            }
        };
        assert_eq!(answered.value, json!(n));
    }
    // What the client's library and the sockets take for themselves is bounded too, and small items make it many.
    assert!(sent < 100_000, "{sent} items were taken for a client that does not read");
    drop((items, session));
}

#[tokio::test]
async fn a_batch_is_one_message_to_a_module_that_takes_it_and_single_calls_to_another() {
    let host = Host::start();
    let client = host.client();
    let (_session, mut connection) = provider(&client).await;
    let provider = tokio::spawn(async move {
        let (mut batches, mut calls) = (Vec::new(), 0);
        while batches.is_empty() || calls < 2 {
            match connection.next().await.expect("the connection is open") {
                Some(HostFrame { call_id, frame: Some(Frame::ExecuteBatch(batch)) }) => {
                    let failure = Error::new(Category::Conflict, "num.odd", "odd", Origin::Module);
                    let outputs = [Ok(int(2)), Err(failure)];
                    connection.send([frames::batch(call_id, outputs)]).await.expect("the connection is open");
                    batches.push(batch.requests.len());
                }
                Some(HostFrame { call_id, frame: Some(Frame::Execute(_)) }) => {
                    connection.send([frames::output(call_id, int(7))]).await.expect("the connection is open");
                    calls += 1;
                }
                Some(_) => {}
                None => panic!("the host closed"),
            }
        }
        (batches, connection)
    });
    let inputs = || [json!({"n": 1}), json!({"n": "no"}), json!({"n": 3})];
    let (outputs, info) = client.call_batch("num.Double", inputs()).await.expect("it is answered");
    let codes = |outputs: Vec<Result<serde_json::Value, Error>>| -> Vec<String> {
        outputs.into_iter().map(|output| output.map_or_else(|e| e.code().to_owned(), |v| v.to_string())).collect()
    };
    assert_eq!(codes(outputs), ["2", "executor.input.invalid", "num.odd"]);
    assert_eq!((info.revision, info.attempts), (1, 1));
    let (outputs, _) = client.call_batch("num.Plain", inputs()).await.expect("it is answered");
    assert_eq!(codes(outputs), ["7", "executor.input.invalid", "7"]);
    assert_eq!(provider.await.expect("a provider does not panic").0, [2]);
}

#[tokio::test]
async fn what_cannot_be_asked_so_is_told_before_anything_runs() {
    let host = Host::start();
    let client = host.client();
    let (_session, _connection) = provider(&client).await;
    let error = client.call("num.Count", json!({"n": 1})).await.expect_err("it streams");
    assert_eq!(error.code(), "executor.stream.required");
    let error = client.stream("num.Plain", json!({"n": 1}), None).await.expect_err("it does not stream");
    assert_eq!(error.code(), "executor.stream.unsupported");
    let error = client.call_batch("num.Double", []).await.expect_err("nothing is asked");
    assert_eq!(error.code(), "protocol.field.missing");
    let error = client.call_batch("num.Double", vec![json!({"n": 1}); 10_001]).await.expect_err("it is too much");
    assert_eq!(error.code(), "executor.batch.too_large");
}

#[tokio::test]
async fn the_time_that_a_provider_is_given_is_never_more_than_the_caller_has() {
    let host = Host::start();
    let client = host.client();
    let (_session, mut connection) = provider(&client).await;
    let asked = Duration::from_secs(7);
    let caller = client.clone();
    let stream = tokio::spawn(async move { caller.stream("num.Count", json!({"n": 1}), Some(asked)).await.map(drop) });
    let (call, request, _) = started(&mut connection).await;
    assert!((1..=7000).contains(&request.timeout_ms), "{request:?}");
    connection.send([frames::end(call)]).await.expect("the connection is open");
    stream.await.expect("a call does not panic").expect("it ends well");
    let caller = client.clone();
    let plain = tokio::spawn(async move { caller.call_for("num.Plain", json!({"n": 1}), Some(asked)).await });
    let call = connection.call().await;
    assert!((1..=7000).contains(&call.request.timeout_ms), "{:?}", call.request);
    // What a handler passes on, as its SDK does it: the rest of its own time.
    let left = Duration::from_millis(u64::from(call.request.timeout_ms) / 2);
    let caller = client.clone();
    let nested = tokio::spawn(async move { caller.call_for("num.Plain", json!({"n": 2}), Some(left)).await });
    let inner = connection.call().await;
    assert!(u128::from(inner.request.timeout_ms) <= left.as_millis(), "{:?}", inner.request);
    let answers = [frames::output(inner.id, int(2)), frames::output(call.id, int(1))];
    connection.send(answers).await.expect("the connection is open");
    for call in [nested, plain] {
        call.await.expect("a call does not panic").expect("it is answered");
    }
}
