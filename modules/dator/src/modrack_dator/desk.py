"""Who is let in: places in flight, a bounded queue before them, a rate. One desk per offer, on one event loop. Knows no payload."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from modrack_dator.offers import Limits


class Key(NamedTuple):
    """What a call or run is the same by, at each of its hooks. The elements of a batch are equal in it."""

    execution_id: str
    node_id: str
    kind: str


@dataclass(frozen=True, slots=True)
class Place:
    """A place that a call holds, for `waited` seconds of waiting, until it is given back or the clock says `until`."""

    id: str
    key: Key
    until: float
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class Refused:
    """There is no place; why, and in how many seconds it is worth to come back."""

    reason: str
    retry_after: float


@dataclass(slots=True)
class _Waiter:
    key: Key
    until: float
    since: float
    place: asyncio.Future[Place]


class Desk:
    """The places of one offer.

    A place is given back by `give_back`, or falls back by itself when its lease is over, so that a call that is lost never costs one
    for good. Who waits is served in the order of coming.
    """

    def __init__(self, name: str, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._limits = limits
        self._clock = clock
        self._held: dict[str, Place] = {}
        self._waiting: deque[_Waiter] = deque()
        self._number = 0
        self._tokens = float(self._burst)
        self._filled = clock()
        self._is_closed = False

    @property
    def in_flight(self) -> int:
        """Places that are held now."""
        self._expire()
        return len(self._held)

    @property
    def queued(self) -> int:
        """Calls that wait now."""
        return len(self._waiting)

    async def take(self, key: Key, lease: float) -> Place | Refused:
        """A place for at most `lease` seconds, now or when one is free within the time that a call may wait. Cancelled, it holds none."""
        self._expire()
        limits = self._limits
        wait = self._rate_wait()
        if wait > 0:
            return Refused(f"more than {limits.calls_per_minute} calls a minute", wait)
        now = self._clock()
        # Where somebody waits, every place is held: one that falls free is theirs at once.
        if len(self._held) < limits.max_in_flight:
            self._tokens -= 1
            return self._hold(key, now + lease, 0.0)
        retry_after = limits.retry_after_ms / 1000
        patience = min(limits.max_wait_ms / 1000, lease)
        if len(self._waiting) >= limits.max_queued or self._is_closed:
            most = limits.max_in_flight
            held = "1 call is in flight" if most == 1 else f"{most} calls are in flight"
            waits = f"{limits.max_queued} wait{'s' if limits.max_queued == 1 else ''}"
            return Refused(held if limits.max_queued == 0 else f"{held} and {waits}", retry_after)
        waiter = _Waiter(key, now + lease, now, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._tokens -= 1
        place = await self._awaited(waiter, now + patience)
        if place is not None:
            return place
        self._tokens += 1
        return Refused(f"no place became free within {limits.max_wait_ms} ms", retry_after)

    def holds(self, place_id: str, key: Key) -> bool:
        """Whether that call holds that place."""
        place = self._held.get(place_id)
        return place is not None and place.key == key

    def give_back(self, place_id: str, key: Key) -> bool:
        """Gives a place back; false when that call does not hold it, any more or at all."""
        if not self.holds(place_id, key):
            return False
        del self._held[place_id]
        self._serve()
        return True

    def give_back_any(self, key: Key) -> bool:
        """Gives back one place of that key, for who cannot tell which."""
        place = next((each for each in self._held.values() if each.key == key), None)
        return place is not None and self.give_back(place.id, key)

    def replace(self, name: str, limits: Limits) -> Desk:
        """A desk with other limits that knows of the calls in flight. Who waits here is refused, to come back there."""
        fresh = Desk(name, limits, self._clock)
        fresh._held = dict(self._held)
        fresh._number = self._number
        self._is_closed = True
        for waiter in self._waiting:
            waiter.place.cancel()
        self._waiting.clear()
        return fresh

    @property
    def _burst(self) -> int:
        return self._limits.max_in_flight + self._limits.max_queued

    def _rate_wait(self) -> float:
        """Seconds until the rate lets the next one in; 0 when it does now."""
        if self._limits.calls_per_minute is None:
            self._tokens = float(self._burst)
            return 0.0
        per_second = self._limits.calls_per_minute / 60
        now = self._clock()
        self._tokens = min(self._tokens + (now - self._filled) * per_second, float(self._burst))
        self._filled = now
        return max(0.0, (1 - self._tokens) / per_second)

    def _hold(self, key: Key, until: float, waited: float) -> Place:
        self._number += 1
        place = Place(f"{self._name}-{self._number}", key, until, waited)
        self._held[place.id] = place
        return place

    async def _awaited(self, waiter: _Waiter, give_up: float) -> Place | None:
        try:
            while not waiter.place.done():
                left = give_up - self._clock()
                if left <= 0:
                    return None
                # A lease that ends wakes nobody by itself.
                lapses = min((place.until for place in self._held.values()), default=give_up) - self._clock()
                await asyncio.wait([waiter.place], timeout=max(0.0, min(left, lapses)))
                self._expire()
            return None if waiter.place.cancelled() else waiter.place.result()
        except asyncio.CancelledError:
            if waiter.place.done() and not waiter.place.cancelled():
                self.give_back(waiter.place.result().id, waiter.key)
            raise
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def _expire(self) -> None:
        now = self._clock()
        over = [place.id for place in self._held.values() if place.until <= now]
        for place_id in over:
            del self._held[place_id]
        if over:
            self._serve()

    def _serve(self) -> None:
        now = self._clock()
        while self._waiting and len(self._held) < self._limits.max_in_flight:
            waiter = self._waiting.popleft()
            if not waiter.place.done():
                waiter.place.set_result(self._hold(waiter.key, waiter.until, now - waiter.since))
