"""A provider's life with a host: register, connect, stay alive, come back, leave. Runs no handler itself.

Only a refused registration is final. Whatever happens afterwards (a broken link, a host that restarts, a lost lease) leads
to a new registration after a back-off with full jitter; it carries the old session token, so the names come back without a gap.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal, Protocol

import grpc
import grpc.aio

from modrack import _attach, _link
from modrack._address import Address
from modrack._generated.provider.v1 import registry_pb as pb
from modrack._generated.provider.v1.registry_grpc import ModuleRegistryAsyncStub
from modrack._nested import HostClients
from modrack._runner import Runner
from modrack._specs import register_request
from modrack._unary import Served, UnaryServer
from modrack._wire_errors import from_rpc, from_wire
from modrack.errors import FailedPrecondition, InvalidArgument, ModrackError, Unavailable, Unsupported

log = logging.getLogger("modrack")

Plane = Literal["link", "attach", "unary"]

RPC_TIMEOUT = 10.0
CONNECT_TIMEOUT = 5.0
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 5.0
# Seconds in which calls arrive that were routed before this provider left.
_LAST_CALLS = 2.0
_LAST_CALLS_UNARY = 0.1


class Connection(Protocol):
    """One way in which calls come in; `ended` tells when it is over, with a reason unless this side closed it."""

    name: str
    draining: asyncio.Event
    ended: asyncio.Future[ModrackError | None]

    async def drain(self, grace: float) -> Any:
        """Takes no new calls and waits at most `grace` seconds for those that run."""

    async def close(self) -> None:
        """Ends it."""


class _Again(Exception):
    """The host does not know the session any more: register at once."""


class _Refused(Exception):
    """The registration is refused, and trying again would not help."""

    def __init__(self, error: ModrackError) -> None:
        super().__init__(str(error))
        self.error = error


class Session:
    """One provider with one host. Belongs to one event loop."""

    def __init__(
        self,
        address: Address,
        served: Served,
        runner: Runner,
        *,
        plane: Plane | None,
        listen: str,
        service_url: str,
        grace: float,
        on_ready: Callable[[str, int], None],
    ) -> None:
        self._address = address
        self._served = served
        self._runner = runner
        self._plane = plane
        self._listen = listen
        self._service_url = service_url
        self._grace = grace
        self._on_ready = on_ready
        self._stopping = asyncio.Event()
        self._publish = asyncio.Event()
        self._publishing = asyncio.Lock()
        self._server: UnaryServer | None = None
        self._stub: ModuleRegistryAsyncStub | None = None
        self._planes: Sequence[pb.DataPlane] = ()
        self._registration = pb.RegisterResponse()
        self._told: str = ""
        self._reconnect = asyncio.Event()
        self._clients = HostClients(address, lambda: self._registration.session_token)
        runner.nested = self._clients

    def stop(self) -> None:
        """Asks to drain and leave; `run` returns afterwards."""
        self._stopping.set()

    def publish_soon(self) -> None:
        """Registers the present modules again in the background; a refusal is logged."""
        self._publish.set()

    async def publish(self) -> None:
        """Registers the present modules again on the standing connection.

        # Errors
        What the host refuses it for; the modules that it knew before stay callable.
        """
        if self._stub is None:
            raise FailedPrecondition(
                "client.provider.unregistered", "the provider is not registered now", retryable=True
            )
        async with self._publishing:
            self._publish.clear()
            before = self._registration.session_id
            try:
                await self._register(self._stub, self._planes)
            except _Refused as refused:
                raise refused.error from None
            except _Again:
                self._reconnect.set()
                raise Unavailable("client.session.lost", "the session is over", retryable=True) from None
            if self._registration.session_id != before:
                log.debug("the session changed, connecting again")
                self._reconnect.set()

    async def run(self) -> None:
        """Serves until `stop`, the host's drain command, or a final refusal.

        # Errors
        `ModrackError` that the host refuses the registration with, when trying again would not help.
        """
        attempt = 0
        try:
            while not self._stopping.is_set():
                began = time.monotonic()
                try:
                    await self._serve_once()
                    continue
                except _Again:
                    attempt = 0
                    continue
                except _Refused as refused:
                    raise refused.error from None
                except ModrackError as error:
                    if time.monotonic() - began > _LONGEST_DELAY:
                        attempt = 0
                    self._tell(error)
                # Full jitter: providers that lost the same host do not come back in step.
                delay = random.uniform(0, min(_LONGEST_DELAY, _FIRST_DELAY * 2**attempt))  # noqa: S311 - no secret
                attempt = min(attempt + 1, 10)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), delay)
        finally:
            if self._server is not None:
                await self._server.close()
            await self._clients.close()
            self._runner.close()

    async def _serve_once(self) -> None:
        """From one registration to the end of its connection; returns when the provider leaves."""
        self._reconnect = asyncio.Event()
        channel = self._address.async_channel()
        connection: Connection | None = None
        try:
            stub = ModuleRegistryAsyncStub(channel)
            connection = await self._unless_stopping(self._open(stub, channel))
            if connection is None:
                return
            self._told = ""
            self._on_ready(connection.name, len(self._registration.results))
            await self._stay(stub, connection)
            await self._leave(stub, connection)
        finally:
            self._stub = None
            if connection is not None and connection is not self._server:
                await connection.close()
            await channel.close()

    async def _unless_stopping(self, opening: Coroutine[Any, Any, Connection]) -> Connection | None:
        """The connection, or `None` when this shall end first: a host that hangs must not hold up a signal."""
        task = asyncio.create_task(opening)
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            for each in (task, stopping):
                each.cancel()
            await asyncio.gather(task, stopping, return_exceptions=True)

    async def _open(self, stub: ModuleRegistryAsyncStub, channel: grpc.aio.Channel) -> Connection:
        """Registers and connects over the fastest plane that works."""
        if self._plane == "unary":
            return await self._open_unary(stub)
        planes = {
            None: (pb.DATA_PLANE_LINK, pb.DATA_PLANE_ATTACH),
            "link": (pb.DATA_PLANE_LINK,),
            "attach": (pb.DATA_PLANE_ATTACH,),
        }[self._plane]
        try:
            await self._register(stub, planes)
        except _Refused as refused:
            if self._plane is None and refused.error.code == "registry.plane.unsupported":
                return await self._open_unary(stub)
            raise
        token, most = self._registration.session_token, self._registration.max_message_bytes
        if self._plane != "attach" and self._registration.HasField("link"):
            try:
                return await _link.connect(self._registration.link, self._runner, token, most, timeout=CONNECT_TIMEOUT)
            except ModrackError as error:
                if self._plane == "link" or error.code != "client.link.unreachable":
                    raise
                log.info("%s; trying attach", error.message)
        if self._plane == "link":
            raise _Refused(Unsupported("client.link.absent", "the host offers no link"))
        try:
            return await _attach.connect(channel, self._runner, token, most, timeout=CONNECT_TIMEOUT)
        except ModrackError as error:
            if self._plane is None and error.category == "UNSUPPORTED":
                log.info("the host serves no attach stream; trying unary")
                return await self._open_unary(stub)
            raise

    async def _open_unary(self, stub: ModuleRegistryAsyncStub) -> UnaryServer:
        if self._server is None:
            server = UnaryServer(self._runner, self._served)
            try:
                await server.start(self._listen, self._service_url)
            except RuntimeError as cause:
                error = FailedPrecondition("client.listen.failed", f"cannot listen at `{self._listen}`: {cause}")
                raise _Refused(error) from cause
            self._server = server
        await self._server.resume()
        await self._register(stub, (pb.DATA_PLANE_UNARY,))
        return self._server

    async def _register(self, stub: ModuleRegistryAsyncStub, planes: Sequence[pb.DataPlane]) -> None:
        unary = pb.DATA_PLANE_UNARY in planes
        try:
            request = register_request(
                self._served.identity,
                self._served.modules(),
                planes,
                service_url=self._server.url if unary and self._server else "",
                session_token=self._registration.session_token,
            )
        except ModrackError as error:
            raise _Refused(error) from error.__cause__
        try:
            answer = await stub.Register(request, timeout=RPC_TIMEOUT)
        except grpc.RpcError as failure:
            error = from_rpc(failure)
            if error.code == "registry.session.unknown" and request.session_token:
                self._registration = pb.RegisterResponse()
                raise _Again from failure
            raise (error if error.retryable else _Refused(error)) from failure
        for result in answer.results:
            if not result.accepted:
                raise _Refused(from_wire(result.error))
        self._registration = answer
        self._planes = planes
        # From here on the modules can be published anew, by the very first call if need be.
        self._stub = stub

    async def _stay(self, stub: ModuleRegistryAsyncStub, connection: Connection) -> None:
        """Returns when the provider shall leave; raises when the connection or the lease is lost."""
        heartbeat = asyncio.create_task(self._heartbeat(stub), name="modrack-heartbeat")
        publisher = asyncio.create_task(self._publisher(), name="modrack-publish")
        waits = [asyncio.create_task(event.wait()) for event in (self._stopping, connection.draining, self._reconnect)]
        stopping, draining, reconnect = waits
        try:
            await asyncio.wait([heartbeat, publisher, connection.ended, *waits], return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                return
            for task in (heartbeat, publisher):
                if task.done():
                    task.result()
            if connection.ended.done():
                lost = Unavailable("client.connection.lost", "the connection is closed", retryable=True)
                raise connection.ended.result() or lost
            if reconnect.done():
                raise _Again
            if draining.done():
                log.info("the host drains: finishing what runs, then registering again")
                await connection.drain(self._grace)
                raise Unavailable("client.host.draining", "the host drains", retryable=True)
        finally:
            for task in (heartbeat, publisher, *waits):
                task.cancel()
            await asyncio.gather(heartbeat, publisher, *waits, return_exceptions=True)

    async def _heartbeat(self, stub: ModuleRegistryAsyncStub) -> None:
        alive = time.monotonic()
        while True:
            interval = max(self._registration.heartbeat_interval_ms / 1000, 0.01)
            await asyncio.sleep(interval)
            request = pb.HeartbeatRequest(session_token=self._registration.session_token)
            try:
                answer = await stub.Heartbeat(request, timeout=max(interval, 1.0))
            except grpc.RpcError as failure:
                error = from_rpc(failure)
                log.debug("heartbeat: %s", error)
                if error.code == "registry.session.unknown":
                    raise _Again from failure
                if time.monotonic() - alive > self._registration.lease_ms / 1000:
                    why = f"no heartbeat in a lease: {error.message}"
                    raise Unavailable("client.lease.lost", why, retryable=True) from None
                continue
            alive = time.monotonic()
            for command in answer.commands:
                if command == pb.COMMAND_DRAIN:
                    log.info("the host asks this provider to leave")
                    self.stop()
                elif command == pb.COMMAND_REREGISTER:
                    raise _Again

    async def _publisher(self) -> None:
        while True:
            await self._publish.wait()
            try:
                await self.publish()
            except ModrackError as error:
                log.error("the change of modules is refused: %s", error)

    async def _leave(self, stub: ModuleRegistryAsyncStub, connection: Connection) -> None:
        """The names go first, then what runs is answered, then the connection ends."""
        log.info("leaving: finishing what runs")
        await self._unregister(stub)
        await self._receive_the_last(connection)
        await connection.drain(self._grace)

    async def _receive_the_last(self, connection: Connection) -> None:
        """Calls that were routed before the names went are still on their way. The host's drain frame stands behind them; to
        an address that the host dials they come at once, or not at all.
        """
        waits = [asyncio.create_task(connection.draining.wait()), connection.ended]
        timeout = _LAST_CALLS_UNARY if connection is self._server else _LAST_CALLS
        await asyncio.wait(waits, timeout=min(timeout, self._grace), return_when=asyncio.FIRST_COMPLETED)
        waits[0].cancel()

    async def _unregister(self, stub: ModuleRegistryAsyncStub) -> None:
        request = pb.UnregisterRequest(session_token=self._registration.session_token)
        try:
            await stub.Unregister(request, timeout=min(RPC_TIMEOUT, max(self._grace, 1.0)))
        except grpc.RpcError as failure:
            log.debug("unregister: %s", from_rpc(failure))

    def _tell(self, error: ModrackError) -> None:
        """Logs why it tries again, once per reason."""
        if error.code != self._told:
            self._told = error.code
            log.warning("%s; trying again until it works", error)


def plane_of(text: str) -> Plane | None:
    """The plane that `MODRACK_PLANE` names; `None` where it is empty.

    # Errors
    `InvalidArgument` with `client.plane.invalid`.
    """
    match text:
        case "":
            return None
        case "link" | "attach" | "unary":
            return text
        case _:
            raise InvalidArgument("client.plane.invalid", f"MODRACK_PLANE is link, attach or unary, not `{text}`")
