"""The unary plane: a gRPC server that the host calls, with lifecycle and health. Registers nothing itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Generator, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from modrack._address import OPTIONS
from modrack._generated.provider.v1 import execution_pb, lifecycle_pb
from modrack._generated.provider.v1.execution_grpc import (
    ModuleExecutorAsyncServicer,
    add_ModuleExecutorServicer_to_server,
)
from modrack._generated.provider.v1.lifecycle_grpc import (
    ModuleLifecycleAsyncServicer,
    add_ModuleLifecycleServicer_to_server,
)
from modrack._module import Module
from modrack._runner import Runner
from modrack._running import Running
from modrack._specs import Identity, module_spec, provider_info
from modrack._wire_errors import to_rpc, to_wire
from modrack.errors import ModrackError, Unavailable

_SERVICES = ("", "modrack.provider.v1.ModuleExecutor", "modrack.provider.v1.ModuleLifecycle")

_AHEAD = 16
"""Items that a handler may be ahead of the connection on the unary plane."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the lifecycle service needs of its provider. `stop` ends the provider in an orderly way."""

    identity: Identity
    modules: Callable[[], Iterable[Module]]
    configuration: MutableMapping[str, str]
    stop: Callable[[], None]


class UnaryServer:
    """A running server; `ended` is done only when this side closes it, for the host opens no lasting connection."""

    name = "unary"

    def __init__(self, runner: Runner, served: Served) -> None:
        loop = asyncio.get_running_loop()
        self._server = grpc.aio.server(options=OPTIONS)
        self._executor = _Executor(runner)
        runner.plane = self.name
        self._health = HealthServicer()
        self.draining = asyncio.Event()
        self.ended: asyncio.Future[ModrackError | None] = loop.create_future()
        self.url = ""
        add_ModuleExecutorServicer_to_server(self._executor, self._server)
        add_ModuleLifecycleServicer_to_server(_Lifecycle(self, served), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    async def start(self, listen: str, service_url: str) -> None:
        """Listens at `listen`, e.g. `127.0.0.1:0`; `url` says afterwards where the host finds it."""
        port = self._server.add_insecure_port(listen)
        await self._server.start()
        self.url = service_url or f"http://{listen.rpartition(':')[0]}:{port}"

    async def resume(self) -> None:
        """Takes calls, for the first time or after a drain."""
        self._executor.refusing = False
        await self._say(health_pb2.HealthCheckResponse.SERVING)

    async def drain(self, grace: float) -> int:
        """Refuses new calls and waits at most `grace` seconds for those that run: how many still do."""
        self._executor.refusing = True
        await self._say(health_pb2.HealthCheckResponse.NOT_SERVING)
        return await self._executor.idle(grace)

    async def close(self) -> None:
        """Ends the server and cancels what still runs."""
        if not self.ended.done():
            self.ended.set_result(None)
        await self._server.stop(0.2)

    async def _say(self, status: Any) -> None:
        for service in _SERVICES:
            await self._health.set(service, status)


class _Executor(ModuleExecutorAsyncServicer):
    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.refusing = False

    async def Execute(
        self,
        request: execution_pb.ExecuteRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> execution_pb.ExecuteResponse:
        with self._counted() as refused:
            if refused is not None:
                return execution_pb.ExecuteResponse(error=to_wire(refused))
            call = _Request()
            call.start(self._runner.start_any, request)
            return response_of(await call.answer())

    async def ExecuteBatch(
        self,
        request: execution_pb.ExecuteBatchRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> execution_pb.ExecuteBatchResponse:
        with self._counted() as refused:
            if refused is not None:
                await _abort(context, refused)
            call = _Request()
            call.start(self._runner.start_batch, list(request.requests))
            answer = await call.answer()
            if isinstance(answer, ModrackError):
                await _abort(context, answer)
            return execution_pb.ExecuteBatchResponse(responses=map(response_of, answer))

    async def ExecuteStream(
        self,
        request: execution_pb.ExecuteStreamRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[execution_pb.ExecuteStreamResponse]:
        with self._counted() as refused:
            if refused is not None:
                await _abort(context, refused)
            call = _Request()
            call.start(self._runner.start_stream, request.request, _AHEAD)
            try:
                while not isinstance(event := await call.items.get(), ModrackError | None):
                    # Returns when HTTP/2's flow control lets it go, so that a slow reader holds up the handler.
                    yield execution_pb.ExecuteStreamResponse(item_data=event)
                    call.grant()
                if event is not None:
                    await _abort(context, event)
            finally:
                call.cancel()

    async def idle(self, grace: float) -> int:
        try:
            await asyncio.wait_for(self._idle.wait(), grace)
        except TimeoutError:
            return self._in_flight
        return 0

    @contextlib.contextmanager
    def _counted(self) -> Generator[ModrackError | None]:
        if self.refusing:
            yield Unavailable("executor.provider.unavailable", "the provider is draining", retryable=True)
            return
        self._in_flight += 1
        self._idle.clear()
        try:
            yield None
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()


class _Request:
    """The `Outbox` of one request: what comes goes to whoever serves it; there is one call, so ids mean nothing."""

    def __init__(self) -> None:
        self.running: dict[int, Running] = {}
        self.items: asyncio.Queue[bytes | ModrackError | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[Any] = self._loop.create_future()
        self._begin: asyncio.Handle | None = None

    def start(self, start: Callable[..., None], *arguments: Any) -> None:
        """Has the runner start the call, outside any task, so that the handler may become a task of its own."""
        self._begin = self._loop.call_soon(start, 1, *arguments, self)

    async def answer(self) -> Any:
        """The answer or the failure. Cancelling this cancels the handler."""
        try:
            return await self._answer
        finally:
            self.cancel()

    def grant(self) -> None:
        """One item has gone."""
        for running in self.running.values():
            running.grant(1)

    def cancel(self) -> None:
        """Nobody waits any more."""
        if self._begin is not None:
            self._begin.cancel()
        self._answer.cancel()
        for running in list(self.running.values()):
            running.cancel()

    def result(self, call_id: int, output: bytes) -> None:
        self._settle(output)

    def failed(self, call_id: int, error: ModrackError, *, result: bool = True) -> None:
        self._settle(error)
        self.items.put_nowait(error)

    def item(self, call_id: int, data: bytes) -> None:
        self.items.put_nowait(data)

    def end(self, call_id: int) -> None:
        self.items.put_nowait(None)

    def batch_result(self, call_id: int, outputs: list[bytes | ModrackError]) -> None:
        self._settle(outputs)

    def ended(self, call_id: int) -> None:
        self.running.pop(call_id, None)

    def _settle(self, answer: Any) -> None:
        if not self._answer.done():
            self._answer.set_result(answer)


def response_of(answer: bytes | ModrackError) -> execution_pb.ExecuteResponse:
    """The message of one answer."""
    if isinstance(answer, bytes):
        return execution_pb.ExecuteResponse(output_data=answer)
    return execution_pb.ExecuteResponse(error=to_wire(answer))


async def _abort(context: grpc.aio.ServicerContext[Any, Any], error: ModrackError) -> NoReturn:
    status, trailer = to_rpc(error)
    await context.abort(status, error.message, trailing_metadata=trailer)


class _Lifecycle(ModuleLifecycleAsyncServicer):
    def __init__(self, server: UnaryServer, served: Served) -> None:
        self._server = server
        self._served = served

    async def Describe(
        self,
        request: lifecycle_pb.DescribeRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> lifecycle_pb.DescribeResponse:
        return lifecycle_pb.DescribeResponse(
            service_id=self._served.identity.service_id,
            namespace=self._served.identity.namespace,
            modules=[module_spec(module) for module in self._served.modules()],
            info=provider_info(),
        )

    async def Initialize(
        self,
        request: lifecycle_pb.InitializeRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> lifecycle_pb.InitializeResponse:
        self._served.configuration.clear()
        self._served.configuration.update(request.configuration)
        return lifecycle_pb.InitializeResponse()

    async def Drain(
        self,
        request: lifecycle_pb.DrainRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> lifecycle_pb.DrainResponse:
        return lifecycle_pb.DrainResponse(in_flight=await self._server.drain(request.grace_ms / 1000))

    async def Shutdown(
        self,
        request: lifecycle_pb.ShutdownRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> lifecycle_pb.ShutdownResponse:
        self._served.stop()
        return lifecycle_pb.ShutdownResponse()
