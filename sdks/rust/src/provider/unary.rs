//! The unary plane: a gRPC server on a free loopback port that the host calls. Does not register itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_health::server::HealthReporter;

use crate::error::{Category, Error, ModuleError};
use crate::generated::provider::v1::module_executor_server::{ModuleExecutor, ModuleExecutorServer};
use crate::generated::provider::v1::module_lifecycle_server::{ModuleLifecycle, ModuleLifecycleServer};
use crate::generated::provider::v1::{
    DescribeRequest, DescribeResponse, DrainRequest, DrainResponse, ExecuteBatchRequest, ExecuteBatchResponse,
    ExecuteRequest, ExecuteResponse, ExecuteStreamRequest, ExecuteStreamResponse, InitializeRequest,
    InitializeResponse, ProviderInfo, ShutdownRequest, ShutdownResponse,
};
use crate::provider::Plane;
use crate::provider::calls::{Calls, response};
use crate::provider::frames::{OVERHEAD, batch, too_large};
use crate::provider::handle::ProviderHandle;

/// Largest message; the host's own limit is lower or equal.
const MAX_MESSAGE: usize = 256 * 1024 * 1024;
/// How long a closing server may take to send what is answered.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

type HostExecutor = ModuleExecutorServer<Executor>;

/// A running server.
pub(crate) struct UnaryServer {
    url: String,
    draining: Arc<AtomicBool>,
    health: HealthReporter,
    shutdown: oneshot::Sender<()>,
    task: JoinHandle<()>,
    max_message: watch::Sender<usize>,
}

impl UnaryServer {
    /// Binds a free loopback port and serves.
    pub(crate) async fn start(identity: Identity, calls: Arc<Calls>, handle: ProviderHandle) -> Result<Self, Error> {
        let fault = |source: std::io::Error| {
            let message = format!("no loopback port can be served: {source}");
            Error::new(Category::FailedPrecondition, "client.listen.failed", message)
        };
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.map_err(fault)?;
        let url = format!("http://{}", listener.local_addr().map_err(fault)?);
        let draining = Arc::new(AtomicBool::new(false));
        let (max_message, limit) = watch::channel(MAX_MESSAGE);
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_serving::<HostExecutor>().await;

        let executor = Executor { calls: Arc::clone(&calls), draining: Arc::clone(&draining), limit };
        let lifecycle = Lifecycle { identity, calls, draining: Arc::clone(&draining), health: health.clone(), handle };
        let (shutdown, stopped) = oneshot::channel();
        let router = Server::builder()
            .add_service(
                ModuleExecutorServer::new(executor)
                    .max_decoding_message_size(MAX_MESSAGE)
                    .max_encoding_message_size(MAX_MESSAGE),
            )
            .add_service(ModuleLifecycleServer::new(lifecycle))
            .add_service(health_service);
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let task = tokio::spawn(async move {
            // Nothing is ever sent: the sender is dropped.
            let stopped = async { drop(stopped.await) };
            if let Err(source) = router.serve_with_incoming_shutdown(incoming, stopped).await {
                tracing::error!("the unary server failed: {source}");
            }
        });
        Ok(Self { url, draining, health, shutdown, task, max_message })
    }

    /// `http://127.0.0.1:port`, for the registration.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Takes over the limit that the host told in its answer to the registration.
    pub(crate) fn limit(&self, max_message: usize) {
        self.max_message.send_replace(max_message.min(MAX_MESSAGE));
    }

    /// Refuses new calls from here on.
    pub(crate) async fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.health.set_not_serving::<HostExecutor>().await;
    }

    /// Sends what is answered and closes.
    pub(crate) async fn close(mut self) {
        drop(self.shutdown);
        if tokio::time::timeout(FLUSH_TIMEOUT, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// Who the provider says it is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) service_id: String,
    pub(crate) namespace: String,
    pub(crate) info: ProviderInfo,
}

struct Executor {
    calls: Arc<Calls>,
    draining: Arc<AtomicBool>,
    limit: watch::Receiver<usize>,
}

#[tonic::async_trait]
impl ModuleExecutor for Executor {
    // tonic drops this future when the host cancels or the gRPC deadline passes, which cancels the handler.
    async fn execute(&self, request: Request<ExecuteRequest>) -> Result<Response<ExecuteResponse>, Status> {
        if self.draining.load(Ordering::Acquire) {
            return Ok(Response::new(response(Err(draining()), Instant::now())));
        }
        let _counted = self.calls.count();
        let started = Instant::now();
        let outcome = match self.calls.execute(request.get_ref(), Some(Plane::Unary)).await {
            Ok(output) if output.len() + OVERHEAD > *self.limit.borrow() => {
                Err(too_large(output.len(), *self.limit.borrow()))
            }
            outcome => outcome,
        };
        Ok(Response::new(response(outcome, started)))
    }

    async fn execute_batch(
        &self,
        request: Request<ExecuteBatchRequest>,
    ) -> Result<Response<ExecuteBatchResponse>, Status> {
        self.admit()?;
        let _counted = self.calls.count();
        let started = Instant::now();
        let outcomes = self.calls.batch(&request.get_ref().requests, Some(Plane::Unary)).await;
        let answered = outcomes.and_then(|outcomes| batch::answers(outcomes, started, *self.limit.borrow()));
        answered.map(Response::new).map_err(ModuleError::into_status)
    }

    type ExecuteStreamStream = ItemStream;

    async fn execute_stream(&self, request: Request<ExecuteStreamRequest>) -> Result<Response<ItemStream>, Status> {
        self.admit()?;
        let counted = self.calls.count();
        let call = request.into_inner().request.unwrap_or_default();
        let items = self.calls.stream(&call, Some(Plane::Unary)).map_err(ModuleError::into_status)?;
        let limit = *self.limit.borrow();
        // HTTP/2 asks for an item when it has room for one, and drops the stream when the host resets it or the deadline passes.
        Ok(Response::new(Box::pin(items.map(move |item| {
            let _counted = &counted;
            match item {
                Ok(item) if item.len() + OVERHEAD > limit => Err(too_large(item.len(), limit).into_status()),
                Ok(item) => Ok(ExecuteStreamResponse { item_data: item }),
                Err(error) => Err(error.into_status()),
            }
        }))))
    }
}

type ItemStream = Pin<Box<dyn Stream<Item = Result<ExecuteStreamResponse, Status>> + Send>>;

impl Executor {
    fn admit(&self) -> Result<(), Status> {
        if self.draining.load(Ordering::Acquire) { Err(draining().into_status()) } else { Ok(()) }
    }
}

fn draining() -> ModuleError {
    ModuleError::core(Category::Unavailable, "executor.provider.unavailable", "the provider takes no new calls")
}

struct Lifecycle {
    identity: Identity,
    calls: Arc<Calls>,
    draining: Arc<AtomicBool>,
    health: HealthReporter,
    handle: ProviderHandle,
}

#[tonic::async_trait]
impl ModuleLifecycle for Lifecycle {
    async fn describe(&self, _request: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(DescribeResponse {
            service_id: self.identity.service_id.clone(),
            namespace: self.identity.namespace.clone(),
            modules: self.calls.specs(),
            info: Some(self.identity.info.clone()),
        }))
    }

    async fn initialize(&self, request: Request<InitializeRequest>) -> Result<Response<InitializeResponse>, Status> {
        self.calls.configure(request.into_inner().configuration.into_iter().collect());
        Ok(Response::new(InitializeResponse {}))
    }

    async fn drain(&self, request: Request<DrainRequest>) -> Result<Response<DrainResponse>, Status> {
        self.draining.store(true, Ordering::Release);
        self.health.set_not_serving::<HostExecutor>().await;
        let grace = Duration::from_millis(request.into_inner().grace_ms.into());
        // What still runs after the grace is counted in the answer.
        drop(tokio::time::timeout(grace, self.calls.idle()).await);
        let in_flight = u32::try_from(self.calls.running()).unwrap_or(u32::MAX);
        Ok(Response::new(DrainResponse { in_flight }))
    }

    async fn shutdown(&self, _request: Request<ShutdownRequest>) -> Result<Response<ShutdownResponse>, Status> {
        self.handle.stop();
        Ok(Response::new(ShutdownResponse {}))
    }
}
