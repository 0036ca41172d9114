"""Answers envelopes: which workflow one is about, whether there is room for it, and what its outcome means for the caller. Drives
no phase itself."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import cast

from modrack.middleware import Decision, Envelope, allow, defer, reject, return_

from modrack_arca.host import Host
from modrack_arca.plan import Plan, Workflow
from modrack_arca.references import Json
from modrack_arca.run import Outcome, drive
from modrack_arca.staging import Done, Identity

RESERVE = 0.25
"""Seconds before the envelope's deadline at which the answer is made; a fifth of what is left, where that is less."""
_REASON_BYTES = 1024
_REPORT_BYTES = 15 * 1024
_MOST_RETRY_AFTER = 3600.0


class Orchestrator:
    """All workflows of one configuration."""

    def __init__(self, plan: Plan, host: Host, logger: logging.Logger) -> None:
        self._plan = plan
        self._host = host
        self._logger = logger
        self._running: dict[str, asyncio.Task[Outcome]] = {}

    async def answer(self, envelope: Envelope) -> Decision:
        """What becomes of one call or run."""
        workflow = self._plan.workflows.get(envelope.subject.name)
        if workflow is None:
            return allow("no workflow is about this")
        identity = _identity(envelope)
        digest = identity.digest(workflow)
        if digest in self._running:
            return defer(f"`{workflow.name}` goes on under this key already", self._plan.busy_retry_after)
        if len(self._running) >= self._plan.max_concurrent:
            message = f"all {self._plan.max_concurrent} places for workflows are taken"
            return defer(message, self._plan.busy_retry_after)
        left = asyncio.Event()
        remaining = envelope.remaining_ms / 1000
        deadline = time.monotonic() + remaining - min(RESERVE, remaining / 5)
        task = asyncio.create_task(drive(workflow, identity, self._host, deadline, left=left))
        # The place is taken until the work is over, also where nobody waits for it any more.
        self._running[digest] = task
        task.add_done_callback(lambda _: self._running.pop(digest, None))
        try:
            outcome = await asyncio.shield(task)
        except asyncio.CancelledError:
            left.set()
            self._logger.info("`%s`: the caller left; it ends behind the phase that goes on", workflow.name)
            raise
        return self._decision(workflow, identity, outcome)

    def _decision(self, workflow: Workflow, identity: Identity, outcome: Outcome) -> Decision:
        told = {"arca": report(workflow, outcome)}
        stopped = outcome.stopped
        if stopped is None:
            reason = f"`{workflow.name}`: {len(outcome.phases)} phases"
            return return_(reason, payload=outcome.output, annotations=told)
        failure = stopped.failure
        where = f"phase `{stopped.phase}`" if stopped.phase is not None else "the output"
        reason = _cut(f"`{workflow.name}`: {where} failed: {failure}", _REASON_BYTES)
        self._logger.warning("%s", reason)
        if not failure.may_pass():
            return reject(reason, diagnostics=told)
        staged = [done.name for done in outcome.phases if done.staged is not None]
        next_step = None
        if staged and identity.repeatable:
            next_step = f"the same idempotency key takes it up behind `{staged[-1]}`"
        after = min(failure.retry_after or workflow.retry_after, _MOST_RETRY_AFTER)
        return defer(reason, after, next_step=next_step, diagnostics=told)


def _identity(envelope: Envelope) -> Identity:
    correlation = envelope.correlation
    repeatable = correlation.idempotency_key != ""
    key = correlation.idempotency_key or correlation.execution_id or envelope.envelope_id
    # What the one chose may not meet what the other is given.
    key = f"{'key' if repeatable else 'execution'} {key}"
    return Identity(envelope.caller.subject, key, repeatable, cast("Json", envelope.payload))


def report(workflow: Workflow, outcome: Outcome) -> dict[str, Json]:
    """What is told of a workflow, as `workflow-report.schema.json` says; at most 15 KiB as JSON."""
    told: dict[str, Json] = {
        "workflow": workflow.name,
        "phases": [_phase(done, all_runs=True) for done in outcome.phases],
    }
    if outcome.staging is not None:
        told["staging"] = outcome.staging
    if len(json.dumps(told)) > _REPORT_BYTES:
        told["phases"] = [_phase(done, all_runs=False) for done in outcome.phases]
    return told


def _phase(done: Done, *, all_runs: bool) -> dict[str, Json]:
    told: dict[str, Json] = {
        "name": done.name,
        "attempts": done.attempts,
        "run_ids": list(done.run_ids if all_runs else done.run_ids[-1:]),
        "duration_ms": done.duration_ms,
        "staged": done.staged,
        "resumed": done.resumed,
    }
    if done.error is not None:
        told["error"] = done.error
    return told


def _cut(text: str, most: int) -> str:
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")
