"""The unary plane: a gRPC server that the host calls, with lifecycle and health. Registers nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

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
from modrack._runner import Runner, response_of
from modrack._specs import Identity, module_spec, provider_info
from modrack.errors import ModrackError, Unavailable

_SERVICES = ("", "modrack.provider.v1.ModuleExecutor", "modrack.provider.v1.ModuleLifecycle")


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
        if self.refusing:
            error = Unavailable("executor.provider.unavailable", "the provider is draining", retryable=True)
            return response_of(None, error)
        self._in_flight += 1
        self._idle.clear()
        try:
            return await self._runner.execute(request)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def idle(self, grace: float) -> int:
        try:
            await asyncio.wait_for(self._idle.wait(), grace)
        except TimeoutError:
            return self._in_flight
        return 0


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
