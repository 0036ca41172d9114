//! A provider on the unary plane that answers as a test says, with messages or with bytes that are none.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic::{Request, Response, Status};

use protocol::generated::provider::v1 as pb;

use crate::codec::BytesCodec;
use crate::frames;

/// What a scripted provider does with a call.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Answers with these bytes as message.
    Message(Vec<u8>),
    /// Fails the request.
    Status(Status),
    /// Never answers.
    Never,
    /// Answers a stream so.
    Items(Items),
}

/// The items of a scripted stream, and how it ends.
#[derive(Debug, Clone)]
pub struct Items {
    /// The items, one after the other.
    pub items: Vec<Vec<u8>>,
    /// What comes behind them.
    pub end: ItemsEnd,
}

/// How a scripted stream ends.
#[derive(Debug, Clone)]
pub enum ItemsEnd {
    /// Well.
    Well,
    /// Fails.
    Status(Status),
    /// Never.
    Never,
    /// It begins again, without end; each item that is taken is counted.
    Again(Arc<AtomicUsize>),
}

impl Reply {
    /// A right message with this output, which may be wrong.
    #[must_use]
    pub fn output(data: impl Into<Vec<u8>>) -> Self {
        Self::of(&frames::output(1, data))
    }

    /// A message with neither output nor error.
    #[must_use]
    pub fn nothing() -> Self {
        Self::of(&frames::nothing(1))
    }

    /// A right answer to a batch, with these outputs, which may be wrong.
    #[must_use]
    pub fn batch(outputs: impl IntoIterator<Item = Result<Vec<u8>, protocol::Error>>) -> Self {
        Self::Message(frames::batch_response(outputs).encode_to_vec())
    }

    /// A stream with these items.
    #[must_use]
    pub fn items(items: impl IntoIterator<Item = Vec<u8>>, end: ItemsEnd) -> Self {
        Self::Items(Items { items: items.into_iter().collect(), end })
    }

    fn of(frame: &pb::ProviderFrame) -> Self {
        match &frame.frame {
            Some(pb::provider_frame::Frame::Result(response)) => Self::Message(response.encode_to_vec()),
            other => panic!("no answer to a call: {other:?}"),
        }
    }
}

/// A call as a scripted provider sees it.
#[derive(Debug, Clone)]
pub enum Asked {
    /// `Execute`, or the one call of `ExecuteStream`.
    Call(pb::ExecuteRequest),
    /// `ExecuteBatch`.
    Batch(Vec<pb::ExecuteRequest>),
}

/// A server of `ModuleExecutor` on a free loopback port. Dropping it stops it.
#[derive(Debug)]
pub struct ScriptedExecutor {
    /// What a registration names as `service_url`.
    pub url: String,
    _stop: oneshot::Sender<Infallible>,
}

type Script = Arc<dyn Fn(Asked) -> Reply + Send + Sync>;

impl ScriptedExecutor {
    /// Serves calls by `script` from now on.
    ///
    /// # Panics
    /// In the script's task, for a batch.
    pub async fn start(script: impl Fn(pb::ExecuteRequest) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_all(move |asked| match asked {
            Asked::Call(call) => script(call),
            Asked::Batch(calls) => panic!("the script has no batches: {calls:?}"),
        })
        .await
    }

    /// Serves calls, streams and batches by `script` from now on.
    pub async fn start_all(script: impl Fn(Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let (stop, stopped) = oneshot::channel();
        let server = tonic::transport::Server::builder().add_service(Executor(Arc::new(script)));
        tokio::spawn(server.serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
            // Nothing is ever sent: the end of the sender is the signal.
            let _dropped = stopped.await.is_err();
        }));
        Self { url, _stop: stop }
    }
}

#[derive(Clone)]
struct Executor(Script);

impl NamedService for Executor {
    const NAME: &'static str = "modrack.provider.v1.ModuleExecutor";
}

type Answering<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl Service<http::Request<Body>> for Executor {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answering<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let script = self.0.clone();
        Box::pin(async move {
            let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
            let mut grpc = tonic::server::Grpc::new(BytesCodec).max_decoding_message_size(usize::MAX);
            Ok(match method.as_str() {
                "Execute" => grpc.unary(Execute { script, batch: false }, request).await,
                "ExecuteBatch" => grpc.unary(Execute { script, batch: true }, request).await,
                "ExecuteStream" => grpc.server_streaming(ExecuteStream(script), request).await,
                _ => Status::unimplemented("the script has no such method").into_http(),
            })
        })
    }
}

struct Execute {
    script: Script,
    batch: bool,
}

impl Service<Request<Vec<u8>>> for Execute {
    type Response = Response<Vec<u8>>;
    type Error = Status;
    type Future = Answering<Self::Response, Status>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Vec<u8>>) -> Self::Future {
        let message = Bytes::from(request.into_inner());
        let asked = if self.batch {
            Asked::Batch(pb::ExecuteBatchRequest::decode(message).expect("the host sends batches").requests)
        } else {
            Asked::Call(pb::ExecuteRequest::decode(message).expect("the host sends calls"))
        };
        let reply = (self.script)(asked);
        Box::pin(async move {
            match reply {
                Reply::Message(bytes) => Ok(Response::new(bytes)),
                Reply::Status(status) => Err(status),
                Reply::Never => std::future::pending().await,
                Reply::Items(items) => panic!("no answer to a call: {items:?}"),
            }
        })
    }
}

struct ExecuteStream(Script);

type ItemMessages = Pin<Box<dyn Stream<Item = Result<Vec<u8>, Status>> + Send>>;

impl Service<Request<Vec<u8>>> for ExecuteStream {
    type Response = Response<ItemMessages>;
    type Error = Status;
    type Future = Answering<Self::Response, Status>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Vec<u8>>) -> Self::Future {
        let message = Bytes::from(request.into_inner());
        let request = pb::ExecuteStreamRequest::decode(message).expect("the host sends streams");
        let reply = (self.0)(Asked::Call(request.request.expect("a stream has its call")));
        Box::pin(async move {
            match reply {
                Reply::Items(Items { items, end }) => Ok(Response::new(item_messages(items, end))),
                Reply::Status(status) => Err(status),
                Reply::Never => std::future::pending().await,
                Reply::Message(bytes) => panic!("no answer to a stream: {bytes:?}"),
            }
        })
    }
}

fn item_messages(items: Vec<Vec<u8>>, end: ItemsEnd) -> ItemMessages {
    let message = |data: Vec<u8>| Ok(pb::ExecuteStreamResponse { item_data: data }.encode_to_vec());
    match end {
        ItemsEnd::Well => Box::pin(stream::iter(items).map(message)),
        ItemsEnd::Status(status) => {
            Box::pin(stream::iter(items).map(message).chain(stream::once(async { Err(status) })))
        }
        ItemsEnd::Never => Box::pin(stream::iter(items).map(message).chain(stream::pending())),
        ItemsEnd::Again(count) => Box::pin(stream::iter(items.into_iter().cycle()).map(move |item| {
            count.fetch_add(1, Ordering::Relaxed);
            message(item)
        })),
    }
}
