"""Middleware in memory: what an author declares, what a handler may answer, what configuration is made of."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import pytest

from modrack.errors import FailedPrecondition, InvalidArgument, UpstreamError
from modrack.middleware import (
    HOOKS,
    BindError,
    Caller,
    Capability,
    Correlation,
    Decision,
    DecisionError,
    DecisionKind,
    Envelope,
    Hook,
    HostCapability,
    Init,
    Middleware,
    Outcome,
    PatchStrategy,
    Report,
    Subject,
    allow,
    annotate,
    bind,
    defer,
    drop,
    reject,
    return_,
    rewrite,
    route,
)
from modrack.testing import MiddlewareClient

SCHEMAS = Path(__file__).resolve().parents[3] / "docs" / "schemas"


def middleware(answer: Any = None, *hooks: Hook, **more: Any) -> Middleware[Any]:
    made = Middleware("probe", description="Answers what it is told to.", version="1.0.0", **more)
    made.capability("probe/answer", "Answers.")
    for hook in hooks or ("pre_invoke",):
        getattr(made, hook)(answer if callable(answer) else lambda envelope: answer)
    return made


PLAIN: list[tuple[Decision, dict[str, Any]]] = [
    (allow("r"), {"decision": "allow"}),
    (allow("r", annotations={"a": 1}), {"decision": "allow", "annotations": {"a": 1}}),
    (annotate("r", {"a": None}), {"decision": "annotate", "annotations": {"a": None}}),
    (rewrite("r", merge={"a": None}), {"decision": "rewrite", "patch": {"a": None}, "patch_strategy": "merge"}),
    (rewrite("r", json_patch=[]), {"decision": "rewrite", "patch": [], "patch_strategy": "json_patch"}),
    (rewrite("r", merge=0), {"decision": "rewrite", "patch": 0, "patch_strategy": "merge"}),
    (route("r", "text.Lower"), {"decision": "route", "route": "text.Lower"}),
    (return_("r"), {"decision": "return"}),
    (return_("r", merge={"a": 1}), {"decision": "return", "patch": {"a": 1}, "patch_strategy": "merge"}),
    (
        return_("r", payload=None),
        {
            "decision": "return",
            "patch": [{"op": "replace", "path": "", "value": None}],
            "patch_strategy": "json_patch",
        },
    ),
    (drop("r"), {"decision": "drop"}),
    (defer("r"), {"decision": "defer", "retry_after_ms": 1000}),
    (defer("r", 0.0001), {"decision": "defer", "retry_after_ms": 1}),
    (reject("r", next_step="n", diagnostics=[]), {"decision": "reject", "next_step": "n", "diagnostics": []}),
]


@pytest.mark.parametrize(("decision", "sent"), PLAIN)
def test_each_decision_is_sent_without_what_it_does_not_say(decision: Decision, sent: dict[str, Any]) -> None:
    assert decision.to_json() == {"reason": "r", **sent}
    assert MiddlewareClient(middleware(decision)).pre_invoke("text.A", {}) == decision


def test_each_kind_of_decision_has_a_function() -> None:
    assert {decision.decision for decision, _ in PLAIN} == set(get_args(DecisionKind))


BROKEN: list[tuple[Decision, Hook, str]] = [
    (allow(""), "pre_invoke", "needs a reason"),
    (allow("  \n"), "pre_invoke", "needs a reason"),
    (allow("ä" * 513), "pre_invoke", "1024 bytes"),
    (annotate("r", {}), "pre_invoke", "needs annotations"),
    (annotate("r", {str(i): 1 for i in range(65)}), "pre_invoke", "at most 64 annotations"),
    (annotate("r", {"a": "x" * 16_384}), "pre_invoke", "at most 16384 bytes"),
    (annotate("r", {"a": {1, 2}}), "pre_invoke", "are no JSON"),
    (annotate("r", {"a": float("nan")}), "pre_invoke", "are no JSON"),
    (annotate("r", {"a": json.loads("[" * 33 + "]" * 33)}), "pre_invoke", "nested deeper than 32"),
    (rewrite("r"), "pre_invoke", "needs a patch"),
    (rewrite("r", json_patch=[{"op": "test"}] * 1001), "pre_invoke", "at most 1000 operations"),
    (Decision("rewrite", "r", patch={}, patch_strategy="json_patch"), "pre_invoke", "list of operations"),
    (Decision("rewrite", "r", patch={}), "pre_invoke", "belong together"),
    (Decision("allow", "r", patch={}, patch_strategy="merge"), "pre_invoke", "`allow` has no patch"),
    (route("r", ""), "pre_invoke", "names a module"),
    (route("r", "x" * 513), "pre_invoke", "512 bytes"),
    (Decision("allow", "r", route="a.B"), "pre_invoke", "names a module"),
    (route("r", "a.B"), "pre_run", "no answer at `pre_run`"),
    (route("r", "a.B"), "post_invoke", "no answer at `post_invoke`"),
    (defer("r"), "post_run", "no answer at `post_run`"),
    (defer("r", 3601), "pre_run", "1 to 3600000"),
    (Decision("allow", "r", retry_after_ms=5), "pre_run", "no time to come back"),
    (allow("r", next_step="x" * 1025), "pre_run", "1024 bytes"),
    (allow("r", diagnostics="x" * 16_384), "pre_run", "diagnostics have at most"),
    (allow("r", diagnostics=json.loads("[" * 33 + "]" * 33)), "pre_run", "nested deeper"),
]


@pytest.mark.parametrize(("decision", "hook", "why"), BROKEN)
def test_a_decision_that_breaks_the_contract_is_refused_here(decision: Decision, hook: Hook, why: str) -> None:
    with pytest.raises(UpstreamError, match=why) as refused:
        MiddlewareClient(middleware(decision, hook)).ask(hook, "text.A", {})
    assert refused.value.code == "module.decision.invalid"
    assert f"the handler of `{hook}` broke the contract" in refused.value.message


def test_a_patch_is_written_in_one_way() -> None:
    with pytest.raises(DecisionError):
        rewrite("r", merge={}, json_patch=[])
    with pytest.raises(DecisionError):
        return_("r", payload=1, merge={})


def test_a_handler_of_each_hook_sees_its_envelope() -> None:
    seen: list[Envelope] = []

    def see(envelope: Envelope) -> Decision:
        seen.append(envelope)
        return allow("seen")

    client = MiddlewareClient(middleware(see, *HOOKS))
    assert client.pre_run("pipeline.a", {"x": 1}, caller="me", annotations={"k": "v"}, attempt=2).decision == "allow"
    client.pre_invoke("text.a.B", {"x": 1}, timeout=1.5, correlation=Correlation(run_id="run-1"))
    client.post_invoke("text.B", [1])
    client.post_run("", {"out": 1})
    client.audit("text.B", Outcome(ok=False, duration_us=7, code="module.failed"))
    assert [each.hook for each in seen] == list(HOOKS)
    assert seen[0].subject == Subject("pipeline", "pipeline.a", "pipeline", 1)
    assert (seen[0].caller.subject, seen[0].annotations, seen[0].attempt) == ("me", {"k": "v"}, 2)
    assert (seen[1].subject.namespace, seen[1].remaining_ms, seen[1].correlation.run_id) == ("text.a", 1500, "run-1")
    assert (seen[2].payload, seen[2].outcome) == ([1], None)
    assert seen[4].outcome == Outcome(ok=False, duration_us=7, code="module.failed")
    assert len({each.envelope_id for each in seen}) == 5


async def test_async_handlers_are_awaited() -> None:
    async def answer(envelope: Envelope) -> Decision:
        await asyncio.sleep(0)
        return allow(envelope.payload)

    client = await asyncio.to_thread(MiddlewareClient, middleware(answer))
    assert (await client.aask("pre_invoke", "text.A", "why not")).reason == "why not"


def test_what_a_host_says_beyond_the_contract_is_ignored_and_what_it_lacks_is_told() -> None:
    client = MiddlewareClient(middleware(allow("r")))
    engine = client._engine
    more = {**client.envelope("pre_invoke", "text.A", {}), "later": 1}
    assert asyncio.run(engine.invoke(more)) == {"decision": "allow", "reason": "r"}
    del more["subject"]["name"], more["payload"]
    with pytest.raises(Exception, match="`/subject/name` is missing; `/payload` is missing"):
        asyncio.run(engine.invoke(more))
    with pytest.raises(Exception, match="version `2` of the envelope"):
        asyncio.run(engine.invoke({**client.envelope("pre_invoke", "text.A", {}), "schema_version": "2"}))
    minor = {**client.envelope("pre_invoke", "text.A", {}), "schema_version": "1.4"}
    assert asyncio.run(engine.invoke(minor)) == {"decision": "allow", "reason": "r"}


@dataclass
class Limit:
    most: int = 5
    unit: Literal["call", "byte"] = "call"

    def __post_init__(self) -> None:
        if self.most < 0:
            raise ValueError("is below nothing")


@dataclass
class Settings:
    name: str
    ratio: float = 0.5
    limit: Limit = field(default_factory=Limit)
    limits: dict[str, Limit] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    either: int | str | None = None
    rows: list[list[int]] = field(default_factory=list)
    anything: Any = None


def test_configuration_becomes_the_authors_dataclass() -> None:
    made = Middleware("probe", description="d", version="1", config=Settings)
    made.capability("probe/a", "b")
    with pytest.raises(RuntimeError, match="has had no init"):
        _ = made.config
    MiddlewareClient(
        made,
        {"name": "n", "ratio": 1, "limits": {"a/b": {"most": 1, "unit": "byte"}}, "tags": ["x"], "rows": [[1], []]},
    )
    assert made.config == Settings("n", ratio=1, limits={"a/b": Limit(1, "byte")}, tags=("x",), rows=[[1], []])
    assert made.host.can("call") is False
    assert made.init.executor_id == "probe"


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        ({}, ["/name is missing"]),
        ({"name": 1}, ["/name is no text"]),
        ({"name": "n", "ratio": True}, ["/ratio is no number"]),
        ({"name": "n", "limit": {"most": 1.5}}, ["/limit/most is no whole number"]),
        ({"name": "n", "limit": {"most": -1}}, ["/limit is below nothing"]),
        ({"name": "n", "limit": []}, ["/limit is no object"]),
        ({"name": "n", "limits": {"a/b": {"unit": "week"}}}, ["/limits/a~1b/unit is none of `call`, `byte`"]),
        ({"name": "n", "tags": "x"}, ["/tags is no list"]),
        ({"name": "n", "either": 1.5}, ["/either is no whole number"]),
        ({"name": "n", "rows": [[1], ["x", None]]}, ["/rows/1/0 is no whole number", "/rows/1/1 is no whole number"]),
        ({"nam": "n", "ratio": None}, ["/nam is not known here", "/ratio is no number", "/name is missing"]),
        ([], [" is no object"]),
    ],
)
def test_configuration_that_does_not_fit_is_refused_with_all_faults(value: Any, faults: list[str]) -> None:
    with pytest.raises(BindError) as refused:
        bind(Settings, value)
    assert [f"{at} {what}" for at, what in refused.value.faults] == faults


def test_an_annotation_that_json_has_not_is_refused_when_it_is_declared() -> None:
    @dataclass
    class Wrong:
        items: set[int]

    Wrong.__annotations__["items"] = set[int]
    with pytest.raises(TypeError, match="set"):
        Middleware("probe", description="d", version="1", config=Wrong)


def test_the_init_is_told_to_the_author_who_may_refuse_it() -> None:
    made = middleware(allow("r"))
    seen: list[Init] = []

    @made.on_init
    async def start(init: Init) -> None:
        await asyncio.sleep(0)
        seen.append(init)
        if made.config.get("bad"):
            raise ValueError("`bad` is bad")
        made.capability("probe/answer", f"Answers {made.config['n']} times.", replace=True)

    client = MiddlewareClient(made, {"n": 3})
    assert client.report["capabilities"][0]["description"] == "Answers 3 times."
    with pytest.raises(InvalidArgument, match="cannot start so: `bad` is bad"):
        MiddlewareClient(made, {"bad": True})
    assert made.config == {"n": 3}
    assert len(seen) == 2


def test_an_init_for_hooks_without_handlers_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="no handler of `post_run`, only of `pre_invoke`"):
        MiddlewareClient(middleware(allow("r")), hooks=["post_run"])


def test_a_handler_that_raises_is_a_failure_with_its_cause() -> None:
    def fail(envelope: Envelope) -> Decision:
        raise KeyError("x")

    with pytest.raises(UpstreamError, match="KeyError: 'x'") as failed:
        MiddlewareClient(middleware(fail)).pre_invoke("text.A", {})
    assert isinstance(failed.value.__cause__, KeyError)
    with pytest.raises(InvalidArgument):
        MiddlewareClient(middleware(allow("r"))).post_run("", {})
    client = MiddlewareClient(middleware(allow("r")))
    client._engine.started = None
    with pytest.raises(FailedPrecondition):
        client.pre_invoke("text.A", {})


def test_what_cannot_be_declared_is_refused_where_it_is() -> None:
    for wrong in ({"name": "1x"}, {"description": ""}, {"version": ""}, {"threads": 0}, {"grace": 0}):
        with pytest.raises(ValueError):
            Middleware(**{"name": "probe", "description": "d", "version": "1", **wrong})
    made = middleware(allow("r"))
    with pytest.raises(ValueError, match="already"):
        made.pre_invoke(lambda envelope: allow("r"))
    with pytest.raises(ValueError, match="already"):
        made.capability("probe/answer", "Again.")
    with pytest.raises(ValueError, match="description"):
        made.capability("probe/other")
    with pytest.raises(ValueError, match="id"):
        made.capability("")


# Which dataclass is which part of which schema.
CONTRACT = [
    ("workflow-envelope", "", Envelope),
    ("workflow-envelope", "Correlation", Correlation),
    ("workflow-envelope", "Subject", Subject),
    ("workflow-envelope", "Caller", Caller),
    ("workflow-envelope", "Outcome", Outcome),
    ("middleware-init", "", Init),
    ("middleware-init", "HostCapability", HostCapability),
    ("middleware-decision", "", Decision),
    ("module-report", "", Report),
]


def part(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return schema["$defs"][name] if name else schema


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the schemas are not in the tree")
@pytest.mark.parametrize(("file", "name", "cls"), CONTRACT)
def test_the_fields_are_those_of_the_schemas(file: str, name: str, cls: type[Any]) -> None:
    schema = part(json.loads((SCHEMAS / f"{file}.schema.json").read_text(encoding="utf-8")), name)
    assert {each.name for each in fields(cls)} == set(schema["properties"])


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the schemas are not in the tree")
def test_the_words_are_those_of_the_schemas() -> None:
    def words(file: str, name: str) -> set[str]:
        found = part(json.loads((SCHEMAS / f"{file}.schema.json").read_text(encoding="utf-8")), name)
        return {each["const"] for each in found["oneOf"]} if "oneOf" in found else set(found["enum"])

    assert words("workflow-envelope", "Hook") == set(HOOKS)
    assert words("workflow-envelope", "SubjectKind") == set(get_args(get_type_hints(Subject)["kind"]))
    assert words("middleware-decision", "DecisionKind") == set(get_args(DecisionKind))
    assert words("middleware-decision", "PatchStrategy") == set(get_args(PatchStrategy))
    assert words("module-report", "CapabilityClass") == {"base", "other"}


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the schemas are not in the tree")
def test_what_is_sent_has_the_schemas() -> None:
    jsonschema_rs = pytest.importorskip("jsonschema_rs")

    def validator(file: str) -> Any:
        schema = json.loads((SCHEMAS / f"{file}.schema.json").read_text(encoding="utf-8"))
        return jsonschema_rs.Draft202012Validator(schema)

    for decision, _ in PLAIN:
        validator("middleware-decision").validate(decision.to_json())
    report = Report("probe", "d", "1", (Capability("a", "b"), Capability("c", output_contract="urn:x")))
    validator("module-report").validate(report.to_json())
    client = MiddlewareClient(middleware(allow("r")))
    validator("workflow-envelope").validate(client.envelope("pre_invoke", "text.A", {"text": "a"}))
