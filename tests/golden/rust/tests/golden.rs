//! The Rust stubs of `tests/golden/proto`: every kind of field through bytes, every kind of call over a socket.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may")]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::pin::Pin;

use golden::generated::golden::shared::v1::{Color, Stamp};
use golden::generated::golden::v1::everything::nested::Deeper;
use golden::generated::golden::v1::everything::{Choice, Mood, Nested, OtherChoice};
use golden::generated::golden::v1::exchange_client::ExchangeClient;
use golden::generated::golden::v1::exchange_server::{Exchange, ExchangeServer};
use golden::generated::golden::v1::{Everything, Piece, Words};
use prost::Message;
use prost_types::value::Kind;
use prost_types::{Duration, ListValue, Struct, Timestamp, Value};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};

fn agreed_bytes() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("everything.hex");
    let text: String = std::fs::read_to_string(path).unwrap().split_whitespace().collect();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn everything() -> Everything {
    let value = |kind| Value { kind: Some(kind) };
    let list = Kind::ListValue(ListValue { values: vec![value(Kind::BoolValue(true)), value(Kind::NullValue(0))] });
    Everything {
        text: "täxt 𝄞".to_owned(),
        payload: vec![0x00, 0xff].into(),
        flag: true,
        ratio: -0.5,
        small: -1,
        large: u64::MAX,
        maybe: Some(String::new()),
        mood: Some(Mood::Good.into()),
        numbers: vec![1, i64::MIN],
        nested: vec![Nested { deeper: Some(Deeper { depth: -3 }) }, Nested::default()],
        colors: vec![Color::Red.into(), Color::Unspecified.into()],
        counts: HashMap::from([("a".to_owned(), 1)]),
        by_number: HashMap::from([(-7, Nested::default())]),
        by_flag: HashMap::from([(true, Mood::Good.into())]),
        stamp: Some(Stamp { text: "s".to_owned() }),
        at: Some(Timestamp { seconds: 1, nanos: 0 }),
        takes: Some(Duration { seconds: 1, nanos: 500_000_000 }),
        wrapped: Some("w".to_owned()),
        free: Some(Struct { fields: BTreeMap::from([("k".to_owned(), value(list))]) }),
        choice: Some(Choice::Count(5)),
        other_choice: Some(OtherChoice::Yes(false)),
    }
}

#[test]
fn every_kind_of_field_has_the_bytes_of_the_other_languages() {
    assert_eq!(Everything::decode(agreed_bytes().as_slice()).unwrap(), everything());
}

#[test]
fn every_kind_of_field_comes_back_from_its_own_bytes() {
    assert_eq!(Everything::decode(everything().encode_to_vec().as_slice()).unwrap(), everything());
}

#[test]
fn a_payload_is_bytes_that_are_shared_and_not_copied() {
    let buffer = prost::bytes::Bytes::from(everything().encode_to_vec());
    let payload = Everything::decode(buffer.clone()).unwrap().payload;
    assert!(buffer.as_ptr_range().contains(&payload.as_ptr()));
}

#[test]
fn words_of_rust_are_escaped() {
    let words = Words { r#type: "t".to_owned(), r#async: "a".to_owned(), ..Words::default() };
    assert_eq!(Words::decode(words.encode_to_vec().as_slice()).unwrap(), words);
}

struct Mirror;

type Pieces = Pin<Box<dyn Stream<Item = Result<Piece, Status>> + Send>>;

#[tonic::async_trait]
impl Exchange for Mirror {
    async fn once(&self, request: Request<Everything>) -> Result<Response<Everything>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    type DownStream = Pieces;

    async fn down(&self, request: Request<Piece>) -> Result<Response<Pieces>, Status> {
        let numbers = 0..request.into_inner().number;
        Ok(Response::new(Box::pin(tokio_stream::iter(numbers.map(|number| Ok(Piece { number }))))))
    }

    async fn up(&self, request: Request<Streaming<Piece>>) -> Result<Response<Piece>, Status> {
        let mut pieces = request.into_inner();
        let mut number = 0;
        while let Some(piece) = pieces.message().await? {
            number += piece.number;
        }
        Ok(Response::new(Piece { number }))
    }

    type BothStream = Pieces;

    async fn both(&self, request: Request<Streaming<Piece>>) -> Result<Response<Pieces>, Status> {
        let negated = request.into_inner().map(|piece| piece.map(|piece| Piece { number: -piece.number }));
        Ok(Response::new(Box::pin(negated)))
    }

    async fn close(&self, _: Request<Piece>) -> Result<Response<Piece>, Status> {
        Err(Status::unimplemented("closed"))
    }

    async fn import(&self, request: Request<Words>) -> Result<Response<Words>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

fn pieces(numbers: [i64; 2]) -> impl Stream<Item = Piece> {
    tokio_stream::iter(numbers.map(|number| Piece { number }))
}

async fn numbers(mut pieces: Streaming<Piece>) -> Vec<i64> {
    let mut numbers = Vec::new();
    while let Some(piece) = pieces.message().await.unwrap() {
        numbers.push(piece.number);
    }
    numbers
}

#[tokio::test]
async fn calls_of_every_shape() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::builder()
        .add_service(ExchangeServer::new(Mirror))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async { drop(stopped.await) });
    let server = tokio::spawn(server);

    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let mut client = ExchangeClient::new(channel);
    assert_eq!(client.once(everything()).await.unwrap().into_inner(), everything());
    assert_eq!(numbers(client.down(Piece { number: 3 }).await.unwrap().into_inner()).await, [0, 1, 2]);
    assert_eq!(client.up(pieces([1, 2])).await.unwrap().into_inner().number, 3);
    assert_eq!(numbers(client.both(pieces([1, 2])).await.unwrap().into_inner()).await, [-1, -2]);
    assert_eq!(client.close(Piece::default()).await.unwrap_err().code(), Code::Unimplemented);
    let words = Words { r#type: "t".to_owned(), ..Words::default() };
    assert_eq!(client.import(words.clone()).await.unwrap().into_inner(), words);

    drop(client);
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}
