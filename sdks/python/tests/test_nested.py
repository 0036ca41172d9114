"""Handlers that call other modules: deadline, trace, credential and cancellation go along."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from fake_host import WAIT, FakeHost

from modrack import Context, Provider
from modrack._generated.provider.v1 import execution_pb
from modrack.testing import TestClient

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Seen:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.inner = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.outer = asyncio.Event()


def modules(provider: Provider, seen: Seen) -> None:
    @provider.module
    async def Outer(text: str, ctx: Context) -> str:
        return await ctx.client.call("text.Inner", text=text, returns=str) + "!"

    @provider.module
    def OuterInThread(text: str, ctx: Context) -> str:
        return ctx.sync_client.call("text.Inner", text=text, returns=str) + "!"

    @provider.module
    async def Inner(text: str, ctx: Context) -> str:
        return text.upper()

    @provider.module
    async def Items(ctx: Context) -> list[int]:
        return [item async for item in ctx.client.stream("text.Count", to=3)]

    @provider.module
    def ItemsInThread(ctx: Context) -> list[int]:
        return list(ctx.sync_client.stream("text.Count", to=3))

    @provider.module
    async def Count(to: int) -> AsyncIterator[int]:
        for i in range(to):
            yield i

    @provider.module
    async def Hang() -> int:
        seen.inner.set()
        try:
            await asyncio.sleep(WAIT)
        except asyncio.CancelledError:
            seen.cancelled.set()
            raise
        return 0

    @provider.module
    async def OuterHang(ctx: Context) -> int:
        return await ctx.client.call("text.Hang", timeout=WAIT)

    @provider.module
    def OuterHangInThread(ctx: Context) -> int:
        try:
            return ctx.sync_client.call("text.Hang", timeout=WAIT)
        finally:
            seen.loop.call_soon_threadsafe(seen.outer.set)

    @provider.module
    async def Wrong(ctx: Context) -> str:
        try:
            _ = ctx.sync_client
        except RuntimeError as error:
            return str(error)
        return ""

    @provider.module
    def WrongInThread(ctx: Context) -> str:
        try:
            _ = ctx.client
        except RuntimeError as error:
            return str(error)
        return ""


@contextlib.asynccontextmanager
async def serving(plane: str = "link") -> AsyncIterator[tuple[FakeHost, Seen]]:
    async with FakeHost() as host:
        provider = Provider("text", host=host.url, plane=plane, grace=2.0)
        seen = Seen()
        modules(provider, seen)
        task = asyncio.create_task(provider.serve())
        try:
            await host.ready()
            yield host, seen
        finally:
            provider.stop()
            await asyncio.wait_for(task, WAIT)


@pytest.mark.parametrize("name", ["Outer", "OuterInThread"])
async def test_a_nested_call_carries_session_trace_and_what_is_left_of_the_deadline(name: str) -> None:
    async with serving() as (host, _):
        request = execution_pb.ExecuteRequest(
            module_name=name,
            input_data=host.codecs(name)[0].encode({"text": "a"}),
            traceparent=TRACE,
            tracestate="vendor=1",
            timeout_ms=3000,
        )
        assert host.read(name, await host.execute(request)) == "A!"
        (metadata,) = host.metadata
        assert metadata["authorization"] == "Bearer token-1"
        assert (metadata["traceparent"], metadata["tracestate"]) == (TRACE, "vendor=1")
        assert 1 < host.time_left[0] <= 3


async def test_a_nested_call_without_a_deadline_has_that_of_a_client() -> None:
    async with serving() as (host, _):
        request = execution_pb.ExecuteRequest(
            module_name="Outer", input_data=host.codecs("Outer")[0].encode({"text": "a"})
        )
        assert host.read("Outer", await host.execute(request)) == "A!"
        assert "traceparent" not in host.metadata[0]
        assert 20 < host.time_left[0] < 31


async def test_a_deadline_that_has_passed_fails_the_nested_call_before_it_is_sent() -> None:
    async with serving() as (host, _):
        request = execution_pb.ExecuteRequest(module_name="OuterHang", input_data=b"\x80", timeout_ms=150)
        failed = await host.execute(request)
        assert failed.error.message.startswith("DeadlineExceeded: ")
        assert host.time_left[0] <= 0.15


@pytest.mark.parametrize("name", ["Items", "ItemsInThread"])
async def test_a_nested_stream_is_read(name: str) -> None:
    async with serving() as (host, _):
        assert await host.call(name) == [0, 1, 2]


@pytest.mark.parametrize("name", ["OuterHang", "OuterHangInThread"])
async def test_cancelling_the_outer_call_cancels_the_nested_one(name: str) -> None:
    from modrack._generated.provider.v1 import frames_pb

    async with serving() as (host, seen):
        call_id, _ = await host.send_execute(execution_pb.ExecuteRequest(module_name=name, input_data=b"\x80"))
        await asyncio.wait_for(seen.inner.wait(), WAIT)
        await host.send(frames_pb.HostFrame(call_id=call_id, cancel=frames_pb.Cancel()))
        await asyncio.wait_for(seen.cancelled.wait(), WAIT)
        if name == "OuterHangInThread":
            await asyncio.wait_for(seen.outer.wait(), WAIT)


async def test_each_kind_of_handler_has_its_own_kind_of_client() -> None:
    async with serving() as (host, _):
        assert await host.call("Wrong") == (
            "`Context.sync_client` would block the event loop; an async handler has `Context.client`"
        )
        assert await host.call("WrongInThread") == (
            "`Context.client` is for async handlers; a sync one has `Context.sync_client`"
        )


async def test_without_a_host_there_is_nobody_to_call() -> None:
    provider = Provider("text")
    modules(provider, Seen())
    with pytest.raises(RuntimeError, match="comes from no host"):
        await TestClient(provider).acall("Outer", text="a")
