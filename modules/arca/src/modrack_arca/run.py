"""Drives one workflow: its phases in order, each tried as its posture says, staged at its boundary. Asks the host for all of it,
and neither decides what the caller is told nor touches a socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from modrack_arca.host import Host, Ran
from modrack_arca.plan import Phase, Workflow
from modrack_arca.references import Json, Unresolved, resolve
from modrack_arca.retry import Failure
from modrack_arca.staging import Done, Identity, pack, staging_key, unpack

STAGING_TIMEOUT = 2.0
"""Seconds for one request about a staged value, where the deadline is not sooner."""
LEAST = 0.005
"""Seconds that have to be left for an attempt to begin."""
ENDS = frozenset({"arca.deadline.exceeded", "arca.caller.left"})
"""Failures that end a workflow whatever the phase says."""


@dataclass(frozen=True, slots=True)
class Clock:
    """How the driver knows the time and waits."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class Stopped:
    """The failure that ended a workflow."""

    phase: str | None
    """Where; None where the published output could not be made."""
    failure: Failure


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a workflow."""

    output: Json
    """What is published; None where `stopped` says why there is nothing."""
    phases: tuple[Done, ...]
    """Those that are over, in order; the one that failed is the last."""
    stopped: Stopped | None = None
    staging: str | None = None
    """Why something is not staged, or still is: a code; None where all went well."""


async def drive(
    workflow: Workflow,
    identity: Identity,
    host: Host,
    deadline: float,
    *,
    left: asyncio.Event | None = None,
    clock: Clock | None = None,
) -> Outcome:
    """Runs a workflow until it succeeds, fails, `deadline` (of the clock) is there, or the caller has `left`.

    A caller who leaves ends it between two attempts: the one that goes on is waited for and staged, so that nobody does it again.
    """
    clock = clock or Clock()
    deadline = min(deadline, clock.now() + workflow.timeout)
    return await _Drive(workflow, identity, host, deadline, left or asyncio.Event(), clock).run()


@dataclass(slots=True)
class _Tries:
    """The attempts of one phase."""

    begun: float
    run_ids: list[str] = field(default_factory=list[str])
    count: int = 0
    """Attempts that the host was asked for."""


class _Drive:
    def __init__(
        self,
        workflow: Workflow,
        identity: Identity,
        host: Host,
        deadline: float,
        left: asyncio.Event,
        clock: Clock,
    ) -> None:
        self._workflow = workflow
        self._identity = identity
        self._host = host
        self._deadline = deadline
        self._caller_left = left
        self._clock = clock
        self._digest = identity.digest(workflow)
        self._staging: str | None = None if host.stages else "arca.staging.not_granted"
        self._done: list[Done] = []
        self._loose = 0
        """How many of the last phases are not staged."""

    async def run(self) -> Outcome:
        if self._identity.repeatable and self._staging is None:
            unread = await self._resume()
            if unread is not None:
                # What was done may not be done again, and nobody can tell now what that is.
                return self._outcome(None, unread)
        for phase in self._workflow.phases[len(self._done) :]:
            tries = _Tries(self._clock.now())
            try:
                ran = await self._attempts(phase, tries)
                outputs = _crossing(phase, ran)
            except Failure as failure:
                self._done.append(self._over(phase, None, tries, failure))
                self._loose += 1
                if not phase.skips or failure.code in ENDS:
                    return self._outcome(None, Stopped(phase.name, failure))
            else:
                self._done.append(self._over(phase, outputs, tries, None))
                self._loose += 1
                if phase.stage:
                    await self._stage(phase)
        try:
            output = resolve(self._workflow.output, self._identity.input, self._outputs())
        except Unresolved as error:
            return self._outcome(None, Stopped(None, _unresolved(error)))
        await self._clean()
        return self._outcome(output, None)

    async def _attempts(self, phase: Phase, tries: _Tries) -> Ran:
        inputs = self._inputs(phase)
        attempt = 0
        while True:
            attempt += 1
            left = self._left()
            if self._caller_left.is_set():
                raise _abandoned(phase)
            if left < LEAST:
                raise _late(phase)
            tries.count = attempt
            try:
                ran = await self._host.run(phase, inputs, min(phase.timeout, left))
            except Failure as failure:
                if failure.run_id:
                    tries.run_ids.append(failure.run_id)
                pause = phase.retry.pause(attempt, failure)
                # A pause that ends behind the deadline helps nobody: the caller learns of the failure while it can.
                if pause is None or pause + LEAST >= self._left():
                    raise
                await self._pause(pause)
            else:
                tries.run_ids.append(ran.run_id)
                return ran

    async def _pause(self, seconds: float) -> None:
        """Waits, but not for a caller who has left."""
        waits = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._caller_left.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _inputs(self, phase: Phase) -> dict[str, Json]:
        outputs = self._outputs()
        try:
            return {name: resolve(template, self._identity.input, outputs) for name, template in phase.inputs.items()}
        except Unresolved as error:
            raise _unresolved(error) from error

    def _outputs(self) -> dict[str, Json]:
        return {done.name: dict(done.outputs) for done in self._done if done.outputs is not None}

    def _over(self, phase: Phase, outputs: Mapping[str, Json] | None, tries: _Tries, failure: Failure | None) -> Done:
        duration = round((self._clock.now() - tries.begun) * 1000)
        return Done(phase.name, outputs, tries.count, tuple(tries.run_ids), duration, failure.code if failure else None)

    async def _stage(self, phase: Phase) -> None:
        # What is staged is a chain without gaps; where one link is missing, later ones could not be taken up.
        if self._staging is not None:
            return
        key = self._key(phase.name)
        since = len(self._done) - self._loose
        try:
            await self._host.stage(key, pack(self._done[since:]), self._within())
        except Failure as failure:
            self._staging = failure.code
            return
        self._done[since:] = [replace(done, staged=key) for done in self._done[since:]]
        self._loose = 0

    async def _resume(self) -> Stopped | None:
        """Takes up what an earlier call staged, boundary by boundary until one is missing. Why it cannot, where it cannot."""
        since: list[str] = []
        for phase in self._workflow.phases:
            since.append(phase.name)
            if not phase.stage:
                continue
            key = self._key(phase.name)
            try:
                found = unpack(await self._host.staged(key, self._within()), since, key)
            except Failure as failure:
                self._staging = failure.code
                return Stopped(phase.name, failure)
            if found is not None:
                self._done.extend(found)
                since = []
            elif not phase.skips:
                break
        return None

    async def _clean(self) -> None:
        keys = dict.fromkeys(done.staged for done in self._done if done.staged is not None)
        if not keys:
            return
        timeout = self._within()
        ends = await asyncio.gather(*(self._host.unstage(key, timeout) for key in keys), return_exceptions=True)
        for end in ends:
            if isinstance(end, Failure):
                self._staging = end.code
            elif isinstance(end, BaseException):
                raise end

    def _key(self, phase: str) -> str:
        return staging_key(self._workflow, self._digest, phase)

    def _left(self) -> float:
        return self._deadline - self._clock.now()

    def _within(self) -> float:
        return max(min(STAGING_TIMEOUT, self._left()), LEAST)

    def _outcome(self, output: Json, stopped: Stopped | None) -> Outcome:
        return Outcome(output, tuple(self._done), stopped, self._staging)


def _crossing(phase: Phase, ran: Ran) -> dict[str, Json]:
    missing: Sequence[str] = [name for name in phase.outputs if name not in ran.outputs]
    if missing:
        message = f"the run has no output `{missing[0]}`, which `{phase.name}` declares at its boundary"
        raise Failure("FAILED_PRECONDITION", "arca.boundary.output_missing", message, run_id=ran.run_id)
    return {name: ran.outputs[name] for name in phase.outputs}


def _unresolved(error: Unresolved) -> Failure:
    return Failure("INVALID_ARGUMENT", "arca.reference.unresolved", str(error))


def _abandoned(phase: Phase) -> Failure:
    return Failure("CANCELLED", "arca.caller.left", f"the caller left before an attempt of `{phase.name}` could begin")


def _late(phase: Phase) -> Failure:
    message = f"the time was over before an attempt of `{phase.name}` could begin"
    return Failure("DEADLINE_EXCEEDED", "arca.deadline.exceeded", message)
