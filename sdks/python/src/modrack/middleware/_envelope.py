"""What a component is told: envelopes, and the init before the first of them. The fields are those of `docs/schemas`. Decides
nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from modrack.middleware._bind import binder

Hook = Literal["pre_run", "pre_invoke", "post_invoke", "post_run", "audit"]
"""A place in the life of a call or a run."""

HOOKS: tuple[Hook, ...] = get_args(Hook)
"""All of them, in the order of a call."""

CONTRACT_VERSION = "1"
"""Version of the contract between host and component that this package speaks."""

HOST_API_VERSION = "1"
"""Version of the host's API that `Host` expects."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """Names that join what belongs together. Empty where there is none."""

    run_id: str = ""
    node_id: str = ""
    execution_id: str = ""
    trace_id: str = ""
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is called or run: one call of one module, or one run of a pipeline. `namespace` is `name` without its last part."""

    kind: Literal["module", "pipeline"]
    name: str
    namespace: str
    revision: int


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf: subject of the caller's token, `anybody` where the host asks for none, `component ID` for a component."""

    subject: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call or run. `code` is empty without a failure."""

    ok: bool
    duration_us: int
    code: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One call or run at one hook.

    `payload` is the input or output as JSON of the declared type, null at `audit`. `annotations` is what components said so far.
    `attempt` counts from 1. `deadline` is RFC 3339 in UTC, and `remaining_ms` how long that is from when the host asked.
    `outcome` is there at `audit` alone.
    """

    schema_version: str
    envelope_id: str
    hook: Hook
    correlation: Correlation
    attempt: int
    subject: Subject
    caller: Caller
    payload: Any
    annotations: dict[str, Any]
    deadline: str
    remaining_ms: int
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class HostCapability:
    """Something of the host that the component may use; `Host` does. `modules` are patterns, empty where it is about none."""

    id: str
    endpoint: str
    path: str
    token_file: str
    modules: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Init:
    """What the host says at the start. `config` is the component's own part of the configuration, as it is written there."""

    contract_version: str
    host_version: str
    host_api_version: str
    executor_id: str
    transport: str
    node_id: str
    hooks: list[Hook]
    capabilities: list[HostCapability]
    config: dict[str, Any]


# A host of the same contract version may say more than this package knows.
envelope_of = binder(Envelope, closed=False)
"""The envelope that a JSON value is. Raises `BindError`."""

init_of = binder(Init, closed=False)
"""The init that a JSON value is. Raises `BindError`."""
