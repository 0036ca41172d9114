"""What hosts say of pipelines and runs, from messages to values. Asks nothing itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from typing import Any

from modrack._generated.error.v1 import error_pb
from modrack._generated.host.v1 import pipeline_pb as pb
from modrack._generated.provider.v1 import registry_pb
from modrack._types import AnyType, CType, RecordType
from modrack._wire_errors import from_wire
from modrack._wire_types import from_schema
from modrack.codec import Codec
from modrack.errors import ModrackError
from modrack.pipelines import (
    Attempt,
    CallRecord,
    Diagnostic,
    NodeEnded,
    NodeRecord,
    NodeStarted,
    PipelineCheck,
    PipelineNode,
    PipelinePlan,
    PipelineRun,
    Place,
    RunEnded,
    RunEvent,
    RunRecord,
    RunStarted,
    StoredPipeline,
)

Read = Callable[[bytes], Any]


def plan(message: pb.PipelinePlan) -> PipelinePlan:
    """The plan of a message."""
    codec = Codec(from_schema(message.input))
    return PipelinePlan(
        hash=message.hash,
        input=codec.type,
        output=from_schema(message.output),
        fingerprint=message.schema_fingerprint,
        modules=tuple(message.modules),
        graph=json.loads(message.graph_json) if message.graph_json else None,
        examples=tuple(map(codec.loads, message.examples_json)),
    )


def check(message: pb.CheckPipelineResponse) -> PipelineCheck:
    """What was said of a source."""
    found = plan(message.plan) if message.HasField("plan") else None
    return PipelineCheck(_diagnostics(message.diagnostics), message.rendered, found)


def stored(message: pb.StoredPipeline) -> StoredPipeline:
    """A stored pipeline."""
    return StoredPipeline(
        name=message.name,
        source=message.source,
        plan=plan(message.plan) if message.HasField("plan") else None,
        diagnostics=_diagnostics(message.diagnostics),
        callable=message.callable,
        stored_at=message.stored_at.ToDatetime(UTC),
        description=message.description,
    )


def run(message: pb.RunPipelineResponse, read: Read, output: CType) -> PipelineRun[Any]:
    """What a run gave."""
    return PipelineRun(read(message.output_data), record(message.record, output))


def told(message: pb.RunPipelineStreamResponse, read: Read, output: CType) -> Iterator[RunEvent]:
    """What happened in a run; nothing for what only a newer host knows.

    # Errors
    The failure of the run, behind its `RunEnded`.
    """
    match message.WhichOneof("event"):
        case "started":
            began = message.started
            yield RunStarted(began.run_id, began.pipeline, began.plan.hash, tuple(map(_node, began.nodes)))
        case "node_started":
            begins = message.node_started
            yield NodeStarted(begins.node, begins.call, begins.bytes_in, begins.at_us / 1e6)
        case "node_ended":
            yield NodeEnded(message.node_ended.node, _call(message.node_ended.call))
        case "ended":
            ended = message.ended
            at_last = record(ended.record, output)
            if ended.WhichOneof("outputs") == "output_data":
                yield RunEnded(read(ended.output_data), None, at_last)
            else:
                error = from_wire(ended.error)
                yield RunEnded(None, error, at_last)
                raise error
        case _:
            pass


def record(message: pb.RunRecord, output: CType | None = None) -> RunRecord:
    """The record of a run; partial outputs as their bytes alone tell, where the type of the outputs is not known."""
    types = {f.name: f.type for f in output.fields} if isinstance(output, RecordType) else {}

    def value(partial: pb.PartialOutput) -> Any:
        codec = Codec(types.get(partial.name, AnyType()))
        return json.loads(partial.json) if partial.WhichOneof("value") == "json" else codec.decode(partial.data)

    return RunRecord(
        run_id=message.run_id,
        pipeline=message.pipeline,
        plan_hash=message.plan_hash,
        started_at=message.started_at.ToDatetime(UTC),
        duration=message.duration_us / 1e6,
        outcome=_word(pb.RunOutcome.Name(message.outcome), "RUN_OUTCOME_"),
        error=_error(message),
        nodes=tuple(map(_node_record, message.nodes)),
        partial_outputs={each.name: value(each) for each in message.partial_outputs},
    )


def _diagnostics(messages: Iterable[pb.Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(
        Diagnostic(
            code=each.code,
            severity="warning" if each.severity == pb.DIAGNOSTIC_SEVERITY_WARNING else "error",
            message=each.message,
            place=_place(each.span),
            label=each.label,
            related=tuple((_place(other.span), other.message) for other in each.related),
            help=tuple(each.help),
        )
        for each in messages
    )


def _place(span: pb.SourceSpan) -> Place:
    return Place(span.start, span.end, span.line, span.column)


def _node(node: pb.PipelineNode) -> PipelineNode:
    return PipelineNode(node.node, node.label, node.module, _place(node.span), node.language, node.repeated)


def _node_record(message: pb.NodeRecord) -> NodeRecord:
    return NodeRecord(
        node=_node(message.node),
        calls=message.calls,
        failed=message.failed,
        cached=message.cached,
        attempts=message.attempts,
        bytes_in=message.bytes_in,
        bytes_out=message.bytes_out,
        busy=message.busy_us / 1e6,
        recorded=tuple(map(_call, message.recorded)),
    )


def _call(message: pb.CallRecord) -> CallRecord:
    return CallRecord(
        call=message.call,
        started=message.started_us / 1e6,
        duration=message.duration_us / 1e6,
        queued=message.queued_us / 1e6,
        bytes_in=message.bytes_in,
        bytes_out=message.bytes_out,
        revision=message.revision,
        cached=message.cached,
        outcome=_word(pb.CallOutcome.Name(message.outcome), "CALL_OUTCOME_"),
        error=_error(message),
        attempts=tuple(
            Attempt(
                session_id=each.session_id,
                plane=_word(registry_pb.DataPlane.Name(each.plane), "DATA_PLANE_"),
                started=each.started_us / 1e6,
                duration=each.duration_us / 1e6,
                code=each.code,
            )
            for each in message.attempts
        ),
    )


def _error(message: pb.CallRecord | pb.RunRecord) -> ModrackError | None:
    error: error_pb.Error = message.error
    return from_wire(error) if message.HasField("error") else None


def _word(name: str, prefix: str) -> Any:
    return name.removeprefix(prefix).lower()
