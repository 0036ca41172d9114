"""Calls modules through the host, from threads (`Client`) or asyncio (`AsyncClient`). Serves nothing.

The schema of a module is fetched at its first call and kept; inputs are encoded by it, and the host is told which schema that
was. When the module has been replaced since, it is fetched again and the call sent once more, before anything has run.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar

import grpc

from modrack._address import find_address
from modrack._generated.host.v1 import host_pb as pb
from modrack._generated.host.v1.host_grpc import HostAsyncStub, HostStub
from modrack._inputs import input_of
from modrack._types import CType
from modrack._wire_errors import from_rpc
from modrack._wire_types import from_schema
from modrack.bindings import TypedModule
from modrack.codec import Codec
from modrack.errors import DeadlineExceeded, ModrackError

DEFAULT_TIMEOUT = 30.0
"""Seconds that a wait takes at most where the caller says nothing."""

SCHEMA_CHANGED = "registry.schema.changed"

Output = TypeVar("Output")


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """A registered module. `name` is qualified, `revision` rises with each replacement, `endpoints` is who serves it."""

    name: str
    description: str
    input: CType
    output: CType
    version: str
    revision: int
    fingerprint: str
    idempotent: bool
    endpoints: tuple[EndpointInfo, ...]


@dataclass(frozen=True, slots=True)
class EndpointInfo:
    """One session that provides a module; `plane` and `state` in lower case, e.g. `link`, `ready`."""

    session_id: str
    service_id: str
    group_id: str
    plane: str
    state: str
    language: str
    pid: int


@dataclass(frozen=True, slots=True)
class ModuleEvent:
    """One change of the registry. `synced` ends the present state; `module` is absent there and for `removed`."""

    kind: Literal["added", "changed", "removed", "synced"]
    name: str
    module: ModuleInfo | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Known:
    fingerprint: str
    input: Codec
    output: Codec


class Client:
    """Calls modules from threads; may be shared between them. Opens its connection at the first call.

    `host` is `http://127.0.0.1:7420` or `unix:/path`; without it `MODRACK_HOST` says where. Every wait ends after `timeout`
    seconds, 30 by default. Every failure is a `ModrackError`.

        with Client() as client:
            client.call("text.WordCount", text="to be or not to be")
    """

    def __init__(self, host: str | None = None, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        self._timeout = timeout
        self._channel = find_address(host).channel()
        self._stub = HostStub(self._channel)
        self._known: dict[str, _Known] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; calls that run fail with `client.call.cancelled`."""
        self._channel.close()

    def call(
        self,
        name: str,
        input: Any = None,
        /,
        *,
        timeout: float | None = None,
        idempotency_key: str = "",
        **fields: Any,
    ) -> Any:
        """The output of a module: `call("text.Replace", text=…, find=…, replace=…)`.

        The input is given by keyword fields, as a mapping, or as one value where it is no record. Records of the output are
        `dict`s. Fields named `timeout` or `idempotency_key` go into the mapping.
        """
        value = input_of(input, fields)
        known = self._known.get(name) or self._fetch(name)
        try:
            return self._call(name, known, value, timeout, idempotency_key)
        except ModrackError as error:
            if error.code != SCHEMA_CHANGED:
                raise
        return self._call(name, self._fetch(name), value, timeout, idempotency_key)

    def call_typed(
        self,
        module: TypedModule[Output],
        input: Any,
        /,
        *,
        timeout: float | None = None,
        idempotency_key: str = "",
    ) -> Output:
        """The output of a module whose types the caller was written for, as generated bindings are.

        The host is not asked for the types. Raises `FailedPrecondition` with `registry.schema.changed` when the module has
        others now: the caller must be written, or generated, anew.
        """
        known = _Known(module.fingerprint, module.input, module.output)
        return self._call(module.name, known, input, timeout, idempotency_key)

    def list_modules(self, pattern: str = "", *, timeout: float | None = None) -> list[ModuleInfo]:
        """The modules whose names match, e.g. `text.*`; all without a pattern. In ascending order of their names."""
        found: list[ModuleInfo] = []
        token = ""
        while True:
            request = pb.ListModulesRequest(pattern=pattern, page_token=token)
            with _translated(timeout or self._timeout):
                page = self._stub.ListModules(request, timeout=timeout or self._timeout)
            found.extend(map(_module_info, page.modules))
            token = page.next_page_token
            if not token:
                return found

    def get_module(self, name: str, *, timeout: float | None = None) -> ModuleInfo:
        """One module. Raises `NotFound` when it is not registered."""
        with _translated(timeout or self._timeout):
            answer = self._stub.GetModule(pb.GetModuleRequest(name=name), timeout=timeout or self._timeout)
        return _module_info(answer.module)

    def watch(self, pattern: str = "", *, timeout: float | None = None) -> Iterator[ModuleEvent]:
        """The present modules, then each change. Ends with the iterator, or with `DeadlineExceeded` after `timeout` seconds.

        Without a `timeout` it lasts as long as the host.
        """
        stream: Any = self._stub.Watch(pb.WatchRequest(pattern=pattern), timeout=timeout)
        try:
            with _translated(timeout):
                for event in stream:
                    yield _module_event(event)
        finally:
            stream.cancel()

    def _fetch(self, name: str) -> _Known:
        with _translated(self._timeout):
            answer = self._stub.GetModule(pb.GetModuleRequest(name=name), timeout=self._timeout)
        known = self._known[name] = _known(answer.module)
        return known

    def _call(self, name: str, known: _Known, value: Any, timeout: float | None, idempotency_key: str) -> Any:
        request = _call_request(name, known, value, idempotency_key)
        with _translated(timeout or self._timeout):
            answer = self._stub.Call(request, timeout=timeout or self._timeout)
        return known.output.decode(answer.output_data)


class AsyncClient:
    """`Client` for asyncio: the same methods, awaited. Belongs to the event loop in which it is made.

    Cancelling a call cancels the module's handler.

        async with AsyncClient() as client:
            await client.call("text.WordCount", text="to be or not to be")
    """

    def __init__(self, host: str | None = None, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        self._timeout = timeout
        self._channel = find_address(host).async_channel()
        self._stub = HostAsyncStub(self._channel)
        self._known: dict[str, _Known] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection; calls that run fail with `client.call.cancelled`."""
        await self._channel.close()

    async def call(
        self,
        name: str,
        input: Any = None,
        /,
        *,
        timeout: float | None = None,
        idempotency_key: str = "",
        **fields: Any,
    ) -> Any:
        """The output of a module; see `Client.call`."""
        value = input_of(input, fields)
        known = self._known.get(name) or await self._fetch(name)
        try:
            return await self._call(name, known, value, timeout, idempotency_key)
        except ModrackError as error:
            if error.code != SCHEMA_CHANGED:
                raise
        return await self._call(name, await self._fetch(name), value, timeout, idempotency_key)

    async def call_typed(
        self,
        module: TypedModule[Output],
        input: Any,
        /,
        *,
        timeout: float | None = None,
        idempotency_key: str = "",
    ) -> Output:
        """The output of a module whose types the caller was written for; see `Client.call_typed`."""
        known = _Known(module.fingerprint, module.input, module.output)
        return await self._call(module.name, known, input, timeout, idempotency_key)

    async def list_modules(self, pattern: str = "", *, timeout: float | None = None) -> list[ModuleInfo]:
        """The modules whose names match; see `Client.list_modules`."""
        found: list[ModuleInfo] = []
        token = ""
        while True:
            request = pb.ListModulesRequest(pattern=pattern, page_token=token)
            with _translated(timeout or self._timeout):
                page = await self._stub.ListModules(request, timeout=timeout or self._timeout)
            found.extend(map(_module_info, page.modules))
            token = page.next_page_token
            if not token:
                return found

    async def get_module(self, name: str, *, timeout: float | None = None) -> ModuleInfo:
        """One module. Raises `NotFound` when it is not registered."""
        with _translated(timeout or self._timeout):
            answer = await self._stub.GetModule(pb.GetModuleRequest(name=name), timeout=timeout or self._timeout)
        return _module_info(answer.module)

    async def watch(self, pattern: str = "", *, timeout: float | None = None) -> AsyncIterator[ModuleEvent]:
        """The present modules, then each change; see `Client.watch`."""
        stream: Any = self._stub.Watch(pb.WatchRequest(pattern=pattern), timeout=timeout)
        try:
            with _translated(timeout):
                async for event in stream:
                    yield _module_event(event)
        finally:
            stream.cancel()

    async def _fetch(self, name: str) -> _Known:
        with _translated(self._timeout):
            answer = await self._stub.GetModule(pb.GetModuleRequest(name=name), timeout=self._timeout)
        known = self._known[name] = _known(answer.module)
        return known

    async def _call(self, name: str, known: _Known, value: Any, timeout: float | None, idempotency_key: str) -> Any:
        request = _call_request(name, known, value, idempotency_key)
        with _translated(timeout or self._timeout):
            answer = await self._stub.Call(request, timeout=timeout or self._timeout)
        return known.output.decode(answer.output_data)


@contextlib.contextmanager
def _translated(timeout: float | None) -> Generator[None]:
    began = time.monotonic()
    try:
        yield
    except grpc.RpcError as failure:
        error = from_rpc(failure)
        # A server that enforces the same deadline may be a moment faster, and gRPC stacks call that a cancellation.
        if error.code == "client.call.cancelled" and timeout is not None and time.monotonic() - began >= timeout:
            error = DeadlineExceeded("client.deadline.exceeded", f"no answer in {timeout:g} s", retryable=True)
        raise error from None


def _known(module: pb.Module) -> _Known:
    return _Known(module.schema_fingerprint, Codec(from_schema(module.input)), Codec(from_schema(module.output)))


def _call_request(name: str, known: _Known, value: Any, idempotency_key: str) -> pb.CallRequest:
    return pb.CallRequest(
        module=name,
        input_data=known.input.encode(value),
        schema_fingerprint=known.fingerprint,
        idempotency_key=idempotency_key,
    )


def _module_info(module: pb.Module) -> ModuleInfo:
    return ModuleInfo(
        name=module.name,
        description=module.description,
        input=from_schema(module.input),
        output=from_schema(module.output),
        version=module.version,
        revision=module.revision,
        fingerprint=module.schema_fingerprint,
        idempotent=module.capabilities.idempotent,
        endpoints=tuple(map(_endpoint_info, module.endpoints)),
    )


def _endpoint_info(endpoint: pb.Endpoint) -> EndpointInfo:
    from modrack._generated.provider.v1 import registry_pb

    return EndpointInfo(
        session_id=endpoint.session_id,
        service_id=endpoint.service_id,
        group_id=endpoint.group_id,
        plane=registry_pb.DataPlane.Name(endpoint.plane).removeprefix("DATA_PLANE_").lower(),
        state=pb.SessionState.Name(endpoint.state).removeprefix("SESSION_STATE_").lower(),
        language=endpoint.info.language,
        pid=endpoint.info.pid,
    )


def _module_event(event: pb.WatchResponse) -> ModuleEvent:
    match event.WhichOneof("event"):
        case "added":
            return ModuleEvent("added", event.added.module.name, _module_info(event.added.module))
        case "changed":
            return ModuleEvent("changed", event.changed.module.name, _module_info(event.changed.module))
        case "removed":
            return ModuleEvent("removed", event.removed.name, reason=event.removed.reason)
        case _:
            return ModuleEvent("synced", "")
