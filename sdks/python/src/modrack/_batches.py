"""Handlers of batches: several inputs in, as many outputs or failures out. Decides neither where nor when a handler runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from modrack._failures import envelope
from modrack._handling import read_input
from modrack.errors import ModrackError, UpstreamError

if TYPE_CHECKING:
    from modrack.codec import Codec
    from modrack.context import Context


class BatchCall:
    """One call of a handler of batches. It sees only the inputs that could be read; the others fail by themselves."""

    __slots__ = ("_failures", "_finish", "_handler", "_name", "_parameter", "_values", "outputs")

    def __init__(
        self,
        name: str,
        handler: Callable[..., Any],
        parameter: str | None,
        codec: Codec,
        finish: Callable[[Any], bytes],
        data: list[bytes],
    ) -> None:
        self._name = name
        self._handler = handler
        self._parameter = parameter
        self._finish = finish
        self._values: list[Any] = []
        self._failures: list[ModrackError | None] = []
        for each in data:
            try:
                self._values.append(read_input(name, codec, each))
                self._failures.append(None)
            except ModrackError as error:
                self._failures.append(error)

    def begin(self, ctx: Context | None) -> Any:
        """Calls the handler: what it returns, a coroutine when it is async. Without any input it is not called."""
        if not self._values:
            return []
        return self._handler(self._values, **({self._parameter: ctx} if self._parameter else {}))

    def finish(self, returned: Any) -> list[bytes | BaseException]:
        """The bytes or the failure of each element, in the order of the inputs.

        # Errors
        `UpstreamError` with `module.batch_mismatch` when the handler did not return one output per input.
        """
        if not isinstance(returned, list | tuple) or len(cast(list[Any], returned)) != len(self._values):
            found = f"{len(cast(list[Any], returned))} outputs" if isinstance(returned, list | tuple) else "no list"
            why = f"`{self._name}` returned {found} for {len(self._values)} inputs"
            raise UpstreamError("module.batch_mismatch", why, origin="module")
        outputs = iter(cast(list[Any], returned))
        return [self._one(next(outputs)) if failure is None else failure for failure in self._failures]

    def told(self, returned: Any) -> list[bytes | ModrackError]:
        """`finish`, with what the caller learns of each failure."""
        return [
            output if isinstance(output, bytes) else envelope(output, self._name) for output in self.finish(returned)
        ]

    def _one(self, value: Any) -> bytes | BaseException:
        if isinstance(value, BaseException):
            return value
        try:
            return self._finish(value)
        except ModrackError as error:
            return error


def preparer(
    name: str, handler: Callable[..., Any], parameter: str | None, codec: Codec, finish: Callable[[Any], bytes]
) -> Callable[[list[bytes]], BatchCall]:
    """The function that prepares a call of several inputs; `finish` encodes one output."""

    def prepare(data: list[bytes]) -> BatchCall:
        return BatchCall(name, handler, parameter, codec, finish, data)

    return prepare


def of_one(
    prepare: Callable[[list[bytes]], BatchCall], *, is_async: bool
) -> tuple[Callable[[bytes, Context | None], Any], Callable[[Any], bytes]]:
    """The same handler as that of a plain module: a batch of one, whose failure is raised."""

    def begin(data: bytes, ctx: Context | None) -> Any:
        batch = prepare([data])
        return batch, batch.begin(ctx)

    async def begin_async(data: bytes, ctx: Context | None) -> Any:
        batch = prepare([data])
        returned = batch.begin(ctx)
        return batch, returned if isinstance(returned, list) else await returned

    def finish(value: Any) -> bytes:
        batch, returned = value
        (output,) = batch.finish(returned)
        if isinstance(output, bytes):
            return output
        raise output

    return begin_async if is_async else begin, finish
