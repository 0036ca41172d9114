"""Runs the handlers of one component: init to report, envelope to decision. Knows no server; both ends are JSON values."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from inspect import isawaitable, iscoroutinefunction
from typing import Any, Protocol, cast

from modrack.errors import ModrackError
from modrack.middleware._bind import BindError
from modrack.middleware._decision import Decision, DecisionError
from modrack.middleware._envelope import (
    CONTRACT_VERSION,
    HOOKS,
    HOST_API_VERSION,
    Envelope,
    Hook,
    Init,
    envelope_of,
    init_of,
)
from modrack.middleware._fault import Fault, malformed
from modrack.middleware._host import Host
from modrack.middleware._report import Capability, Report

AUDIT_SECONDS = 30.0
"""How long a handler of `audit` may take: the call that it is told of is over, so that no deadline of it is left."""

_LEAST_SECONDS = 0.01


class CallSync(Protocol):
    """How ordinary functions are called: in a thread beside an event loop, or at once."""

    def __call__(self, function: Callable[[Any], Any], argument: Any, /) -> Awaitable[Any]: ...


async def call_here(function: Callable[[Any], Any], argument: Any, /) -> Any:
    """Calls at once; for where nobody else waits."""
    return function(argument)


@dataclass(frozen=True, slots=True)
class Started:
    """What the last init said."""

    init: Init
    config: Any
    host: Host


@dataclass(slots=True)
class Engine:
    """One component: what its author declared, and what the host told it."""

    name: str
    description: str
    version: str
    bind_config: Callable[[Any], Any]
    logger: logging.Logger
    capabilities: dict[str, Capability] = field(default_factory=dict[str, Capability])
    handlers: dict[Hook, Callable[[Envelope], Any]] = field(default_factory=dict[Hook, Callable[[Envelope], Any]])
    on_init: Callable[[Init], Any] | None = None
    on_stop: Callable[[], Any] | None = None
    started: Started | None = None

    def report(self) -> Report:
        """What the component says of itself."""
        return Report(self.name, self.description, self.version, tuple(self.capabilities.values()))

    async def initialise(self, value: Any, call: CallSync = call_here) -> dict[str, Any]:
        """The report, after the component took its configuration. A later init takes the place of an earlier one.

        Raises `Fault`; the component is then as it was before.
        """
        init = _init(value)
        _require_version("contract", init.contract_version, CONTRACT_VERSION)
        _require_version("host API", init.host_api_version, HOST_API_VERSION)
        unheard = [hook for hook in init.hooks if hook not in self.handlers]
        if unheard:
            heard = ", ".join(f"`{hook}`" for hook in HOOKS if hook in self.handlers)
            raise Fault(
                400, "module.hook.unsupported", f"`{self.name}` has no handler of `{unheard[0]}`, only of {heard}"
            )
        try:
            config = self.bind_config(init.config)
        except BindError as cause:
            raise Fault(
                400, "module.config.invalid", f"the configuration of `{self.name}` is refused: {cause}"
            ) from cause
        before = self.started
        self.started = Started(init, config, Host(init.capabilities))
        if self.on_init is not None:
            try:
                await self._run(self.on_init, init, call)
            except Exception as cause:
                self.started = before
                if isinstance(cause, ValueError):
                    raise Fault(400, "module.config.invalid", f"`{self.name}` cannot start so: {cause}") from cause
                raise self._failed("init", cause) from cause
        return self.report().to_json()

    async def invoke(self, value: Any, call: CallSync = call_here) -> dict[str, Any] | None:
        """The decision on an envelope; none at `audit`. Raises `Fault`."""
        if self.started is None:
            raise Fault(409, "module.init.missing", f"`{self.name}` was asked before its init")
        try:
            envelope = envelope_of(value)
        except BindError as cause:
            raise malformed(f"this is no envelope: {cause}") from cause
        _require_version("envelope", envelope.schema_version, CONTRACT_VERSION)
        handler = self.handlers.get(envelope.hook)
        if handler is None:
            raise Fault(400, "module.hook.unsupported", f"`{self.name}` has no handler of `{envelope.hook}`")
        is_audit = envelope.hook == "audit"
        seconds = AUDIT_SECONDS if is_audit else max(envelope.remaining_ms / 1000, _LEAST_SECONDS)
        bound = asyncio.timeout(seconds)
        try:
            async with bound:
                answer = await self._run(handler, envelope, call)
        except Fault:
            raise
        except Exception as cause:
            if isinstance(cause, TimeoutError) and bound.expired():
                raise Fault(504, "module.late", f"`{self.name}` had no answer within {seconds:g} s") from None
            raise self._failed(envelope.hook, cause) from cause
        if is_audit:
            return None
        return self._checked(envelope.hook, answer)

    async def stop(self, call: CallSync = call_here) -> None:
        """Tells the author's function that the component ends. What it raises goes to the log."""
        on_stop = self.on_stop
        if on_stop is None:
            return
        try:
            await self._run(lambda _: on_stop(), None, call)
        except Exception:
            self.logger.exception("`%s` failed while it stopped", self.name)

    async def _run(self, function: Callable[[Any], Any], argument: Any, call: CallSync) -> Any:
        answer = function(argument) if iscoroutinefunction(function) else await call(function, argument)
        return await answer if isawaitable(answer) else answer

    def _checked(self, hook: Hook, answer: Any) -> dict[str, Any]:
        if not isinstance(answer, Decision):
            kind = type(cast("object", answer)).__name__
            raise self._invalid(f"the handler of `{hook}` answered with a `{kind}` instead of a decision")
        try:
            answer.check(hook)
        except DecisionError as cause:
            raise self._invalid(f"the handler of `{hook}` broke the contract: {cause}") from cause
        return answer.to_json()

    def _invalid(self, message: str) -> Fault:
        self.logger.error("%s", message)
        return Fault(500, "module.decision.invalid", message)

    def _failed(self, where: str, cause: Exception) -> Fault:
        self.logger.error("the handler of `%s` failed", where, exc_info=cause)
        if isinstance(cause, ModrackError):
            return Fault(500, cause.code, cause.message)
        return Fault(500, "module.failed", f"{type(cause).__name__}: {cause}")


def _init(value: Any) -> Init:
    try:
        return init_of(value)
    except BindError as cause:
        raise malformed(f"this is no init: {cause}") from cause


def _require_version(what: str, said: str, known: str) -> None:
    if said.partition(".")[0] != known:
        raise Fault(
            400, "module.contract.incompatible", f"version `{said}` of the {what} is not known here, only `{known}`"
        )
