"""The client for asyncio. The one for threads, and what both share in words, is in `client.py`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from modrack._address import find_address
from modrack._async_pipeline_client import AsyncPipelineClient
from modrack._called import called
from modrack._calls import DEFAULT_TIMEOUT, Shape, Target, batch_outputs, batch_request, call_request, shape_of
from modrack._catalog import ModuleEvent, ModuleInfo, module_event, module_info
from modrack._credentials import client_token
from modrack._generated.host.v1 import host_pb as pb
from modrack._generated.host.v1.host_grpc import HostAsyncStub
from modrack._inputs import input_of
from modrack._pipeline_calls import Plans
from modrack._scope import Scope
from modrack.bindings import TypedModule
from modrack.errors import ModrackError

if TYPE_CHECKING:
    import grpc.aio

Output = TypeVar("Output")


class AsyncClient(AsyncPipelineClient):
    """`Client` for asyncio: the same methods, awaited. Belongs to the event loop in which it is made.

    Cancelling a call, or closing a stream, cancels the module's handler.

        async with AsyncClient() as client:
            await client.call("text.WordCount", text="to be or not to be")
    """

    def __init__(
        self,
        host: str | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        token_file: str | None = None,
        ca_file: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
    ) -> None:
        address = find_address(host, ca_file=ca_file, cert_file=cert_file, key_file=key_file)
        self._timeout = timeout
        self._channel: grpc.aio.Channel | None = address.async_channel()
        self._stub = HostAsyncStub(self._channel)
        self._scope = Scope(client_token(token_file).text)
        self._shapes: dict[str, Shape] = {}
        self._plans = Plans()

    @classmethod
    def of_call(cls, stub: HostAsyncStub, scope: Scope, shapes: dict[str, Shape], plans: Plans) -> Self:
        """The client of one call's handler, on a channel that it does not own; `Context` gives them out."""
        client = cls.__new__(cls)
        client._timeout = DEFAULT_TIMEOUT
        client._channel = None
        client._stub = stub
        client._scope = scope
        client._shapes = shapes
        client._plans = plans
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection; calls that run fail with `client.call.cancelled`. The client of a handler stays open."""
        if self._channel is not None:
            await self._channel.close()

    @overload
    async def call(
        self,
        name: str,
        input: Any = None,
        /,
        *,
        returns: type[Output],
        schema_fingerprint: str = "",
        timeout: float | None = None,
        idempotency_key: str = "",
        **fields: Any,
    ) -> Output: ...

    @overload
    async def call(
        self,
        name: str,
        input: Any = None,
        /,
        *,
        returns: Any = None,
        schema_fingerprint: str = "",
        timeout: float | None = None,
        idempotency_key: str = "",
        **fields: Any,
    ) -> Any: ...

    async def call(
        self,
        name: str,
        input: Any = None,
        /,
        *,
        returns: Any = None,
        schema_fingerprint: str = "",
        timeout: float | None = None,
        idempotency_key: str = "",
        **fields: Any,
    ) -> Any:
        """See `Client.call`."""
        target = Target.by_name(name, returns, schema_fingerprint)
        return await self._call(target, input_of(input, fields), timeout, idempotency_key)

    async def call_typed(
        self,
        module: TypedModule[Output],
        input: Any,
        /,
        *,
        timeout: float | None = None,
        idempotency_key: str = "",
    ) -> Output:
        """`call` of a module whose types the caller was written for."""
        return await self._call(Target.of(module), input, timeout, idempotency_key)

    @overload
    def stream(
        self,
        name: str,
        input: Any = None,
        /,
        *,
        returns: type[Output],
        schema_fingerprint: str = "",
        timeout: float | None = None,
        idempotency_key: str = "",
        **fields: Any,
    ) -> AsyncGenerator[Output]: ...

    @overload
    def stream(
        self,
        name: str,
        input: Any = None,
        /,
        *,
        returns: Any = None,
        schema_fingerprint: str = "",
        timeout: float | None = None,
        idempotency_key: str = "",
        **fields: Any,
    ) -> AsyncGenerator[Any]: ...

    def stream(
        self,
        name: str,
        input: Any = None,
        /,
        *,
        returns: Any = None,
        schema_fingerprint: str = "",
        timeout: float | None = None,
        idempotency_key: str = "",
        **fields: Any,
    ) -> AsyncGenerator[Any]:
        """See `Client.stream`."""
        target = Target.by_name(name, returns, schema_fingerprint)
        return self._stream(target, input_of(input, fields), timeout, idempotency_key)

    def stream_typed(
        self,
        module: TypedModule[Output],
        input: Any,
        /,
        *,
        timeout: float | None = None,
        idempotency_key: str = "",
    ) -> AsyncGenerator[Output]:
        """`stream` of a module whose types the caller was written for."""
        return self._stream(Target.of(module), input, timeout, idempotency_key)

    @overload
    async def call_batch(
        self,
        name: str,
        inputs: Sequence[Any],
        /,
        *,
        returns: type[Output],
        schema_fingerprint: str = "",
        timeout: float | None = None,
        idempotency_keys: Sequence[str] = (),
    ) -> list[Output | ModrackError]: ...

    @overload
    async def call_batch(
        self,
        name: str,
        inputs: Sequence[Any],
        /,
        *,
        returns: Any = None,
        schema_fingerprint: str = "",
        timeout: float | None = None,
        idempotency_keys: Sequence[str] = (),
    ) -> list[Any]: ...

    async def call_batch(
        self,
        name: str,
        inputs: Sequence[Any],
        /,
        *,
        returns: Any = None,
        schema_fingerprint: str = "",
        timeout: float | None = None,
        idempotency_keys: Sequence[str] = (),
    ) -> list[Any]:
        """See `Client.call_batch`."""
        target = Target.by_name(name, returns, schema_fingerprint)
        return await self._call_batch(target, inputs, timeout, idempotency_keys)

    async def call_batch_typed(
        self,
        module: TypedModule[Output],
        inputs: Sequence[Any],
        /,
        *,
        timeout: float | None = None,
        idempotency_keys: Sequence[str] = (),
    ) -> list[Output | ModrackError]:
        """`call_batch` of a module whose types the caller was written for."""
        return await self._call_batch(Target.of(module), inputs, timeout, idempotency_keys)

    async def list_modules(self, pattern: str = "", *, timeout: float | None = None) -> list[ModuleInfo]:
        """The modules whose names match; see `Client.list_modules`."""
        found: list[ModuleInfo] = []
        token = ""
        while True:
            request = pb.ListModulesRequest(pattern=pattern, page_token=token)
            with self._scope.call("", timeout or self._timeout) as sent:
                page = await self._stub.ListModules(request, timeout=sent.timeout, metadata=sent.metadata)
            found.extend(map(module_info, page.modules))
            token = page.next_page_token
            if not token:
                return found

    async def get_module(self, name: str, *, timeout: float | None = None) -> ModuleInfo:
        """One module. Raises `NotFound` when it is not registered."""
        return module_info(await self._module(name, timeout or self._timeout))

    async def watch(self, pattern: str = "", *, timeout: float | None = None) -> AsyncIterator[ModuleEvent]:
        """The present modules, then each change; see `Client.watch`."""
        with self._scope.call("", timeout) as sent:
            stream: Any = self._stub.Watch(
                pb.WatchRequest(pattern=pattern), timeout=sent.timeout, metadata=sent.metadata
            )
            try:
                async for event in stream:
                    yield module_event(event)
            finally:
                stream.cancel()

    async def _module(self, name: str, timeout: float) -> pb.Module:
        with self._scope.call("", timeout) as sent:
            answer = await self._stub.GetModule(
                pb.GetModuleRequest(name=name), timeout=sent.timeout, metadata=sent.metadata
            )
        return answer.module

    async def _shape(self, target: Target) -> Shape:
        shape = target.shape or self._shapes.get(target.name)
        if shape is None:
            shape = self._shapes[target.name] = shape_of(await self._module(target.name, self._timeout))
        return shape

    def _again(self, target: Target, error: ModrackError, repeat: bool) -> None:
        """Forgets a schema that the host calls old, so that the call is sent once more; raises any other failure."""
        if not repeat or not target.may_repeat(error):
            raise called(error)
        self._shapes.pop(target.name, None)

    async def _call(self, target: Target, value: Any, timeout: float | None, idempotency_key: str) -> Any:
        for repeat in (True, False):
            try:
                shape = await self._shape(target)
                request = call_request(target, shape, value, idempotency_key)
                with self._scope.call(target.name, timeout or self._timeout) as sent:
                    answer = await self._stub.Call(request, timeout=sent.timeout, metadata=sent.metadata)
                return shape.reader(target.returns)(answer.output_data)
            except ModrackError as error:
                self._again(target, error, repeat)
        raise AssertionError("the second round returns or raises")

    async def _call_batch(
        self, target: Target, values: Sequence[Any], timeout: float | None, idempotency_keys: Sequence[str]
    ) -> list[Any]:
        for repeat in (True, False):
            try:
                shape = await self._shape(target)
                request = batch_request(target, shape, values, idempotency_keys)
                with self._scope.call(target.name, timeout or self._timeout) as sent:
                    answer = await self._stub.CallBatch(request, timeout=sent.timeout, metadata=sent.metadata)
                return batch_outputs(answer, shape.reader(target.returns))
            except ModrackError as error:
                self._again(target, error, repeat)
        raise AssertionError("the second round returns or raises")

    async def _stream(
        self, target: Target, value: Any, timeout: float | None, idempotency_key: str
    ) -> AsyncGenerator[Any]:
        for repeat in (True, False):
            begun = False
            try:
                shape = await self._shape(target)
                read = shape.reader(target.returns)
                request = pb.CallStreamRequest(call=call_request(target, shape, value, idempotency_key))
                with self._scope.call(target.name, timeout or self._timeout) as sent:
                    stream: Any = self._stub.CallStream(request, timeout=sent.timeout, metadata=sent.metadata)
                    try:
                        with sent.cancelled_with(stream):
                            async for event in stream:
                                begun = True
                                if event.WhichOneof("event") == "item_data":
                                    yield read(event.item_data)
                    finally:
                        stream.cancel()
                return
            except ModrackError as error:
                self._again(target, error, repeat and not begun)
