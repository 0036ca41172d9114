//! What a client says to its host, and with which credential, deadline and trace. Knows no native types: see `client`.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio_stream::{Stream, StreamExt as _};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

use crate::bearer::Bearer;
use crate::client::too_late;
use crate::error::{Category, Error};
use crate::generated::host::v1::host_client::HostClient;
use crate::generated::host::v1::{
    CallBatchRequest, CallBatchResponse, CallRequest, CallResponse, CallStreamRequest, CallStreamResponse,
    GetModuleRequest, ListModulesRequest, ListModulesResponse, Module, WatchRequest, WatchResponse,
};
use crate::telemetry::{self, Observed};
use crate::testing::Memory;

/// Largest answer. The host has its own limit, which is lower.
const MAX_MESSAGE: usize = 256 * 1024 * 1024;

/// What sends messages to a host.
pub(crate) type Grpc = HostClient<Channel>;

/// The answers of a stream as they come.
pub(crate) type Answers = Pin<Box<dyn Stream<Item = Result<CallStreamResponse, Error>> + Send>>;

/// A way to a host. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    backend: Backend,
    bearer: Bearer,
    scope: Option<Arc<Scope>>,
}

/// Who answers.
#[derive(Debug, Clone)]
enum Backend {
    Host(HostClient<Channel>),
    /// The modules of a test.
    Memory(Weak<Memory>),
    /// Nobody, for this reason.
    Nobody(&'static str),
}

/// What a nested call takes over from the call that it is made for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    pub(crate) deadline: Option<Instant>,
    pub(crate) traceparent: String,
    pub(crate) tracestate: String,
}

impl Scope {
    fn trace(&self) -> (String, String) {
        (self.traceparent.clone(), self.tracestate.clone())
    }
}

impl Wire {
    pub(crate) fn host(channel: Channel, bearer: Bearer) -> Self {
        let grpc =
            HostClient::new(channel).max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE);
        Self { backend: Backend::Host(grpc), bearer, scope: None }
    }

    pub(crate) fn memory(memory: &Arc<Memory>) -> Self {
        Self { backend: Backend::Memory(Arc::downgrade(memory)), bearer: Bearer::none(), scope: None }
    }

    pub(crate) fn nobody(reason: &'static str) -> Self {
        Self { backend: Backend::Nobody(reason), bearer: Bearer::none(), scope: None }
    }

    pub(crate) fn scoped(&self, scope: Scope) -> Self {
        Self { scope: Some(Arc::new(scope)), ..self.clone() }
    }

    /// What may be taken of a time: never more than what is left of the call that this one is made for.
    pub(crate) fn bounded(&self, timeout: Duration) -> Duration {
        match self.scope.as_ref().and_then(|scope| scope.deadline) {
            Some(deadline) => timeout.min(deadline.saturating_duration_since(Instant::now())),
            None => timeout,
        }
    }

    pub(crate) async fn call(&self, message: CallRequest, timeout: Duration) -> Result<CallResponse, Error> {
        match &self.backend {
            Backend::Memory(memory) => {
                let memory = there(memory)?;
                in_time(timeout, memory.call(message, self.deadline(timeout))).await
            }
            _ => self.unary(message, Some(timeout), |mut grpc, request| async move { grpc.call(request).await }).await,
        }
    }

    pub(crate) async fn call_batch(
        &self,
        message: CallBatchRequest,
        timeout: Duration,
    ) -> Result<CallBatchResponse, Error> {
        match &self.backend {
            Backend::Memory(memory) => {
                let memory = there(memory)?;
                in_time(timeout, memory.call_batch(message, self.deadline(timeout))).await
            }
            _ => {
                let send = |mut grpc: HostClient<Channel>, request| async move { grpc.call_batch(request).await };
                self.unary(message, Some(timeout), send).await
            }
        }
    }

    /// Begins a stream; its first message has not been waited for.
    pub(crate) async fn call_stream(&self, message: CallStreamRequest, timeout: Duration) -> Result<Answers, Error> {
        match &self.backend {
            Backend::Memory(memory) => there(memory)?.call_stream(message, self.deadline(timeout)),
            _ => {
                let begin = |mut grpc: HostClient<Channel>, request| async move { grpc.call_stream(request).await };
                let answers: Streaming<CallStreamResponse> = self.unary(message, Some(timeout), begin).await?;
                Ok(Box::pin(answers.map(|answer| answer.map_err(|status| Error::from_status(&status)))))
            }
        }
    }

    pub(crate) async fn get_module(&self, name: &str, timeout: Duration) -> Result<Module, Error> {
        if let Backend::Memory(memory) = &self.backend {
            return there(memory)?.get_module(name);
        }
        let message = GetModuleRequest { name: name.to_owned() };
        let send = |mut grpc: HostClient<Channel>, request| async move { grpc.get_module(request).await };
        self.unary(message, Some(timeout), send).await?.module.ok_or_else(|| {
            Error::new(Category::Internal, "client.answer.invalid", "the host answered without the module")
        })
    }

    pub(crate) async fn list_modules(
        &self,
        message: ListModulesRequest,
        timeout: Duration,
    ) -> Result<ListModulesResponse, Error> {
        let send = |mut grpc: HostClient<Channel>, request| async move { grpc.list_modules(request).await };
        self.unary(message, Some(timeout), send).await
    }

    /// What changes, without an end of time.
    pub(crate) async fn watch(&self, message: WatchRequest) -> Result<Streaming<WatchResponse>, Error> {
        self.unary(message, None, |mut grpc, request| async move { grpc.watch(request).await }).await
    }

    /// One request; a second one where the token was refused and its file holds another by now.
    pub(crate) async fn unary<Q: Clone, A, F>(
        &self,
        message: Q,
        timeout: Option<Duration>,
        send: impl Fn(HostClient<Channel>, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let grpc = match &self.backend {
            Backend::Host(grpc) => grpc,
            Backend::Memory(_) => return Err(nobody("modules in memory can be called, and nothing else")),
            Backend::Nobody(reason) => return Err(nobody(reason)),
        };
        let again = self.bearer.is_renewable().then(|| message.clone());
        let token = self.bearer.header();
        let sent = send(grpc.clone(), self.request(message, timeout, token.clone()));
        let refused = match answered(timeout, sent).await {
            Err(error) if error.category() == Category::Unauthenticated => error,
            answer => return answer,
        };
        match again {
            Some(message) if self.bearer.renew(token.as_ref()).await => {
                let sent = send(grpc.clone(), self.request(message, timeout, self.bearer.header()));
                answered(timeout, sent).await
            }
            _ => Err(refused),
        }
    }

    /// The request with what travels beside the message.
    fn request<Q>(&self, message: Q, timeout: Option<Duration>, token: Option<MetadataValue<Ascii>>) -> Request<Q> {
        let mut request = Request::new(message);
        if let Some(timeout) = timeout {
            request.set_timeout(timeout);
        }
        let metadata = request.metadata_mut();
        if let Some(token) = token {
            metadata.insert("authorization", token);
        }
        let (traceparent, tracestate) = self.trace();
        for (key, value) in [("traceparent", traceparent), ("tracestate", tracestate)] {
            // A trace that no header can hold is left out: it is no reason to fail.
            if let Some(Ok(value)) = (!value.is_empty()).then(|| value.parse()) {
                metadata.insert(key, value);
            }
        }
        request
    }

    /// The trace to pass on: that of the code that calls, else that of the call that this one is made for.
    fn trace(&self) -> (String, String) {
        telemetry::headers().unwrap_or_else(|| self.scope.as_ref().map_or_else(Default::default, |s| s.trace()))
    }

    /// A span around a call, where anybody wants to see one.
    pub(crate) fn observed(&self, module: &str) -> Observed {
        match &self.scope {
            Some(scope) => telemetry::calling(module, &scope.traceparent, &scope.tracestate),
            None => telemetry::calling(module, "", ""),
        }
    }

    /// The same scope for a call in memory.
    fn deadline(&self, timeout: Duration) -> Scope {
        let (traceparent, tracestate) = self.trace();
        Scope { deadline: Some(Instant::now() + timeout), traceparent, tracestate }
    }
}

async fn answered<A>(
    timeout: Option<Duration>,
    sent: impl Future<Output = Result<Response<A>, Status>>,
) -> Result<A, Error> {
    let answer = match timeout {
        // The host answers at the deadline with what it knows; this is for a host that does not answer at all.
        Some(timeout) => tokio::time::timeout(timeout + grace(timeout), sent).await.map_err(|_| too_late(timeout))?,
        None => sent.await,
    };
    answer.map(Response::into_inner).map_err(|status| Error::from_status(&status))
}

/// How long to wait for the host's own word that the time is over.
pub(crate) fn grace(timeout: Duration) -> Duration {
    Duration::from_millis(500).min(timeout)
}

async fn in_time<A>(timeout: Duration, call: impl Future<Output = Result<A, Error>>) -> Result<A, Error> {
    tokio::time::timeout(timeout, call).await.unwrap_or_else(|_| Err(too_late(timeout)))
}

fn there(memory: &Weak<Memory>) -> Result<Arc<Memory>, Error> {
    memory.upgrade().ok_or_else(|| nobody("the test client that this belongs to is gone"))
}

fn nobody(reason: &'static str) -> Error {
    Error::new(Category::FailedPrecondition, "client.host.unset", reason)
}
