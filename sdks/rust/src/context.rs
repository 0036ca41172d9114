//! What a handler may know of its call, and its way to other modules. Changes nothing: cancelling is the business of `provider`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::client::Client;
use crate::client::wire::Scope;
use crate::generated::provider::v1::ExecuteRequest;
use crate::provider::request::Request;

/// What all calls of a provider have in common.
#[derive(Debug)]
pub(crate) struct Environment {
    /// The configuration that the host gives to a provider.
    pub(crate) configuration: BTreeMap<String, String>,
    /// What nested calls are made with.
    pub(crate) client: Client,
}

/// The call that a handler serves. Cheap to clone.
///
/// An async handler is dropped at its next `await` when the call is cancelled, so it needs the cancellation only for what it has
/// spawned; a blocking handler asks [`Context::is_cancelled`] now and then. What a handler logs with `tracing` is inside a span
/// `call` with `module` and `execution_id`.
#[derive(Debug, Clone)]
pub struct Context(Arc<Call>);

#[derive(Debug)]
struct Call {
    /// Without the input.
    request: ExecuteRequest,
    /// Those of a batch, in the order of its inputs.
    idempotency_keys: Vec<String>,
    deadline: Option<Instant>,
    environment: Arc<Environment>,
    cancelled: watch::Receiver<bool>,
}

/// Cancels the call of a context when it is dropped, unless the call is finished.
#[derive(Debug)]
pub(crate) struct CancelOnDrop(Option<watch::Sender<bool>>);

/// A call that comes in: makes a context when a handler asks for one, and not before.
#[derive(Debug)]
pub struct Incoming<'a> {
    pub(crate) request: Request<'a>,
    /// Those of a batch whose inputs the handler gets.
    pub(crate) idempotency_keys: Vec<String>,
    pub(crate) environment: &'a Arc<Environment>,
    /// Left by [`Incoming::context`] for what runs the handler.
    pub(crate) cancel: Option<CancelOnDrop>,
}

impl<'a> Incoming<'a> {
    pub(crate) fn new(request: Request<'a>, environment: &'a Arc<Environment>) -> Self {
        Self { request, idempotency_keys: Vec::new(), environment, cancel: None }
    }

    /// The context of the call; once for each.
    pub(crate) fn context(&mut self) -> Context {
        let (tx, cancelled) = watch::channel(false);
        self.cancel = Some(CancelOnDrop(Some(tx)));
        let timeout = Duration::from_millis(self.request.timeout_ms.into());
        Context(Arc::new(Call {
            request: self.request.without_input(),
            idempotency_keys: std::mem::take(&mut self.idempotency_keys),
            deadline: (!timeout.is_zero()).then(|| Instant::now() + timeout),
            environment: Arc::clone(self.environment),
            cancelled,
        }))
    }
}

impl Context {
    /// Unqualified name of the module.
    pub fn module(&self) -> &str {
        &self.0.request.module_name
    }

    /// The run or call that this belongs to; the same for every attempt.
    pub fn execution_id(&self) -> &str {
        &self.0.request.execution_id
    }

    /// The step of the pipeline; `None` for a single call.
    pub fn node_id(&self) -> Option<&str> {
        non_empty(&self.0.request.node_id)
    }

    /// 1 for the first attempt.
    pub fn attempt(&self) -> u32 {
        self.0.request.attempt
    }

    /// Equal for calls that must have one effect; `None` where the caller gave none, and for a batch.
    pub fn idempotency_key(&self) -> Option<&str> {
        non_empty(&self.0.request.idempotency_key)
    }

    /// The keys of a batch, one for each of the handler's inputs, empty where the caller gave none. No keys where the call is no batch.
    pub fn idempotency_keys(&self) -> &[String] {
        &self.0.idempotency_keys
    }

    /// W3C trace context; `None` without a trace.
    pub fn traceparent(&self) -> Option<&str> {
        non_empty(&self.0.request.traceparent)
    }

    /// W3C `tracestate`; `None` without one.
    pub fn tracestate(&self) -> Option<&str> {
        non_empty(&self.0.request.tracestate)
    }

    /// When the caller stops waiting; `None` without a deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// Time left until the deadline: zero when it has passed, `None` without a deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.0.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// A value of the configuration that the host gave this provider. Only providers on the unary plane are given any.
    pub fn configuration(&self, key: &str) -> Option<&str> {
        self.0.environment.configuration.get(key).map(String::as_str)
    }

    /// Calls other modules as part of this call: within what is left of its deadline, on its trace, and with the provider's own session as the
    /// credential. Over the connection that the provider has; nothing is opened. A nested call ends when the handler is dropped.
    pub fn client(&self) -> Client {
        let request = &self.0.request;
        self.0.environment.client.scoped(Scope {
            deadline: self.0.deadline,
            traceparent: request.traceparent.clone(),
            tracestate: request.tracestate.clone(),
        })
    }

    /// Whether the caller gave up or the deadline passed.
    pub fn is_cancelled(&self) -> bool {
        *self.0.cancelled.borrow()
    }

    /// Returns when the call is cancelled, or over.
    pub async fn cancelled(&self) {
        let mut cancelled = self.0.cancelled.clone();
        // An error says that the sender is gone: the call is over.
        drop(cancelled.wait_for(|cancelled| *cancelled).await);
    }
}

impl CancelOnDrop {
    /// The call is answered: nothing is left to cancel.
    pub(crate) fn finish(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(tx) = self.0.take() {
            tx.send_replace(true);
        }
    }
}

fn non_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
