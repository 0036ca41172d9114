"""Who is let in, who waits, who is refused, and that no place is lost."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from modrack_dator.desk import Desk, Key, Place, Refused
from modrack_dator.offers import Limits


class Clock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def key(name: str) -> Key:
    return Key(name, "", "module")


def desk(clock: Any = None, **limits: Any) -> Desk:
    made = Limits(**limits)
    return Desk("offer", made) if clock is None else Desk("offer", made, clock)


async def taken(at: Desk, name: str, lease: float = 30.0) -> Place:
    place = await at.take(key(name), lease)
    assert isinstance(place, Place), place
    return place


async def until_queued(at: Desk, count: int) -> None:
    async with asyncio.timeout(5):
        while at.queued != count:
            await asyncio.sleep(0)


async def test_as_many_as_there_are_places_are_let_in_and_the_next_is_told_when_to_come_back() -> None:
    at = desk(max_in_flight=2, retry_after_ms=1500)
    first = await taken(at, "a")
    await taken(at, "b")
    refused = await at.take(key("c"), 30)
    assert refused == Refused("2 calls are in flight", 1.5)
    assert at.give_back(first.id, key("a"))
    await taken(at, "c")
    assert at.in_flight == 2


async def test_who_waits_is_served_in_the_order_of_coming() -> None:
    at = desk(max_in_flight=1, max_queued=2, max_wait_ms=5000)
    held = await taken(at, "a")
    waiting = [asyncio.create_task(taken(at, name)) for name in ("b", "c")]
    await until_queued(at, 2)
    assert await at.take(key("d"), 30) == Refused("1 call is in flight and 2 wait", 1.0)
    at.give_back(held.id, key("a"))
    second = await waiting[0]
    assert not waiting[1].done()
    at.give_back(second.id, key("b"))
    third = await waiting[1]
    assert third.waited > 0
    at.give_back(third.id, key("c"))
    assert (at.in_flight, at.queued) == (0, 0)


async def test_nobody_passes_who_waits() -> None:
    at = desk(max_in_flight=1, max_queued=2, max_wait_ms=5000)
    held = await taken(at, "a")
    waiting = asyncio.create_task(taken(at, "b"))
    await until_queued(at, 1)
    at.give_back(held.id, key("a"))
    late = asyncio.create_task(taken(at, "c"))
    second = await waiting
    at.give_back(second.id, key("b"))
    await late


async def test_who_waits_too_long_is_refused_and_leaves_the_queue() -> None:
    at = desk(max_in_flight=1, max_queued=1, max_wait_ms=20)
    await taken(at, "a")
    assert await at.take(key("b"), 30) == Refused("no place became free within 20 ms", 1.0)
    assert at.queued == 0


async def test_who_is_cancelled_while_waiting_leaves_nothing_behind() -> None:
    at = desk(max_in_flight=1, max_queued=1, max_wait_ms=5000)
    held = await taken(at, "a")
    waiting = asyncio.create_task(taken(at, "b"))
    await until_queued(at, 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert at.queued == 0
    # And at the moment when it was served already.
    waiting = asyncio.create_task(taken(at, "c"))
    await until_queued(at, 1)
    at.give_back(held.id, key("a"))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert at.in_flight == 0


async def test_a_place_falls_back_when_its_lease_is_over() -> None:
    clock = Clock()
    at = desk(clock, max_in_flight=1)
    lost = await taken(at, "a", lease=10)
    clock.now += 9.9
    assert isinstance(await at.take(key("b"), 30), Refused)
    clock.now += 0.2
    await taken(at, "b")
    assert not at.give_back(lost.id, key("a"))


async def test_a_lease_that_ends_serves_who_waits() -> None:
    at = desk(max_in_flight=1, max_queued=1, max_wait_ms=5000)
    await taken(at, "a", lease=0.03)
    place = await taken(at, "b")
    assert 0 < place.waited < 4


async def test_a_place_is_given_back_once_and_only_by_the_call_that_holds_it() -> None:
    at = desk(max_in_flight=1)
    place = await taken(at, "a")
    assert not at.give_back(place.id, key("b"))
    assert at.give_back(place.id, key("a"))
    assert not at.give_back(place.id, key("a"))
    assert not at.give_back_any(key("a"))


async def test_the_rate_lets_a_burst_in_and_then_says_when_the_next_may_come() -> None:
    clock = Clock()
    at = desk(clock, max_in_flight=2, calls_per_minute=60)
    for name in ("a", "b"):
        place = await taken(at, name)
        at.give_back(place.id, key(name))
    refused = await at.take(key("c"), 30)
    assert isinstance(refused, Refused)
    assert refused.reason == "more than 60 calls a minute"
    assert refused.retry_after == pytest.approx(1.0)
    clock.now += 1.0
    await taken(at, "c")


async def test_who_waited_in_vain_costs_nothing_of_the_rate() -> None:
    at = desk(max_in_flight=1, max_queued=1, max_wait_ms=10, calls_per_minute=1)
    held = await taken(at, "a")
    for _ in range(3):
        assert await at.take(key("b"), 30) == Refused("no place became free within 10 ms", 1.0)
    at.give_back(held.id, key("a"))
    await taken(at, "c")


async def test_a_new_configuration_keeps_the_calls_in_flight_and_sends_away_who_waits() -> None:
    at = desk(max_in_flight=1, max_queued=1, max_wait_ms=5000)
    held = await taken(at, "a")
    waiting = asyncio.create_task(at.take(key("b"), 30))
    await until_queued(at, 1)
    fresh = at.replace("offer", Limits(max_in_flight=2))
    assert isinstance(await waiting, Refused)
    assert fresh.in_flight == 1
    other = await taken(fresh, "c")
    assert other.id != held.id
    assert fresh.give_back(held.id, key("a"))


async def test_whatever_happens_no_more_are_in_flight_than_there_are_places_and_all_come_back() -> None:
    chance = random.Random(7)
    at = desk(max_in_flight=3, max_queued=5, max_wait_ms=40)
    most = 0
    inside = 0

    async def call(number: int) -> str:
        nonlocal inside, most
        name = f"call-{number}"
        try:
            async with asyncio.timeout(chance.uniform(0.001, 0.08)):
                place = await at.take(key(name), 30)
                if isinstance(place, Refused):
                    return "refused"
                inside += 1
                most = max(most, inside)
                try:
                    await asyncio.sleep(chance.uniform(0, 0.01))
                    return "served"
                finally:
                    inside -= 1
                    assert at.give_back(place.id, key(name))
        except TimeoutError:
            return "left"

    ends = await asyncio.gather(*(call(number) for number in range(60)))
    assert {"served", "refused"} <= set(ends)
    assert most == 3
    assert (at.in_flight, at.queued) == (0, 0)
