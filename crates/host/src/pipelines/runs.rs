//! Owns every run: begins it, bounds it, ends it, and keeps its record. Does not read requests and checks no source.
//!
//! A run is a task of its own, so that it ends in order also when its caller has left. It ends by its outputs, its first
//! failure, its deadline, its caller's leaving, or the end of the host.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use middleware::{Correlation, SubjectKind};
use pipeline::run;
use protocol::frame::{ExecutionId, TraceContext};
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::run_pipeline_stream_response::Event as Told;
use protocol::{Error, codes};
use serde_json::Map;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::middleware::{Asking, Middleware, Passage, Step, Subject};
use crate::pipelines::calls::Calls;
use crate::pipelines::counted::{CountedRuns, Counts, Outcome};
use crate::pipelines::failure::{self, failure};
use crate::pipelines::hooks::{self, Hooks};
use crate::pipelines::kept::Kept;
use crate::pipelines::options::{DEPTH, Options, RECORD_BYTES, RECORDED_CALLS};
use crate::pipelines::prepared::Prepared;
use crate::pipelines::record::{self, Form, Progress};
use crate::telemetry::{CallSpan, Telemetry};

/// Events of runs that a watcher may be behind.
const BACKLOG: usize = 4096;
/// What somebody waits who found no room for a run.
const COME_BACK: Duration = Duration::from_millis(100);
/// Counts of pipelines that are stored no longer, kept until somebody asks.
const STALE: usize = 256;

/// All runs of the host.
pub(crate) struct Runs {
    registry: registry::Handle,
    executor: executor::Handle,
    telemetry: Telemetry,
    middleware: Middleware,
    run: run::Options,
    room: Arc<Semaphore>,
    state: Mutex<State>,
    tasks: TaskTracker,
    /// Cancelled when runs that go on have to end.
    ending: CancellationToken,
    events: broadcast::Sender<Arc<pb::RunEvent>>,
}

struct State {
    /// By their ids.
    live: HashMap<String, Arc<Live>>,
    kept: Kept,
    counts: Counts,
    /// Set when the host takes no new runs.
    closed: bool,
}

/// A run that goes on.
struct Live {
    run_id: Arc<str>,
    pipeline: String,
    depth: u32,
    caller: Arc<str>,
    prepared: Arc<Prepared>,
    progress: Progress,
}

/// What is to run.
pub(crate) struct Begin {
    pub(crate) id: ExecutionId,
    pub(crate) prepared: Arc<Prepared>,
    /// The stored pipeline; empty for a source.
    pub(crate) pipeline: String,
    /// On whose behalf; of a run inside another one, that of the other one.
    pub(crate) caller: Arc<str>,
    /// Canonical bytes of the plan's input type.
    pub(crate) inputs: Bytes,
    /// In which outputs are kept for the record of a run that fails.
    pub(crate) form: Form,
    pub(crate) deadline: Instant,
    /// With the span of the run as parent.
    pub(crate) trace: TraceContext,
    pub(crate) span: CallSpan,
    /// The run that began this one, if one did.
    pub(crate) parent: Option<String>,
    /// Who wants to hear the events; those that find no room are not told, but counted.
    pub(crate) events: Option<mpsc::Sender<Told>>,
}

/// A run that was begun. Dropping it cancels the run.
pub(crate) struct Begun {
    pub(crate) run_id: Arc<str>,
    ended: oneshot::Receiver<Ended>,
    _leaves: DropGuard,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Canonical bytes of the plan's output type.
    pub(crate) outcome: Result<Bytes, Error>,
    pub(crate) record: Arc<pb::RunRecord>,
    /// Events that found no room.
    pub(crate) missed: u64,
}

impl Begun {
    /// Waits for the end, which comes by the deadline at the latest.
    pub(crate) async fn ended(&mut self) -> Ended {
        match (&mut self.ended).await {
            Ok(ended) => ended,
            Err(_) => {
                let error = Error::of(codes::INTERNAL, "the run broke off").detail("run_id", &*self.run_id);
                let record = pb::RunRecord {
                    run_id: self.run_id.to_string(),
                    outcome: pb::RunOutcome::Failed.into(),
                    error: Some(error.to_proto()),
                    ..pb::RunRecord::default()
                };
                Ended { outcome: Err(error), record: Arc::new(record), missed: 0 }
            }
        }
    }
}

impl Runs {
    pub(crate) fn new(
        registry: registry::Handle,
        executor: executor::Handle,
        telemetry: Telemetry,
        middleware: Middleware,
        options: &Options,
    ) -> Self {
        Self {
            registry,
            executor,
            telemetry,
            middleware,
            run: run::Options {
                each_concurrency: options.each_concurrency,
                recorded_calls: RECORDED_CALLS,
                ..run::Options::default()
            },
            room: Arc::new(Semaphore::new(options.max_runs)),
            state: Mutex::new(State {
                live: HashMap::new(),
                kept: Kept::new(options.kept_runs, RECORD_BYTES),
                // And the sources.
                counts: Counts::new(options.max_stored + STALE + 1),
                closed: false,
            }),
            tasks: TaskTracker::new(),
            ending: CancellationToken::new(),
            events: broadcast::Sender::new(BACKLOG),
        }
    }

    /// What happens in runs, from here on. Who falls behind misses events, and hears how many.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<pb::RunEvent>> {
        self.events.subscribe()
    }

    /// Begins a run.
    ///
    /// # Errors
    /// `pipeline.limit`, `pipeline.depth.exceeded`, `host.stopping`.
    pub(crate) fn begin(self: &Arc<Self>, begin: Begin) -> Result<Begun, Error> {
        let (live, room) = match self.admit(&begin) {
            Ok(admitted) => admitted,
            Err(error) => return Err(begin.span.fail(error)),
        };
        let run_id = Arc::clone(&live.run_id);
        let (done, ended) = oneshot::channel();
        let left = CancellationToken::new();
        let leaves = left.clone().drop_guard();
        let runs = Arc::clone(self);
        self.tasks.spawn(async move {
            let registered = Registered { runs: &runs, live: &live };
            let ended = runs.carry_out(begin, &live, left).await;
            drop(registered);
            // Who began it may have left.
            let _left = done.send(ended).is_err();
            drop(room);
        });
        Ok(Begun { run_id, ended, _leaves: leaves })
    }

    /// Finds room for a run, and counts it among those that go on.
    fn admit(&self, begin: &Begin) -> Result<(Arc<Live>, Option<OwnedSemaphorePermit>), Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let parent = begin.parent.as_ref().and_then(|parent| state.live.get(parent).map(|run| run.depth));
        // Inside another run only that one's room counts: who holds room never waits for more of it.
        let room = match parent {
            Some(depth) if depth + 1 >= DEPTH => {
                let message = format!("stored pipelines are nested more than {DEPTH} deep");
                return Err(Error::of(codes::PIPELINE_DEPTH_EXCEEDED, message));
            }
            Some(_) => None,
            None if state.closed => return Err(Error::of(codes::HOST_STOPPING, "the host is shutting down")),
            None => Some(self.room()?),
        };
        let run_id: Arc<str> = begin.id.to_string().into();
        let live = Arc::new(Live {
            run_id: Arc::clone(&run_id),
            pipeline: begin.pipeline.clone(),
            depth: parent.map_or(0, |depth| depth + 1),
            caller: Arc::clone(&begin.caller),
            progress: Progress::new(&begin.prepared),
            prepared: Arc::clone(&begin.prepared),
        });
        state.live.insert(run_id.to_string(), Arc::clone(&live));
        Ok((live, room))
    }

    /// On whose behalf a run is that goes on.
    pub(crate) fn caller_of(&self, run_id: &str) -> Option<Arc<str>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.live.get(run_id).map(|run| Arc::clone(&run.caller))
    }

    /// Whether a run has or had this id.
    pub(crate) fn knows(&self, run_id: &str) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.live.contains_key(run_id) || state.kept.get(run_id).is_some()
    }

    fn room(&self) -> Result<OwnedSemaphorePermit, Error> {
        Arc::clone(&self.room).try_acquire_owned().map_err(|_| {
            Error::of(codes::PIPELINE_LIMIT, "as many runs go on as the host carries at once")
                .detail("limit", "pipelines.max_runs")
                .retry_after(COME_BACK)
        })
    }

    async fn carry_out(&self, begin: Begin, live: &Live, left: CancellationToken) -> Ended {
        let Begin { id, prepared, pipeline, inputs, form, deadline, trace, mut span, events, .. } = begin;
        let run_id = &live.run_id;
        span.note_run(run_id, &prepared.view.hash);
        self.tell(live, || {
            Told::Started(pb::RunStarted {
                run_id: run_id.to_string(),
                pipeline: pipeline.clone(),
                plan: Some(pb::PipelinePlan { graph_json: String::new(), ..prepared.view.clone() }),
                nodes: prepared.nodes(),
            })
        });
        let decisions = &live.progress.decisions;
        let calls = |annotations| Calls {
            registry: self.registry.clone(),
            executor: self.executor.clone(),
            prepared: Arc::clone(&prepared),
            id,
            run_id: Arc::clone(run_id),
            deadline,
            trace: trace.clone(),
            telemetry: self.telemetry.clone(),
            middleware: self.middleware.clone(),
            caller: Arc::clone(&live.caller),
            annotations,
            decisions: Arc::clone(decisions),
        };
        let mut missed = 0;
        let observe = |event: run::Event<'_>| {
            live.progress.note(&event);
            let watched = self.events.receiver_count() > 0;
            if events.is_some() || watched {
                let told = record::event(&event, &live.progress);
                if let Some(events) = &events {
                    // A reader that falls behind hears of these calls in the record alone, and how many events there were.
                    missed += u64::from(events.try_send(told.clone()).is_err());
                }
                self.tell(live, || told);
            }
        };
        let mut hooks = Hooks { passage: self.passage(live, deadline, &trace), decisions };
        let stop = || self.stop(deadline, &left);
        let ran = match hooks.before(inputs, stop()).await {
            Ok(Step::Go(inputs)) => {
                let calls = calls(hooks.annotations());
                live.progress.calls_begin();
                let mut ran = run::run(&prepared.program, inputs, &calls, &self.run, stop(), observe).await;
                if let Ok(outputs) = &mut ran.outcome
                    && let Err(failure) = hooks.after(outputs, stop()).await
                {
                    // What middleware holds back is not to be read in the record.
                    ran.record.outputs.clear();
                    ran.outcome = Err(hooks::failed(failure));
                }
                ran
            }
            Ok(Step::Answered(outputs)) => hooks::without_calls(&prepared, &live.progress, Ok(outputs)),
            Ok(Step::Elsewhere(_)) => {
                let failure = failure(codes::INTERNAL, "a run cannot be routed");
                hooks::without_calls(&prepared, &live.progress, Err(hooks::failed(failure)))
            }
            Err(failure) => hooks::without_calls(&prepared, &live.progress, Err(hooks::failed(failure))),
        };
        let outcome = ran.outcome.map_err(|failed| {
            let cancelled = failed.span.is_none()
                && [codes::CALL_CANCELLED.name, codes::HOST_STOPPING.name].contains(&&*failed.failure.code);
            (failure::of_run(&failed, &prepared, run_id), cancelled)
        });
        let outcome = match outcome {
            Ok(outputs) => {
                span.succeed();
                Ok(outputs)
            }
            Err((error, cancelled)) => Err((span.fail(error), cancelled)),
        };
        let error = outcome.as_ref().err().map(|(error, _)| error.clone());
        hooks.end(error.as_ref());
        let record = Arc::new(pb::RunRecord {
            run_id: run_id.to_string(),
            pipeline,
            plan_hash: prepared.view.hash.clone(),
            started_at: Some(record::timestamp(live.progress.began_at)),
            duration_us: record::micros(live.progress.since()),
            outcome: match &outcome {
                Ok(_) => pb::RunOutcome::Succeeded,
                Err((_, true)) => pb::RunOutcome::Cancelled,
                Err((_, false)) => pb::RunOutcome::Failed,
            }
            .into(),
            nodes: record::nodes(&prepared, &ran.record, &live.progress),
            partial_outputs: match &error {
                Some(_) => record::partial_outputs(&prepared, form, &ran.record.outputs),
                None => Vec::new(),
            },
            error: error.as_ref().map(Error::to_proto),
            decisions: decisions.of_run(),
        });
        self.end(live, &record);
        Ended { outcome: outcome.map_err(|(error, _)| error), record, missed }
    }

    /// What middleware wants of a run; `None` where it wants nothing.
    fn passage(&self, live: &Live, deadline: Instant, trace: &TraceContext) -> Option<Passage> {
        let name = if live.pipeline.is_empty() { String::new() } else { format!("pipeline.{}", live.pipeline) };
        let subject = Subject { kind: SubjectKind::Pipeline, name: &name, caller: &live.caller };
        self.middleware.passage(subject, || Asking {
            revision: self.registry.routes().get(&name).map_or(0, |route| route.revision),
            correlation: Correlation {
                run_id: live.run_id.to_string(),
                execution_id: live.run_id.to_string(),
                ..Correlation::default()
            },
            trace: trace.clone(),
            deadline,
            input: Arc::clone(&live.prepared.input),
            output: Arc::clone(&live.prepared.output),
            streams: false,
            annotations: Map::new(),
        })
    }

    /// Why a run has to end, once it has to.
    async fn stop(&self, deadline: Instant, left: &CancellationToken) -> run::Failure {
        tokio::select! {
            () = left.cancelled() => failure(codes::CALL_CANCELLED, "the caller left"),
            () = self.ending.cancelled() => failure(codes::HOST_STOPPING, "the host is shutting down"),
            () = tokio::time::sleep_until(deadline) => {
                failure(codes::RUN_DEADLINE_EXCEEDED, "the time of the run was over")
            }
        }
    }

    fn end(&self, live: &Live, record: &Arc<pb::RunRecord>) {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.live.remove(&*live.run_id);
            state.kept.keep(record);
            let outcome = match record.outcome() {
                pb::RunOutcome::Succeeded => Outcome::Succeeded,
                pb::RunOutcome::Cancelled => Outcome::Cancelled,
                _ => Outcome::Failed,
            };
            state.counts.count(&live.pipeline, outcome, Duration::from_micros(record.duration_us));
        }
        self.tell(live, || {
            let mut told = record::short(record);
            told.nodes.clone_from(&record.nodes);
            told.nodes.iter_mut().for_each(|node| node.recorded.clear());
            Told::Ended(pb::RunEnded { outputs: None, record: Some(told), events_missed: 0 })
        });
    }

    fn tell(&self, live: &Live, event: impl FnOnce() -> Told) {
        if self.events.receiver_count() == 0 {
            return;
        }
        let event = pb::RunPipelineStreamResponse { event: Some(event()) };
        let (run_id, pipeline) = (live.run_id.to_string(), live.pipeline.clone());
        // The last one may have left just now.
        let _alone = self.events.send(Arc::new(pb::RunEvent { run_id, pipeline, event: Some(event) })).is_err();
    }

    /// The record of a run; of one that goes on, what has happened until now.
    ///
    /// # Errors
    /// `pipeline.run.unknown`.
    pub(crate) fn get(&self, run_id: &str) -> Result<pb::RunRecord, Error> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = state.kept.get(run_id) {
            let record = Arc::clone(record);
            drop(state);
            return Ok(pb::RunRecord::clone(&record));
        }
        let live = state.live.get(run_id).cloned();
        drop(state);
        let unknown = || Error::of(codes::RUN_UNKNOWN, "there is no record of a run with this id");
        live.map(|live| live.record(live.progress.nodes())).ok_or_else(unknown)
    }

    /// At most `limit` runs, those that began last first, without nodes and outputs.
    pub(crate) fn list(&self, pipeline: Option<&str>, limit: usize) -> Vec<pb::RunRecord> {
        let wanted = |of: &str| pipeline.is_none_or(|pipeline| pipeline == of);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let live = state.live.values().filter(|live| wanted(&live.pipeline)).map(|live| live.record(Vec::new()));
        let kept = state.kept.latest().filter(|record| wanted(&record.pipeline)).map(|record| record::short(record));
        let mut runs: Vec<_> = live.chain(kept).collect();
        drop(state);
        let began = |run: &pb::RunRecord| run.started_at.map(|at| (at.seconds, at.nanos));
        runs.sort_by(|a, b| began(b).cmp(&began(a)).then_with(|| b.run_id.cmp(&a.run_id)));
        runs.truncate(limit);
        runs
    }

    /// What was counted of sources, of pipelines that are stored, and of those that still run, in order of their names. Forgets the
    /// others. Costs a look at each run that goes on and each pipeline that ever ran.
    pub(crate) fn counted(&self, is_stored: impl Fn(&str) -> bool) -> Vec<CountedRuns> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { live, counts, .. } = &mut *state;
        let mut all: BTreeMap<&str, CountedRuns> = BTreeMap::from([("", CountedRuns::none_of(""))]);
        for live in live.values() {
            let of = all.entry(&live.pipeline).or_insert_with(|| CountedRuns::none_of(&live.pipeline));
            of.running += 1;
        }
        let running: Vec<_> = all.keys().map(|name| (*name).to_owned()).collect();
        for counted in counts.retain(|name| is_stored(name) || running.iter().any(|running| running == name)) {
            let running = all.get(counted.pipeline.as_str()).map_or(0, |of| of.running);
            all.insert(&counted.pipeline, CountedRuns { running, ..counted.clone() });
        }
        all.into_values().collect()
    }

    /// How many runs go on.
    pub(crate) fn running(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).live.len()
    }

    /// Takes no new runs, lets those that go on end within `drain`, and ends the others.
    pub(crate) async fn close(&self, drain: Duration) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.tasks.close();
        if tokio::time::timeout(drain, self.tasks.wait()).await.is_err() {
            tracing::info!(runs = self.running(), "runs end because the host stops");
            self.ending.cancel();
            if tokio::time::timeout(LAST, self.tasks.wait()).await.is_err() {
                tracing::warn!(runs = self.running(), "runs did not end");
            }
        }
    }
}

/// Time for runs to end that were told to.
const LAST: Duration = Duration::from_secs(1);

impl Live {
    fn record(&self, nodes: Vec<pb::NodeRecord>) -> pb::RunRecord {
        pb::RunRecord {
            run_id: self.run_id.to_string(),
            pipeline: self.pipeline.clone(),
            plan_hash: self.prepared.view.hash.clone(),
            started_at: Some(record::timestamp(self.progress.began_at)),
            duration_us: record::micros(self.progress.since()),
            outcome: pb::RunOutcome::Running.into(),
            decisions: self.progress.decisions.of_run(),
            nodes,
            ..pb::RunRecord::default()
        }
    }
}

/// Strikes a run off that broke by a fault of the host.
struct Registered<'r> {
    runs: &'r Runs,
    live: &'r Live,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        let mut state = self.runs.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.live.remove(&*self.live.run_id).is_some() {
            state.counts.count(&self.live.pipeline, Outcome::Failed, self.live.progress.since());
        }
    }
}
