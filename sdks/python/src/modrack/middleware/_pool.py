"""Calls ordinary functions in worker threads beside the event loop, so that a slow one delays no probe. Knows no component."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

from modrack._threads import WorkerThreads
from modrack.middleware._fault import Fault


class Pool:
    """At most `threads` functions run, at most `most` run or wait; one more is a `Fault`. Belongs to one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, threads: int, most: int) -> None:
        self._loop = loop
        self._threads = WorkerThreads(loop, threads)
        self._most = most
        self._jobs = 0

    async def __call__(self, function: Callable[[Any], Any], argument: Any, /) -> Any:
        """What the function returns. Cancelled, it stops waiting: a function that has not begun does not, one that runs goes on."""
        if self._jobs >= self._most:
            raise Fault(503, "module.overloaded", f"{self._jobs} handlers run or wait already")
        self._jobs += 1
        job = _Job(self, function, argument, self._loop.create_future())
        self._threads.submit(job)
        return await job.future

    def close(self) -> None:
        """Ends idle threads. A function that still runs ends with the process."""
        self._threads.close()

    def ended(self) -> None:
        """Makes room for the next; for jobs."""
        self._jobs -= 1


class _Job:
    __slots__ = ("_argument", "_context", "_failure", "_function", "_pool", "_result", "blocks", "future")

    def __init__(self, pool: Pool, function: Callable[[Any], Any], argument: Any, future: asyncio.Future[Any]) -> None:
        # A handler may block for as long as it likes; whether it does shows only afterwards.
        self.blocks = True
        self.future = future
        self._pool = pool
        self._function = function
        self._argument = argument
        self._context = contextvars.copy_context()
        self._result: Any = None
        self._failure: BaseException | None = None

    def run(self) -> None:
        if self.future.cancelled():
            return
        try:
            self._result = self._context.run(self._function, self._argument)
        except BaseException as cause:  # noqa: BLE001 - it belongs to whoever waits
            self._failure = cause

    def done(self) -> None:
        self._pool.ended()
        if self.future.done():
            return
        if self._failure is None:
            self.future.set_result(self._result)
        elif isinstance(self._failure, StopIteration | asyncio.CancelledError | SystemExit | KeyboardInterrupt):
            # A future takes no `StopIteration`, and the others would end more than this request.
            self.future.set_exception(RuntimeError(f"the handler raised {type(self._failure).__name__}"))
        else:
            self.future.set_exception(self._failure)
