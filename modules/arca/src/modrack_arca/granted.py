"""The driver's host over what this component was granted: the SDK's blocking client, one thread for each request that goes on."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

from modrack.errors import ModrackError, NotFound
from modrack.middleware import Host as Granted

from modrack_arca.host import Ran
from modrack_arca.plan import Phase
from modrack_arca.references import Json
from modrack_arca.retry import Failure

T = TypeVar("T")

SLACK = 0.02
"""Seconds that the host's answer about its own deadline may take. Who waits longer for it misses the caller's."""


class GrantedHost:
    """What the host granted at the last init."""

    def __init__(self, granted: Granted) -> None:
        self._granted = granted

    @property
    def stages(self) -> bool:
        """Whether `staging` was granted."""
        return self._granted.can("staging")

    async def run(self, phase: Phase, inputs: Mapping[str, Json], timeout: float) -> Ran:
        """Runs the pipeline of a phase."""
        ran = await _asked(
            lambda: self._granted.run_pipeline(phase.source, inputs, timeout, name=phase.stored), timeout
        )
        return Ran(ran.run_id, ran.outputs)

    async def stage(self, key: str, value: Json, timeout: float) -> None:
        """Keeps a value."""
        await _asked(lambda: self._granted.staging.put(key, value, timeout), timeout)

    async def staged(self, key: str, timeout: float) -> Json:
        """A value that was kept."""

        def get() -> Json:
            try:
                return self._granted.staging.get(key, timeout)
            except NotFound:
                return None

        return await _asked(get, timeout)

    async def unstage(self, key: str, timeout: float) -> None:
        """Forgets a value."""

        def delete() -> None:
            with contextlib.suppress(NotFound):
                self._granted.staging.delete(key, timeout)

        await _asked(delete, timeout)


async def _asked(ask: Callable[[], T], timeout: float) -> T:
    """What a request gives, or its failure; later than `timeout` and `SLACK` it is a failure too, and nobody waits for it."""
    bound = asyncio.timeout(timeout + SLACK)
    try:
        async with bound:
            return await _in_thread(ask)
    except ModrackError as error:
        raise Failure(
            error.category,
            error.code,
            error.message,
            retryable=error.retryable,
            retry_after=error.retry_after,
            run_id=error.details.get("run_id", ""),
        ) from error
    except TimeoutError as error:
        if not bound.expired():
            raise
        message = f"the host did not answer within {timeout:.3g} s"
        raise Failure("DEADLINE_EXCEEDED", "arca.host.late", message) from error


async def _in_thread(function: Callable[[], T]) -> T:
    """Calls a function that blocks. Its thread holds up neither the loop nor the end of the process."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(set: Callable[[], None]) -> None:
        # The loop may be gone, and the one who waits too.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if future.done() else set())

    def work() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
            raised = error
            settle(lambda: future.set_exception(raised))
        else:
            settle(lambda: future.set_result(result))

    threading.Thread(target=work, daemon=True).start()
    return await future
