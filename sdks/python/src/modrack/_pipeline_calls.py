"""Which pipeline a run is of, what is known of its types, and the messages of both. Sends nothing.

The types of a pipeline come with its plan, which is asked for at its first run and kept. Inputs are encoded by them, and the host is
told which plan that was: when it is no longer that one, nothing has run, and the plan is asked for once more.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from modrack._calls import SCHEMA_CHANGED, Shape
from modrack._generated.host.v1 import pipeline_pb as pb
from modrack._pipeline_wire import Read, check
from modrack._wire_types import from_schema
from modrack.bindings import TypedModule
from modrack.codec import Codec
from modrack.errors import CodecError, FailedPrecondition, InvalidArgument, ModrackError, NotFound

RUN_TIMEOUT = 300.0
"""Seconds that a run takes at most where the caller says nothing."""

PLAN_CHANGED = "pipeline.plan.changed"
NAMESPACE = "pipeline."

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_KEPT = 256

Pipeline = str | os.PathLike[str] | TypedModule[Any]
"""The name of a stored pipeline, a source text, the path of a `.cst` file, or the module of a stored one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of a pipeline: the hash of its plan, and its types as those of a module."""

    hash: str
    shape: Shape


class Plans:
    """Kept plans; of more than 256 the least recently used is dropped."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Plan] = OrderedDict()

    def get(self, key: str) -> Plan | None:
        """What is known of a pipeline."""
        found = self._kept.pop(key, None)
        if found is not None:
            self._kept[key] = found
        return found

    def keep(self, key: str, plan: pb.PipelinePlan) -> Plan:
        """Keeps a plan."""
        shape = Shape(plan.schema_fingerprint, Codec(from_schema(plan.input)), Codec(from_schema(plan.output)))
        kept = self._kept[key] = Plan(plan.hash, shape)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return kept

    def forget(self, key: str) -> None:
        """Lets go of a plan that is old."""
        self._kept.pop(key, None)


@dataclass(frozen=True, slots=True)
class Which:
    """The pipeline that a run is of: a source, or the name of a stored one."""

    source: str = ""
    name: str = ""
    file: str = ""
    typed: TypedModule[Any] | None = None

    @classmethod
    def of(cls, pipeline: Pipeline) -> Self:
        """A text that is an identifier is a name, since no source is one; reads the file of a path.

        # Errors
        `OSError` and `UnicodeDecodeError` for a file that cannot be read.
        """
        if isinstance(pipeline, TypedModule):
            return cls(name=pipeline.name.removeprefix(NAMESPACE), typed=pipeline)
        if isinstance(pipeline, str):
            return cls(name=pipeline) if _NAME.fullmatch(pipeline) else cls(source=pipeline)
        return cls.of_source(pipeline)

    @classmethod
    def of_source(cls, source: str | os.PathLike[str]) -> Self:
        """A source text, or the file of a path.

        # Errors
        `OSError` and `UnicodeDecodeError` for a file that cannot be read.
        """
        if isinstance(source, str):
            return cls(source=source)
        path = Path(source)
        return cls(source=path.read_text(encoding="utf-8"), file=path.name)

    @property
    def key(self) -> str:
        """What its plan is kept by."""
        return self.name or self.source

    @property
    def title(self) -> str:
        """What its span is called."""
        return f"{NAMESPACE}{self.name}" if self.name else self.file or "pipeline.cst"

    def check_request(self) -> pb.CheckPipelineRequest:
        """Asks what there is to say of the source."""
        return pb.CheckPipelineRequest(source=self.source, file=self.file)

    def checked(self, answer: pb.CheckPipelineResponse) -> pb.PipelinePlan:
        """The plan of a source.

        # Errors
        `pipeline.check.failed` when it does not check: the first error, how many there are, and `rendered`, the text of all.
        """
        if answer.HasField("plan"):
            return answer.plan
        errors = [each for each in check(answer).diagnostics if each.severity == "error"]
        if not errors:
            raise ModrackError("client.answer.invalid", "the host answered with neither a plan nor an error")
        first, others = errors[0], len(errors) - 1
        place = f"{self.file or 'pipeline.cst'}:{first.place.line}:{first.place.column}"
        more = f", and {others} more" if others else ""
        raise InvalidArgument(
            "pipeline.check.failed",
            f"the pipeline does not check: {first.code} {first.message} at {place}{more}",
            details={
                "count": str(len(errors)),
                "code": first.code,
                "line": str(first.place.line),
                "column": str(first.place.column),
                "rendered": answer.rendered,
            },
        )

    def found(self, answer: pb.GetPipelineResponse) -> pb.PipelinePlan:
        """The plan of a stored pipeline.

        # Errors
        `pipeline.unknown` when it has never checked.
        """
        if not answer.pipeline.HasField("plan"):
            raise NotFound("pipeline.unknown", f"pipeline `{self.name}` has no plan")
        return answer.pipeline.plan

    def run_request(self, plan: Plan, value: Any) -> pb.RunPipelineRequest:
        """Asks for a run.

        # Errors
        `registry.schema.changed` when the pipeline has other types than its caller was written for.
        """
        codec = plan.shape.input
        if self.typed is not None:
            codec = self.typed.input
            if self.typed.fingerprint != plan.shape.fingerprint:
                why = f"pipeline `{self.name}` has other types than this caller was written for"
                raise FailedPrecondition(SCHEMA_CHANGED, why, details={"module": self.typed.name})
        request = pb.RunPipelineRequest(input_data=codec.encode(value), plan_hash=plan.hash, file=self.file)
        if self.name:
            request.name = self.name
        else:
            request.source = self.source
        return request

    def reader(self, plan: Plan, returns: Any) -> Read:
        """From the bytes of the outputs to values of the caller's type."""
        return self.typed.output.decode if self.typed is not None else plan.shape.reader(returns)

    def may_repeat(self, error: ModrackError, *, is_fresh: bool) -> bool:
        """Whether an old plan is why a run did not begin: the host says so, or the inputs do not fit its types."""
        if error.code == PLAN_CHANGED:
            return True
        return not is_fresh and (isinstance(error, CodecError) or error.code == SCHEMA_CHANGED)
