"""How handlers are run: what one may not do to the next, that threads are not paid for one by one, and the bytes of answers."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvloop
from fake_host import WAIT, FakeHost

from modrack import Context, Provider, _answers
from modrack._frames import Conversation
from modrack._generated.provider.v1 import execution_pb, frames_pb
from modrack._runner import Runner
from modrack._threads import WorkerThreads
from modrack.provider import loop_factory

WHO: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


class Peer:
    """A runner and a conversation without a connection: frames in, frames out, all in the test's own loop."""

    def __init__(self, provider: Provider) -> None:
        self.runner = Runner(provider.modules, threads=4)
        self.woken = asyncio.Event()
        self.conversation = Conversation(self.runner, 1 << 20, self.woken.set)
        self._provider = provider
        self._ids = iter(range(1, 1_000_000))
        self.answered: dict[int, frames_pb.ProviderFrame] = {}

    def execute(self, name: str, **fields: Any) -> frames_pb.HostFrame:
        data = self._provider.modules[name].input.encode(fields)
        request = execution_pb.ExecuteRequest(module_name=name, input_data=data)
        return frames_pb.HostFrame(call_id=next(self._ids), execute=request)

    async def receive(self, *frames: frames_pb.HostFrame) -> None:
        """Outside any task, as a connection does it."""
        done = asyncio.get_running_loop().create_future()

        def work() -> None:
            self.conversation.receive(frames_pb.AttachResponse(frames=frames).SerializeToString())
            done.set_result(None)

        asyncio.get_running_loop().call_soon(work)
        await done

    def take(self) -> None:
        for message in self.conversation.take():
            for frame in frames_pb.AttachRequest.FromString(message).frames:
                self.answered[frame.call_id] = frame

    async def outputs(self, name: str, *frames: frames_pb.HostFrame) -> list[Any]:
        async with asyncio.timeout(WAIT):
            self.take()
            while not {frame.call_id for frame in frames} <= self.answered.keys():
                self.woken.clear()
                await self.woken.wait()
                self.take()
        answers = [self.answered[frame.call_id].result for frame in frames]
        return [
            self._provider.modules[name].output.decode(answer.output_data)
            if answer.WhichOneof("result") == "output_data"
            else answer.error
            for answer in answers
        ]


@contextlib.asynccontextmanager
async def peer(provider: Provider) -> AsyncIterator[Peer]:
    made = Peer(provider)
    try:
        yield made
    finally:
        made.conversation.abandon()
        made.runner.close()


async def test_a_handler_runs_as_a_task_and_shares_it_only_with_those_that_do_not_wait() -> None:
    provider = Provider("text")
    tasks: dict[str, asyncio.Task[Any] | None] = {}

    @provider.module
    async def Note(who: str, wait: bool) -> bool:
        tasks[who] = asyncio.current_task()
        if wait:
            async with asyncio.timeout(5):
                await asyncio.sleep(0)
        return asyncio.current_task() is tasks[who]

    async with peer(provider) as made:
        frames = [
            made.execute("Note", who="a", wait=False),
            made.execute("Note", who="b", wait=True),
            made.execute("Note", who="c", wait=False),
            made.execute("Note", who="d", wait=True),
        ]
        await made.receive(*frames)
        assert await made.outputs("Note", *frames) == [True] * 4
        assert tasks["a"] is tasks["b"]
        assert tasks["c"] is tasks["d"]
        assert tasks["b"] is not tasks["c"]
        assert isinstance(tasks["a"], asyncio.Task)


@pytest.mark.parametrize("wait", [False, True])
async def test_what_a_handler_sets_in_its_context_reaches_no_other(wait: bool) -> None:
    provider = Provider("text")

    @provider.module
    async def Who(who: str) -> str:
        before = WHO.get()
        WHO.set(who)
        if wait:
            await asyncio.sleep(0)
        assert WHO.get() == who
        return before

    async with peer(provider) as made:
        frames = [made.execute("Who", who=str(i)) for i in range(5)]
        await made.receive(*frames)
        assert await made.outputs("Who", *frames) == ["nobody"] * 5
    assert WHO.get() == "nobody"


async def test_a_handler_that_cancels_its_own_task_cancels_no_other() -> None:
    provider = Provider("text")

    @provider.module
    async def Cancel(itself: bool) -> int:
        if itself:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            return 0
        await asyncio.sleep(0)
        return 1

    async with peer(provider) as made:
        frames = [made.execute("Cancel", itself=itself) for itself in (True, False, True, False)]
        await made.receive(*frames)
        assert await made.outputs("Cancel", *frames) == [0, 1, 0, 1]


async def test_a_cancel_behind_its_call_in_one_message_reaches_the_handler() -> None:
    provider = Provider("text")
    cancelled: list[str] = []

    @provider.module
    async def Hang(who: str) -> str:
        try:
            await asyncio.sleep(WAIT)
        except asyncio.CancelledError:
            cancelled.append(who)
            raise
        return who

    @provider.module
    async def Echo(who: str) -> str:
        return who

    async with peer(provider) as made:
        hang, echo = made.execute("Hang", who="a"), made.execute("Echo", who="b")
        cancel = frames_pb.HostFrame(call_id=hang.call_id, cancel=frames_pb.Cancel())
        await made.receive(hang, echo, cancel)
        assert await made.outputs("Echo", echo) == ["b"]
        await asyncio.sleep(0)
        assert cancelled == ["a"]
        assert made.conversation.running == {}
        assert hang.call_id not in made.answered


async def test_a_context_is_made_from_the_request_of_its_own_call() -> None:
    provider = Provider("text")

    @provider.module
    async def Id(ctx: Context) -> str:
        return ctx.execution_id

    async with peer(provider) as made:
        frames = [made.execute("Id") for _ in range(3)]
        for i, frame in enumerate(frames):
            frame.execute.execution_id = f"run-{i}"
        await made.receive(*frames)
        assert await made.outputs("Id", *frames) == ["run-0", "run-1", "run-2"]


async def test_sync_handlers_of_one_message_share_a_thread_and_come_back_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = Provider("text")
    threads: set[int] = set()
    wakes = 0

    @provider.module
    def InThread(number: int) -> int:
        threads.add(threading.get_ident())
        return number

    call_loop = WorkerThreads._call_loop

    def counted(self: WorkerThreads, callback: Any) -> bool:
        nonlocal wakes
        wakes += 1
        return call_loop(self, callback)

    monkeypatch.setattr(WorkerThreads, "_call_loop", counted)
    async with peer(provider) as made:
        for _ in range(5):
            frames = [made.execute("InThread", number=i) for i in range(200)]
            await made.receive(*frames)
            assert await made.outputs("InThread", *frames) == list(range(200))
    # A hop per call would be a thousand.
    assert wakes < 200
    assert len(threads) <= 4
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("factory", [None, uvloop.new_event_loop])
def test_blocking_handlers_stall_neither_heartbeats_nor_other_calls_on_either_loop(factory: Any) -> None:
    async def check() -> None:
        async with FakeHost(heartbeat_ms=20) as host:
            provider = Provider("text", host=host.url, grace=2.0)

            @provider.module
            def Block(ms: int) -> int:
                time.sleep(ms / 1000)
                return ms

            @provider.module
            async def Now(text: str) -> str:
                return text

            @provider.module
            def Quick(text: str) -> str:
                return text

            task = asyncio.create_task(provider.serve())
            await host.ready()
            blocked = [asyncio.create_task(host.call("Block", ms=400)) for _ in range(8)]
            beats = host.heartbeats
            async with asyncio.timeout(0.4):
                for _ in range(20):
                    assert await host.call("Now", text="a") == "a"
                assert await host.call("Quick", text="a") == "a"
            assert not any(each.done() for each in blocked)
            assert await asyncio.gather(*blocked) == [400] * 8
            assert host.heartbeats > beats
            provider.stop()
            await asyncio.wait_for(task, WAIT)

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(check())


def test_uvloop_is_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loop_factory() is uvloop.new_event_loop
    monkeypatch.setitem(__import__("sys").modules, "uvloop", None)
    assert loop_factory() is None


@pytest.mark.parametrize("size", [1, 100, 121, 122, 127, 128, 4095, 4096, 16_383, 16_384, 70_000])
@pytest.mark.parametrize("call_id", [1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 2**64 - 1])
def test_what_is_written_by_hand_is_what_the_generated_classes_write(call_id: int, size: int) -> None:
    data = bytes(size)
    for head, frame in (
        (_answers.result_head, frames_pb.ProviderFrame(result=execution_pb.ExecuteResponse(output_data=data))),
        (_answers.item_head, frames_pb.ProviderFrame(item=frames_pb.Item(data=data))),
    ):
        frame.call_id = call_id
        body = _answers.call_field(call_id) + head(size) + data
        message = frames_pb.AttachRequest(frames=[frame]).SerializeToString()
        assert _answers.frame_head(len(body)) + body == message
    end = frames_pb.ProviderFrame(call_id=call_id, end=frames_pb.StreamEnd())
    assert _answers.call_field(call_id) + _answers.END == end.SerializeToString()
