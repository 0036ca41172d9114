"""A provider against a host in the same event loop, on every plane."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fake_host import WAIT, FakeHost
from grpc_health.v1 import health_pb2, health_pb2_grpc

from modrack import Conflict, Context, FailedPrecondition, ModrackError, ModuleError, Provider, Unsupported
from modrack._generated.error.v1 import error_pb
from modrack._generated.provider.v1 import execution_pb, frames_pb, lifecycle_pb, registry_pb
from modrack._generated.provider.v1.lifecycle_grpc import ModuleLifecycleAsyncStub

PLANES = ("link", "attach", "unary")


class Log:
    """What the handlers below saw."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.started = asyncio.Event()
        self.contexts: list[Context] = []
        self.threads: set[int] = set()


def modules(provider: Provider, seen: Log) -> None:
    @provider.module
    async def Now(text: str) -> str:
        return text.upper()

    @provider.module
    async def Later(text: str) -> str:
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
        return text.upper()

    @provider.module
    def InThread(text: str, ctx: Context) -> str:
        seen.contexts.append(ctx)
        seen.threads.add(threading.get_ident())
        return text.upper()

    @provider.module
    def Block(ms: int) -> int:
        time.sleep(ms / 1000)
        return ms

    @provider.module
    async def Hang() -> int:
        seen.started.set()
        try:
            await asyncio.sleep(WAIT)
        except asyncio.CancelledError:
            seen.cancelled.set()
            raise
        return 0

    @provider.module
    def HangInThread(ctx: Context) -> int:
        seen.loop.call_soon_threadsafe(seen.started.set)
        if ctx.cancelled.wait(WAIT):
            seen.loop.call_soon_threadsafe(seen.cancelled.set)
        return 0

    @provider.module
    async def Refuse() -> int:
        raise ModuleError("text.no", "not today", category="RATE_LIMITED", retryable=True, details={"day": "Monday"})

    @provider.module
    def Fall() -> int:
        raise ZeroDivisionError("by nothing")

    @provider.module
    def FallLoudly() -> int:
        raise ValueError("\ud800" * 3_000_000)

    @provider.module
    async def Exit() -> int:
        raise SystemExit(4)

    @provider.module
    async def Lie() -> int:
        return "a text"  # type: ignore[return-value]

    @provider.module
    async def Big(size: int) -> bytes:
        return bytes(size)


@contextlib.asynccontextmanager
async def serving(host: FakeHost, **options: object) -> AsyncIterator[tuple[Provider, Log]]:
    provider = Provider("text", host=host.url, grace=2.0, **options)  # type: ignore[arg-type]
    seen = Log()
    modules(provider, seen)
    task = asyncio.create_task(provider.serve())
    try:
        await asyncio.wait([task, asyncio.create_task(host.ready())], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield provider, seen
    finally:
        provider.stop()
        await asyncio.wait_for(task, WAIT)


@pytest.fixture(params=PLANES)
def plane(request: pytest.FixtureRequest) -> str:
    return request.param


async def test_each_plane_answers_async_and_sync_handlers(plane: str) -> None:
    async with FakeHost() as host, serving(host, plane=plane) as (_, seen):
        assert host.plane == plane
        for name in ("Now", "Later", "InThread"):
            assert await host.call(name, text="straße") == "STRASSE"
        (ctx,) = seen.contexts
        assert (ctx.execution_id, ctx.attempt, ctx.module) == ("run-1", 2, "InThread")
        assert ctx.time_left is not None
        assert 0 < ctx.time_left <= 5
        assert threading.get_ident() not in seen.threads


async def test_each_plane_carries_the_errors_of_handlers(plane: str) -> None:
    async with FakeHost() as host, serving(host, plane=plane):
        refused = await host.call("Refuse")
        assert (refused.code, refused.message, refused.retryable) == ("text.no", "not today", True)
        assert refused.category == error_pb.CATEGORY_RATE_LIMITED
        assert refused.origin == error_pb.ORIGIN_MODULE
        assert dict(refused.details) == {"day": "Monday"}
        fell = await host.call("Fall")
        assert (fell.code, fell.message) == ("module.failed", "ZeroDivisionError: by nothing")
        assert fell.category == error_pb.CATEGORY_UPSTREAM_ERROR
        assert dict(fell.details) == {}
        loud = await host.call("FallLoudly")
        assert (loud.code, len(loud.message)) == ("module.failed", 8192)
        lied = await host.call("Lie")
        assert lied.code == "executor.output.invalid"
        assert dict(lied.details) == {"codec_code": "codec.type_mismatch", "path": ""}


async def test_each_plane_refuses_what_it_does_not_have_and_what_it_cannot_read(plane: str) -> None:
    async with FakeHost() as host, serving(host, plane=plane):
        unknown = await host.execute(execution_pb.ExecuteRequest(module_name="Nope"))
        assert unknown.error.code == "registry.module.unknown"
        garbage = await host.execute(execution_pb.ExecuteRequest(module_name="Now", input_data=b"\xc1"))
        assert garbage.error.code == "executor.input.invalid"
        assert garbage.error.details["codec_code"] == "codec.unsupported"
        assert await host.call("Now", text="a") == "A"


async def test_a_handler_that_exits_only_fails_its_call() -> None:
    async with FakeHost() as host, serving(host):
        assert (await host.call("Exit")).message == "SystemExit: 4"
        assert await host.call("Now", text="a") == "A"


async def test_the_stack_is_told_only_where_debug_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODRACK_DEBUG", "1")
    async with FakeHost() as host, serving(host):
        assert "ZeroDivisionError: by nothing" in (await host.call("Fall")).details["stack"]


@pytest.mark.parametrize("name", ["Hang", "HangInThread"])
@pytest.mark.parametrize("plane", ["link", "attach"])
async def test_a_cancel_frame_reaches_the_handler(plane: str, name: str) -> None:
    async with FakeHost() as host, serving(host, plane=plane) as (_, seen):
        request = execution_pb.ExecuteRequest(module_name=name, input_data=b"\x80")
        call_id, future = await host.send_execute(request)
        await asyncio.wait_for(seen.started.wait(), WAIT)
        cancel = frames_pb.Cancel(reason=frames_pb.CANCEL_REASON_CALLER)
        frame = frames_pb.HostFrame(call_id=call_id, cancel=cancel)
        await host.connection.send(frames_pb.AttachResponse(frames=[frame]))
        await asyncio.wait_for(seen.cancelled.wait(), WAIT)
        assert await host.call("Now", text="a") == "A"
        assert not future.done()


@pytest.mark.parametrize("name", ["Hang", "HangInThread"])
async def test_cancelling_a_unary_call_reaches_the_handler(name: str) -> None:
    async with FakeHost() as host, serving(host, plane="unary") as (_, seen):
        call = host.stub().Execute(execution_pb.ExecuteRequest(module_name=name, input_data=b"\x80"))
        waiting = asyncio.ensure_future(call)
        await asyncio.wait_for(seen.started.wait(), WAIT)
        call.cancel()
        await asyncio.wait_for(seen.cancelled.wait(), WAIT)
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_blocking_handlers_stall_neither_each_other_nor_heartbeats_nor_the_link() -> None:
    async with FakeHost(heartbeat_ms=20) as host, serving(host):
        began, beats = time.monotonic(), host.heartbeats
        blocked = [asyncio.create_task(host.call("Block", ms=400)) for _ in range(8)]
        assert await host.call("Now", text="a") == "A"
        assert await host.call("InThread", text="a") == "A"
        assert time.monotonic() - began < 0.4
        assert await asyncio.gather(*blocked) == [400] * 8
        assert time.monotonic() - began < 1.6
        assert host.heartbeats > beats


async def test_what_is_answered_together_travels_together() -> None:
    async with FakeHost() as host, serving(host):
        before = host.connection.messages
        data = host.codecs("Now")[0].encode({"text": "a"})
        requests = [execution_pb.ExecuteRequest(module_name="Now", input_data=data) for _ in range(50)]
        _, last = await host.send_execute(*requests)
        await asyncio.wait_for(last, WAIT)
        assert host.connection.messages == before + 1
        assert not host.connection.waiting


async def test_an_output_above_the_limit_is_an_error_and_many_below_it_are_several_messages() -> None:
    async with FakeHost() as host, serving(host):
        assert (await host.call("Big", size=2 << 20)).code == "module.output_too_large"
        before = host.connection.messages
        data = host.codecs("Big")[0].encode({"size": 400_000})
        requests = [execution_pb.ExecuteRequest(module_name="Big", input_data=data) for _ in range(6)]
        _, last = await host.send_execute(*requests)
        assert len((await asyncio.wait_for(last, WAIT)).output_data) == 400_005
        assert host.connection.messages == before + 3


async def test_a_ping_is_answered_with_its_number(plane: str) -> None:
    if plane == "unary":
        pytest.skip("there is no connection to ping on")
    async with FakeHost() as host, serving(host, plane=plane):
        frame = frames_pb.HostFrame(ping=frames_pb.Ping(number=7))
        await host.connection.send(frames_pb.AttachResponse(frames=[frame]))
        assert (await host.connection.wait_for("pong")).pong.number == 7


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff", frames_pb.AttachResponse(frames=[frames_pb.HostFrame()]), b""])
async def test_a_malformed_message_ends_the_link_and_the_provider_comes_back(garbage: object) -> None:
    async with FakeHost() as host, serving(host):
        first = host.connection
        await first.send(garbage)
        assert (await first.wait_for("error")).error.code == "protocol.frame.malformed"
        await host.until(lambda: host.connection not in (None, first))
        assert await host.call("Now", text="a") == "A"


async def test_without_a_link_it_attaches_and_without_both_it_serves_unary() -> None:
    async with FakeHost(link=False) as host, serving(host):
        assert host.plane == "attach"
        assert await host.call("Now", text="a") == "A"
    async with FakeHost(link=False, attach=False) as host:
        provider = Provider("text", host=host.url)
        modules(provider, Log())
        task = asyncio.create_task(provider.serve())
        await host.until(lambda: bool(host.registrations and host.registrations[-1].service_url))
        assert await host.call("Now", text="a") == "A"
        provider.stop()
        await asyncio.wait_for(task, WAIT)


async def test_a_lost_link_is_taken_up_again_with_the_session_token() -> None:
    async with FakeHost() as host, serving(host):
        first = host.connection
        await first.close()
        await host.until(lambda: host.connection not in (None, first))
        assert host.registrations[-1].session_token == "token-1"
        assert await host.call("Later", text="a") == "A"


async def test_a_host_that_restarts_is_found_again(plane: str) -> None:
    async with FakeHost() as host, serving(host, plane=plane):
        count = len(host.registrations)
        await host.stop()
        host._session = ""
        await host.start(host.port)
        await host.until(lambda: len(host.registrations) > count)
        await host.ready()
        assert host.plane == plane
        assert await host.call("Now", text="a") == "A"


async def test_the_reregister_command_is_followed_at_once() -> None:
    async with FakeHost() as host, serving(host):
        first = host.connection
        host.commands.append(registry_pb.COMMAND_REREGISTER)
        await host.until(lambda: host.connection not in (None, first))
        assert await host.call("Now", text="a") == "A"


async def test_the_drain_command_finishes_what_runs_and_ends_the_provider(plane: str) -> None:
    async with FakeHost() as host:
        provider = Provider("text", host=host.url, plane=plane)
        modules(provider, Log())
        task = asyncio.create_task(provider.serve())
        await host.ready()
        running = asyncio.create_task(host.call("Block", ms=200))
        await asyncio.sleep(0.05)
        host.commands.append(registry_pb.COMMAND_DRAIN)
        await host.until(lambda: bool(host.unregistered))
        assert await running == 200
        await asyncio.wait_for(task, WAIT)


async def test_a_host_that_drains_is_rejoined() -> None:
    async with FakeHost() as host, serving(host):
        first = host.connection
        running = asyncio.create_task(host.call("Block", ms=100))
        await asyncio.sleep(0.02)
        await first.send(frames_pb.AttachResponse(frames=[frames_pb.HostFrame(drain=frames_pb.Drain())]))
        assert await running == 100
        await host.until(lambda: host.connection not in (None, first))


async def test_modules_added_at_run_time_are_registered_on_the_same_connection() -> None:
    async with FakeHost() as host, serving(host) as (provider, _):
        connection, count = host.connection, len(host.registrations)

        async def Extra(text: str) -> str:
            return text

        provider.add(Extra)
        await host.until(lambda: len(host.registrations) > count)
        assert await host.call("Extra", text="a") == "a"
        provider.remove("Extra")
        await provider.publish()
        assert "Extra" not in [m.name for m in host.registrations[-1].modules]
        gone = await host.execute(execution_pb.ExecuteRequest(module_name="Extra", input_data=b"\x80"))
        assert gone.error.code == "registry.module.unknown"
        assert host.connection is connection


async def test_a_publication_that_is_refused_leaves_the_provider_as_it_was() -> None:
    async with FakeHost() as host, serving(host) as (provider, _):
        host.refuse.append(FailedPrecondition("registry.schema.incompatible", "narrower"))
        with pytest.raises(ModrackError) as refusal:
            await provider.publish()
        assert refusal.value.code == "registry.schema.incompatible"
        assert await host.call("Now", text="a") == "A"


async def test_a_final_refusal_ends_serve() -> None:
    async with FakeHost() as host:
        host.refuse.append(FailedPrecondition("registry.schema.invalid", "no"))
        provider = Provider("text", host=host.url)
        with pytest.raises(FailedPrecondition) as refusal:
            await asyncio.wait_for(provider.serve(), WAIT)
        assert refusal.value.code == "registry.schema.invalid"


async def test_an_owned_namespace_is_waited_for_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "modrack")
    owned = Conflict("registry.namespace.owned", "somebody serves `text`", retryable=True)
    async with FakeHost() as host:
        host.refuse += [owned, owned, owned]
        async with serving(host):
            assert not host.refuse
        told = [r.getMessage() for r in caplog.records if "registry.namespace.owned" in r.getMessage()]
        assert told == ["somebody serves `text` [registry.namespace.owned]; trying again until it works"]


async def test_readiness_is_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "modrack")
    async with FakeHost() as host, serving(host):
        pass
    assert f"provider text ready: 12 modules over link at {host.url}" in caplog.messages


async def test_the_unary_plane_serves_lifecycle_and_health() -> None:
    async with FakeHost() as host, serving(host, plane="unary") as (provider, _):
        assert host.registrations[-1].lifecycle
        channel = host.provider_channel()
        lifecycle = ModuleLifecycleAsyncStub(channel)
        described = await lifecycle.Describe(lifecycle_pb.DescribeRequest())
        assert described.namespace == "text"
        assert [m.name for m in described.modules] == list(provider.modules)
        await lifecycle.Initialize(lifecycle_pb.InitializeRequest(configuration={"model": "small"}))
        assert provider.configuration == {"model": "small"}
        health = health_pb2_grpc.HealthStub(channel)
        check = health_pb2.HealthCheckRequest(service="modrack.provider.v1.ModuleExecutor")
        assert (await health.Check(check)).status == health_pb2.HealthCheckResponse.SERVING
        assert (await lifecycle.Drain(lifecycle_pb.DrainRequest(grace_ms=100))).in_flight == 0
        assert (await health.Check(check)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert (await host.call("Now", text="a")).code == "executor.provider.unavailable"
        await lifecycle.Shutdown(lifecycle_pb.ShutdownRequest())
        await host.until(lambda: bool(host.unregistered))


async def test_a_host_that_is_not_there_is_waited_for() -> None:
    async with FakeHost() as host:
        await host.stop()
        provider = Provider("text", host=host.url)
        modules(provider, Log())
        task = asyncio.create_task(provider.serve())
        await asyncio.sleep(0.3)
        assert not task.done()
        await host.start(host.port)
        await host.ready()
        assert await host.call("Now", text="a") == "A"
        provider.stop()
        await asyncio.wait_for(task, WAIT)


async def test_a_forced_link_that_the_host_does_not_offer_is_final() -> None:
    async with FakeHost(link=False) as host:
        provider = Provider("text", host=host.url, plane="link")
        modules(provider, Log())
        with pytest.raises(Unsupported) as refusal:
            await asyncio.wait_for(provider.serve(), WAIT)
        assert refusal.value.code == "client.link.absent"
        assert host.connection is None


async def test_a_credential_that_cannot_be_read_is_final(tmp_path: Path) -> None:
    (tmp_path / "latin-1").write_bytes(b"\xff")
    async with FakeHost() as host:
        for name in ("nowhere", "latin-1"):
            provider = Provider("text", host=host.url, credential_file=str(tmp_path / name))
            with pytest.raises(FailedPrecondition) as refusal:
                await asyncio.wait_for(provider.serve(), WAIT)
            assert refusal.value.code == "client.credential.unreadable"
        assert host.registrations == []


async def test_publishing_needs_a_provider_that_runs() -> None:
    with pytest.raises(FailedPrecondition) as refusal:
        await Provider("text", host="http://127.0.0.1:1").publish()
    assert (refusal.value.code, refusal.value.retryable) == ("client.provider.stopped", False)


async def test_a_host_that_hangs_does_not_hold_up_the_end() -> None:
    hangs, release, gone = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hangs.set()
        await release.wait()
        writer.close()
        await writer.wait_closed()
        gone.set()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        provider = Provider("text", host=f"http://127.0.0.1:{port}")
        modules(provider, Log())
        task = asyncio.create_task(provider.serve())
        await asyncio.wait_for(hangs.wait(), WAIT)
        provider.stop()
        await asyncio.wait_for(task, 2)
        release.set()
        await asyncio.wait_for(gone.wait(), WAIT)


async def test_a_port_that_is_taken_is_a_coded_error() -> None:
    async with FakeHost() as host:
        provider = Provider("text", host=host.url, plane="unary", listen="256.0.0.1:1")
        modules(provider, Log())
        with pytest.raises(FailedPrecondition) as refusal:
            await provider.serve()
        assert refusal.value.code == "client.listen.failed"


async def test_a_host_name_that_is_none_is_a_coded_error() -> None:
    with pytest.raises(ModrackError) as refusal:
        await Provider("text", host="somewhere").serve()
    assert refusal.value.code == "client.host.invalid"
