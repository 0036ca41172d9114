//! Records of runs as clients see them, of runs that are over and of those that go on. Keeps none.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use pipeline::run::{self, CallOutcome, Event, SiteRecord};
use prost_types::Timestamp;
use protocol::generated::host::v1 as pb;
use protocol::generated::provider::v1::DataPlane;

use crate::pipelines::failure;
use crate::pipelines::options::RECORDED_CALLS;
use crate::pipelines::prepared::Prepared;

/// In which form a caller sends inputs and takes outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    MessagePack,
    Json,
}

/// What is known of a run while it goes on.
pub(crate) struct Progress {
    pub(crate) began: Instant,
    pub(crate) began_at: SystemTime,
    pub(crate) decisions: Arc<Decisions>,
    /// What was before the first call could be made: middleware.
    ahead: OnceLock<Duration>,
    noted: Mutex<Noted>,
}

/// What middleware decided of a run and of its calls: of the run itself all, of as many calls as are told one by one.
#[derive(Debug, Default)]
pub(crate) struct Decisions {
    /// Set once there are any: most runs have none, and look no further.
    any: AtomicBool,
    decided: Mutex<Decided>,
}

#[derive(Debug, Default)]
struct Decided {
    of_run: Vec<pb::MiddlewareTrace>,
    of_calls: HashMap<u64, Vec<pb::MiddlewareTrace>>,
}

impl Decisions {
    /// Notes what was decided of one call, behind what is there.
    pub(crate) fn note(&self, call: u64, decided: Vec<pb::MiddlewareTrace>) {
        if decided.is_empty() {
            return;
        }
        let mut all = self.decided();
        if all.of_calls.len() < RECORDED_CALLS || all.of_calls.contains_key(&call) {
            all.of_calls.entry(call).or_default().extend(decided);
        }
        self.any.store(true, Ordering::Release);
    }

    /// Notes what was decided of the run itself.
    pub(crate) fn note_run(&self, decided: Vec<pb::MiddlewareTrace>) {
        self.decided().of_run.extend(decided);
    }

    pub(crate) fn of_run(&self) -> Vec<pb::MiddlewareTrace> {
        self.decided().of_run.clone()
    }

    fn of_call(&self, call: u64) -> Vec<pb::MiddlewareTrace> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.decided().of_calls.get(&call).cloned().unwrap_or_default()
    }

    fn decided(&self) -> MutexGuard<'_, Decided> {
        self.decided.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Noted {
    sites: Vec<pb::NodeRecord>,
    /// Calls of which is told one by one.
    recorded: usize,
}

impl Progress {
    pub(crate) fn new(prepared: &Prepared) -> Self {
        let site = |node| pb::NodeRecord { node: Some(node), ..pb::NodeRecord::default() };
        Self {
            began: tokio::time::Instant::now().into_std(),
            began_at: SystemTime::now(),
            decisions: Arc::default(),
            ahead: OnceLock::new(),
            noted: Mutex::new(Noted { sites: prepared.nodes().into_iter().map(site).collect(), recorded: 0 }),
        }
    }

    /// Takes an event into account.
    pub(crate) fn note(&self, event: &Event<'_>) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let Noted { sites, recorded } = &mut *noted;
        match event {
            Event::CallStarted { site, bytes_in, .. } => {
                let Some(of) = sites.get_mut(site.0 as usize) else { return };
                of.calls += 1;
                of.bytes_in += *bytes_in as u64;
            }
            Event::CallEnded { site, call } => {
                let Some(of) = sites.get_mut(site.0 as usize) else { return };
                of.failed += u64::from(matches!(call.outcome, CallOutcome::Failed(_)));
                of.cached += u64::from(call.facts.cached);
                of.attempts += call.facts.attempts.len() as u64;
                of.bytes_out += call.bytes_out;
                of.busy_us += micros(call.duration);
                if *recorded < RECORDED_CALLS {
                    *recorded += 1;
                    of.recorded.push(call_record(call, self));
                }
            }
        }
    }

    pub(crate) fn nodes(&self) -> Vec<pb::NodeRecord> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).sites.clone()
    }

    /// The calls begin.
    pub(crate) fn calls_begin(&self) {
        // Set once, since they begin once.
        let _set_before = self.ahead.set(self.since()).is_err();
    }

    fn ahead(&self) -> Duration {
        self.ahead.get().copied().unwrap_or_default()
    }

    pub(crate) fn since(&self) -> Duration {
        tokio::time::Instant::now().into_std().saturating_duration_since(self.began)
    }
}

/// The nodes of a run that is over.
pub(crate) fn nodes(prepared: &Prepared, record: &run::RunRecord, progress: &Progress) -> Vec<pb::NodeRecord> {
    let node = |site: &SiteRecord| pb::NodeRecord {
        node: prepared.site(site.site).map(|site| site.node.clone()),
        calls: site.calls,
        failed: site.failed,
        cached: site.cached,
        attempts: site.attempts,
        bytes_in: site.bytes_in,
        bytes_out: site.bytes_out,
        busy_us: micros(site.busy),
        recorded: site.recorded.iter().map(|call| call_record(call, progress)).collect(),
    };
    record.sites.iter().map(node).collect()
}

/// The outputs that a run which failed had made.
pub(crate) fn partial_outputs(
    prepared: &Prepared,
    form: Form,
    outputs: &[(String, bytes::Bytes)],
) -> Vec<pb::PartialOutput> {
    use pb::partial_output::Value;
    let shown = |(name, data): &(String, bytes::Bytes)| {
        let value = match form {
            Form::MessagePack => Value::Data(data.to_vec()),
            Form::Json => {
                let (_, schema) = prepared.outputs.iter().find(|(declared, _)| declared == name)?;
                Value::Json(type_schema::msgpack_to_json(data, schema).ok()?.to_string())
            }
        };
        Some(pb::PartialOutput { name: name.clone(), value: Some(value) })
    };
    outputs.iter().filter_map(shown).collect()
}

/// A call that ended, its times counted from when the run began.
fn call_record(call: &run::CallRecord, progress: &Progress) -> pb::CallRecord {
    let (outcome, error) = match &call.outcome {
        CallOutcome::Succeeded => (pb::CallOutcome::Succeeded, None),
        CallOutcome::Failed(failed) => (pb::CallOutcome::Failed, Some(failure::to_proto(failed))),
        CallOutcome::Cancelled => (pb::CallOutcome::Cancelled, None),
    };
    let attempt = |attempt: &run::Attempt| pb::AttemptRecord {
        session_id: attempt.provider.clone(),
        plane: plane(&attempt.plane).into(),
        started_us: micros(attempt.started.saturating_duration_since(progress.began)),
        duration_us: micros(attempt.duration),
        code: attempt.code.as_deref().unwrap_or_default().to_owned(),
    };
    pb::CallRecord {
        call: call.number,
        started_us: micros(call.started + progress.ahead()),
        duration_us: micros(call.duration),
        queued_us: micros(call.facts.queued),
        bytes_in: call.bytes_in,
        bytes_out: call.bytes_out,
        revision: call.facts.revision,
        cached: call.facts.cached,
        outcome: outcome.into(),
        error,
        attempts: call.facts.attempts.iter().map(attempt).collect(),
        decisions: progress.decisions.of_call(call.number),
    }
}

fn plane(name: &str) -> DataPlane {
    match name {
        "unary" => DataPlane::Unary,
        "attach" => DataPlane::Attach,
        "link" => DataPlane::Link,
        "host" => DataPlane::Host,
        _ => DataPlane::Unspecified,
    }
}

/// An event of a run on the wire.
pub(crate) fn event(event: &Event<'_>, progress: &Progress) -> pb::run_pipeline_stream_response::Event {
    use pb::run_pipeline_stream_response::Event as Told;
    match event {
        Event::CallStarted { site, number, bytes_in, at } => Told::NodeStarted(pb::NodeStarted {
            node: site.0,
            call: *number,
            bytes_in: *bytes_in as u64,
            at_us: micros(*at + progress.ahead()),
        }),
        Event::CallEnded { site, call } => {
            Told::NodeEnded(pb::NodeEnded { node: site.0, call: Some(call_record(call, progress)) })
        }
    }
}

/// A record without what makes it long.
pub(crate) fn short(record: &pb::RunRecord) -> pb::RunRecord {
    pb::RunRecord {
        run_id: record.run_id.clone(),
        pipeline: record.pipeline.clone(),
        plan_hash: record.plan_hash.clone(),
        started_at: record.started_at,
        duration_us: record.duration_us,
        outcome: record.outcome,
        error: record.error.clone(),
        nodes: Vec::new(),
        partial_outputs: Vec::new(),
        decisions: Vec::new(),
    }
}

pub(crate) fn timestamp(at: SystemTime) -> Timestamp {
    Timestamp::from(at)
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
