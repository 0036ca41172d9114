//! The hooks before and behind a run, each bounded by what ends the run. Runs nothing.

use bytes::Bytes;
use pipeline::run::{Failure, Ran, RunFailure, RunRecord, SiteRecord};
use protocol::Error;
use serde_json::{Map, Value};

use crate::middleware::{Passage, Step};
use crate::pipelines::failure::from_error;
use crate::pipelines::prepared::Prepared;
use crate::pipelines::record::{Decisions, Progress};

/// What middleware is asked about one run.
pub(crate) struct Hooks<'r> {
    /// `None` where nobody wants to be asked.
    pub(crate) passage: Option<Passage>,
    pub(crate) decisions: &'r Decisions,
}

impl Hooks<'_> {
    /// Asks before the run, until `stop`.
    ///
    /// # Errors
    /// Why nothing is to run.
    pub(crate) async fn before(&mut self, inputs: Bytes, stop: impl Future<Output = Failure>) -> Result<Step, Failure> {
        let Some(passage) = &mut self.passage else { return Ok(Step::Go(inputs)) };
        let step = tokio::select! {
            biased;
            failure = stop => Err(failure),
            step = passage.before(inputs) => step.map_err(|error| from_error(&error)),
        };
        self.decisions.note_run(passage.take_decisions());
        step
    }

    /// Asks behind the run, until `stop`; changes the outputs where somebody did.
    ///
    /// # Errors
    /// Why there are no outputs all the same.
    pub(crate) async fn after(
        &mut self,
        outputs: &mut Bytes,
        stop: impl Future<Output = Failure>,
    ) -> Result<(), Failure> {
        let Some(passage) = &mut self.passage else { return Ok(()) };
        let asked = tokio::select! {
            biased;
            failure = stop => Err(failure),
            asked = passage.after(outputs.clone()) => asked.map_err(|error| from_error(&error)),
        };
        self.decisions.note_run(passage.take_decisions());
        *outputs = asked?;
        Ok(())
    }

    /// What components said of the run until now.
    pub(crate) fn annotations(&self) -> Map<String, Value> {
        self.passage.as_ref().map(|passage| passage.annotations().clone()).unwrap_or_default()
    }

    /// Tells the audit what the run came to.
    pub(crate) fn end(self, failure: Option<&Error>) {
        if let Some(passage) = self.passage {
            passage.end(failure);
        }
    }
}

/// A failure of the run that is no call's.
pub(crate) fn failed(failure: Failure) -> RunFailure {
    RunFailure { failure, site: None, module: None, span: None }
}

/// A run that ended before its first call.
pub(crate) fn without_calls(prepared: &Prepared, progress: &Progress, outcome: Result<Bytes, RunFailure>) -> Ran {
    let site = |site| SiteRecord {
        site,
        calls: 0,
        failed: 0,
        cached: 0,
        attempts: 0,
        bytes_in: 0,
        bytes_out: 0,
        busy: std::time::Duration::ZERO,
        recorded: Vec::new(),
    };
    let record = RunRecord {
        plan: prepared.plan.hash,
        started: progress.began,
        duration: progress.since(),
        sites: prepared.sites.iter().map(|of| site(pipeline::plan::SiteId(of.node.node))).collect(),
        outputs: Vec::new(),
    };
    Ran { outcome, record }
}
