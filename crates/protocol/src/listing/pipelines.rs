//! Pipelines and their runs as JSON, as the command line and HTTP show them. Members never change their meaning; new ones may come.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::generated::error::v1 as error;
use crate::generated::host::v1 as pb;
use crate::generated::host::v1::run_ended::Outputs;
use crate::generated::host::v1::run_pipeline_stream_response::Event;
use crate::generated::provider::v1::DataPlane;

use super::{envelope, plane};

/// The envelope of a failure, as the wire has it.
pub fn failure(error: &error::Error) -> Value {
    envelope(&Error::from_proto(error.clone()))
}

/// One thing said about a source.
pub fn diagnostic(diagnostic: &pb::Diagnostic) -> Value {
    let related =
        diagnostic.related.iter().map(|one| json!({ "span": span(one.span.as_ref()), "message": one.message }));
    json!({
        "code": diagnostic.code,
        "severity": match diagnostic.severity() {
            pb::DiagnosticSeverity::Warning => "warning",
            pb::DiagnosticSeverity::Error | pb::DiagnosticSeverity::Unspecified => "error",
        },
        "message": diagnostic.message,
        "span": span(diagnostic.span.as_ref()),
        "label": diagnostic.label,
        "related": related.collect::<Vec<_>>(),
        "help": diagnostic.help,
    })
}

fn span(span: Option<&pb::SourceSpan>) -> Value {
    match span {
        Some(span) => json!({ "start": span.start, "end": span.end, "line": span.line, "column": span.column }),
        None => Value::Null,
    }
}

/// What a source means. The graph is JSON of its own (`docs/pipelines.md`, heading 10), null in listings.
pub fn plan(plan: &pb::PipelinePlan) -> Value {
    let parsed = |text: &String| serde_json::from_str(text).unwrap_or(Value::Null);
    json!({
        "hash": plan.hash,
        "input": plan.input_text,
        "output": plan.output_text,
        "schema_fingerprint": plan.schema_fingerprint,
        "modules": plan.modules,
        "graph": parsed(&plan.graph_json),
        "examples": plan.examples_json.iter().map(parsed).collect::<Vec<_>>(),
    })
}

/// A stored pipeline.
pub fn stored(pipeline: &pb::StoredPipeline) -> Value {
    json!({
        "name": pipeline.name,
        "module": format!("pipeline.{}", pipeline.name),
        "description": pipeline.description,
        "callable": pipeline.callable,
        "stored_at_ms": milliseconds(pipeline.stored_at.as_ref()),
        "source": if pipeline.source.is_empty() { Value::Null } else { pipeline.source.clone().into() },
        "plan": pipeline.plan.as_ref().map(plan),
        "diagnostics": pipeline.diagnostics.iter().map(diagnostic).collect::<Vec<_>>(),
    })
}

/// The record of a run; in listings without nodes and partial outputs.
pub fn run(record: &pb::RunRecord) -> Value {
    let partial: Map<_, _> = record.partial_outputs.iter().map(|one| (one.name.clone(), partial(one))).collect();
    json!({
        "run_id": record.run_id,
        "pipeline": record.pipeline,
        "plan_hash": record.plan_hash,
        "started_at_ms": milliseconds(record.started_at.as_ref()),
        "duration_us": record.duration_us,
        "outcome": outcome(record.outcome()),
        "error": record.error.as_ref().map(failure),
        "nodes": record.nodes.iter().map(node_record).collect::<Vec<_>>(),
        "partial_outputs": partial,
        "decisions": record.decisions.iter().map(decision).collect::<Vec<_>>(),
    })
}

/// `running`, `succeeded`, `failed`, `cancelled`; `unknown` for one that this version does not know.
pub fn outcome(outcome: pb::RunOutcome) -> &'static str {
    match outcome {
        pb::RunOutcome::Running => "running",
        pb::RunOutcome::Succeeded => "succeeded",
        pb::RunOutcome::Failed => "failed",
        pb::RunOutcome::Cancelled => "cancelled",
        pb::RunOutcome::Unspecified => "unknown",
    }
}

/// `succeeded`, `failed`, `cancelled`; `unknown` for one that this version does not know.
pub fn call_outcome(outcome: pb::CallOutcome) -> &'static str {
    match outcome {
        pb::CallOutcome::Succeeded => "succeeded",
        pb::CallOutcome::Failed => "failed",
        pb::CallOutcome::Cancelled => "cancelled",
        pb::CallOutcome::Unspecified => "unknown",
    }
}

/// What happens in a run: `event` says what, the other members depend on it.
pub fn event(event: &pb::RunPipelineStreamResponse) -> Value {
    match &event.event {
        Some(Event::Started(started)) => json!({
            "event": "started",
            "run_id": started.run_id,
            "pipeline": started.pipeline,
            "plan_hash": started.plan.as_ref().map(|plan| plan.hash.clone()),
            "nodes": started.nodes.iter().map(node).collect::<Vec<_>>(),
        }),
        Some(Event::NodeStarted(started)) => json!({
            "event": "node_started",
            "node": started.node,
            "call": started.call,
            "bytes_in": started.bytes_in,
            "at_us": started.at_us,
        }),
        Some(Event::NodeEnded(ended)) => {
            json!({ "event": "node_ended", "node": ended.node, "call": ended.call.as_ref().map(call) })
        }
        Some(Event::Ended(ended)) => {
            let (outputs, error) = match &ended.outputs {
                Some(Outputs::OutputJson(text)) => (value(text), Value::Null),
                Some(Outputs::OutputData(data)) => (bytes(data), Value::Null),
                Some(Outputs::Error(error)) => (Value::Null, failure(error)),
                None => (Value::Null, Value::Null),
            };
            json!({
                "event": "ended",
                "outputs": outputs,
                "error": error,
                "record": ended.record.as_ref().map(run),
                "events_missed": ended.events_missed,
            })
        }
        // An event of a later version.
        None => json!({ "event": "unknown" }),
    }
}

fn node(node: &pb::PipelineNode) -> Value {
    json!({
        "node": node.node,
        "label": node.label,
        "module": node.module,
        "language": node.language,
        "repeated": node.repeated,
        "span": span(node.span.as_ref()),
    })
}

fn node_record(record: &pb::NodeRecord) -> Value {
    json!({
        "node": record.node.as_ref().map(node),
        "calls": record.calls,
        "failed": record.failed,
        "cached": record.cached,
        "attempts": record.attempts,
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
        "busy_us": record.busy_us,
        "recorded": record.recorded.iter().map(call).collect::<Vec<_>>(),
    })
}

fn call(call: &pb::CallRecord) -> Value {
    let attempts = call.attempts.iter().map(|attempt| {
        json!({
            "session_id": attempt.session_id,
            "plane": plane(DataPlane::try_from(attempt.plane).unwrap_or_default()),
            "started_us": attempt.started_us,
            "duration_us": attempt.duration_us,
            "code": if attempt.code.is_empty() { Value::Null } else { attempt.code.clone().into() },
        })
    });
    json!({
        "call": call.call,
        "started_us": call.started_us,
        "duration_us": call.duration_us,
        "queued_us": call.queued_us,
        "bytes_in": call.bytes_in,
        "bytes_out": call.bytes_out,
        "revision": call.revision,
        "cached": call.cached,
        "outcome": call_outcome(call.outcome()),
        "error": call.error.as_ref().map(failure),
        "attempts": attempts.collect::<Vec<_>>(),
        "decisions": call.decisions.iter().map(decision).collect::<Vec<_>>(),
    })
}

fn decision(trace: &pb::MiddlewareTrace) -> Value {
    let or_null = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    json!({
        "component": trace.component,
        "hook": trace.hook,
        "decision": or_null(&trace.decision),
        "reason": or_null(&trace.reason),
        "duration_us": trace.duration_us,
        "code": or_null(&trace.code),
    })
}

fn partial(output: &pb::PartialOutput) -> Value {
    match &output.value {
        Some(pb::partial_output::Value::Json(text)) => value(text),
        Some(pb::partial_output::Value::Data(data)) => bytes(data),
        None => Value::Null,
    }
}

/// JSON of the host; what is none is shown as it is.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!({ "$text": text }))
}

fn bytes(data: &[u8]) -> Value {
    json!({ "$bytes": STANDARD.encode(data) })
}

fn milliseconds(at: Option<&prost_types::Timestamp>) -> Option<i64> {
    at.map(|at| at.seconds * 1000 + i64::from(at.nanos) / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_its_nodes_calls_and_attempts() {
        let attempt = |code: &str, plane: DataPlane| pb::AttemptRecord {
            session_id: "ses-1".into(),
            plane: plane.into(),
            started_us: 10,
            duration_us: 5,
            code: code.into(),
        };
        let record = pb::RunRecord {
            run_id: "run-1".into(),
            plan_hash: "ab".into(),
            outcome: pb::RunOutcome::Succeeded.into(),
            started_at: Some(prost_types::Timestamp { seconds: 2, nanos: 5_000_000 }),
            nodes: vec![pb::NodeRecord {
                node: Some(pb::PipelineNode { node: 0, label: "upper".into(), ..pb::PipelineNode::default() }),
                calls: 1,
                attempts: 2,
                recorded: vec![pb::CallRecord {
                    outcome: pb::CallOutcome::Succeeded.into(),
                    attempts: vec![attempt("text.busy", DataPlane::Link), attempt("", DataPlane::Unary)],
                    ..pb::CallRecord::default()
                }],
                ..pb::NodeRecord::default()
            }],
            partial_outputs: vec![pb::PartialOutput {
                name: "a".into(),
                value: Some(pb::partial_output::Value::Json("[1]".into())),
            }],
            ..pb::RunRecord::default()
        };
        let shown = run(&record);
        assert_eq!((&shown["outcome"], &shown["started_at_ms"]), (&json!("succeeded"), &json!(2005)));
        assert_eq!(shown["partial_outputs"], json!({ "a": [1] }));
        let attempts = &shown["nodes"][0]["recorded"][0]["attempts"];
        assert_eq!((&attempts[0]["code"], &attempts[0]["plane"]), (&json!("text.busy"), &json!("link")));
        assert_eq!((&attempts[1]["code"], &attempts[1]["plane"]), (&Value::Null, &json!("unary")));
    }
}
