"""Streams on every plane: credit, order, cancellation and cleanup."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator

import pytest
from fake_host import WAIT, FakeHost

from modrack import AsyncClient, Client, Context, ModuleError, Provider, SchemaError
from modrack.bindings import TypedModule
from modrack.errors import ModrackError, Unsupported
from modrack.testing import TestClient

PLANES = ("link", "attach", "unary")


class Seen:
    """What the generators below went through. Each appends what it is about to yield."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.made: list[int] = []
        self.closed = asyncio.Event()
        self.parked = asyncio.Event()
        self.threads: set[int] = set()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.closed.set)


def modules(provider: Provider, seen: Seen) -> None:
    @provider.module
    async def Count(to: int) -> AsyncIterator[int]:
        """Count from 0."""
        try:
            for i in range(to):
                seen.made.append(i)
                yield i
        finally:
            await asyncio.sleep(0)
            seen.close()

    @provider.module
    def CountInThread(to: int) -> Iterator[int]:
        try:
            for i in range(to):
                seen.threads.add(threading.get_ident())
                seen.made.append(i)
                yield i
        finally:
            seen.close()

    @provider.module
    async def Hang() -> AsyncGenerator[str, None]:
        try:
            yield "first"
            seen.parked.set()
            await asyncio.sleep(WAIT)
        finally:
            seen.close()

    @provider.module
    def HangInThread(ctx: Context) -> Generator[str, None, None]:
        try:
            yield "first"
            seen.loop.call_soon_threadsafe(seen.parked.set)
            ctx.cancelled.wait(WAIT)
            yield "nobody sees this"
        finally:
            seen.close()

    @provider.module
    async def Fail(after: int) -> AsyncIterator[int]:
        for i in range(after):
            yield i
        raise ModuleError("text.no", "not today", category="CONFLICT")

    @provider.module
    def FailInThread(after: int) -> Iterator[int]:
        yield from range(after)
        raise ModuleError("text.no", "not today", category="CONFLICT")

    @provider.module
    async def Lie() -> AsyncIterator[int]:
        try:
            yield 1
            yield "two"  # type: ignore[misc]
        finally:
            seen.close()

    @provider.module
    async def Given(words: list[str]) -> AsyncIterator[str]:
        async def rest() -> AsyncIterator[str]:
            for word in words:
                yield word

        return rest()

    @provider.module
    async def One(text: str) -> str:
        return text

    @provider.module
    def OneInThread(text: str) -> str:
        return text

    @provider.module
    async def Chunks(count: int) -> AsyncIterator[bytes]:
        try:
            for i in range(count):
                seen.made.append(i)
                yield bytes(100_000)
        finally:
            seen.close()

    @provider.module
    async def Big() -> AsyncIterator[bytes]:
        try:
            yield bytes(10)
            yield bytes(2 << 20)
            yield bytes(10)
        finally:
            seen.close()


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


async def settled(host: FakeHost) -> None:
    """Until a generator that goes on without permission would have done so: others came by meanwhile, on loop and threads."""
    for _ in range(3):
        assert await host.call("One", text="a") == "a"
        assert await host.call("OneInThread", text="a") == "a"


@pytest.mark.parametrize("name", ["Count", "CountInThread"])
@pytest.mark.parametrize("plane", PLANES)
async def test_each_plane_carries_a_stream_to_its_end(plane: str, name: str) -> None:
    async with serving(plane) as (host, seen):
        capabilities = {m.name: m.capabilities.stream for m in host.registrations[-1].modules}
        assert capabilities[name]
        assert not capabilities["One"]
        assert await host.stream(name, to=100) == list(range(100))
        assert await host.stream(name, to=0) == []
        await asyncio.wait_for(seen.closed.wait(), WAIT)
        assert threading.get_ident() not in seen.threads


async def test_an_iterator_that_a_coroutine_returns_is_streamed() -> None:
    async with serving() as (host, _):
        assert await host.stream("Given", words=["a", "b"]) == ["a", "b"]


@pytest.mark.parametrize("name", ["Count", "CountInThread"])
@pytest.mark.parametrize("plane", ["link", "attach"])
async def test_no_more_is_made_than_there_is_credit_for(plane: str, name: str) -> None:
    async with serving(plane) as (host, seen):
        stream = await host.start_stream(name, 3, to=10)
        assert [await stream.next() for _ in range(3)] == [0, 1, 2]
        await settled(host)
        assert (seen.made, stream.waiting) == ([0, 1, 2], 0)
        await stream.grant(2)
        await stream.grant(1)
        assert [await stream.next() for _ in range(3)] == [3, 4, 5]
        await settled(host)
        assert (seen.made, stream.waiting) == ([0, 1, 2, 3, 4, 5], 0)
        await stream.grant(100)
        assert [await stream.next() for _ in range(5)] == [6, 7, 8, 9, None]
        await host.call("One", text="a")
        assert stream.waiting == 0


async def test_a_slow_reader_of_the_unary_plane_holds_up_the_handler() -> None:
    async with serving("unary") as (host, seen):
        from modrack._generated.provider.v1 import execution_pb

        call = host.stub().ExecuteStream(execution_pb.ExecuteStreamRequest(request=host.request("Chunks", count=5000)))
        await call.read()
        for _ in range(50):
            await settled(host)
        assert len(seen.made) < 1000
        call.cancel()
        await asyncio.wait_for(seen.closed.wait(), WAIT)


@pytest.mark.parametrize("name", ["Hang", "HangInThread"])
@pytest.mark.parametrize("plane", PLANES)
async def test_a_cancel_in_the_middle_closes_the_generator(plane: str, name: str) -> None:
    async with serving(plane) as (host, seen):
        if plane == "unary":
            from modrack._generated.provider.v1 import execution_pb

            call = host.stub().ExecuteStream(execution_pb.ExecuteStreamRequest(request=host.request(name)))
            await call.read()
            await asyncio.wait_for(seen.parked.wait(), WAIT)
            call.cancel()
        else:
            stream = await host.start_stream(name, 5)
            assert await stream.next() == "first"
            await asyncio.wait_for(seen.parked.wait(), WAIT)
            await stream.cancel()
        await asyncio.wait_for(seen.closed.wait(), WAIT)
        if plane != "unary":
            assert await host.call("One", text="a") == "a"
            assert stream.waiting == 0


@pytest.mark.parametrize("name", ["Count", "CountInThread"])
async def test_a_cancel_while_there_is_no_credit_closes_the_generator(name: str) -> None:
    async with serving() as (host, seen):
        stream = await host.start_stream(name, 1, to=10)
        assert await stream.next() == 0
        await stream.cancel()
        await asyncio.wait_for(seen.closed.wait(), WAIT)
        assert seen.made == [0]


@pytest.mark.parametrize("name", ["Hang", "HangInThread"])
async def test_a_lost_connection_closes_the_generator(name: str) -> None:
    async with serving() as (host, seen):
        stream = await host.start_stream(name, 5)
        await stream.next()
        await asyncio.wait_for(seen.parked.wait(), WAIT)
        await host.connection.close()
        await asyncio.wait_for(seen.closed.wait(), WAIT)


@pytest.mark.parametrize("plane", PLANES)
async def test_a_failure_comes_behind_the_items_before_it(plane: str) -> None:
    async with serving(plane) as (host, seen):
        for name in ("Fail", "FailInThread"):
            *items, failure = await host.stream(name, after=3)
            assert (items, failure.code, failure.message) == ([0, 1, 2], "text.no", "not today")
        *items, failure = await host.stream("Lie")
        assert (items, failure.code) == ([1], "executor.output.invalid")
        await asyncio.wait_for(seen.closed.wait(), WAIT)


async def test_an_item_above_the_limit_ends_the_stream_with_its_error() -> None:
    async with serving() as (host, seen):
        stream = await host.start_stream("Big", 10)
        assert len(await stream.next()) == 10
        assert (await stream.next()).code == "module.output_too_large"
        await asyncio.wait_for(seen.closed.wait(), WAIT)
        await settled(host)
        assert stream.waiting == 0


@pytest.mark.parametrize("plane", PLANES)
async def test_calling_a_stream_as_a_call_and_the_other_way_round_is_unsupported(plane: str) -> None:
    async with serving(plane) as (host, _):
        wrong = await host.execute(host.request("Count", to=1))
        assert wrong.error.code == "executor.stream.required"
        (failure,) = await host.stream("One", text="a")
        assert failure.code == "executor.stream.unsupported"


async def test_a_client_reads_streams_and_leaving_the_loop_cancels_them() -> None:
    async with serving() as (host, seen), AsyncClient(host.url) as client:
        assert [item async for item in client.stream("text.Count", to=3, returns=int)] == [0, 1, 2]
        seen.closed.clear()
        async with contextlib.aclosing(client.stream("text.Hang")) as items:
            async for item in items:
                assert item == "first"
                break
        await asyncio.wait_for(seen.closed.wait(), WAIT)
        failing = client.stream("text.Fail", after=2)
        assert [await anext(failing), await anext(failing)] == [0, 1]
        with pytest.raises(ModrackError) as failure:
            await anext(failing)
        assert failure.value.code == "text.no"
        host.revision = 2
        assert [item async for item in client.stream("text.Count", to=2)] == [0, 1]


async def test_a_client_of_threads_reads_streams_and_leaving_the_loop_cancels_them() -> None:
    def use(url: str) -> list[int]:
        with Client(url) as client:
            items = list(client.stream("text.Count", to=3, returns=int))
            for item in client.stream("text.Hang"):
                assert item == "first"
                break
            with pytest.raises(ModrackError) as failure:
                list(client.stream("text.Hang", timeout=0.2))
            assert failure.value.code == "client.deadline.exceeded"
            return items

    async with serving() as (host, seen):
        assert await asyncio.to_thread(use, host.url) == [0, 1, 2]
        await asyncio.wait_for(seen.closed.wait(), WAIT)


async def test_the_test_client_streams() -> None:
    provider = Provider("text")
    seen = Seen()
    modules(provider, seen)
    client = TestClient(provider)
    assert [item async for item in client.astream("Count", to=3)] == [0, 1, 2]
    assert list(client.stream("CountInThread", to=3)) == [0, 1, 2]
    with pytest.raises(Unsupported):
        client.call("CountInThread", to=3)
    assert await asyncio.to_thread(lambda: list(client.stream("Count", to=2))) == [0, 1]


def test_a_generator_without_an_item_type_is_refused() -> None:
    provider = Provider("text")
    with pytest.raises(
        SchemaError, match=r"annotated with what it yields: `AsyncIterator\[T\]` or `Iterator\[T\]` at `return`"
    ):

        @provider.module
        def Words() -> int:  # type: ignore[misc]
            yield 1


COUNT = TypedModule[int]("text.Count", "{to: Int}", "Int")


async def test_a_typed_stream_needs_no_schema_of_the_host() -> None:
    def use(url: str) -> list[int]:
        with Client(url) as client:
            return list(client.stream_typed(COUNT, {"to": 2}))

    async with serving() as (host, _), AsyncClient(host.url) as client:
        assert [item async for item in client.stream_typed(COUNT, {"to": 3})] == [0, 1, 2]
        assert await asyncio.to_thread(use, host.url) == [0, 1]
        assert {call.schema_fingerprint for call in host.calls} == {COUNT.fingerprint}
        other = TypedModule[str]("text.Count", "{to: Int}", "String")
        with pytest.raises(ModrackError) as refusal:
            await anext(client.stream_typed(other, {"to": 3}))
        assert refusal.value.code == "registry.schema.changed"
