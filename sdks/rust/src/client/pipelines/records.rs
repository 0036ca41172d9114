//! What a host tells of runs: records and events. Asks for nothing itself.

use std::time::{Duration, SystemTime};

use crate::client::pipelines::info::{Place, time};
use crate::codec;
use crate::error::Error;
use crate::generated::host::v1 as wire;
use crate::json;
use crate::provider::Plane;
use crate::types::CType;
use crate::value::Value;

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOutcome {
    /// It goes on.
    Running,
    /// All outputs are there.
    Succeeded,
    /// A node failed, or the time was over.
    Failed,
    /// Its caller left, or the host stopped.
    Cancelled,
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// It gave an output.
    Succeeded,
    /// It failed; a fallback or `on_error` may have stood in.
    Failed,
    /// The run ended first.
    Cancelled,
}

/// A place of a pipeline where a module is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineNode {
    /// Names the node in the plan, from 0.
    pub node: u32,
    /// The binding whose value it gives, else the module's name.
    pub label: String,
    /// The module that it calls.
    pub module: String,
    /// Where it is written.
    pub place: Place,
    /// Language of the module's provider; empty where not known.
    pub language: String,
    /// Whether it stands in a lambda, and may be called many times.
    pub repeated: bool,
}

/// What happened to one attempt of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The session that was called; empty when nobody was reached.
    pub session_id: String,
    /// By which plane; `None` when nobody was reached.
    pub plane: Option<Plane>,
    /// When it began, since the run began.
    pub started: Duration,
    /// How long it took.
    pub duration: Duration,
    /// The code of its failure; empty when it succeeded.
    pub code: String,
}

/// What happened to one call.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRecord {
    /// Counts the calls of the run, from 0.
    pub call: u64,
    /// When its input was there, since the run began.
    pub started: Duration,
    /// How long it took, waiting included.
    pub duration: Duration,
    /// Of that, waiting for its turn: throttle, concurrency, queues, batch.
    pub queued: Duration,
    /// Bytes in.
    pub bytes_in: u64,
    /// Bytes out.
    pub bytes_out: u64,
    /// Which revision answered; 0 when none did.
    pub revision: u64,
    /// Whether the output came from the cache, or from an equal call in flight.
    pub cached: bool,
    /// What it came to.
    pub outcome: CallOutcome,
    /// Why it failed.
    pub error: Option<Error>,
    /// In order; none when the output was cached.
    pub attempts: Vec<Attempt>,
}

/// What happened at one node.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeRecord {
    /// Which.
    pub node: PipelineNode,
    /// How many calls began; 0 where it was not needed.
    pub calls: u64,
    /// How many of them failed, a fallback or not.
    pub failed: u64,
    /// How many were answered from the cache.
    pub cached: u64,
    /// How many attempts there were.
    pub attempts: u64,
    /// Bytes of all inputs.
    pub bytes_in: u64,
    /// Bytes of all outputs.
    pub bytes_out: u64,
    /// Time that all calls took, together.
    pub busy: Duration,
    /// The first calls, one by one.
    pub recorded: Vec<CallRecord>,
}

/// What happened in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// Names the run in logs, traces and [`Client::get_run`](crate::Client::get_run).
    pub run_id: String,
    /// The stored pipeline; empty for a source.
    pub pipeline: String,
    /// Hash of the plan.
    pub plan_hash: String,
    /// When it began.
    pub started_at: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// What it came to.
    pub outcome: RunOutcome,
    /// Why it failed.
    pub error: Option<Error>,
    /// Per place where a module is called, in the order of the plan. Empty in listings.
    pub nodes: Vec<NodeRecord>,
    /// Outputs that were there when the run failed. As their bytes alone tell where the types of the pipeline are not known. Empty in listings.
    pub partial_outputs: Vec<(String, Value)>,
}

/// What a run gave.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineRun<O> {
    /// Its outputs.
    pub outputs: O,
    /// What happened.
    pub record: RunRecord,
}

/// What happens in a run: first [`RunEvent::Started`], last [`RunEvent::Ended`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RunEvent<O> {
    /// The run begins.
    Started {
        /// Names the run.
        run_id: String,
        /// The stored pipeline; empty for a source.
        pipeline: String,
        /// Hash of the plan.
        plan_hash: String,
        /// The calls of modules that it may make.
        nodes: Vec<PipelineNode>,
    },
    /// A call begins: its input is there, its turn may still have to come.
    NodeStarted {
        /// Which node.
        node: u32,
        /// Counts the calls of the run, from 0.
        call: u64,
        /// Bytes in.
        bytes_in: u64,
        /// Since the run began.
        at: Duration,
    },
    /// A call ended.
    NodeEnded {
        /// Which node.
        node: u32,
        /// What happened.
        call: CallRecord,
    },
    /// The run ended.
    Ended {
        /// What it gave, or why it failed.
        outputs: Result<O, Error>,
        /// What happened.
        record: RunRecord,
    },
}

impl PipelineNode {
    pub(super) fn from_wire(node: wire::PipelineNode) -> Self {
        Self {
            node: node.node,
            label: node.label,
            module: node.module,
            place: Place::from_wire(node.span),
            language: node.language,
            repeated: node.repeated,
        }
    }
}

impl CallRecord {
    pub(super) fn from_wire(call: wire::CallRecord) -> Self {
        let outcome = match call.outcome() {
            wire::CallOutcome::Succeeded => CallOutcome::Succeeded,
            wire::CallOutcome::Cancelled => CallOutcome::Cancelled,
            wire::CallOutcome::Failed | wire::CallOutcome::Unspecified => CallOutcome::Failed,
        };
        let attempt = |attempt: wire::AttemptRecord| Attempt {
            plane: Plane::from_wire(attempt.plane()),
            session_id: attempt.session_id,
            started: Duration::from_micros(attempt.started_us),
            duration: Duration::from_micros(attempt.duration_us),
            code: attempt.code,
        };
        Self {
            outcome,
            call: call.call,
            started: Duration::from_micros(call.started_us),
            duration: Duration::from_micros(call.duration_us),
            queued: Duration::from_micros(call.queued_us),
            bytes_in: call.bytes_in,
            bytes_out: call.bytes_out,
            revision: call.revision,
            cached: call.cached,
            error: call.error.map(Error::from_wire),
            attempts: call.attempts.into_iter().map(attempt).collect(),
        }
    }
}

impl NodeRecord {
    fn from_wire(record: wire::NodeRecord) -> Self {
        Self {
            node: PipelineNode::from_wire(record.node.unwrap_or_default()),
            calls: record.calls,
            failed: record.failed,
            cached: record.cached,
            attempts: record.attempts,
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            busy: Duration::from_micros(record.busy_us),
            recorded: record.recorded.into_iter().map(CallRecord::from_wire).collect(),
        }
    }
}

impl RunRecord {
    /// The record, with outputs of these types where they are known.
    pub(super) fn from_wire(record: wire::RunRecord, output: Option<&CType>) -> Result<Self, Error> {
        let outcome = match record.outcome() {
            wire::RunOutcome::Running => RunOutcome::Running,
            wire::RunOutcome::Succeeded => RunOutcome::Succeeded,
            wire::RunOutcome::Cancelled => RunOutcome::Cancelled,
            wire::RunOutcome::Failed | wire::RunOutcome::Unspecified => RunOutcome::Failed,
        };
        let partial = record.partial_outputs.into_iter().map(|partial| partial_output(partial, output));
        Ok(Self {
            outcome,
            partial_outputs: partial.collect::<Result<_, Error>>()?,
            run_id: record.run_id,
            pipeline: record.pipeline,
            plan_hash: record.plan_hash,
            started_at: time(record.started_at),
            duration: Duration::from_micros(record.duration_us),
            error: record.error.map(Error::from_wire),
            nodes: record.nodes.into_iter().map(NodeRecord::from_wire).collect(),
        })
    }
}

fn partial_output(partial: wire::PartialOutput, output: Option<&CType>) -> Result<(String, Value), Error> {
    use wire::partial_output::Value as Form;

    let ty = match output {
        Some(CType::Record(fields)) => fields.iter().find(|field| field.name == partial.name).map(|field| &field.ty),
        _ => None,
    };
    let ty = ty.unwrap_or(&CType::Any);
    let value = match partial.value {
        Some(Form::Data(data)) => codec::value_from_bytes(ty, &data)?,
        Some(Form::Json(text)) => json::parse(ty, &text)?,
        None => Value::Null,
    };
    Ok((partial.name, value))
}
