"""The configuration of arca as checked workflows. Tells all faults at once, each with its JSON pointer; runs nothing.

What passes here holds later: every reference names a field of the declared input, or an output that an earlier phase declares
at its boundary; one to a phase that may be skipped is optional.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modrack_arca._reading import Fault, Reader
from modrack_arca.references import Json, Malformed, Reference, Template, parse, references
from modrack_arca.retry import CATEGORIES, MAX_ATTEMPTS, RETRYABLE, Posture

MAX_WORKFLOWS = 64
MAX_PHASES = 32
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")
_SUBJECT = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)+")


class ConfigurationError(ValueError):
    """The configuration is not taken. The message tells every fault, one in a line."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(f"config{fault.pointer}: {fault.message}" for fault in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Phase:
    """One run of one pipeline."""

    name: str
    source: str | None
    """Text of the pipeline; None for a stored one."""
    stored: str | None
    """Name of a stored pipeline, without `pipeline.`."""
    inputs: Mapping[str, Template]
    outputs: tuple[str, ...]
    """What crosses the boundary to later phases and to the published output; nothing else does."""
    stage: bool
    """Whether the host keeps the outputs until the workflow has succeeded."""
    timeout: float
    """Of one attempt, in seconds."""
    retry: Posture
    skips: bool
    """Whether the workflow goes on without the outputs when the phase fails."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """What arca does in place of its subject."""

    name: str
    subject: str
    phases: tuple[Phase, ...]
    output: Template
    timeout: float
    """From the question to the answer, in seconds."""
    retry_after: float
    """What a caller is told who may ask again later, where the failure says nothing, in seconds."""
    digest: str
    """Equal for equal configurations; what was staged under another one is not taken up."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is configured."""

    workflows: Mapping[str, Workflow]
    """By subject."""
    max_concurrent: int
    """Workflows at once; one more is deferred."""
    busy_retry_after: float
    """What a caller is told who found no place, in seconds."""

    def stored(self) -> frozenset[str]:
        """Qualified names of the stored pipelines that phases run."""
        phases = (phase for workflow in self.workflows.values() for phase in workflow.phases)
        return frozenset(f"pipeline.{phase.stored}" for phase in phases if phase.stored is not None)


def read(config: Mapping[str, Json]) -> Plan:
    """The plan that a configuration means.

    Raises `ConfigurationError` with all faults.
    """
    faults: list[Fault] = []
    reader = Reader(config, "", faults)
    workflows: dict[str, Workflow] = {}
    names: set[str] = set()
    for entry in reader.objects("workflows", MAX_WORKFLOWS):
        workflow = _workflow(entry)
        if workflow.subject in workflows:
            entry.fault("subject", f"`{workflow.subject}` is the subject of another workflow too")
        if workflow.name in names:
            entry.fault("name", f"`{workflow.name}` is the name of another workflow too")
        names.add(workflow.name)
        workflows.setdefault(workflow.subject, workflow)
    max_concurrent = reader.integer("max_concurrent", 8, 1, 256)
    busy = reader.integer("busy_retry_after_ms", 500, 1, 3_600_000)
    reader.end()
    if faults:
        raise ConfigurationError(sorted(faults, key=lambda fault: fault.pointer))
    return Plan(workflows, max_concurrent, busy / 1000)


def _workflow(entry: Reader) -> Workflow:
    name = entry.text("name", _NAME, "of letters, digits, `-` and `_`, at most 40")
    subject = entry.text("subject", _SUBJECT, "the qualified name of a module, or `pipeline.NAME`")
    scope = Scope(_input(entry))
    phases: list[Phase] = []
    read_phases = entry.objects("phases", MAX_PHASES, at_least=1)
    for one in read_phases:
        phase = _phase(one, scope)
        scope.add(one, phase)
        phases.append(phase)
    output = _template(entry, "output", scope)
    timeout = entry.integer("timeout_ms", 60_000, 1, 3_600_000)
    retry_after = entry.integer("retry_after_ms", 1000, 1, 3_600_000)
    entry.end()
    told = json.dumps(dict(entry.members), sort_keys=True, ensure_ascii=True)
    digest = hashlib.sha256(told.encode()).hexdigest()
    return Workflow(name, subject, tuple(phases), output, timeout / 1000, retry_after / 1000, digest)


def _input(entry: Reader) -> dict[str, bool] | None:
    """Declared fields of the input, with whether they may be missing; None where the input is no record."""
    if not entry.has("input"):
        return None
    fields: dict[str, bool] = {}
    for pointer, text in entry.texts("input"):
        optional = text.endswith("?")
        field = text.removesuffix("?")
        if _FIELD.fullmatch(field) is None:
            entry.fault_at(pointer, f"`{text}` is no name of a field, with `?` behind it where it may be missing")
        elif field in fields:
            entry.fault_at(pointer, f"`{field}` is there twice")
        fields[field] = optional
    return fields


def _phase(entry: Reader, scope: Scope) -> Phase:
    name = entry.text("name", _NAME, "of letters, digits, `-` and `_`, at most 40")
    source = entry.optional_text("source")
    stored = entry.optional_text("pipeline")
    if (source is None) == (stored is None):
        entry.fault("", "has either `source`, the text of a pipeline, or `pipeline`, the name of a stored one")
    if stored is not None and _FIELD.fullmatch(stored) is None:
        entry.fault("pipeline", f"`{stored}` is no name of a stored pipeline; it stands without `pipeline.`")
    inputs: dict[str, Template] = {}
    mapped = entry.object("inputs")
    for field in mapped.members:
        if _FIELD.fullmatch(field) is None:
            mapped.fault(field, f"`{field}` is no name of an input")
        template = _template(mapped, field, scope)
        inputs[field] = template
    boundary = entry.object("boundary")
    outputs = boundary.texts("outputs")
    if not outputs:
        boundary.fault("outputs", "names the outputs that cross the boundary, at least one")
    for pointer, output in outputs:
        if _FIELD.fullmatch(output) is None:
            boundary.fault_at(pointer, f"`{output}` is no name of an output")
    if len({output for _, output in outputs}) < len(outputs):
        boundary.fault("outputs", "names an output twice")
    stage = boundary.boolean("stage", True)
    boundary.end()
    timeout = entry.integer("timeout_ms", 10_000, 1, 3_600_000)
    retry = _posture(entry.object("retry"))
    on_failure = entry.choice("on_failure", "stop", ("stop", "skip"))
    entry.end()
    crossing = tuple(output for _, output in outputs)
    return Phase(name, source, stored, inputs, crossing, stage, timeout / 1000, retry, on_failure == "skip")


def _posture(entry: Reader) -> Posture:
    attempts = entry.integer("max_attempts", 1, 1, MAX_ATTEMPTS)
    backoff = entry.integer("backoff_ms", 100, 0, 60_000)
    max_backoff = entry.integer("max_backoff_ms", 5000, 0, 60_000)
    retry_on = entry.texts("retry_on") if entry.has("retry_on") else [("", RETRYABLE)]
    for pointer, text in retry_on:
        if text != RETRYABLE and text not in CATEGORIES:
            entry.fault_at(pointer, f"`{text}` is neither `{RETRYABLE}` nor a category like `UNAVAILABLE`")
    entry.end()
    return Posture(attempts, backoff / 1000, max_backoff / 1000, frozenset(text for _, text in retry_on))


class Scope:
    """What references may name at one place of a workflow: the declared input, and the phases before."""

    def __init__(self, input: Mapping[str, bool] | None) -> None:
        self._input = input
        self._phases: dict[str, Phase] = {}

    def add(self, entry: Reader, phase: Phase) -> None:
        """The phase is an earlier one for all that follow."""
        if phase.name in self._phases:
            entry.fault("name", f"`{phase.name}` is the name of another phase too")
        self._phases.setdefault(phase.name, phase)

    def fault(self, reference: Reference) -> str | None:
        """Why a reference cannot be followed here."""
        if reference.phase is None:
            return self._fault_of_input(reference)
        phase = self._phases.get(reference.phase)
        if phase is None:
            return f"`{reference}`: no earlier phase is named `{reference.phase}`"
        if reference.path and reference.path[0] not in phase.outputs:
            return f"`{reference}`: `{reference.path[0]}` is no output at the boundary of `{phase.name}`"
        if phase.skips and not reference.optional:
            return f"`{reference}`: `{phase.name}` may be skipped, so that it has to be `{reference}?`"
        return None

    def _fault_of_input(self, reference: Reference) -> str | None:
        if not reference.path:
            return None
        if self._input is None:
            return f"`{reference}`: the workflow declares no fields in `input`"
        optional = self._input.get(reference.path[0])
        if optional is None:
            return f"`{reference}`: `{reference.path[0]}` is not declared in `input`"
        if optional and not reference.optional:
            return f"`{reference}`: `{reference.path[0]}` may be missing, so that it has to be `{reference}?`"
        return None


def _template(entry: Reader, name: str, scope: Scope) -> Template:
    pointer = entry.pointer_of(name)
    value = entry.value(name)
    try:
        template = parse(value, pointer)
    except Malformed as error:
        entry.fault_at(error.pointer, error.message)
        return parse(None, pointer)
    for where, reference in references(template, pointer):
        message = scope.fault(reference)
        if message is not None:
            entry.fault_at(where, message)
    return template
