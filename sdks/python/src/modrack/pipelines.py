"""What clients are told of pipelines and their runs, as values. Asks nothing itself: see `client.py`.

Durations and times since the beginning of a run are in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from modrack._types import CType
from modrack.errors import ModrackError

__all__ = [
    "Attempt",
    "CallRecord",
    "Diagnostic",
    "NodeEnded",
    "NodeRecord",
    "NodeStarted",
    "PipelineCheck",
    "PipelineNode",
    "PipelinePlan",
    "PipelineRun",
    "Place",
    "RunEnded",
    "RunEvent",
    "RunRecord",
    "RunStarted",
    "StoredPipeline",
]

Output = TypeVar("Output")


@dataclass(frozen=True, slots=True)
class Place:
    """A range of a source: `start` and `end` in bytes, `line` and `column` (in characters) of the start, both from 1."""

    start: int
    end: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing said about a source, e.g. `E002`. `related` are other places that explain it, `help` what to do, a line each."""

    code: str
    severity: Literal["error", "warning"]
    message: str
    place: Place
    label: str = ""
    related: tuple[tuple[Place, str], ...] = ()
    help: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PipelinePlan:
    """What a source means. `hash` is equal for equal sources against equal modules on every host.

    `input` and `output` are records in declared order, `modules` the names of those that it may call, `graph` the plan as a
    picture needs it (`docs/pipelines.md`), `examples` inputs made of its `@example`s, where each required input has one.
    """

    hash: str
    input: CType
    output: CType
    fingerprint: str
    modules: tuple[str, ...]
    graph: Any
    examples: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class PipelineCheck:
    """What there is to say of a source: `rendered` is the diagnostics as text; `plan` is absent when one of them is an error."""

    diagnostics: tuple[Diagnostic, ...]
    rendered: str
    plan: PipelinePlan | None

    @property
    def ok(self) -> bool:
        """Whether the source checks."""
        return self.plan is not None


@dataclass(frozen=True, slots=True)
class StoredPipeline:
    """A pipeline that the host keeps: the module `pipeline.NAME`, while it is `callable`.

    `diagnostics` has errors when it checks no longer against the modules that are registered now; `plan` is then the last one
    that checked, or absent. In listings `source` is empty, and `plan.graph` is `None`.
    """

    name: str
    source: str
    plan: PipelinePlan | None
    diagnostics: tuple[Diagnostic, ...]
    callable: bool
    stored_at: datetime
    description: str


@dataclass(frozen=True, slots=True)
class PipelineNode:
    """A place of a pipeline where a module is called; `repeated` where it stands in a lambda."""

    node: int
    label: str
    module: str
    place: Place
    language: str
    repeated: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """What happened to one attempt of a call; `session_id` is empty when nobody was reached, `code` when it succeeded."""

    session_id: str
    plane: str
    started: float
    duration: float
    code: str


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What happened to one call: `started` since the run began, of the `duration` it was `queued`, waiting for its turn.

    `cached`: the output came from the cache or from an equal call in flight; there are no `attempts` then.
    """

    call: int
    started: float
    duration: float
    queued: float
    bytes_in: int
    bytes_out: int
    revision: int
    cached: bool
    outcome: Literal["succeeded", "failed", "cancelled", "unspecified"]
    error: ModrackError | None
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """What happened at one node: how many calls began (none where it was not needed), failed, came from the cache, were attempted.

    `busy` is the time of all calls together; `recorded` are the first ones, one by one.
    """

    node: PipelineNode
    calls: int
    failed: int
    cached: int
    attempts: int
    bytes_in: int
    bytes_out: int
    busy: float
    recorded: tuple[CallRecord, ...]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What happened in a run. In listings `nodes` and `partial_outputs` are empty.

    `partial_outputs` are those that were there when the run failed, by name.
    """

    run_id: str
    pipeline: str
    plan_hash: str
    started_at: datetime
    duration: float
    outcome: Literal["running", "succeeded", "failed", "cancelled", "unspecified"]
    error: ModrackError | None
    nodes: tuple[NodeRecord, ...]
    partial_outputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PipelineRun(Generic[Output]):
    """What a run gave: the `outputs` are a `dict`, or what `returns` said."""

    outputs: Output
    record: RunRecord

    @property
    def run_id(self) -> str:
        """Names the run in logs, traces and `Client.get_run`."""
        return self.record.run_id


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins; `nodes` are the calls of modules that it may make."""

    run_id: str
    pipeline: str
    plan_hash: str
    nodes: tuple[PipelineNode, ...]


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A call begins: its input is there, its turn may still have to come."""

    node: int
    call: int
    bytes_in: int
    at: float


@dataclass(frozen=True, slots=True)
class NodeEnded:
    """A call ended."""

    node: int
    call: CallRecord


@dataclass(frozen=True, slots=True)
class RunEnded:
    """What a run came to; `outputs` is `None` where there is an `error`."""

    outputs: Any
    error: ModrackError | None
    record: RunRecord


RunEvent = RunStarted | NodeStarted | NodeEnded | RunEnded
"""What happens in a run: first `RunStarted`, last `RunEnded`."""
