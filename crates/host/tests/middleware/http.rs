//! What is asked of the host by HTTP. Holds no test.

use bytes::Bytes;
use http::Request;
use http::request::Builder;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::world::World;

/// Status and body of the answer.
pub(crate) async fn post(world: &World, path: &str, body: &Value) -> (u16, Value) {
    send(world, Request::post(path), body).await
}

/// The same, with a token.
pub(crate) async fn post_as(world: &World, token: &str, path: &str, body: &Value) -> (u16, Value) {
    send(world, Request::post(path).header("authorization", format!("Bearer {token}")), body).await
}

/// The page of counters.
pub(crate) async fn metrics(world: &World) -> String {
    let (_, body) = answer(world, Request::get("/metrics"), String::new()).await;
    String::from_utf8(body.to_vec()).unwrap()
}

async fn send(world: &World, request: Builder, body: &Value) -> (u16, Value) {
    let (status, body) = answer(world, request.header("content-type", "application/json"), body.to_string()).await;
    (status, serde_json::from_slice(&body).unwrap())
}

async fn answer(world: &World, request: Builder, body: String) -> (u16, Bytes) {
    let address = world.url.strip_prefix("http://").unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = request.header("host", address).body(Full::new(Bytes::from(body))).unwrap();
    let response = testkit::within("an answer", sender.send_request(request)).await.unwrap();
    let status = response.status().as_u16();
    (status, response.into_body().collect().await.unwrap().to_bytes())
}
