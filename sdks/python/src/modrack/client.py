"""Calls modules through the host, from threads (`Client`) or asyncio (`AsyncClient`). Serves nothing.

The schema of a module is fetched at its first call and kept; inputs are encoded by it, and the host is told which schema that
was. When the module has been replaced since, it is fetched again and the call sent once more, before anything has run.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from modrack._address import find_address
from modrack._async_client import AsyncClient
from modrack._called import called
from modrack._calls import DEFAULT_TIMEOUT, Shape, Target, batch_outputs, batch_request, call_request, shape_of
from modrack._catalog import EndpointInfo, ModuleEvent, ModuleInfo, module_event, module_info
from modrack._credentials import client_token
from modrack._generated.host.v1 import host_pb as pb
from modrack._generated.host.v1.host_grpc import HostStub
from modrack._inputs import input_of
from modrack._pipeline_calls import Plans
from modrack._pipeline_client import PipelineClient
from modrack._scope import Scope
from modrack.bindings import TypedModule
from modrack.errors import ModrackError

if TYPE_CHECKING:
    import grpc

__all__ = ["DEFAULT_TIMEOUT", "AsyncClient", "Client", "EndpointInfo", "ModuleEvent", "ModuleInfo"]

Output = TypeVar("Output")


class Client(PipelineClient):
    """Calls modules from threads; may be shared between them. Opens its connection at the first call.

    `host` is `http://127.0.0.1:7420`, `https://…` or `unix:/path`; without it `MODRACK_HOST` says where. Every wait ends after
    `timeout` seconds, 30 by default. Every failure is a `ModrackError`. `token_file` holds the bearer token (`MODRACK_TOKEN_FILE`)
    and is read anew when it changes; `ca_file`, `cert_file` and `key_file` (`MODRACK_CA_FILE`, …) belong to `https`.

        with Client() as client:
            client.call("text.WordCount", text="to be or not to be")

    The options of `call`, `stream` and `call_batch`:

    * `returns`: the type of the output (of an item, in a stream), e.g. a dataclass or `list[int]`; the values are of that type and
      checkers know it. Without it records are `dict`s. An output that does not fit it is a `CodecError`.
    * `schema_fingerprint`: the schema that the caller was written for, as `ModuleInfo.fingerprint` says it. The call fails with
      `registry.schema.changed` before anything runs when the module has another one by now.
    * `timeout` in seconds, for all of a stream or batch. `idempotency_key`: equal for calls that shall have one effect.

    Fields of the input that are named like an option go into the mapping. `call_typed`, `stream_typed` and `call_batch_typed` take
    a `TypedModule` in place of a name, as generated bindings do: the host is not asked for the types, and a module that has others
    by now fails with `registry.schema.changed`.
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
        self._channel: grpc.Channel | None = address.channel()
        self._stub = HostStub(self._channel)
        self._scope = Scope(client_token(token_file).text)
        self._shapes: dict[str, Shape] = {}
        self._plans = Plans()

    @classmethod
    def of_call(cls, stub: HostStub, scope: Scope, shapes: dict[str, Shape], plans: Plans) -> Self:
        """The client of one call's handler, on a channel that it does not own; `Context` gives them out."""
        client = cls.__new__(cls)
        client._timeout = DEFAULT_TIMEOUT
        client._channel = None
        client._stub = stub
        client._scope = scope
        client._shapes = shapes
        client._plans = plans
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; calls that run fail with `client.call.cancelled`. The client of a handler stays open."""
        if self._channel is not None:
            self._channel.close()

    @overload
    def call(
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
    def call(
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

    def call(
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
        """The output of a module: `call("text.Replace", text=…, find=…, replace=…)`.

        The input is given by keyword fields, as a mapping or an object with these fields, or as one value where it is no record.
        """
        target = Target.by_name(name, returns, schema_fingerprint)
        return self._call(target, input_of(input, fields), timeout, idempotency_key)

    def call_typed(
        self,
        module: TypedModule[Output],
        input: Any,
        /,
        *,
        timeout: float | None = None,
        idempotency_key: str = "",
    ) -> Output:
        """`call` of a module whose types the caller was written for."""
        return self._call(Target.of(module), input, timeout, idempotency_key)

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
    ) -> Generator[Output]: ...

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
    ) -> Generator[Any]: ...

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
    ) -> Generator[Any]:
        """The items of a module that streams, as they come: `for item in client.stream("text.Words", text=…)`.

        Nothing is sent before the first item is asked for, and no more is read than the loop takes, so that a slow loop holds up
        the handler. Leaving the loop, or closing the generator, cancels the call. A failure may come after any item.
        """
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
    ) -> Generator[Output]:
        """`stream` of a module whose types the caller was written for."""
        return self._stream(Target.of(module), input, timeout, idempotency_key)

    @overload
    def call_batch(
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
    def call_batch(
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

    def call_batch(
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
        """The outputs of a module for several inputs, in their order: `call_batch("ml.Embed", [{"text": "a"}, {"text": "b"}])`.

        Where an input fails, a `ModrackError` stands in place of its output. `idempotency_keys` has one key per input.

        Raises `ModrackError` where the batch fails as a whole, `CodecError` with a path such as `[3].text` for a wrong input.
        """
        target = Target.by_name(name, returns, schema_fingerprint)
        return self._call_batch(target, inputs, timeout, idempotency_keys)

    def call_batch_typed(
        self,
        module: TypedModule[Output],
        inputs: Sequence[Any],
        /,
        *,
        timeout: float | None = None,
        idempotency_keys: Sequence[str] = (),
    ) -> list[Output | ModrackError]:
        """`call_batch` of a module whose types the caller was written for."""
        return self._call_batch(Target.of(module), inputs, timeout, idempotency_keys)

    def list_modules(self, pattern: str = "", *, timeout: float | None = None) -> list[ModuleInfo]:
        """The modules whose names match, e.g. `text.*`; all without a pattern. In ascending order of their names."""
        found: list[ModuleInfo] = []
        token = ""
        while True:
            request = pb.ListModulesRequest(pattern=pattern, page_token=token)
            with self._scope.call("", timeout or self._timeout) as sent:
                page = sent.wait(self._stub.ListModules, request)
            found.extend(map(module_info, page.modules))
            token = page.next_page_token
            if not token:
                return found

    def get_module(self, name: str, *, timeout: float | None = None) -> ModuleInfo:
        """One module. Raises `NotFound` when it is not registered."""
        return module_info(self._module(name, timeout or self._timeout))

    def watch(self, pattern: str = "", *, timeout: float | None = None) -> Iterator[ModuleEvent]:
        """The present modules, then each change. Ends with the iterator, or with `DeadlineExceeded` after `timeout` seconds.

        Without a `timeout` it lasts as long as the host.
        """
        with self._scope.call("", timeout) as sent:
            stream: Any = self._stub.Watch(
                pb.WatchRequest(pattern=pattern), timeout=sent.timeout, metadata=sent.metadata
            )
            try:
                for event in stream:
                    yield module_event(event)
            finally:
                stream.cancel()

    def _module(self, name: str, timeout: float) -> pb.Module:
        with self._scope.call("", timeout) as sent:
            answer = sent.wait(self._stub.GetModule, pb.GetModuleRequest(name=name))
        return answer.module

    def _shape(self, target: Target) -> Shape:
        shape = target.shape or self._shapes.get(target.name)
        if shape is None:
            shape = self._shapes[target.name] = shape_of(self._module(target.name, self._timeout))
        return shape

    def _again(self, target: Target, error: ModrackError, repeat: bool) -> None:
        """Forgets a schema that the host calls old, so that the call is sent once more; raises any other failure."""
        if not repeat or not target.may_repeat(error):
            raise called(error)
        self._shapes.pop(target.name, None)

    def _call(self, target: Target, value: Any, timeout: float | None, idempotency_key: str) -> Any:
        for repeat in (True, False):
            try:
                shape = self._shape(target)
                request = call_request(target, shape, value, idempotency_key)
                with self._scope.call(target.name, timeout or self._timeout) as sent:
                    answer = sent.wait(self._stub.Call, request)
                return shape.reader(target.returns)(answer.output_data)
            except ModrackError as error:
                self._again(target, error, repeat)
        raise AssertionError("the second round returns or raises")

    def _call_batch(
        self, target: Target, values: Sequence[Any], timeout: float | None, idempotency_keys: Sequence[str]
    ) -> list[Any]:
        for repeat in (True, False):
            try:
                shape = self._shape(target)
                request = batch_request(target, shape, values, idempotency_keys)
                with self._scope.call(target.name, timeout or self._timeout) as sent:
                    answer = sent.wait(self._stub.CallBatch, request)
                return batch_outputs(answer, shape.reader(target.returns))
            except ModrackError as error:
                self._again(target, error, repeat)
        raise AssertionError("the second round returns or raises")

    def _stream(self, target: Target, value: Any, timeout: float | None, idempotency_key: str) -> Generator[Any]:
        for repeat in (True, False):
            begun = False
            try:
                shape = self._shape(target)
                read = shape.reader(target.returns)
                request = pb.CallStreamRequest(call=call_request(target, shape, value, idempotency_key))
                with self._scope.call(target.name, timeout or self._timeout) as sent:
                    stream: Any = self._stub.CallStream(request, timeout=sent.timeout, metadata=sent.metadata)
                    try:
                        with sent.cancelled_with(stream):
                            for event in stream:
                                begun = True
                                if event.WhichOneof("event") == "item_data":
                                    yield read(event.item_data)
                    finally:
                        stream.cancel()
                return
            except ModrackError as error:
                self._again(target, error, repeat and not begun)
