"""Calls that are not answered yet, and how each is cancelled. Starts none: `_runner.py` does, and `_streams.py` for streams."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from modrack._failures import envelope
from modrack._threads import BLOCKS_AFTER

if TYPE_CHECKING:
    from modrack._module import Module
    from modrack.context import Context
    from modrack.errors import ModrackError


class Running(Protocol):
    """A call that is not answered yet. Belongs to the loop's thread."""

    def cancel(self) -> None:
        """Stops the handler in Python's way: a task is cancelled, a thread is told. Nothing is answered any more."""

    def grant(self, items: int) -> None:
        """Permits more items; of no meaning but for a stream."""


class Outbox(Protocol):
    """Where answers go: a connection, or one request of the unary plane. Belongs to the loop's thread."""

    running: dict[int, Running]
    """What runs, by call id. Whoever starts a call that cannot be answered at once enters it; `ended` takes it out."""

    def result(self, call_id: int, output: bytes) -> None:
        """Answers a call."""

    def failed(self, call_id: int, error: ModrackError, *, result: bool = True) -> None:
        """Answers a call with a failure; `result` is false for a stream or a batch, which has no result to hold it."""

    def item(self, call_id: int, data: bytes) -> None:
        """Sends an item of a stream."""

    def end(self, call_id: int) -> None:
        """Ends a stream well."""

    def batch_result(self, call_id: int, outputs: list[bytes | ModrackError]) -> None:
        """Answers a batch."""

    def ended(self, call_id: int) -> None:
        """Forgets a call that ran."""


class TaskCall:
    """A handler that waits, as a task. `dropped` once nobody waits for its answer."""

    __slots__ = ("_ctx", "_task", "dropped")

    def __init__(self, task: asyncio.Task[Any], ctx: Context | None) -> None:
        self._task = task
        self._ctx = ctx
        self.dropped = False

    def cancel(self) -> None:
        self.dropped = True
        if self._ctx is not None:
            self._ctx.cancel()
        self._task.cancel()

    def grant(self, items: int) -> None:
        pass


class ThreadCall:
    """A call in a worker thread: `run` there, `done` back on the loop's thread."""

    __slots__ = ("_call_id", "_ctx", "_data", "_dropped", "_error", "_many", "_module", "_out", "_output", "blocks")

    def __init__(
        self, call_id: int, module: Module, ctx: Context | None, data: bytes | list[bytes], out: Outbox
    ) -> None:
        self._call_id = call_id
        self._module = module
        self._ctx = ctx
        self._data = data
        self._many = isinstance(data, list)
        self._out = out
        self._dropped = False
        self._output: Any = None
        self._error: BaseException | None = None
        self.blocks = module.blocks

    def cancel(self) -> None:
        self._dropped = True
        if self._ctx is not None:
            self._ctx.cancel()

    def grant(self, items: int) -> None:
        pass

    def run(self) -> None:
        if self._dropped:
            return
        module = self._module
        begin = perf_counter()
        try:
            if self._many:
                batch = module.many(self._data)  # type: ignore[misc,arg-type]
                self._output = batch.told(batch.begin(self._ctx))
            else:
                self._output = module.finish(module.begin(self._data, self._ctx))  # type: ignore[arg-type]
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is its answer, `SystemExit` too
            self._error = error
        module.blocks = perf_counter() - begin > BLOCKS_AFTER

    def done(self) -> None:
        self._out.ended(self._call_id)
        if self._dropped:
            return
        if self._error is not None:
            failure = envelope(self._error, self._module.name)
            self._out.failed(self._call_id, failure, result=not self._many)
        elif self._many:
            self._out.batch_result(self._call_id, self._output)
        else:
            self._out.result(self._call_id, self._output)
