"""What a handler may know of the call that it answers, and what it may call in turn. Starts and ends nothing itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from modrack.client import AsyncClient, Client


class Nested(Protocol):
    """Makes the clients of handlers; `_nested.py` does it for a provider that runs."""

    def async_client(self, ctx: Context) -> AsyncClient:
        """The client of an async handler."""
        ...

    def client(self, ctx: Context) -> Client:
        """The client of a handler in a thread."""
        ...


class Context:
    """The call that a handler answers; a parameter annotated `Context` receives it.

    `execution_id` is the same for every attempt, `attempt` is 1 for the first. `node_id` is the step of the pipeline, empty
    for a single call; `idempotency_key` and `traceparent` are empty where the caller gave none. `deadline` is on the clock
    of `time.monotonic()`, in seconds, or `None`.
    """

    __slots__ = (
        "_callbacks",
        "_cancelled",
        "_event",
        "_nested",
        "attempt",
        "deadline",
        "execution_id",
        "idempotency_key",
        "module",
        "node_id",
        "traceparent",
        "tracestate",
    )

    def __init__(
        self,
        module: str,
        *,
        execution_id: str = "",
        node_id: str = "",
        attempt: int = 1,
        idempotency_key: str = "",
        traceparent: str = "",
        tracestate: str = "",
        timeout: float | None = None,
        nested: Nested | None = None,
    ) -> None:
        self.module = module
        self.execution_id = execution_id
        self.node_id = node_id
        self.attempt = attempt
        self.idempotency_key = idempotency_key
        self.traceparent = traceparent
        self.tracestate = tracestate
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self._cancelled = False
        self._event: threading.Event | None = None
        self._callbacks: list[Callable[[], object]] = []
        self._nested = nested

    @property
    def client(self) -> AsyncClient:
        """Calls other modules from an async handler: `await ctx.client.call("text.Uppercase", text=…)`.

        Its calls have at most what is left of this call's deadline, belong to its trace, and end with it. They share one channel
        per provider, which opens at the first call; the provider's own session is what the host lets them in by.

        Raises `RuntimeError` in a sync handler, and where no host is, e.g. in a test.
        """
        return self._makes().async_client(self)

    @property
    def sync_client(self) -> Client:
        """`client` for sync handlers: `ctx.sync_client.call("text.Uppercase", text=…)` blocks the handler's own thread.

        Raises `RuntimeError` on the event loop, and where no host is.
        """
        return self._makes().client(self)

    @property
    def time_left(self) -> float | None:
        """Seconds until the deadline, never below 0; `None` without one."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    @property
    def is_cancelled(self) -> bool:
        """Whether the caller gave up or the deadline passed. An async handler is cancelled besides."""
        return self._cancelled

    @property
    def cancelled(self) -> threading.Event:
        """Set when the call is cancelled: `ctx.cancelled.wait(0.1)` is a sleep that ends early, for sync handlers."""
        if self._event is None:
            with _EVENTS:
                if self._event is None:
                    event = threading.Event()
                    if self._cancelled:
                        event.set()
                    self._event = event
        return self._event

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """The logger `modrack.module.<name>`; its records carry `execution_id`."""
        return logging.LoggerAdapter(
            logging.getLogger(f"modrack.module.{self.module}"), {"execution_id": self.execution_id}
        )

    def cancel(self) -> None:
        """Marks the call as cancelled; for whoever runs handlers."""
        with _EVENTS:
            self._cancelled = True
            if self._event is not None:
                self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], object]) -> None:
        """Calls back when the call is cancelled, at once when it is already; for whoever waits on the handler's behalf."""
        with _EVENTS:
            if not self._cancelled:
                self._callbacks.append(callback)
                return
        callback()

    def off_cancel(self, callback: Callable[[], object]) -> None:
        """Takes a callback of `on_cancel` back; one that has run is gone already."""
        with _EVENTS:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def _makes(self) -> Nested:
        if self._nested is None:
            raise RuntimeError("this call comes from no host that others could be called through")
        return self._nested


_EVENTS = threading.Lock()
"""Guards the late creation of events: rare enough for one lock for all calls."""
