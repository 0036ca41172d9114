"""Calls the modules of a provider in memory, through the codec, without a host. For the tests of module authors."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from typing import Any

from modrack._inputs import input_of
from modrack._module import Module
from modrack.context import Context
from modrack.errors import NotFound
from modrack.provider import Provider


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

        `timeout` in seconds becomes the deadline of the handler's context; nothing is cancelled when it passes. Must not
        run inside an event loop where the handler is async; see `acall`.

        Raises `NotFound`, `CodecError` (the input), `UpstreamError` (the output), and what the handler raises.
        """
        module, ctx, data = self._prepare(name, input, fields, timeout, idempotency_key)
        value = module.begin(data, ctx)
        if inspect.isawaitable(value):
            value = asyncio.run(_awaited(value))
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
        value = module.begin(data, ctx)
        if inspect.isawaitable(value):
            value = await value
        return module.output.decode(module.finish(value))

    def _prepare(
        self,
        name: str,
        input: Any,
        fields: Mapping[str, Any],
        timeout: float | None,
        idempotency_key: str,
    ) -> tuple[Module, Context, bytes]:
        short = name.removeprefix(self._provider.namespace + ".")
        module = self._provider.modules.get(short)
        if module is None:
            raise NotFound("registry.module.unknown", f"module `{name}` is not registered")
        ctx = Context(short, execution_id="test", idempotency_key=idempotency_key, timeout=timeout)
        return module, ctx, module.input.encode(input_of(input, fields))


async def _awaited(value: Any) -> Any:
    return await value
