//! Runs calls, whatever plane they came by: finds the module, isolates panics, counts what runs. Knows no connection.

mod step;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use tokio::sync::watch;

pub(crate) use step::{ServedItems, Step};

use crate::client::Client;
use crate::context::{Environment, Incoming};
use crate::error::{Category, ModuleError};
use crate::generated::provider::v1::{ExecuteRequest, ExecuteResponse, ExecutionMetrics, ModuleSpec, execute_response};
use crate::module::Definition;
use crate::provider::Plane;
use crate::provider::request::Request;
use crate::run::{Outcome, Run};
use crate::telemetry;

/// The modules of a provider by their unqualified names.
pub(crate) type Table = HashMap<String, Arc<Definition>>;

/// Everything that a call needs of its provider.
pub(crate) struct Calls {
    namespace: String,
    /// Replaced as a whole when modules change.
    table: RwLock<Arc<Table>>,
    environment: RwLock<Arc<Environment>>,
    /// How many calls run. A watch channel, so that draining waits for zero without polling.
    running: watch::Sender<usize>,
    debug: bool,
}

impl Calls {
    pub(crate) fn new(namespace: String, table: Table, debug: bool) -> Arc<Self> {
        let environment = Environment { configuration: BTreeMap::new(), client: Client::unconnected() };
        Arc::new(Self {
            namespace,
            table: RwLock::new(Arc::new(table)),
            environment: RwLock::new(Arc::new(environment)),
            running: watch::channel(0).0,
            debug,
        })
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
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
        let mut environment = self.environment.write().unwrap_or_else(PoisonError::into_inner);
        *environment = Arc::new(Environment { configuration, client: environment.client.clone() });
    }

    /// Says what nested calls are made with from now on.
    pub(crate) fn connect(&self, client: Client) {
        let mut environment = self.environment.write().unwrap_or_else(PoisonError::into_inner);
        *environment = Arc::new(Environment { configuration: environment.configuration.clone(), client });
    }

    fn environment(&self) -> Arc<Environment> {
        Arc::clone(&self.environment.read().unwrap_or_else(PoisonError::into_inner))
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

    /// The module of this name.
    pub(crate) fn find(&self, name: &str) -> Result<Arc<Definition>, ModuleError> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.get(name).cloned().ok_or_else(|| {
            let message = format!("this provider has no module `{name}`");
            ModuleError::core(Category::NotFound, "registry.module.unknown", message)
        })
    }

    /// Begins a plain call: runs it until it ends or waits for the first time.
    pub(crate) fn step(&self, module: &Definition, request: &Request<'_>, plane: Option<Plane>) -> Step {
        let environment = self.environment();
        let started = Instant::now();
        let observer = self.observer(request, plane);
        let mut incoming = Incoming::new(*request, &environment);
        let step = observer.step(|| match &module.run {
            Run::Call(run) => run(&mut incoming),
            Run::Batch(run) => {
                let batch = run(std::slice::from_ref(request), &mut incoming);
                Box::pin(async move { batch.await?.into_iter().next().unwrap_or_else(|| Ok(Vec::new())) })
            }
            Run::Stream(_) => crate::run::failed(needs_stream(&module.name)),
        });
        module.cost.record(started.elapsed());
        step
    }

    /// Runs one call to its answer. Dropping the future cancels the call.
    pub(crate) async fn execute(&self, request: &ExecuteRequest, plane: Option<Plane>) -> Outcome {
        let step = {
            let request = Request::from(request);
            match self.find(request.module_name) {
                Ok(module) => self.step(&module, &request, plane),
                Err(error) => return Err(error.with_trace_id(request.trace_id())),
            }
        };
        match step {
            Step::Done(outcome) => outcome,
            Step::Waits(waiting) => waiting.await,
        }
    }

    /// Begins a stream. Dropping it cancels the call.
    pub(crate) fn stream(&self, request: &ExecuteRequest, plane: Option<Plane>) -> Result<ServedItems, ModuleError> {
        let request = Request::from(request);
        let module = self.find(request.module_name)?;
        let Run::Stream(run) = &module.run else {
            let message = format!("`{}` does not stream", module.name);
            return Err(ModuleError::core(Category::Unsupported, "executor.stream.unsupported", message));
        };
        let environment = self.environment();
        let mut incoming = Incoming::new(request, &environment);
        self.observer(&request, plane).items(|| run(&mut incoming))
    }

    /// Runs a batch to its answers, one for each request. Dropping the future cancels it.
    pub(crate) async fn batch(
        &self,
        requests: &[ExecuteRequest],
        plane: Option<Plane>,
    ) -> Result<Vec<Outcome>, ModuleError> {
        let running = {
            let requests: Vec<_> = requests.iter().map(Request::from).collect();
            let Some(first) = requests.first() else { return Ok(Vec::new()) };
            let module = self.find(first.module_name)?;
            let Run::Batch(run) = &module.run else {
                let message = format!("`{}` takes no batches", module.name);
                return Err(ModuleError::core(Category::Unsupported, "executor.batch.unsupported", message));
            };
            let environment = self.environment();
            let mut incoming = Incoming::new(Request { idempotency_key: "", ..*first }, &environment);
            self.observer(first, plane).batch(|| run(&requests, &mut incoming))?
        };
        running.await
    }

    fn observer<'a>(&self, request: &'a Request<'_>, plane: Option<Plane>) -> step::Observer<'a> {
        step::Observer {
            span: tracing::info_span!("call", module = request.module_name, execution_id = request.execution_id),
            trace: telemetry::serving(&self.namespace, request, plane),
            trace_id: request.trace_id(),
            debug: self.debug,
        }
    }
}

fn needs_stream(name: &str) -> ModuleError {
    let message = format!("`{name}` streams its output; call it as a stream");
    ModuleError::core(Category::Unsupported, "executor.stream.required", message)
}

/// The answer as the generated code has it.
pub(crate) fn response(outcome: Outcome, started: Instant) -> ExecuteResponse {
    let result = match outcome {
        Ok(output) => execute_response::Result::OutputData(output.into()),
        Err(error) => execute_response::Result::Error(error.into_envelope().into_wire()),
    };
    ExecuteResponse { result: Some(result), metrics: Some(ExecutionMetrics { duration_us: micros(started) }) }
}

/// Microseconds since then.
pub(crate) fn micros(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// One call that runs.
pub(crate) struct Counted(Arc<Calls>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.running.send_modify(|running| *running -= 1);
    }
}
