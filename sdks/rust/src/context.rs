//! What a handler may know of its call. Changes nothing: cancelling is the business of `provider`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::generated::provider::v1::ExecuteRequest;

/// The configuration that the host gives to a provider.
pub(crate) type Configuration = Arc<BTreeMap<String, String>>;

/// The call that a handler serves. Cheap to clone.
///
/// An async handler is dropped at its next `await` when the call is cancelled, so it needs the cancellation only for what it has
/// spawned; a blocking handler asks [`Context::is_cancelled`] now and then. What a handler logs with `tracing` is inside a span
/// `call` with `module` and `execution_id`.
#[derive(Debug, Clone)]
pub struct Context(Arc<Call>);

#[derive(Debug)]
struct Call {
    request: ExecuteRequest,
    deadline: Option<Instant>,
    configuration: Configuration,
    cancelled: watch::Receiver<bool>,
}

/// Cancels the call of a context when it is dropped, unless the call is finished.
#[derive(Debug)]
pub(crate) struct CancelOnDrop(Option<watch::Sender<bool>>);

impl Context {
    pub(crate) fn new(request: ExecuteRequest, configuration: Configuration) -> (Self, CancelOnDrop) {
        let (tx, cancelled) = watch::channel(false);
        let timeout = Duration::from_millis(request.timeout_ms.into());
        let deadline = (!timeout.is_zero()).then(|| Instant::now() + timeout);
        (Self(Arc::new(Call { request, deadline, configuration, cancelled })), CancelOnDrop(Some(tx)))
    }

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

    /// Equal for calls that must have one effect; `None` where the caller gave none.
    pub fn idempotency_key(&self) -> Option<&str> {
        non_empty(&self.0.request.idempotency_key)
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
        self.0.configuration.get(key).map(String::as_str)
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

    /// The trace id, or the execution id without a trace.
    pub(crate) fn trace_id(&self) -> &str {
        self.traceparent().and_then(|parent| parent.split('-').nth(1)).unwrap_or_else(|| self.execution_id())
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
