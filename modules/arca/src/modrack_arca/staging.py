"""What is staged of a workflow, and under which keys: enough to take it up after the last staged phase. Sends nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from modrack_arca.plan import Workflow
from modrack_arca.references import Json

VERSION = 1
"""Of the form of what is staged."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes two calls the same work: who asks, under which key, with what."""

    caller: str
    key: str
    """The caller's idempotency key; where there is none, the execution id, so that nobody meets the value of another."""
    repeatable: bool
    """Whether the caller gave the key, so that earlier work under it may be there."""
    input: Json

    def digest(self, workflow: Workflow) -> str:
        """Equal for the same work under the same configuration; 32 hexadecimal digits.

        The caller and the input are part of it: a key that somebody guesses, or uses again for something else, finds nothing.
        """
        told = json.dumps([workflow.digest, self.caller, self.key, self.input], sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(told.encode()).hexdigest()[:32]


def staging_key(workflow: Workflow, digest: str, phase: str) -> str:
    """The key of what is staged behind a phase: letters, digits, `-`, `_` and `.`, at most 119 characters."""
    return f"arca.{workflow.name}.{digest}.{phase}"


@dataclass(frozen=True, slots=True)
class Done:
    """A phase that is over: with outputs, or skipped."""

    name: str
    outputs: Mapping[str, Json] | None
    """None where the phase failed and was skipped."""
    attempts: int
    run_ids: Sequence[str]
    duration_ms: int
    error: str | None = None
    """Code of the failure of a phase that was skipped."""
    staged: str | None = None
    """Key under which it is staged."""
    resumed: bool = False
    """Whether an earlier call did it."""


def pack(phases: Sequence[Done]) -> Json:
    """What is staged at a boundary: all phases since the boundary before."""
    return {
        "version": VERSION,
        "phases": [
            {
                "name": done.name,
                "outputs": None if done.outputs is None else dict(done.outputs),
                "attempts": done.attempts,
                "run_ids": list(done.run_ids),
                "duration_ms": done.duration_ms,
                "error": done.error,
            }
            for done in phases
        ],
    }


def unpack(value: Json, expected: Sequence[str], key: str) -> list[Done] | None:
    """The phases that were staged under a key; None where it is anything but these phases in this order."""
    if not isinstance(value, dict) or value.get("version") != VERSION or not isinstance(value.get("phases"), list):
        return None
    phases: list[Done] = []
    for entry in cast("list[Json]", value["phases"]):
        if not isinstance(entry, dict):
            return None
        match entry:
            case {
                "name": str(name),
                "outputs": dict() | None as outputs,
                "attempts": int(attempts),
                "run_ids": list(run_ids),
                "duration_ms": int(duration_ms),
                "error": str() | None as error,
            }:
                ids = [str(one) for one in run_ids]
                phases.append(Done(name, outputs, attempts, ids, duration_ms, error, key, resumed=True))
            case _:
                return None
    return phases if [done.name for done in phases] == list(expected) else None
