//! Calls of stored pipelines: a module of the host's own, each call a run. Knows no wire.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use executor::Inside;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use protocol::frame::{Answer, Execute};
use protocol::{Error, codes};
use tokio::time::Instant;

use crate::middleware::Middleware;
use crate::pipelines::record::Form;
use crate::pipelines::runs::{Begin, Runs};
use crate::pipelines::stored::Stored;
use crate::telemetry::Telemetry;

/// Serves the modules in `pipeline`.
pub(crate) struct Shelved {
    pub(crate) stored: Stored,
    pub(crate) runs: Arc<Runs>,
    pub(crate) executor: executor::Handle,
    pub(crate) telemetry: Telemetry,
    pub(crate) middleware: Middleware,
    /// The most that a run may take.
    pub(crate) max_timeout: Duration,
}

impl std::fmt::Debug for Shelved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelved").finish_non_exhaustive()
    }
}

impl Inside for Shelved {
    fn call(&self, execute: Execute, deadline: Instant) -> BoxFuture<'static, Answer> {
        // Begun when it is called, so that it has its place among the runs before anybody waits.
        let begun = self.begin(execute, deadline);
        async move {
            let result = match begun {
                Ok(mut begun) => begun.ended().await.outcome,
                Err(error) => Err(error),
            };
            Answer { result, handler_time: None }
        }
        .boxed()
    }
}

impl Shelved {
    fn begin(&self, execute: Execute, deadline: Instant) -> Result<crate::pipelines::Begun, Error> {
        let Execute { module, input, execution_id, node_id, mut trace, .. } = execute;
        let name = module.as_str();
        let mut span = self.telemetry.begin_run(name, &mut trace);
        let found = self.stored.get(name).and_then(|entry| {
            let prepared = Arc::clone(entry.runnable()?);
            // Checked against the route that the caller found; by now the shelf may have another plan.
            let checked = match prepared.input.canonicalize(&input) {
                Ok(std::borrow::Cow::Borrowed(_)) => Ok(None),
                Ok(std::borrow::Cow::Owned(canonical)) => Ok(Some(Bytes::from(canonical))),
                Err(_) => {
                    Err(Error::of(codes::SCHEMA_CHANGED, format!("the types of `pipeline.{name}` have just changed")))
                }
            };
            Ok((prepared, checked?.unwrap_or_else(|| input.clone())))
        });
        let (prepared, inputs) = match found {
            Ok(found) => found,
            Err(error) => return Err(span.fail(error)),
        };
        // A step of a run names its node; the execution is that of the run then.
        let inside = !node_id.is_empty();
        let parent = inside.then(|| execution_id.to_string());
        let caller = match &parent {
            Some(parent) => self.runs.caller_of(parent),
            None => self.middleware.caller_of(execution_id),
        };
        let id = if inside || self.runs.knows(&execution_id.to_string()) {
            self.executor.next_execution_id()
        } else {
            execution_id
        };
        span.note_run(&id.to_string(), &prepared.view.hash);
        self.runs.begin(Begin {
            id,
            prepared,
            pipeline: name.to_owned(),
            // Without middleware nobody asks.
            caller: caller.unwrap_or_else(|| "unknown".into()),
            inputs,
            form: Form::MessagePack,
            deadline: deadline.min(Instant::now() + self.max_timeout),
            trace,
            span,
            parent,
            events: None,
        })
    }
}
