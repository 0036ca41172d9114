"""Handlers that call other modules: deadline, trace, credential and cancellation go along."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import cast

import pytest
from fake_host import WAIT, FakeHost

from modrack import Context, ModuleError, Provider
from modrack._generated.error.v1 import error_pb
from modrack._generated.provider.v1 import execution_pb
from modrack.errors import CATEGORIES, Category, ModrackError
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

    @provider.module
    async def Fail(category: str) -> int:
        raise ModuleError("text.chosen", f"{category} it is", category=cast(Category, category))

    @provider.module
    async def FailLate(category: str) -> AsyncIterator[int]:
        yield 1
        raise ModuleError("text.chosen", f"{category} it is", category=cast(Category, category))

    @provider.module
    async def Call(category: str, ctx: Context) -> int:
        return await ctx.client.call("text.Fail", category=category)

    @provider.module
    def CallInThread(category: str, ctx: Context) -> int:
        return ctx.sync_client.call("text.Fail", category=category)

    @provider.module
    async def CallInGroup(category: str, ctx: Context) -> int:
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(ctx.client.call("text.Fail", category=category))
        return 0

    @provider.module
    async def ReadStream(category: str, ctx: Context) -> list[int]:
        return [item async for item in ctx.client.stream("text.FailLate", category=category)]

    @provider.module
    async def Wrap(category: str, ctx: Context) -> int:
        try:
            return await ctx.client.call("text.Fail", category=category)
        except ModrackError as error:
            raise ValueError("mine") from error

    @provider.module
    async def CallWrongly(ctx: Context) -> int:
        return await ctx.client.call("text.Fail", category=5)

    @provider.module
    async def Relay(category: str, ctx: Context) -> AsyncIterator[int]:
        async for item in ctx.client.stream("text.FailLate", category=category):
            yield item

    @provider.module
    def RelayInThread(category: str, ctx: Context) -> Iterator[int]:
        yield from ctx.sync_client.stream("text.FailLate", category=category)

    @provider.batch
    async def EachFail(inputs: list[str]) -> list[str | Exception]:
        return [ModuleError("text.chosen", f"{each} it is", category=cast(Category, each)) for each in inputs]

    @provider.batch
    async def EachCall(inputs: list[str], ctx: Context) -> list[str | Exception]:
        return await ctx.client.call_batch("text.EachFail", inputs)

    @provider.batch
    def EachCallInThread(inputs: list[str], ctx: Context) -> list[str | Exception]:
        return ctx.sync_client.call_batch("text.EachFail", inputs)

    @provider.batch
    async def AllCall(inputs: list[str], ctx: Context) -> list[str]:
        return [await ctx.client.call("text.Fail", category=each) for each in inputs]


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
        assert (failed.error.code, failed.error.retryable) == ("executor.deadline.exceeded", True)
        assert host.time_left[0] <= 0.15


@pytest.mark.parametrize("name", ["Items", "ItemsInThread"])
async def test_a_nested_stream_is_read(name: str) -> None:
    async with serving() as (host, _):
        assert await host.call(name) == [0, 1, 2]


OUTCOMES = [
    ("DEADLINE_EXCEEDED", "executor.deadline.exceeded", "DEADLINE_EXCEEDED", True),
    ("CANCELLED", "executor.call.cancelled", "CANCELLED", False),
    ("NOT_FOUND", "module.failed", "UPSTREAM_ERROR", False),
]
"""The category of a nested call that fails, then what its handler's caller gets where the handler lets it pass."""


def check_passed(error: error_pb.Error, nested: str) -> None:
    (expected,) = [outcome for outcome in OUTCOMES if outcome[0] == nested]
    assert (nested, error.code, CATEGORIES[error.category - 1], error.retryable) == expected
    assert f"{nested} it is" in error.message
    assert dict(error.details) == {"nested_code": "text.chosen", "nested_category": nested}


@pytest.mark.parametrize("name", ["Call", "CallInThread", "CallInGroup", "ReadStream"])
@pytest.mark.parametrize("nested", [outcome[0] for outcome in OUTCOMES])
async def test_an_uncaught_nested_failure_keeps_its_category_when_time_or_a_cancel_ended_it(
    name: str, nested: str
) -> None:
    async with serving() as (host, _):
        answer = await host.execute(host.request(name, category=nested))
        check_passed(answer.error, nested)


@pytest.mark.parametrize("name", ["Relay", "RelayInThread"])
@pytest.mark.parametrize("nested", [outcome[0] for outcome in OUTCOMES])
async def test_a_stream_ends_as_its_nested_stream_does(name: str, nested: str) -> None:
    async with serving() as (host, _):
        item, error = await host.stream(name, category=nested)
        assert item == 1
        check_passed(error, nested)


@pytest.mark.parametrize("name", ["EachCall", "EachCallInThread"])
async def test_each_element_of_a_batch_fails_as_that_of_its_nested_batch(name: str) -> None:
    async with serving() as (host, _):
        categories = [outcome[0] for outcome in OUTCOMES]
        for nested, error in zip(categories, await host.batch(name, categories), strict=True):
            check_passed(error, nested)


@pytest.mark.parametrize("nested", [outcome[0] for outcome in OUTCOMES])
async def test_a_batch_fails_as_a_whole_by_a_nested_failure_that_leaves_its_handler(nested: str) -> None:
    async with serving() as (host, _):
        check_passed(await host.batch("AllCall", [nested]), nested)


async def test_a_nested_failure_that_is_caught_and_wrapped_is_the_handlers_own() -> None:
    async with serving() as (host, _):
        error = (await host.execute(host.request("Wrap", category="CANCELLED"))).error
        assert (error.code, error.message, dict(error.details)) == ("module.failed", "ValueError: mine", {})


async def test_a_nested_input_that_does_not_fit_is_no_fault_of_the_outer_one() -> None:
    async with serving() as (host, _):
        error = (await host.execute(host.request("CallWrongly"))).error
        assert (error.code, error.details["nested_category"]) == ("module.failed", "INVALID_ARGUMENT")
        assert error.details["nested_code"].startswith("codec.")


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
