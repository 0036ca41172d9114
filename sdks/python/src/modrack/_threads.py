"""Worker threads for sync handlers, fed in batches from the event loop. Knows nothing of modules or the wire.

One thread takes jobs one after the other from a shared queue, so a burst of short handlers costs one hop, not one each. A
handler that blocks holds up only its own thread: when the queue stands still for a moment, or the handler is known to block,
another thread is woken, up to the limit. Results go back to the loop in whatever number has gathered when it gets its turn.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Protocol

_LOOK_AGAIN = 0.002
"""Seconds after which the loop looks whether the queue moves."""

_MOVES = 8
"""Jobs per thread and look that count as moving; below that the handlers block, and more threads help."""

BLOCKS_AFTER = 0.001
"""Seconds in a handler from which on it is taken for one that blocks."""


class Job(Protocol):
    """Something to run in a thread."""

    blocks: bool

    def run(self) -> None:
        """On a worker thread; must not raise."""

    def done(self) -> None:
        """Afterwards, on the loop's thread."""


class WorkerThreads:
    """The threads of one event loop. `submit` and `close` belong to the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self._loop = loop
        self._limit = limit
        self._pending: deque[Job] = deque()
        self._finished: deque[Callable[[], None]] = deque()
        self._wake: SimpleQueue[bool] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._awake = 0
        self._completed = 0
        self._flush_is_due = False
        self._look: asyncio.TimerHandle | None = None
        self._completed_at_look = 0

    def submit(self, job: Job) -> None:
        """Queues a job and makes sure that somebody will take it. Does not block."""
        with self._lock:
            self._pending.append(job)
            wake = self._awake == 0 or (job.blocks and self._awake < self._limit)
            if wake:
                self._awake += 1
        if wake:
            self._rouse()
        if self._look is None:
            self._completed_at_look = self._completed
            self._look = self._loop.call_later(_LOOK_AGAIN, self._look_again)

    def tell(self, callback: Callable[[], None]) -> bool:
        """From a worker thread: calls back on the loop's thread, in order, together with whatever else gathers until then.

        False when the loop is closed.
        """
        self._finished.append(callback)
        if self._flush_is_due:
            return True
        self._flush_is_due = True
        return self._call_loop(self._flush)

    def close(self) -> None:
        """Ends the idle threads; those in a handler end after it, or with the process."""
        if self._look is not None:
            self._look.cancel()
            self._look = None
        with self._lock:
            self._pending.clear()
        for _ in range(self._threads):
            self._wake.put(False)

    def _rouse(self) -> None:
        # Threads are started late: a provider with async handlers alone never has one. `_awake` already counts the
        # one that is wanted; those that fall asleep meanwhile only make a thread too many, never one too few.
        if self._awake > self._threads:
            self._threads += 1
            threading.Thread(target=self._work, name=f"modrack-{self._threads}", daemon=True).start()
        self._wake.put(True)

    def _look_again(self) -> None:
        self._look = None
        moved = self._completed - self._completed_at_look
        more = 0
        with self._lock:
            if not self._pending:
                return
            if moved < _MOVES * self._awake:
                # Doubling: a burst of blocking calls must not wait for one look per thread.
                more = min(max(self._awake, 1), self._limit - self._awake, len(self._pending))
                self._awake += more
        for _ in range(more):
            self._rouse()
        self._completed_at_look = self._completed
        self._look = self._loop.call_later(_LOOK_AGAIN, self._look_again)

    def _work(self) -> None:
        while self._wake.get():
            while True:
                with self._lock:
                    if not self._pending:
                        self._awake -= 1
                        break
                    job = self._pending.popleft()
                job.run()
                self._completed += 1
                if not self.tell(job.done):
                    return

    def _call_loop(self, callback: Callable[[], None]) -> bool:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return False
        return True

    def _flush(self) -> None:
        # Cleared first: a job that finishes from here on asks for a flush of its own.
        self._flush_is_due = False
        while self._finished:
            self._finished.popleft()()
