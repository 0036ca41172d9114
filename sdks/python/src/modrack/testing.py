"""Calls the modules of a provider in memory, through the codec, and asks a middleware, without a host. For the tests of authors."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Coroutine, Generator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from modrack._batches import BatchCall
from modrack._inputs import input_of
from modrack._module import Module
from modrack.context import Context
from modrack.errors import NotFound, Unsupported
from modrack.middleware._testing import MiddlewareClient
from modrack.provider import Provider, loop_factory

__all__ = ["MiddlewareClient", "TestClient"]

T = TypeVar("T")


class TestClient:
    """Calls as a host would: the input is encoded and checked, the handler runs, the output is encoded, checked and decoded.

    What a handler raises comes out as it is, so that a test sees its own exception. Calls run one after the other, in the
    thread of the caller.

    >>> provider = Provider("text")
    >>> @provider.module
    ... async def Repeat(text: str, times: int = 2) -> list[str]:
    ...     return [text] * times
    >>> TestClient(provider).call("Repeat", text="a")
    ['a', 'a']

    The methods that begin with `a` are for a running event loop; the others start one (uvloop's, where it is installed) where the
    handler is async. `timeout` in seconds becomes the deadline of the handler's context; nothing is cancelled when it passes.
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

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
        """The output of a module for an input, or for the fields of a record.

        Raises `NotFound`, `Unsupported` for one that streams, `CodecError` (the input), `UpstreamError` (the output), and what
        the handler raises.
        """
        module, ctx, data = self._prepare(name, input, fields, timeout, idempotency_key)
        value = _no_stream(module).begin(data, ctx)
        if inspect.isawaitable(value):
            value = _run(_awaited(value))
        return module.output.decode(module.finish(value))

    async def acall(
        self,
        name: str,
        input: Any = None,
        /,
        *,
        timeout: float | None = None,
        idempotency_key: str = "",
        **fields: Any,
    ) -> Any:
        """`call` inside an event loop."""
        module, ctx, data = self._prepare(name, input, fields, timeout, idempotency_key)
        value = _no_stream(module).begin(data, ctx)
        if inspect.isawaitable(value):
            value = await value
        return module.output.decode(module.finish(value))

    def stream(
        self,
        name: str,
        input: Any = None,
        /,
        *,
        timeout: float | None = None,
        idempotency_key: str = "",
        **fields: Any,
    ) -> Generator[Any]:
        """The items of a module that streams. An async one runs to its end before the first item comes out; see `astream`."""
        module, ctx, data = self._prepare(name, input, fields, timeout, idempotency_key)
        if _stream(module).is_async:

            async def gather() -> list[Any]:
                return [item async for item in _items(module, ctx, data)]

            yield from _run(gather())
            return
        for item in module.begin(data, ctx):
            yield module.output.decode(module.finish(item))

    async def astream(
        self,
        name: str,
        input: Any = None,
        /,
        *,
        timeout: float | None = None,
        idempotency_key: str = "",
        **fields: Any,
    ) -> AsyncGenerator[Any]:
        """The items of a module that streams, one by one; closing it closes the handler's generator."""
        module, ctx, data = self._prepare(name, input, fields, timeout, idempotency_key)
        async with aclosing(_items(_stream(module), ctx, data)) as items:
            async for item in items:
                yield item

    def call_batch(self, name: str, inputs: Sequence[Any], /, *, timeout: float | None = None) -> list[Any]:
        """The outputs of a module that takes batches, with the handler's exceptions in place of those that failed."""
        module, batch, returned = self._begin_batch(name, inputs, timeout)
        if inspect.isawaitable(returned):
            returned = _run(_awaited(returned))
        return _outputs(module, batch.finish(returned))

    async def acall_batch(self, name: str, inputs: Sequence[Any], /, *, timeout: float | None = None) -> list[Any]:
        """`call_batch` inside an event loop."""
        module, batch, returned = self._begin_batch(name, inputs, timeout)
        if inspect.isawaitable(returned):
            returned = await returned
        return _outputs(module, batch.finish(returned))

    def _begin_batch(self, name: str, inputs: Sequence[Any], timeout: float | None) -> tuple[Module, BatchCall, Any]:
        module = self._module(name)
        if module.many is None:
            raise Unsupported("executor.batch.unsupported", f"`{module.name}` takes no batches")
        batch = module.many([module.input.encode({} if value is None else value) for value in inputs])
        return module, batch, batch.begin(Context(module.name, execution_id="test", timeout=timeout))

    def _prepare(
        self,
        name: str,
        input: Any,
        fields: Mapping[str, Any],
        timeout: float | None,
        idempotency_key: str,
    ) -> tuple[Module, Context, bytes]:
        module = self._module(name)
        ctx = Context(module.name, execution_id="test", idempotency_key=idempotency_key, timeout=timeout)
        return module, ctx, module.input.encode(input_of(input, fields))

    def _module(self, name: str) -> Module:
        module = self._provider.modules.get(name.removeprefix(self._provider.namespace + "."))
        if module is None:
            raise NotFound("registry.module.unknown", f"module `{name}` is not registered")
        return module


def _no_stream(module: Module) -> Module:
    if module.stream:
        raise Unsupported("executor.stream.required", f"`{module.name}` answers with a stream; use `stream`")
    return module


def _stream(module: Module) -> Module:
    if not module.stream:
        raise Unsupported("executor.stream.unsupported", f"`{module.name}` answers with one output; use `call`")
    return module


async def _items(module: Module, ctx: Context, data: bytes) -> AsyncGenerator[Any]:
    items = module.begin(data, ctx)
    if inspect.isawaitable(items):
        items = await items
    if not hasattr(items, "__aiter__"):
        for item in items:
            yield module.output.decode(module.finish(item))
        return
    async with aclosing(items):
        async for item in items:
            yield module.output.decode(module.finish(item))


def _outputs(module: Module, outputs: list[bytes | BaseException]) -> list[Any]:
    return [module.output.decode(each) if isinstance(each, bytes) else each for each in outputs]


async def _awaited(value: Any) -> Any:
    return await value


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(coroutine)
