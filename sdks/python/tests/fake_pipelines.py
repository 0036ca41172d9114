"""The pipelines of a host that runs none: each is a Python function, known by its name or by its source."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc

from modrack._generated.error.v1 import error_pb
from modrack._generated.host.v1 import pipeline_pb as pb
from modrack._types import fingerprint, parse_type
from modrack._wire_errors import to_wire
from modrack._wire_types import to_schema
from modrack.codec import Codec
from modrack.errors import CATEGORIES, ModrackError, NotFound

SPAN = pb.SourceSpan(start=20, end=31, line=2, column=5)


@dataclass
class FakePipeline:
    """What is known as a source or a name. `revision` is in the hash of its plan; `run` may be async."""

    input: str
    output: str
    run: Callable[[Any], Any]
    revision: int = 1
    source: str = ""
    name: str = ""
    started: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def hash(self) -> str:
        return f"{abs(hash((self.input, self.output))):x}-{self.revision}"

    @property
    def plan(self) -> pb.PipelinePlan:
        types = parse_type(self.input), parse_type(self.output)
        return pb.PipelinePlan(
            hash=self.hash,
            input=to_schema(types[0]),
            output=to_schema(types[1]),
            schema_fingerprint=fingerprint(*types),
            modules=["text.Uppercase"],
            graph_json='{"nodes": []}',
            examples_json=['{"text": "a"}'] if self.input == "{text: String}" else [],
        )

    @property
    def stored(self) -> pb.StoredPipeline:
        stored = pb.StoredPipeline(
            name=self.name, source=self.source, plan=self.plan, callable=True, description="Shouts."
        )
        stored.stored_at.FromSeconds(1_000_000_000)
        return stored


class FakePipelines:
    """The half of a fake host that has to do with pipelines."""

    def __init__(self) -> None:
        self.pipelines: dict[str, FakePipeline] = {}
        self.asked: list[str] = []
        self.runs: list[pb.RunPipelineRequest] = []
        self.run_metadata: list[dict[str, str]] = []
        self.run_time_left: list[float | None] = []
        self._run_ids = itertools.count(1)

    async def CheckPipeline(self, request: Any, context: Any) -> pb.CheckPipelineResponse:
        self.asked.append("check")
        known = self.pipelines.get(request.source)
        if known is not None:
            return pb.CheckPipelineResponse(plan=known.plan)
        diagnostics = [
            pb.Diagnostic(code="W001", severity=pb.DIAGNOSTIC_SEVERITY_WARNING, message="unused", span=SPAN),
            pb.Diagnostic(
                code="E002",
                severity=pb.DIAGNOSTIC_SEVERITY_ERROR,
                message="no module `Upper`",
                span=SPAN,
                label="here",
                related=[pb.RelatedSpan(span=SPAN, message="and here")],
                help=["did you mean `Uppercase`?"],
            ),
            pb.Diagnostic(code="E020", severity=pb.DIAGNOSTIC_SEVERITY_ERROR, message="no end", span=SPAN),
        ]
        return pb.CheckPipelineResponse(diagnostics=diagnostics, rendered=f"error[E002] in {request.file}")

    async def GetPipeline(self, request: Any, context: Any) -> pb.GetPipelineResponse:
        self.asked.append("get")
        known = self.pipelines.get(request.name)
        if known is None:
            await abort(context, NotFound("pipeline.unknown", f"no pipeline `{request.name}`"))
        assert known is not None
        return pb.GetPipelineResponse(pipeline=known.stored)

    async def ListPipelines(self, request: Any, context: Any) -> pb.ListPipelinesResponse:
        names = sorted(key for key, each in self.pipelines.items() if each.name == key)
        at = int(request.page_token or 0)
        more = str(at + 1) if at + 1 < len(names) else ""
        return pb.ListPipelinesResponse(pipelines=[self.pipelines[names[at]].stored], next_page_token=more)

    async def PutPipeline(self, request: Any, context: Any) -> pb.PutPipelineResponse:
        known = self.pipelines.get(request.name)
        if request.replaces and request.replaces != ("new" if known is None else known.hash):
            await abort(context, ModrackError("pipeline.plan.changed", "changed", category="FAILED_PRECONDITION"))
        like = self.pipelines[request.source]
        kept = FakePipeline(like.input, like.output, like.run, source=request.source, name=request.name)
        self.pipelines[request.name] = kept
        return pb.PutPipelineResponse(pipeline=kept.stored)

    async def DeletePipeline(self, request: Any, context: Any) -> pb.DeletePipelineResponse:
        del self.pipelines[request.name]
        return pb.DeletePipelineResponse()

    async def GetRun(self, request: Any, context: Any) -> pb.GetRunResponse:
        failed = record(pb.RUN_OUTCOME_FAILED, run_id=request.run_id)
        failed.partial_outputs.add(name="words", data=Codec(parse_type("Int")).encode(6))
        failed.partial_outputs.add(name="text", json='"a"')
        failed.error.CopyFrom(to_wire(NotFound("text.no", "not today")))
        return pb.GetRunResponse(record=failed)

    async def ListRuns(self, request: Any, context: Any) -> pb.ListRunsResponse:
        runs = [record(pb.RUN_OUTCOME_SUCCEEDED, run_id=f"run-{i}", pipeline=request.pipeline) for i in (2, 1)]
        return pb.ListRunsResponse(runs=runs[: request.limit or None])

    async def RunPipeline(self, request: Any, context: Any) -> pb.RunPipelineResponse:
        try:
            output = await self._run(request, context)
        except ModrackError as error:
            await abort(context, error)
            raise
        return pb.RunPipelineResponse(output_data=output, record=record(pb.RUN_OUTCOME_SUCCEEDED))

    async def RunPipelineStream(self, request: Any, context: Any) -> Any:
        known = await self._known(request.run, context)
        node = pb.PipelineNode(node=0, label="shouted", module="text.Uppercase", span=SPAN, language="python")
        started = pb.RunStarted(run_id="run-1", plan=known.plan, nodes=[node])
        yield pb.RunPipelineStreamResponse(started=started)
        yield pb.RunPipelineStreamResponse(node_started=pb.NodeStarted(node=0, call=0, bytes_in=7, at_us=1500))
        try:
            output = await self._run(request.run, context)
        except ModrackError as error:
            failed = record(pb.RUN_OUTCOME_FAILED)
            failed.error.CopyFrom(to_wire(error))
            yield pb.RunPipelineStreamResponse(ended=pb.RunEnded(error=to_wire(error), record=failed))
            return
        call = record(pb.RUN_OUTCOME_SUCCEEDED).nodes[0].recorded[0]
        yield pb.RunPipelineStreamResponse(node_ended=pb.NodeEnded(node=0, call=call))
        ended = pb.RunEnded(output_data=output, record=record(pb.RUN_OUTCOME_SUCCEEDED))
        yield pb.RunPipelineStreamResponse(ended=ended)

    async def _known(self, request: Any, context: Any) -> FakePipeline:
        self.runs.append(request)
        self.run_metadata.append(dict(context.invocation_metadata()))
        self.run_time_left.append(context.time_remaining())
        known = self.pipelines[request.name or request.source]
        if request.plan_hash and request.plan_hash != known.hash:
            await abort(context, ModrackError("pipeline.plan.changed", "changed", category="FAILED_PRECONDITION"))
        return known

    async def _run(self, request: Any, context: Any) -> bytes:
        known = self.pipelines[request.name or request.source]
        if not self.runs or self.runs[-1] is not request:
            known = await self._known(request, context)
        known.started.set()
        try:
            output = known.run(Codec(parse_type(known.input)).decode(request.input_data))
            if asyncio.iscoroutine(output):
                output = await output
        except asyncio.CancelledError:
            known.cancelled.set()
            raise
        return Codec(parse_type(known.output)).encode(output)


def record(outcome: Any, run_id: str = "run-1", pipeline: str = "") -> pb.RunRecord:
    """The record of a run of one call, which took 2.5 ms."""
    call = pb.CallRecord(
        call=0,
        started_us=1500,
        duration_us=2500,
        queued_us=500,
        bytes_in=7,
        bytes_out=8,
        revision=3,
        outcome=pb.CALL_OUTCOME_SUCCEEDED,
        attempts=[pb.AttemptRecord(session_id="s-1", plane=1, started_us=2000, duration_us=2000)],
    )
    node = pb.PipelineNode(node=0, label="shouted", module="text.Uppercase", span=SPAN, language="python")
    told = pb.NodeRecord(node=node, calls=1, attempts=1, bytes_in=7, bytes_out=8, busy_us=2500, recorded=[call])
    made = pb.RunRecord(
        run_id=run_id, pipeline=pipeline, plan_hash="h", duration_us=4000, outcome=outcome, nodes=[told]
    )
    made.started_at.FromSeconds(1_000_000_000)
    return made


async def abort(context: Any, error: ModrackError) -> None:
    await abort_wire(context, to_wire(error))


_STATUS = {"NOT_FOUND": grpc.StatusCode.NOT_FOUND, "CONFLICT": grpc.StatusCode.ABORTED}


async def abort_wire(context: Any, error: error_pb.Error) -> None:
    status = _STATUS.get(CATEGORIES[error.category - 1], grpc.StatusCode.FAILED_PRECONDITION)
    details = error_pb.StatusDetails(code=status.value[0], message=error.message)
    details.details.add().Pack(error)
    trailer = (("grpc-status-details-bin", details.SerializeToString()),)
    await context.abort(status, error.message, trailing_metadata=trailer)
