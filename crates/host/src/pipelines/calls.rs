//! Calls of modules for a run: the executor behind what the run loop asks. Decides no option; `Prepared` translated them.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use executor::{Policy, PolicyFailure, PolicyReply};
use middleware::{Correlation, SubjectKind};
use pipeline::plan::PlannedModule;
use pipeline::run::{Attempt, CallFacts, Failure, Invocation, Invoke, Invoked, NotInvoked};
use protocol::frame::{ExecutionId, TraceContext};
use protocol::{DataPlane, Error, codes};
use registry::Route;
use serde_json::{Map, Value};

use crate::middleware::{Asking, Middleware, Passage, Step, Subject};
use crate::pipelines::failure::{failure, from_error};
use crate::pipelines::prepared::Prepared;
use crate::pipelines::record::Decisions;
use crate::telemetry::Telemetry;

/// What the calls of one run have in common.
pub(crate) struct Calls {
    pub(crate) registry: registry::Handle,
    pub(crate) executor: executor::Handle,
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) id: ExecutionId,
    /// The id as text.
    pub(crate) run_id: Arc<str>,
    /// When the run ends at the latest.
    pub(crate) deadline: tokio::time::Instant,
    pub(crate) trace: TraceContext,
    pub(crate) telemetry: Telemetry,
    pub(crate) middleware: Middleware,
    /// On whose behalf the run is.
    pub(crate) caller: Arc<str>,
    /// What middleware said of the run.
    pub(crate) annotations: Map<String, Value>,
    /// Takes what middleware decides of calls.
    pub(crate) decisions: Arc<Decisions>,
}

impl Invoke for Calls {
    async fn invoke(&self, call: Invocation<'_>) -> Result<Invoked, NotInvoked> {
        let site = self.prepared.site(call.site).expect("the sites of a plan are those of its program");
        let route =
            self.route(call.module).map_err(|failure| NotInvoked { failure: *failure, facts: CallFacts::default() })?;
        let mut trace = self.trace.clone();
        let span = self.telemetry.begin_node(&site.node, call.number, &mut trace);
        let request = executor::Call {
            input: call.input,
            deadline: self.deadline,
            // Attempts of one call have one effect; no other call of any run has this key.
            idempotency_key: format!("{}/{}", self.run_id, call.number),
            node_id: site.node_id.clone(),
            trace,
            execution_id: self.id,
        };
        let result = match self.passage(&route, &request) {
            // A lone call gains nothing by waiting for others, unless its source says so.
            None => self.executor.call_with(&route, request, &site.policy).await,
            Some(passage) => self.guarded(passage, &route, request, &site.policy, call.number).await,
        };
        match result {
            Ok(reply) => {
                span.end(&reply.facts, None);
                Ok(Invoked { output: reply.output, facts: facts(reply.facts) })
            }
            Err(failed) => {
                span.end(&failed.facts, Some(&failed.error));
                let failure = if failed.error.code() == codes::SCHEMA_CHANGED.name {
                    changed(call.module)
                } else {
                    from_error(&failed.error)
                };
                Err(NotInvoked { failure, facts: facts(failed.facts) })
            }
        }
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn log(&self, line: &str) {
        tracing::info!(target: "host::pipelines::log", run = &*self.run_id, "{line}");
    }
}

impl Calls {
    /// What middleware wants of a call; `None` where it wants nothing.
    fn passage(&self, route: &Route, call: &executor::Call) -> Option<Passage> {
        let subject = Subject { kind: SubjectKind::Module, name: route.name.as_str(), caller: &self.caller };
        self.middleware.passage(subject, || Asking {
            revision: route.revision,
            correlation: Correlation {
                run_id: self.run_id.to_string(),
                node_id: call.node_id.clone(),
                execution_id: self.run_id.to_string(),
                idempotency_key: call.idempotency_key.clone(),
                ..Correlation::default()
            },
            trace: call.trace.clone(),
            deadline: self.deadline,
            input: Arc::clone(&route.input),
            output: Arc::clone(&route.output),
            streams: false,
            annotations: self.annotations.clone(),
        })
    }

    /// Makes a call that middleware is asked about.
    async fn guarded(
        &self,
        mut passage: Passage,
        route: &Arc<Route>,
        call: executor::Call,
        policy: &Policy,
        number: u64,
    ) -> Result<PolicyReply, PolicyFailure> {
        let result = self.through(&mut passage, route, call, policy, number).await;
        self.decisions.note(number, passage.take_decisions());
        passage.end(result.as_ref().err().map(|failed| &failed.error));
        result
    }

    async fn through(
        &self,
        passage: &mut Passage,
        route: &Arc<Route>,
        call: executor::Call,
        policy: &Policy,
        number: u64,
    ) -> Result<PolicyReply, PolicyFailure> {
        let step = passage.before(call.input.clone()).await;
        // Noted now, so that a record which is read meanwhile has them.
        self.decisions.note(number, passage.take_decisions());
        let mut reply = match step.map_err(unasked)? {
            Step::Answered(output) => return Ok(PolicyReply { output, facts: executor::CallFacts::default() }),
            Step::Go(input) => {
                let reply = self.executor.call_with(route, executor::Call { input, ..call }, policy).await;
                reply.inspect_err(|failed| passage.took(failed.facts.attempts.len()))?
            }
            Step::Elsewhere(elsewhere) => {
                let call = executor::Call { input: elsewhere.input.clone(), ..call };
                let reply = self.executor.call_with(&elsewhere.route, call, policy).await;
                let reply = reply.inspect_err(|failed| passage.took(failed.facts.attempts.len()))?;
                behind(reply, |output| elsewhere.back(output))?
            }
        };
        passage.took(reply.facts.attempts.len());
        match passage.after(std::mem::take(&mut reply.output)).await {
            Ok(output) => Ok(PolicyReply { output, ..reply }),
            Err(error) => Err(PolicyFailure { error, facts: reply.facts }),
        }
    }

    /// The live route of a module, as it was planned.
    fn route(&self, module: &PlannedModule) -> Result<Arc<Route>, Box<Failure>> {
        let routes = self.registry.routes();
        match routes.get(&module.name) {
            Some(route) if route.fingerprint == module.fingerprint => Ok(Arc::clone(route)),
            Some(_) => Err(Box::new(changed(module))),
            None => {
                let message = format!("`{}` is not registered any more", module.name);
                Err(Box::new(of_module(failure(codes::PLAN_MODULE_GONE, message), module)))
            }
        }
    }
}

/// A call that nobody was asked to make.
fn unasked(error: Error) -> PolicyFailure {
    PolicyFailure { error, facts: executor::CallFacts::default() }
}

/// A reply with its output changed.
fn behind(
    mut reply: PolicyReply,
    change: impl FnOnce(Bytes) -> Result<Bytes, Error>,
) -> Result<PolicyReply, PolicyFailure> {
    match change(std::mem::take(&mut reply.output)) {
        Ok(output) => Ok(PolicyReply { output, ..reply }),
        Err(error) => Err(PolicyFailure { error, facts: reply.facts }),
    }
}

fn changed(module: &PlannedModule) -> Failure {
    let message = format!("the types of `{}` are not those that the run was planned for", module.name);
    of_module(failure(codes::PLAN_MODULE_CHANGED, message), module)
}

fn of_module(mut failure: Failure, module: &PlannedModule) -> Failure {
    failure.details.insert("module".to_owned(), module.name.to_string());
    failure
}

fn facts(facts: executor::CallFacts) -> CallFacts {
    let attempt = |attempt: executor::AttemptFacts| Attempt {
        provider: attempt.session.map(|session| session.to_string()).unwrap_or_default(),
        plane: attempt.plane.map_or("", DataPlane::as_str).into(),
        started: attempt.started,
        duration: attempt.duration,
        code: attempt.code,
    };
    CallFacts {
        revision: facts.revision,
        cached: facts.cached,
        queued: facts.queued,
        attempts: facts.attempts.into_iter().map(attempt).collect(),
    }
}
