"""Clients that run, check and store pipelines, in threads and in asyncio."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fake_host import WAIT, FakeHost
from fake_pipelines import FakePipeline
from test_client import Both, both, connected

from modrack import AsyncClient, Client, CodecError, Context, InvalidArgument, ModuleError, Provider, RateLimited
from modrack._generated.provider.v1 import frames_pb
from modrack._pipeline_calls import Plans
from modrack.bindings import TypedModule
from modrack.errors import Cancelled, Conflict, DeadlineExceeded, FailedPrecondition, NotFound
from modrack.pipelines import NodeEnded, NodeStarted, RunEnded, RunStarted

SHOUT = "in text: String\nshouted = Uppercase(text)\nout shouted\n"
PAIR = "in pair: {first: Int, second: Option<Int>}\nsum = pair.first\nout sum\n"


@dataclass
class Shouted:
    shouted: str


@dataclass
class Pair:
    first: int
    second: int | None = None


def shout(inputs: Any) -> dict[str, str]:
    return {"shouted": inputs["text"].upper()}


@contextlib.asynccontextmanager
async def host_with_pipelines() -> AsyncIterator[FakeHost]:
    async with FakeHost() as host:
        host.pipelines[SHOUT] = FakePipeline("{text: String}", "{shouted: String}", shout)
        host.pipelines["shout"] = FakePipeline("{text: String}", "{shouted: String}", shout, source=SHOUT, name="shout")
        host.pipelines[PAIR] = FakePipeline(
            "{pair: {first: Int, second: Option<Int>}}", "{sum: Int}", lambda v: {"sum": v["pair"]["first"]}
        )
        yield host


@contextlib.asynccontextmanager
async def hosted(kind: str) -> AsyncIterator[tuple[FakeHost, Both]]:
    async with host_with_pipelines() as host, connected(kind, host.url) as do:
        yield host, do


@both
async def test_a_source_runs_with_values_and_its_types_are_asked_for_once(kind: str) -> None:
    async with hosted(kind) as (host, do):
        for _ in range(3):
            run = await do("run_pipeline", SHOUT, text="straße")
            assert run.outputs == {"shouted": "STRASSE"}
        assert (run.run_id, run.record.outcome, run.record.duration) == ("run-1", "succeeded", 0.004)
        (node,) = run.record.nodes
        assert (node.node.module, node.node.place.line, node.busy) == ("text.Uppercase", 2, 0.0025)
        assert (node.recorded[0].attempts[0].plane, node.recorded[0].queued) == ("unary", 0.0005)
        assert host.asked == ["check"]
        assert {sent.plan_hash for sent in host.runs} == {host.pipelines[SHOUT].hash}
        assert 250 < host.run_time_left[0] < 302  # gRPC rounds up


@both
async def test_inputs_and_outputs_may_be_objects(kind: str) -> None:
    async with hosted(kind) as (_, do):
        assert (await do("run_pipeline", PAIR, pair=Pair(3))).outputs == {"sum": 3}
        assert (await do("run_pipeline", PAIR, {"pair": Pair(3, 4)})).outputs == {"sum": 3}
        assert (await do("run_pipeline", "shout", {"text": "a"}, returns=Shouted)).outputs == Shouted("A")
        with pytest.raises(CodecError) as refusal:
            await do("run_pipeline", PAIR, pair={"first": "3"})
        assert refusal.value.path == ".pair.first"


@both
async def test_a_stored_pipeline_runs_by_its_name_and_by_its_types(kind: str) -> None:
    module = TypedModule[Shouted](
        "pipeline.shout", "{text: String}", "{shouted: String}", {"{shouted: String}": Shouted}
    )
    async with hosted(kind) as (host, do):
        assert (await do("run_pipeline", "shout", text="a")).outputs == {"shouted": "A"}
        assert (await do("run_pipeline", module, text="a")).outputs == Shouted("A")
        assert [(sent.name, sent.source) for sent in host.runs] == [("shout", "")] * 2
        other = TypedModule[Shouted]("pipeline.shout", "{text: Int}", "{shouted: String}")
        with pytest.raises(FailedPrecondition) as refusal:
            await do("run_pipeline", other, text=1)
        assert refusal.value.code == "registry.schema.changed"
        assert len(host.runs) == 2
        with pytest.raises(NotFound) as unknown:
            await do("run_pipeline", "nobody")
        assert unknown.value.code == "pipeline.unknown"


@both
async def test_a_file_runs_and_is_named_in_messages(kind: str, tmp_path: Path) -> None:
    async with hosted(kind) as (host, do):
        file = tmp_path / "shout.cst"
        file.write_text(SHOUT, encoding="utf-8")
        assert (await do("run_pipeline", file, text="a")).outputs == {"shouted": "A"}
        assert host.runs[0].file == "shout.cst"
        file.write_text("in text", encoding="utf-8")
        with pytest.raises(InvalidArgument) as refusal:
            await do("run_pipeline", file, text="a")
        error = refusal.value
        assert (error.code, error.message) == (
            "pipeline.check.failed",
            "the pipeline does not check: E002 no module `Upper` at shout.cst:2:5, and 1 more",
        )
        assert error.details == {
            "count": "2",
            "code": "E002",
            "line": "2",
            "column": "5",
            "rendered": "error[E002] in shout.cst",
        }


@both
async def test_an_old_plan_is_asked_for_again_and_the_run_sent_once_more(kind: str) -> None:
    async with hosted(kind) as (host, do):
        await do("run_pipeline", "shout", text="a")
        host.pipelines["shout"].revision = 2
        assert (await do("run_pipeline", "shout", text="b")).outputs == {"shouted": "B"}
        host.pipelines["shout"] = FakePipeline("{n: Int}", "{n: Int}", lambda v: v, name="shout")
        # The inputs do not fit the kept plan, so its age is why.
        assert (await do("run_pipeline", "shout", n=1)).outputs == {"n": 1}
        assert host.asked == ["get", "get", "get"]
        assert len(host.runs) == 4


@both
async def test_a_run_that_failed_is_never_repeated(kind: str) -> None:
    def refuse(_: Any) -> Any:
        raise ModuleError("text.not_yet", "not yet", category="FAILED_PRECONDITION")

    async with hosted(kind) as (host, do):
        await do("run_pipeline", SHOUT, text="a")
        host.pipelines[SHOUT].run = refuse
        with pytest.raises(FailedPrecondition):
            await do("run_pipeline", SHOUT, text="a")
        assert len(host.runs) == 2


@both
async def test_a_failure_says_where_it_happened(kind: str) -> None:
    def refuse(_: Any) -> Any:
        where = {"run_id": "run-1", "node": "0", "module": "text.Uppercase", "line": "2", "column": "5"}
        raise ModuleError("text.no", "not today", category="CONFLICT", details=where)

    async with hosted(kind) as (host, do):
        host.pipelines[SHOUT].run = refuse
        with pytest.raises(Conflict) as failure:
            await do("run_pipeline", SHOUT, text="a")
        error = failure.value
        assert (error.code, error.origin) == ("text.no", "module")
        assert (error.details["module"], error.details["line"]) == ("text.Uppercase", "2")
        record = await do("get_run", error.details["run_id"])
        assert (record.outcome, record.partial_outputs) == ("failed", {"words": 6, "text": "a"})
        assert record.error is not None
        assert record.error.code == "text.no"


@both
async def test_a_run_ends_at_its_timeout_and_the_host_hears_of_it(kind: str) -> None:
    async with hosted(kind) as (host, do):
        host.pipelines[SHOUT].run = lambda _: asyncio.sleep(WAIT)
        with pytest.raises(DeadlineExceeded):
            await do("run_pipeline", SHOUT, text="a", timeout=0.2)
        await asyncio.wait_for(host.pipelines[SHOUT].cancelled.wait(), WAIT)


async def test_cancelling_a_run_cancels_it_at_the_host() -> None:
    async with host_with_pipelines() as host, AsyncClient(host.url) as client:
        host.pipelines[SHOUT].run = lambda _: asyncio.sleep(WAIT)
        run = asyncio.create_task(client.run_pipeline(SHOUT, text="a"))
        await asyncio.wait_for(host.pipelines[SHOUT].started.wait(), WAIT)
        run.cancel()
        await asyncio.wait_for(host.pipelines[SHOUT].cancelled.wait(), WAIT)
        with pytest.raises(asyncio.CancelledError):
            await run


async def test_a_stream_tells_what_happens_and_ends_with_the_outputs() -> None:
    async with host_with_pipelines() as host, AsyncClient(host.url) as client:
        events = [event async for event in client.stream_pipeline(SHOUT, text="a", returns=Shouted)]
        with Client(host.url) as blocking:
            assert await asyncio.to_thread(lambda: list(blocking.stream_pipeline("shout", text="a")))
        began, node, ended, last = events
        assert isinstance(began, RunStarted)
        assert (began.run_id, began.nodes[0].label) == ("run-1", "shouted")
        assert isinstance(node, NodeStarted)
        assert node.at == 0.0015
        assert isinstance(ended, NodeEnded)
        assert ended.call.outcome == "succeeded"
        assert isinstance(last, RunEnded)
        assert (last.outputs, last.error, last.record.outcome) == (Shouted("A"), None, "succeeded")


async def test_a_stream_of_a_run_that_fails_tells_the_record_and_raises() -> None:
    def refuse(_: Any) -> Any:
        raise RateLimited("text.no", "not today")

    async with host_with_pipelines() as host, AsyncClient(host.url) as client:
        host.pipelines[SHOUT].run = refuse
        stream = client.stream_pipeline(SHOUT, text="a")
        _, _, last = [await anext(stream) for _ in range(3)]
        with pytest.raises(RateLimited):
            await anext(stream)
        assert isinstance(last, RunEnded)
        assert (last.record.outcome, last.outputs) == ("failed", None)
        host.pipelines[SHOUT].revision = 2
        with pytest.raises(RateLimited):
            _ = [event async for event in client.stream_pipeline(SHOUT, text="a")]
        assert host.asked == ["check", "check"]


async def test_leaving_a_stream_cancels_the_run() -> None:
    async with host_with_pipelines() as host:
        host.pipelines[SHOUT].run = lambda _: asyncio.sleep(WAIT)
        host.pipelines["shout"].run = lambda _: asyncio.sleep(WAIT)
        async with AsyncClient(host.url) as client:
            async with contextlib.aclosing(client.stream_pipeline(SHOUT, text="a")) as events:
                assert isinstance(await anext(events), RunStarted)
                await asyncio.wait_for(host.pipelines[SHOUT].started.wait(), WAIT)
            await asyncio.wait_for(host.pipelines[SHOUT].cancelled.wait(), WAIT)

        def leave() -> None:
            with Client(host.url) as client:
                for event in client.stream_pipeline("shout", text="a"):
                    if isinstance(event, NodeStarted):
                        break

        await asyncio.to_thread(leave)
        await asyncio.wait_for(host.pipelines["shout"].cancelled.wait(), WAIT)


@both
async def test_a_check_says_all_there_is_to_say(kind: str) -> None:
    async with hosted(kind) as (_, do):
        good = await do("check_pipeline", SHOUT)
        assert good.ok
        assert good.plan is not None
        assert (str(good.plan.input), good.plan.modules, good.plan.examples) == (
            "{text: String}",
            ("text.Uppercase",),
            ({"text": "a"},),
        )
        bad = await do("check_pipeline", "garbage")
        assert not bad.ok
        assert [(each.code, each.severity) for each in bad.diagnostics] == [
            ("W001", "warning"),
            ("E002", "error"),
            ("E020", "error"),
        ]
        (_, told, _) = bad.diagnostics
        assert (told.place.column, told.help, told.related[0][1]) == (5, ("did you mean `Uppercase`?",), "and here")


@both
async def test_pipelines_are_put_listed_shown_and_deleted(kind: str, tmp_path: Path) -> None:
    async with hosted(kind) as (_, do):
        file = tmp_path / "shout.cst"
        file.write_text(SHOUT, encoding="utf-8")
        put = await do("put_pipeline", "louder", file, replaces="new")
        assert (put.name, put.callable, put.description, put.stored_at.year) == ("louder", True, "Shouts.", 2001)
        with pytest.raises(FailedPrecondition):
            await do("put_pipeline", "louder", SHOUT, replaces="new")
        assert [each.name for each in await do("list_pipelines")] == ["louder", "shout"]
        assert (await do("get_pipeline", "louder")).source == SHOUT
        assert [run.run_id for run in await do("list_runs", "louder", limit=1)] == ["run-2"]
        await do("delete_pipeline", "louder")
        with pytest.raises(NotFound):
            await do("get_pipeline", "louder")


async def test_a_handler_runs_pipelines_within_its_own_deadline_and_trace() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with host_with_pipelines() as host:
        provider = Provider("text", host=host.url, grace=0.2)

        @provider.module
        async def Loud(text: str, ctx: Context) -> str:
            return (await ctx.client.run_pipeline(SHOUT, text=text, returns=Shouted)).outputs.shouted

        @provider.module
        def LoudInThread(text: str, ctx: Context) -> str:
            try:
                return ctx.sync_client.run_pipeline("shout", text=text, returns=Shouted).outputs.shouted
            except Cancelled:
                return ""

        task = asyncio.create_task(provider.serve())
        await host.ready()
        for name in ("Loud", "LoudInThread"):
            request = host.request(name, text="a")
            request.traceparent = trace
            _, answer = await host.send_execute(request)
            assert host.read(name, await asyncio.wait_for(answer, WAIT)) == "A"
        assert all(left is not None and left <= 5 for left in host.run_time_left)
        assert all(sent["traceparent"] == trace for sent in host.run_metadata)
        assert all(sent["authorization"].startswith("Bearer token-") for sent in host.run_metadata)
        host.pipelines["shout"].run = lambda _: asyncio.sleep(WAIT)
        host.pipelines["shout"].started.clear()
        call_id, _ = await host.send_execute(host.request("LoudInThread", text="a"))
        await asyncio.wait_for(host.pipelines["shout"].started.wait(), WAIT)
        await host.send(frames_pb.HostFrame(call_id=call_id, cancel=frames_pb.Cancel()))
        await asyncio.wait_for(host.pipelines["shout"].cancelled.wait(), WAIT)
        provider.stop()
        await asyncio.wait_for(task, WAIT)


def test_the_plans_of_the_last_pipelines_are_kept() -> None:
    plans = Plans()
    plan = FakePipeline("{}", "{a: Int}", lambda v: v).plan
    for i in range(256):
        plans.keep(str(i), plan)
    assert plans.get("0") is not None
    plans.keep("one more", plan)
    assert plans.get("0") is not None
    assert plans.get("1") is None
