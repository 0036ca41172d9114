//! The HTTP client for one component: kept-alive connections to one loopback address, bounded answers, no redirects, no proxies.
//! Knows no envelope and no decision.
//!
//! A connection is driven by whoever waits for its answer, so that a request wakes no second task. Nobody drives an idle one; it
//! is looked at before it is used again.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Connections to one component at most; who finds no room waits within its deadline.
const CONNECTIONS: usize = 256;
/// What is read at once; the head of an answer has to fit.
const BUFFER: usize = 64 << 10;
/// Idle connections that are kept.
const IDLE: usize = 32;

/// One component's address with the connections to it.
pub(crate) struct Client {
    address: SocketAddr,
    headers: HeaderMap,
    max_bytes: usize,
    room: Semaphore,
    idle: Mutex<Vec<Conn>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// No connection.
    #[error("connecting to {address}: {source}")]
    Connect { address: SocketAddr, source: io::Error },
    /// The connection ended or broke before the answer was complete.
    #[error("{0}")]
    Broken(hyper::Error),
    /// The connection ended before the answer was complete.
    #[error("the connection ended before the answer was complete")]
    Ended,
    /// The answer is longer than it may be.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge { limit: usize },
    /// No answer in time.
    #[error("no answer within {} ms", within.as_micros().div_ceil(1000))]
    Timeout { within: Duration },
}

impl Fault {
    /// Whether the connection ended before anything came back over it.
    fn is_before_an_answer(&self) -> bool {
        match self {
            Self::Ended => true,
            Self::Broken(error) => !error.is_parse() && !error.is_parse_too_large(),
            _ => false,
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// One connection.
struct Conn {
    sender: SendRequest<Full<Bytes>>,
    connection: Connection<TokioIo<TcpStream>, Full<Bytes>>,
    /// Whether it has answered before.
    is_used: bool,
    /// Whether it has ended; it must not be polled any more then.
    has_ended: bool,
}

impl Client {
    /// A client for an address, with headers for each request. Connects with the first request.
    pub(crate) fn new(address: SocketAddr, mut headers: HeaderMap, max_bytes: usize) -> Self {
        let host = HeaderValue::from_str(&address.to_string()).expect("an address has no control characters");
        headers.insert(HOST, host);
        Self { address, headers, max_bytes, room: Semaphore::new(CONNECTIONS), idle: Mutex::default() }
    }

    /// Asks and waits for the whole answer, until `deadline`. Where a kept-alive connection ends before the first byte of its
    /// answer, as it does when the other side gave it up meanwhile, the request goes once more over a new one.
    pub(crate) async fn send(
        &self,
        method: &Method,
        path: &Uri,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Answer, Fault> {
        let begin = Instant::now();
        let exchange = self.exchange(method, path, body);
        match tokio::time::timeout_at(deadline, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(Fault::Timeout { within: deadline.saturating_duration_since(begin) }),
        }
    }

    async fn exchange(&self, method: &Method, path: &Uri, body: Bytes) -> Result<Answer, Fault> {
        // Nobody closes it; without a permit there would be one connection more.
        let _permit = self.room.acquire().await;
        let mut conn = match self.reuse() {
            Some(conn) => conn,
            None => self.connect().await?,
        };
        let mut response = conn.request(self.request(method, path, body.clone())).await;
        if conn.is_used && response.as_ref().is_err_and(Fault::is_before_an_answer) {
            conn = self.connect().await?;
            response = conn.request(self.request(method, path, body)).await;
        }
        let response = response?;
        let status = response.status();
        let body = conn.body(response.into_body(), self.max_bytes).await?;
        conn.is_used = true;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE && !conn.has_ended {
            idle.push(conn);
        }
        Ok(Answer { status, body })
    }

    /// The connection that was used last, so that those that a burst needed can end. Those that have ended are thrown away.
    fn reuse(&self) -> Option<Conn> {
        loop {
            let mut conn = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if conn.is_open() {
                return Some(conn);
            }
        }
    }

    async fn connect(&self) -> Result<Conn, Fault> {
        let refused = |source| Fault::Connect { address: self.address, source };
        let stream = TcpStream::connect(self.address).await.map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        let builder = Builder::new().max_buf_size(BUFFER).to_owned();
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(Fault::Broken)?;
        Ok(Conn { sender, connection, is_used: false, has_ended: false })
    }

    fn request(&self, method: &Method, path: &Uri, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = path.clone();
        self.headers.clone_into(request.headers_mut());
        if method == Method::POST {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        request
    }
}

impl Conn {
    /// Whether it can take a request. Looks once, without a system call where nothing came.
    fn is_open(&mut self) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        matches!(drive(&mut self.connection, &mut self.has_ended, &mut cx), Ok(()))
            && !self.has_ended
            && self.sender.is_ready()
    }

    async fn request(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Fault> {
        let Self { sender, connection, has_ended, .. } = self;
        let mut response = pin!(sender.send_request(request));
        poll_fn(|cx| {
            if let Poll::Ready(response) = response.as_mut().poll(cx) {
                return Poll::Ready(response.map_err(Fault::Broken));
            }
            let driven = drive(connection, has_ended, cx);
            // What the connection just read may be the answer.
            match response.as_mut().poll(cx) {
                Poll::Ready(response) => Poll::Ready(response.map_err(Fault::Broken)),
                Poll::Pending if *has_ended => Poll::Ready(Err(driven.err().unwrap_or(Fault::Ended))),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// The whole body. Once it is longer than it may be, the rest is not read: the connection goes with it.
    async fn body(&mut self, mut body: Incoming, max_bytes: usize) -> Result<Bytes, Fault> {
        let limit = max_bytes as u64;
        if body.size_hint().lower() > limit {
            return Err(Fault::TooLarge { limit: max_bytes });
        }
        let mut whole = Bytes::new();
        let mut parts: Option<BytesMut> = None;
        while let Some(frame) = self.frame(&mut body).await? {
            let Ok(data) = frame.into_data() else { continue };
            let length = parts.as_ref().map_or(whole.len(), BytesMut::len) + data.len();
            if length as u64 > limit {
                return Err(Fault::TooLarge { limit: max_bytes });
            }
            match &mut parts {
                Some(parts) => parts.extend_from_slice(&data),
                None if whole.is_empty() => whole = data,
                None => {
                    let mut joined = BytesMut::with_capacity(length.next_power_of_two());
                    joined.extend_from_slice(&whole);
                    joined.extend_from_slice(&data);
                    parts = Some(joined);
                }
            }
        }
        Ok(parts.map_or(whole, BytesMut::freeze))
    }

    async fn frame(&mut self, body: &mut Incoming) -> Result<Option<http_body::Frame<Bytes>>, Fault> {
        poll_fn(|cx| {
            if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
                return Poll::Ready(frame.transpose().map_err(Fault::Broken));
            }
            let driven = drive(&mut self.connection, &mut self.has_ended, cx);
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(frame) => Poll::Ready(frame.transpose().map_err(Fault::Broken)),
                Poll::Pending if self.has_ended => Poll::Ready(Err(driven.err().unwrap_or(Fault::Ended))),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

/// Lets a connection read and write as far as it can.
fn drive(
    connection: &mut Connection<TokioIo<TcpStream>, Full<Bytes>>,
    has_ended: &mut bool,
    cx: &mut Context<'_>,
) -> Result<(), Fault> {
    if *has_ended {
        return Ok(());
    }
    match Pin::new(connection).poll(cx) {
        Poll::Pending => Ok(()),
        Poll::Ready(ended) => {
            *has_ended = true;
            ended.map_err(Fault::Broken)
        }
    }
}

/// The headers of each request: those configured and the host's token. `None` where one is no header; the configuration was
/// checked, so that this does not happen to a checked one.
pub(crate) fn headers<'a>(
    configured: impl Iterator<Item = (&'a str, &'a str)>,
    token: Option<(&str, &str)>,
) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in configured {
        headers.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?);
    }
    if let Some((name, token)) = token {
        let mut value = HeaderValue::from_str(token).ok()?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, value);
    }
    Some(headers)
}
