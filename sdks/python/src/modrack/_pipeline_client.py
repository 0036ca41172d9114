"""What a `Client` does with pipelines. The one for asyncio is in `_async_pipeline_client.py`; what they say is read elsewhere."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar, overload

from modrack import _pipeline_wire as wire
from modrack._called import called
from modrack._generated.host.v1 import pipeline_pb as pb
from modrack._inputs import input_of
from modrack._pipeline_calls import RUN_TIMEOUT, Pipeline, Plan, Plans, Which
from modrack.bindings import TypedModule
from modrack.errors import ModrackError
from modrack.pipelines import PipelineCheck, PipelineRun, RunEvent, RunRecord, StoredPipeline

if TYPE_CHECKING:
    from modrack._generated.host.v1.host_grpc import HostStub
    from modrack._scope import Scope

Output = TypeVar("Output")


class PipelineClient:
    """The methods of a `Client` that have to do with pipelines."""

    _stub: HostStub
    _scope: Scope
    _timeout: float
    _plans: Plans

    @overload
    def run_pipeline(
        self,
        pipeline: TypedModule[Output],
        inputs: Any = None,
        /,
        *,
        timeout: float | None = None,
        **fields: Any,
    ) -> PipelineRun[Output]: ...

    @overload
    def run_pipeline(
        self,
        pipeline: str | os.PathLike[str],
        inputs: Any = None,
        /,
        *,
        returns: type[Output],
        timeout: float | None = None,
        **fields: Any,
    ) -> PipelineRun[Output]: ...

    @overload
    def run_pipeline(
        self,
        pipeline: Pipeline,
        inputs: Any = None,
        /,
        *,
        returns: Any = None,
        timeout: float | None = None,
        **fields: Any,
    ) -> PipelineRun[Any]: ...

    def run_pipeline(
        self,
        pipeline: Pipeline,
        inputs: Any = None,
        /,
        *,
        returns: Any = None,
        timeout: float | None = None,
        **fields: Any,
    ) -> PipelineRun[Any]:
        """Runs a pipeline: `run_pipeline(source, text="…").outputs["words"]`.

        `pipeline` is the name of a stored one, a source text, the path of a `.cst` file (a `Path`), or the `TypedModule` of
        generated bindings. The inputs are given like those of `call`, and `returns` says of which type the outputs shall be. A run takes
        300 seconds at most where no `timeout` is given. A source is checked at its first run, and its types are kept.

        Raises `ModrackError`: `pipeline.check.failed` with the rendered diagnostics in `details["rendered"]`; what a node failed
        with, where `details` name `run_id`, `node`, `module`, `line` and `column`.
        """
        which, value = Which.of(pipeline), input_of(inputs, fields)
        for repeat in (True, False):
            has_run, (plan, is_fresh) = False, self._plan(which)
            try:
                request = which.run_request(plan, value)
                with self._scope.call(which.title, timeout or RUN_TIMEOUT) as sent:
                    answer = sent.wait(self._stub.RunPipeline, request)
                has_run = True
                return wire.run(answer, which.reader(plan, returns), plan.shape.output.type)
            except ModrackError as error:
                self._run_again(which, error, repeat and not has_run, is_fresh)
        raise AssertionError("the second round returns or raises")

    def stream_pipeline(
        self,
        pipeline: Pipeline,
        inputs: Any = None,
        /,
        *,
        returns: Any = None,
        timeout: float | None = None,
        **fields: Any,
    ) -> Generator[RunEvent]:
        """Runs a pipeline and tells what happens as it happens: `RunStarted`, then nodes, at the end `RunEnded` with the outputs.

        When the run fails, its `RunEnded` is followed by the failure itself, raised. Leaving the loop, or closing the generator,
        cancels the run. Otherwise as `run_pipeline`.
        """
        which, value = Which.of(pipeline), input_of(inputs, fields)
        for repeat in (True, False):
            begun, (plan, is_fresh) = False, self._plan(which)
            try:
                request = pb.RunPipelineStreamRequest(run=which.run_request(plan, value))
                read, output = which.reader(plan, returns), plan.shape.output.type
                with self._scope.call(which.title, timeout or RUN_TIMEOUT) as sent:
                    stream: Any = self._stub.RunPipelineStream(request, timeout=sent.timeout, metadata=sent.metadata)
                    try:
                        with sent.cancelled_with(stream):
                            for message in stream:
                                begun = True
                                yield from wire.told(message, read, output)
                    finally:
                        stream.cancel()
                return
            except ModrackError as error:
                self._run_again(which, error, repeat and not begun, is_fresh)

    def check_pipeline(self, source: str | os.PathLike[str], /, *, timeout: float | None = None) -> PipelineCheck:
        """Whether a source, or the `.cst` file of a path, checks against the registered modules, and what there is to say of it."""
        request = Which.of_source(source).check_request()
        answer = self._ask(self._stub.CheckPipeline, request, timeout)
        return wire.check(answer)

    def put_pipeline(
        self,
        name: str,
        source: str | os.PathLike[str],
        /,
        *,
        replaces: str = "",
        allow_breaking: bool = False,
        timeout: float | None = None,
    ) -> StoredPipeline:
        """Stores a source, or the `.cst` file of a path, as the module `pipeline.NAME`, or replaces it.

        `replaces` is the hash of the plan that must be there, or `"new"` where there must be none; else `pipeline.plan.changed`.
        A pipeline that its callers would no longer fit is refused unless `allow_breaking` is set.
        """
        text = Which.of_source(source).source
        request = pb.PutPipelineRequest(name=name, source=text, replaces=replaces, allow_breaking=allow_breaking)
        answer = self._ask(self._stub.PutPipeline, request, timeout)
        return wire.stored(answer.pipeline)

    def get_pipeline(self, name: str, /, *, timeout: float | None = None) -> StoredPipeline:
        """One stored pipeline with its source. Raises `NotFound` where there is none of that name."""
        return wire.stored(self._stored(name, timeout).pipeline)

    def list_pipelines(self, *, timeout: float | None = None) -> list[StoredPipeline]:
        """The stored pipelines in ascending order of their names, also those that check no longer; without their sources."""
        found: list[StoredPipeline] = []
        token = ""
        while True:
            page = self._ask(self._stub.ListPipelines, pb.ListPipelinesRequest(page_token=token), timeout)
            found.extend(map(wire.stored, page.pipelines))
            token = page.next_page_token
            if not token:
                return found

    def delete_pipeline(self, name: str, /, *, timeout: float | None = None) -> None:
        """Removes a stored pipeline and its module. Runs that have begun go on."""
        self._ask(self._stub.DeletePipeline, pb.DeletePipelineRequest(name=name), timeout)

    def get_run(self, run_id: str, /, *, timeout: float | None = None) -> RunRecord:
        """The record of a run, also of one that failed or goes on; the host keeps those of late."""
        answer = self._ask(self._stub.GetRun, pb.GetRunRequest(run_id=run_id), timeout)
        return wire.record(answer.record)

    def list_runs(self, pipeline: str = "", /, *, limit: int = 0, timeout: float | None = None) -> list[RunRecord]:
        """The runs, of a stored `pipeline` or all, that the host has records of: latest first, at most `limit` (100), without nodes."""
        answer = self._ask(self._stub.ListRuns, pb.ListRunsRequest(pipeline=pipeline, limit=limit), timeout)
        return [wire.record(each) for each in answer.runs]

    def _stored(self, name: str, timeout: float | None) -> pb.GetPipelineResponse:
        return self._ask(self._stub.GetPipeline, pb.GetPipelineRequest(name=name), timeout)

    def _ask(self, rpc: Any, request: Any, timeout: float | None) -> Any:
        with self._scope.call("", timeout or self._timeout) as sent:
            return sent.wait(rpc, request)

    def _plan(self, which: Which) -> tuple[Plan, bool]:
        """What is known of a pipeline, and whether it was asked for just now."""
        kept = self._plans.get(which.key)
        if kept is not None:
            return kept, False
        try:
            if which.name:
                plan = which.found(self._stored(which.name, None))
            else:
                plan = which.checked(self._ask(self._stub.CheckPipeline, which.check_request(), None))
            return self._plans.keep(which.key, plan), True
        except ModrackError as error:
            called(error)
            raise

    def _run_again(self, which: Which, error: ModrackError, repeat: bool, is_fresh: bool) -> None:
        """Forgets a plan that is old, so that the run is asked for once more; raises any other failure."""
        if not repeat or not which.may_repeat(error, is_fresh=is_fresh):
            raise called(error)
        self._plans.forget(which.key)
