"""Runs a coroutine at once, up to its first real wait, as a task. Schedules nothing when it never waits.

Most async handlers of small modules finish without waiting; a turn of the event loop for each would cost more than the call.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

if sys.version_info >= (3, 12):

    def start(coroutine: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop) -> asyncio.Task[Any]:
        """The task of a coroutine, already stepped once; done when it never waits.

        Must run on the loop's thread, outside any task.
        """
        return asyncio.Task(coroutine, loop=loop, eager_start=True)

else:

    def start(coroutine: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop) -> asyncio.Task[Any]:
        """The task of a coroutine, already stepped once; done when it never waits.

        Must run on the loop's thread, outside any task. Before Python 3.12 a task can only schedule its first step, by one
        `call_soon`; that call is caught here and carried out in place, so the task is a real one in every respect.
        """
        steps: list[tuple[Any, Any]] = []

        def catch(callback: Any, *_: Any, context: Any = None) -> None:
            steps.append((callback, context))

        loop.call_soon = catch  # type: ignore[method-assign] - the loops of asyncio and uvloop take attributes
        try:
            task = asyncio.Task(coroutine, loop=loop)
        finally:
            del loop.call_soon
        for callback, context in steps:
            context.run(callback)
        return task
