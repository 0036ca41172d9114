//! Plain HTTP to a host, over TCP or its Unix socket, in either version. Knows nothing of what is served.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::UnixStream;

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none, or says that it is something else.
    #[must_use]
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header; empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("it is text"))
    }

    /// The status and the code of a failure, whose whole envelope is looked at.
    ///
    /// # Panics
    /// When it is no envelope.
    #[must_use]
    pub fn failure(&self) -> (u16, String) {
        let json = self.json();
        let error = &json["error"];
        for member in ["category", "code", "message", "origin"] {
            assert!(error[member].is_string(), "no `{member}`: {json}");
        }
        assert!(error["retryable"].is_boolean(), "{json}");
        (self.status, error["code"].as_str().expect("it is a string").to_owned())
    }
}

/// A client that follows nothing and adds nothing.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    origin: String,
}

impl Http {
    /// By HTTP/1.1.
    #[must_use]
    pub fn new(origin: impl Into<String>) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), origin: origin.into() }
    }

    /// By HTTP/2 without an upgrade.
    #[must_use]
    pub fn version_2(origin: impl Into<String>) -> Self {
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        Self { client, origin: origin.into() }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let response = self.open(method, path, headers, body).await;
        let (head, body) = response.into_parts();
        let body = testkit::within("the body", body.collect()).await.expect("it is whole").to_bytes();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// Sends a request and gives the answer before its body.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Incoming> {
        let uri = format!("{}{path}", self.origin);
        let request = headers
            .iter()
            .fold(Request::builder().method(method).uri(uri), |request, (name, value)| request.header(*name, *value));
        let request = request.body(Full::new(body.into())).expect("the test gives a request");
        testkit::within("an answer", self.client.request(request)).await.expect("the host answers")
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string()).await
    }
}

/// `GET` over a Unix socket.
///
/// # Panics
/// When there is no answer.
pub async fn get_by_socket(socket: &std::path::Path, path: &str) -> Answer {
    let stream = UnixStream::connect(socket).await.expect("the host listens");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("it is HTTP");
    let connection = tokio::spawn(connection);
    let request = Request::builder().uri(path).header("host", "modrack").body(Full::<Bytes>::default());
    let response = sender.send_request(request.expect("the test gives a request")).await.expect("the host answers");
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("it is whole").to_bytes();
    drop(sender);
    let _ended: Result<Result<(), hyper::Error>, _> = connection.await;
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}
