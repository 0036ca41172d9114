//! A provider on the unary plane that answers as a test says, with messages or with bytes that are none.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
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

    fn of(frame: &pb::ProviderFrame) -> Self {
        match &frame.frame {
            Some(pb::provider_frame::Frame::Result(response)) => Self::Message(response.encode_to_vec()),
            other => panic!("no answer to a call: {other:?}"),
        }
    }
}

/// A server of `ModuleExecutor.Execute` on a free loopback port. Dropping it stops it.
#[derive(Debug)]
pub struct ScriptedExecutor {
    /// What a registration names as `service_url`.
    pub url: String,
    _stop: oneshot::Sender<Infallible>,
}

type Script = Arc<dyn Fn(pb::ExecuteRequest) -> Reply + Send + Sync>;

impl ScriptedExecutor {
    /// Serves calls by `script` from now on.
    pub async fn start(script: impl Fn(pb::ExecuteRequest) -> Reply + Send + Sync + 'static) -> Self {
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
        let execute = Execute(self.0.clone());
        Box::pin(async move {
            if !request.uri().path().ends_with("/Execute") {
                return Ok(Status::unimplemented("the script has `Execute` only").into_http());
            }
            Ok(tonic::server::Grpc::new(BytesCodec).unary(execute, request).await)
        })
    }
}

struct Execute(Script);

impl Service<Request<Vec<u8>>> for Execute {
    type Response = Response<Vec<u8>>;
    type Error = Status;
    type Future = Answering<Self::Response, Status>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Vec<u8>>) -> Self::Future {
        let call = pb::ExecuteRequest::decode(Bytes::from(request.into_inner())).expect("the host sends calls");
        let reply = (self.0)(call);
        Box::pin(async move {
            match reply {
                Reply::Message(bytes) => Ok(Response::new(bytes)),
                Reply::Status(status) => Err(status),
                Reply::Never => std::future::pending().await,
            }
        })
    }
}
