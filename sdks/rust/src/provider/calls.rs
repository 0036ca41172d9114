//! Runs calls, whatever plane they came by: finds the module, isolates panics, counts what runs. Knows no connection.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{self, Poll};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::watch;
use tracing::Instrument as _;

use crate::context::{Configuration, Context};
use crate::error::{Category, ModuleError};
use crate::generated::provider::v1::execute_response::Result as Outcome;
use crate::generated::provider::v1::{ExecuteRequest, ExecuteResponse, ExecutionMetrics, ModuleSpec};
use crate::module::{CallFuture, Definition};

/// The modules of a provider by their unqualified names.
pub(crate) type Table = HashMap<String, Arc<Definition>>;

/// Everything that a call needs of its provider.
pub(crate) struct Calls {
    /// Replaced as a whole when modules change.
    table: RwLock<Arc<Table>>,
    configuration: RwLock<Configuration>,
    /// How many calls run. A watch channel, so that draining waits for zero without polling.
    running: watch::Sender<usize>,
    debug: bool,
}

impl Calls {
    pub(crate) fn new(table: Table, debug: bool) -> Arc<Self> {
        Arc::new(Self {
            table: RwLock::new(Arc::new(table)),
            configuration: RwLock::new(Arc::new(BTreeMap::new())),
            running: watch::channel(0).0,
            debug,
        })
    }

    pub(crate) fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_table(&self, table: Arc<Table>) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
    }

    /// The modules as the protocol describes them, in order of their names.
    pub(crate) fn specs(&self) -> Vec<ModuleSpec> {
        let mut specs: Vec<_> = self.table().values().map(|module| module.to_wire()).collect();
        specs.sort_by(|a, b| a.name.cmp(&b.name));
        specs
    }

    pub(crate) fn configure(&self, configuration: BTreeMap<String, String>) {
        *self.configuration.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(configuration);
    }

    /// Counts a call as running until the guard is dropped, which is to be after its answer is on its way.
    pub(crate) fn count(self: &Arc<Self>) -> Counted {
        self.running.send_modify(|running| *running += 1);
        Counted(Arc::clone(self))
    }

    pub(crate) fn running(&self) -> usize {
        *self.running.borrow()
    }

    /// Returns when no call runs.
    pub(crate) async fn idle(&self) {
        // The sender lives as long as `self`, so this cannot fail.
        drop(self.running.subscribe().wait_for(|running| *running == 0).await);
    }

    /// Runs one call to its answer. Dropping the future cancels the call.
    pub(crate) async fn execute(&self, request: ExecuteRequest) -> ExecuteResponse {
        let started = Instant::now();
        let outcome = match self.run(request).await {
            Ok(output) => Outcome::OutputData(output.into()),
            Err(error) => Outcome::Error(error.into_envelope().into_wire()),
        };
        let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        ExecuteResponse { result: Some(outcome), metrics: Some(ExecutionMetrics { duration_us }) }
    }

    pub(crate) async fn run(&self, mut request: ExecuteRequest) -> Result<Vec<u8>, ModuleError> {
        let Some(module) = self.table().get(&request.module_name).cloned() else {
            let message = format!("this provider has no module `{}`", request.module_name);
            return Err(ModuleError::core(Category::NotFound, "registry.module.unknown", message));
        };
        let input: Bytes = std::mem::take(&mut request.input_data);
        let configuration = Arc::clone(&self.configuration.read().unwrap_or_else(PoisonError::into_inner));
        let (ctx, cancel) = Context::new(request, configuration);
        let span = tracing::info_span!("call", module = ctx.module(), execution_id = ctx.execution_id());

        let call = async { Isolated((module.call)(input, ctx.clone())).await }.instrument(span.clone());
        let result = match call.await {
            Ok(result) => result,
            Err(panic) => Err(ModuleError::panicked(panic_text(panic.as_ref()))),
        };
        cancel.finish();
        result.map_err(|error| span.in_scope(|| self.report(error)).with_trace_id(ctx.trace_id()))
    }

    /// What lies behind a failure stays here, unless the provider is in debug mode.
    fn report(&self, error: ModuleError) -> ModuleError {
        tracing::warn!(code = error.code(), "call failed: {error:?}");
        match error.causes().filter(|_| self.debug) {
            Some(causes) => error.with_detail("causes", causes),
            None => error,
        }
    }
}

/// One call that runs.
pub(crate) struct Counted(Arc<Calls>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.running.send_modify(|running| *running -= 1);
    }
}

/// A call whose panic is an error of that call alone. It is not polled again after one, so nothing sees what the panic left behind.
struct Isolated(CallFuture);

impl Future for Isolated {
    type Output = Result<Result<Vec<u8>, ModuleError>, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
