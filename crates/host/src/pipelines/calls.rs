//! Calls of modules for a run: the executor behind what the run loop asks. Decides no option; `Prepared` translated them.

use std::sync::Arc;
use std::time::Instant;

use pipeline::plan::PlannedModule;
use pipeline::run::{Attempt, CallFacts, Failure, Invocation, Invoke, Invoked, NotInvoked};
use protocol::frame::{ExecutionId, TraceContext};
use protocol::{DataPlane, codes};
use registry::Route;

use crate::pipelines::failure::{failure, from_error};
use crate::pipelines::prepared::Prepared;
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
        // A lone call gains nothing by waiting for others, unless its source says so.
        match self.executor.call_with(&route, request, &site.policy).await {
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
