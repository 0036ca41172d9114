"""What an `AsyncClient` does with pipelines. The one for threads, and what both share in words, is in `_pipeline_client.py`."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
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
    from modrack._generated.host.v1.host_grpc import HostAsyncStub
    from modrack._scope import Scope

Output = TypeVar("Output")


class AsyncPipelineClient:
    """The methods of an `AsyncClient` that have to do with pipelines."""

    _stub: HostAsyncStub
    _scope: Scope
    _timeout: float
    _plans: Plans

    @overload
    async def run_pipeline(
        self,
        pipeline: TypedModule[Output],
        inputs: Any = None,
        /,
        *,
        timeout: float | None = None,
        **fields: Any,
    ) -> PipelineRun[Output]: ...

    @overload
    async def run_pipeline(
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
    async def run_pipeline(
        self,
        pipeline: Pipeline,
        inputs: Any = None,
        /,
        *,
        returns: Any = None,
        timeout: float | None = None,
        **fields: Any,
    ) -> PipelineRun[Any]: ...

    async def run_pipeline(
        self,
        pipeline: Pipeline,
        inputs: Any = None,
        /,
        *,
        returns: Any = None,
        timeout: float | None = None,
        **fields: Any,
    ) -> PipelineRun[Any]:
        """See `Client.run_pipeline`."""
        which, value = Which.of(pipeline), input_of(inputs, fields)
        for repeat in (True, False):
            has_run, (plan, is_fresh) = False, await self._plan(which)
            try:
                request = which.run_request(plan, value)
                with self._scope.call(which.title, timeout or RUN_TIMEOUT) as sent:
                    answer = await self._stub.RunPipeline(request, timeout=sent.timeout, metadata=sent.metadata)
                has_run = True
                return wire.run(answer, which.reader(plan, returns), plan.shape.output.type)
            except ModrackError as error:
                self._run_again(which, error, repeat and not has_run, is_fresh)
        raise AssertionError("the second round returns or raises")

    async def stream_pipeline(
        self,
        pipeline: Pipeline,
        inputs: Any = None,
        /,
        *,
        returns: Any = None,
        timeout: float | None = None,
        **fields: Any,
    ) -> AsyncGenerator[RunEvent]:
        """See `Client.stream_pipeline`."""
        which, value = Which.of(pipeline), input_of(inputs, fields)
        for repeat in (True, False):
            begun, (plan, is_fresh) = False, await self._plan(which)
            try:
                request = pb.RunPipelineStreamRequest(run=which.run_request(plan, value))
                read, output = which.reader(plan, returns), plan.shape.output.type
                with self._scope.call(which.title, timeout or RUN_TIMEOUT) as sent:
                    stream: Any = self._stub.RunPipelineStream(request, timeout=sent.timeout, metadata=sent.metadata)
                    try:
                        with sent.cancelled_with(stream):
                            async for message in stream:
                                begun = True
                                for event in wire.told(message, read, output):
                                    yield event
                    finally:
                        stream.cancel()
                return
            except ModrackError as error:
                self._run_again(which, error, repeat and not begun, is_fresh)

    async def check_pipeline(self, source: str | os.PathLike[str], /, *, timeout: float | None = None) -> PipelineCheck:
        """See `Client.check_pipeline`."""
        request = Which.of_source(source).check_request()
        answer = await self._ask(self._stub.CheckPipeline, request, timeout)
        return wire.check(answer)

    async def put_pipeline(
        self,
        name: str,
        source: str | os.PathLike[str],
        /,
        *,
        replaces: str = "",
        allow_breaking: bool = False,
        timeout: float | None = None,
    ) -> StoredPipeline:
        """See `Client.put_pipeline`."""
        text = Which.of_source(source).source
        request = pb.PutPipelineRequest(name=name, source=text, replaces=replaces, allow_breaking=allow_breaking)
        answer = await self._ask(self._stub.PutPipeline, request, timeout)
        return wire.stored(answer.pipeline)

    async def get_pipeline(self, name: str, /, *, timeout: float | None = None) -> StoredPipeline:
        """See `Client.get_pipeline`."""
        return wire.stored((await self._stored(name, timeout)).pipeline)

    async def list_pipelines(self, *, timeout: float | None = None) -> list[StoredPipeline]:
        """See `Client.list_pipelines`."""
        found: list[StoredPipeline] = []
        token = ""
        while True:
            page = await self._ask(self._stub.ListPipelines, pb.ListPipelinesRequest(page_token=token), timeout)
            found.extend(map(wire.stored, page.pipelines))
            token = page.next_page_token
            if not token:
                return found

    async def delete_pipeline(self, name: str, /, *, timeout: float | None = None) -> None:
        """See `Client.delete_pipeline`."""
        await self._ask(self._stub.DeletePipeline, pb.DeletePipelineRequest(name=name), timeout)

    async def get_run(self, run_id: str, /, *, timeout: float | None = None) -> RunRecord:
        """See `Client.get_run`."""
        answer = await self._ask(self._stub.GetRun, pb.GetRunRequest(run_id=run_id), timeout)
        return wire.record(answer.record)

    async def list_runs(
        self, pipeline: str = "", /, *, limit: int = 0, timeout: float | None = None
    ) -> list[RunRecord]:
        """See `Client.list_runs`."""
        answer = await self._ask(self._stub.ListRuns, pb.ListRunsRequest(pipeline=pipeline, limit=limit), timeout)
        return [wire.record(each) for each in answer.runs]

    async def _stored(self, name: str, timeout: float | None) -> pb.GetPipelineResponse:
        return await self._ask(self._stub.GetPipeline, pb.GetPipelineRequest(name=name), timeout)

    async def _ask(self, rpc: Any, request: Any, timeout: float | None) -> Any:
        with self._scope.call("", timeout or self._timeout) as sent:
            return await rpc(request, timeout=sent.timeout, metadata=sent.metadata)

    async def _plan(self, which: Which) -> tuple[Plan, bool]:
        """What is known of a pipeline, and whether it was asked for just now."""
        kept = self._plans.get(which.key)
        if kept is not None:
            return kept, False
        try:
            if which.name:
                plan = which.found(await self._stored(which.name, None))
            else:
                plan = which.checked(await self._ask(self._stub.CheckPipeline, which.check_request(), None))
            return self._plans.keep(which.key, plan), True
        except ModrackError as error:
            called(error)
            raise

    def _run_again(self, which: Which, error: ModrackError, repeat: bool, is_fresh: bool) -> None:
        """Forgets a plan that is old, so that the run is asked for once more; raises any other failure."""
        if not repeat or not which.may_repeat(error, is_fresh=is_fresh):
            raise called(error)
        self._plans.forget(which.key)
