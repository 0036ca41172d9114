"""Handlers that stream: each item is taken from the generator only when there is a credit for it. Knows no wire."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from modrack._failures import envelope

if TYPE_CHECKING:
    from modrack._module import Module
    from modrack._running import Outbox
    from modrack._threads import WorkerThreads
    from modrack.context import Context

_BREATH = 64
"""Items after which a generator that never waits lets others have the loop."""


class TaskStream:
    """An async generator, pulled by a task. Cancelling the task closes the generator, wherever it stands."""

    def __init__(
        self, call_id: int, module: Module, ctx: Context | None, data: bytes, credit: int, out: Outbox
    ) -> None:
        self._call_id = call_id
        self._module = module
        self._ctx = ctx
        self._data = data
        self._credit = credit
        self._out = out
        self._dropped = False
        self._more: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """The whole stream, to its end, failure or cancellation; what came of it is sent."""
        try:
            await self._pull()
        except BaseException as error:
            if isinstance(error, GeneratorExit):
                raise
            if not self._dropped:
                self._out.failed(self._call_id, envelope(error, self._module.name), result=False)
        else:
            if not self._dropped:
                self._out.end(self._call_id)
        finally:
            self._out.ended(self._call_id)

    def grant(self, items: int) -> None:
        self._credit += items
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    def cancel(self) -> None:
        self._dropped = True
        if self._ctx is not None:
            self._ctx.cancel()
        if self.task is not None:
            self.task.cancel()

    async def _pull(self) -> None:
        items: Any = self._module.begin(self._data, self._ctx)
        if inspect.isawaitable(items):
            items = await items
        iterator: AsyncIterator[Any] = aiter(items)
        finish, out, call_id = self._module.finish, self._out, self._call_id
        breath = _BREATH
        try:
            while True:
                while self._credit <= 0:
                    self._more = asyncio.get_running_loop().create_future()
                    await self._more
                try:
                    item = await anext(iterator)
                except StopAsyncIteration:
                    return
                data = finish(item)
                self._credit -= 1
                out.item(call_id, data)
                if self._dropped:  # an item that fits no message ends the stream, perhaps before its task is known here
                    return
                breath -= 1
                if not breath:
                    breath = _BREATH
                    await asyncio.sleep(0)
        finally:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()


class ThreadStream:
    """A generator, pulled in worker threads: as many items at a time as there are credits, then the thread is free again.

    Successive parts may run in different threads, never two at a time.
    """

    def __init__(
        self,
        call_id: int,
        module: Module,
        ctx: Context | None,
        data: bytes,
        credit: int,
        out: Outbox,
        threads: WorkerThreads,
    ) -> None:
        self._call_id = call_id
        self._module = module
        self._ctx = ctx
        self._data = data
        self._credit = credit
        self._out = out
        self._threads = threads
        self._items: Iterator[Any] | None = None
        self._made: deque[bytes] = deque()
        self._busy = False
        self._over = False
        self._dropped = False
        self._error: BaseException | None = None
        self.blocks = module.blocks

    def start(self) -> None:
        """Hands the generator to a thread, where it has credit and none has it yet; or to be closed."""
        if not self._busy and not self._over and (self._credit > 0 or self._dropped):
            self._busy = True
            self._threads.submit(self)

    def grant(self, items: int) -> None:
        self._credit += items
        self.start()

    def cancel(self) -> None:
        self._dropped = True
        if self._ctx is not None:
            self._ctx.cancel()
        self.start()

    def run(self) -> None:
        """On a worker thread."""
        try:
            if self._dropped:
                self._close()
                return
            if self._items is None:
                self._items = iter(self._module.begin(self._data, self._ctx))
            finish, items, made = self._module.finish, self._items, self._made
            # What the loop grants meanwhile is for the next turn.
            for _ in range(self._credit):
                try:
                    item = next(items)
                except StopIteration:
                    self._over = True
                    return
                made.append(finish(item))
                self._threads.tell(self._send)
                if self._dropped:
                    self._close()
                    return
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is its answer
            self._error = error
            self._close()

    def done(self) -> None:
        self._send()
        self._busy = False
        if not self._over:
            self.start()
            return
        self._out.ended(self._call_id)
        if self._dropped:
            return
        if self._error is not None:
            self._out.failed(self._call_id, envelope(self._error, self._module.name), result=False)
        else:
            self._out.end(self._call_id)

    def _send(self) -> None:
        """On the loop's thread: what has been made goes out."""
        while self._made:
            data = self._made.popleft()
            if not self._dropped:
                self._credit -= 1
                self._out.item(self._call_id, data)

    def _close(self) -> None:
        self._over = True
        close: Callable[[], None] | None = getattr(self._items, "close", None)
        try:
            if close is not None:
                close()
        except BaseException as error:  # noqa: BLE001 - the cleanup of a handler is the handler's
            self._error = self._error or error
