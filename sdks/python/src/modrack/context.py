"""What a handler may know of the call that it answers. Starts and ends nothing itself."""

from __future__ import annotations

import logging
import threading
import time


class Context:
    """The call that a handler answers; a parameter annotated `Context` receives it.

    `execution_id` is the same for every attempt, `attempt` is 1 for the first. `node_id` is the step of the pipeline, empty
    for a single call; `idempotency_key` and `traceparent` are empty where the caller gave none. `deadline` is on the clock
    of `time.monotonic()`, in seconds, or `None`.
    """

    __slots__ = (
        "_cancelled",
        "_event",
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


_EVENTS = threading.Lock()
"""Guards the late creation of events: rare enough for one lock for all calls."""
