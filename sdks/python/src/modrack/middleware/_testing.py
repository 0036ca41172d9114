"""Asks a middleware in memory, through the contract, without a host or a server. For the tests of its author."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

from modrack.errors import FailedPrecondition, InvalidArgument, ModrackError, UpstreamError
from modrack.middleware._bind import bind
from modrack.middleware._decision import Decision
from modrack.middleware._declared import Middleware
from modrack.middleware._envelope import (
    CONTRACT_VERSION,
    HOST_API_VERSION,
    Caller,
    Correlation,
    Envelope,
    Hook,
    HostCapability,
    Init,
    Outcome,
    Subject,
)
from modrack.middleware._fault import Fault

T = TypeVar("T")


class MiddlewareClient:
    """Asks as a host would: init with `config`, then envelopes; what is answered is checked, and comes out as a `Decision`.

    What goes wrong is a `ModrackError` with the code that a host would read: `InvalidArgument` when the component refuses,
    `UpstreamError` when it fails. `report` is what the component said at its init. Handlers run in the thread of the caller, async
    ones on a loop of the client; inside a running loop use `aask`.
    """

    def __init__(
        self,
        middleware: Middleware[Any],
        config: Mapping[str, Any] | None = None,
        *,
        capabilities: Sequence[HostCapability] = (),
        hooks: Sequence[Hook] | None = None,
    ) -> None:
        self._engine = middleware._engine  # pyright: ignore[reportPrivateUsage]
        self._envelopes = 0
        self.init = Init(
            contract_version=CONTRACT_VERSION,
            host_version="0.0.0",
            host_api_version=HOST_API_VERSION,
            executor_id=middleware.name,
            transport="http_local_json",
            node_id="test",
            hooks=list(middleware.hooks if hooks is None else hooks),
            capabilities=list(capabilities),
            config=dict(config or {}),
        )
        self.report: dict[str, Any] = _run(self._checked(self._engine.initialise(_travelled(asdict(self.init)))))

    def pre_run(self, pipeline: str, payload: Any, **more: Any) -> Decision:
        """The decision before a run. `more` as for `aask`."""
        return self.ask("pre_run", pipeline, payload, **more)

    def pre_invoke(self, module: str, payload: Any, **more: Any) -> Decision:
        """The decision before a call. `more` as for `aask`."""
        return self.ask("pre_invoke", module, payload, **more)

    def post_invoke(self, module: str, payload: Any, **more: Any) -> Decision:
        """The decision after a call. `more` as for `aask`."""
        return self.ask("post_invoke", module, payload, **more)

    def post_run(self, pipeline: str, payload: Any, **more: Any) -> Decision:
        """The decision after a run. `more` as for `aask`."""
        return self.ask("post_run", pipeline, payload, **more)

    def audit(self, name: str, outcome: Outcome | None = None, **more: Any) -> None:
        """Tells what came of a call, or, with `kind="pipeline"`, of a run; it went well where nothing else is said."""
        outcome = outcome or Outcome(ok=True, duration_us=1000)
        _run(self._checked(self._engine.invoke(self.envelope("audit", name, None, outcome=outcome, **more))))

    def ask(self, hook: Hook, name: str, payload: Any, **more: Any) -> Decision:
        """`aask` without a running loop."""
        return _run(self.aask(hook, name, payload, **more))

    async def aask(self, hook: Hook, name: str, payload: Any, **more: Any) -> Decision:
        """The decision at a hook; `more` are the arguments of `envelope`."""
        said = await self._checked(self._engine.invoke(self.envelope(hook, name, payload, **more)))
        return bind(Decision, _travelled(said))

    def envelope(
        self,
        hook: Hook,
        name: str,
        payload: Any,
        *,
        kind: str = "",
        caller: str = "anybody",
        annotations: Mapping[str, Any] | None = None,
        correlation: Correlation | None = None,
        attempt: int = 1,
        timeout: float = 30.0,
        outcome: Outcome | None = None,
    ) -> dict[str, Any]:
        """The envelope as a host would send it, with ids of its own where `correlation` gives none. `timeout` is in seconds."""
        self._envelopes += 1
        deadline = datetime.now(UTC) + timedelta(seconds=timeout)
        kind = kind or ("pipeline" if hook in ("pre_run", "post_run") else "module")
        envelope = Envelope(
            schema_version=CONTRACT_VERSION,
            envelope_id=f"env-{self._envelopes}",
            hook=hook,
            correlation=correlation or Correlation(execution_id=f"exe-{self._envelopes}"),
            attempt=attempt,
            subject=Subject(cast("Any", kind), name, name.rpartition(".")[0], 1),
            caller=Caller(caller),
            payload=payload,
            annotations=dict(annotations or {}),
            deadline=deadline.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            remaining_ms=round(timeout * 1000),
            outcome=outcome,
        )
        return _travelled(asdict(envelope))

    async def _checked(self, answer: Coroutine[Any, Any, T]) -> T:
        try:
            return await answer
        except Fault as fault:
            raise _error(fault) from fault.__cause__


def _error(fault: Fault) -> ModrackError:
    if fault.status == 409:
        return FailedPrecondition(fault.code, fault.message, origin="middleware")
    kind = InvalidArgument if fault.status < 500 else UpstreamError
    return kind(fault.code, fault.message, origin="middleware")


def _travelled(value: Any) -> Any:
    """The value after a journey as JSON: nothing in it is shared, and what is no JSON is found out."""
    return json.loads(json.dumps(value, allow_nan=False))


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner() as runner:
        return runner.run(coroutine)
