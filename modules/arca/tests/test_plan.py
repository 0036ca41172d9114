"""The configuration: what is taken, and that all faults are told at once with their places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import config, phase

from modrack_arca.plan import ConfigurationError, Plan, read
from modrack_arca.references import Json, references
from modrack_arca.retry import MAX_ATTEMPTS


def faults(value: dict[str, Json]) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        read(value)
    return {fault.pointer: fault.message for fault in caught.value.faults}


def test_no_configuration_is_a_plan_without_workflows() -> None:
    assert read({}) == Plan({}, 8, 0.5)


def test_defaults_are_one_attempt_a_staged_boundary_and_stop() -> None:
    first = read(config(phase("count"))).workflows["text.Report"].phases[0]
    assert (first.retry.max_attempts, first.stage, first.skips, first.timeout) == (1, True, False, 10.0)


def test_all_faults_are_told_at_once_each_with_its_place() -> None:
    told = faults(
        {
            "workflows": [
                {
                    "name": "a b",
                    "subject": "Report",
                    "input": ["text", "text", "1"],
                    "phases": [
                        {"name": "one", "source": "x", "pipeline": "y", "boundary": {}, "retry": {"max_attempts": 11}},
                        {
                            "name": "one",
                            "pipeline": "pipeline.y",
                            "inputs": {"a-b": "$input.words", "1": 1},
                            "boundary": {"outputs": ["n", "n"], "stage": "yes"},
                            "retry": {"retry_on": ["DOWN"], "backoff_ms": -1},
                            "timeout_ms": True,
                            "on_failure": "compensate",
                        },
                        7,
                    ],
                    "extra": None,
                }
            ],
            "max_concurrent": 0,
        }
    )
    assert told == {
        "/max_concurrent": "is a whole number from 1 to 256",
        "/workflows/0/extra": "is not known",
        "/workflows/0/input/1": "`text` is there twice",
        "/workflows/0/input/2": "`1` is no name of a field, with `?` behind it where it may be missing",
        "/workflows/0/name": "is of letters, digits, `-` and `_`, at most 40",
        "/workflows/0/output": "is missing",
        "/workflows/0/phases/0": "has either `source`, the text of a pipeline, or `pipeline`, the name of a stored one",
        "/workflows/0/phases/0/boundary/outputs": "names the outputs that cross the boundary, at least one",
        "/workflows/0/phases/0/retry/max_attempts": "is a whole number from 1 to 10",
        "/workflows/0/phases/1/boundary/outputs": "names an output twice",
        "/workflows/0/phases/1/boundary/stage": "is true or false",
        "/workflows/0/phases/1/inputs/1": "`1` is no name of an input",
        "/workflows/0/phases/1/inputs/a-b": "`$input.words`: `words` is not declared in `input`",
        "/workflows/0/phases/1/name": "`one` is the name of another phase too",
        "/workflows/0/phases/1/on_failure": "is one of `stop`, `skip`",
        "/workflows/0/phases/1/pipeline": "`pipeline.y` is no name of a stored pipeline; it stands without `pipeline.`",
        "/workflows/0/phases/1/retry/backoff_ms": "is a whole number from 0 to 60000",
        "/workflows/0/phases/1/retry/retry_on/0": "`DOWN` is neither `retryable` nor a category like `UNAVAILABLE`",
        "/workflows/0/phases/1/timeout_ms": "is a whole number from 1 to 3600000",
        "/workflows/0/phases/2": "is an object",
        "/workflows/0/subject": "is the qualified name of a module, or `pipeline.NAME`",
    }


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("$phases.later.value", "`$phases.later.value`: no earlier phase is named `later`"),
        ("$phases.count.words", "`$phases.count.words`: `words` is no output at the boundary of `count`"),
        (
            "$phases.maybe.value",
            "`$phases.maybe.value`: `maybe` may be skipped, so that it has to be `$phases.maybe.value?`",
        ),
        ("$phases.maybe", "`$phases.maybe`: `maybe` may be skipped, so that it has to be `$phases.maybe?`"),
        ("$input.lang", "`$input.lang`: `lang` may be missing, so that it has to be `$input.lang?`"),
        ("$input.other", "`$input.other`: `other` is not declared in `input`"),
        ("$input.", "`$input.` is no reference: `$input.FIELD` and `$phases.NAME.OUTPUT` are, with `?` behind"),
    ],
)
def test_a_reference_that_could_not_be_followed_is_refused_at_configuration(output: str, message: str) -> None:
    phases = [phase("count"), phase("maybe", on_failure="skip")]
    told = faults(config(*phases, output={"n": [output]}, input=["text", "lang?"]))
    assert told == {"/workflows/0/output/n/0": message}


def test_a_phase_cannot_refer_to_itself_or_to_later_ones() -> None:
    told = faults(config(phase("a", inputs={"x": "$phases.b.value"}), phase("b", inputs={"x": "$phases.b.value"})))
    assert set(told) == {"/workflows/0/phases/0/inputs/x", "/workflows/0/phases/1/inputs/x"}


def test_subjects_and_names_belong_to_one_workflow() -> None:
    one = config(phase("a"))["workflows"]
    assert isinstance(one, list)
    told = faults({"workflows": one + one})
    assert set(told) == {"/workflows/1/name", "/workflows/1/subject"}


def test_stored_pipelines_are_told_by_their_qualified_names() -> None:
    plan = read(config({"name": "a", "pipeline": "count", "boundary": {"outputs": ["n"]}}, phase("b")))
    assert plan.stored() == {"pipeline.count"}


def test_the_digest_changes_with_the_configuration_and_with_nothing_else() -> None:
    one = read(config(phase("a"))).workflows["text.Report"]
    assert one.digest == read(config(phase("a"))).workflows["text.Report"].digest
    assert one.digest != read(config(phase("a", timeout_ms=1))).workflows["text.Report"].digest


names = st.sampled_from(
    ["name", "subject", "phases", "workflows", "output", "inputs", "boundary", "outputs", "retry", "source"]
)
leaves = (
    st.none() | st.booleans() | st.integers(-2, 20) | st.sampled_from(["a", "text.Report", "$input", "$phases.a.b", ""])
)
anything: st.SearchStrategy[Json] = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=6), max_leaves=12
)
anyphase: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "b", "c"]),
        "source": st.just("x"),
        "inputs": st.dictionaries(
            st.sampled_from(["x", "y"]),
            st.sampled_from(["$phases.a.v", "$phases.b.v?", "$phases.c.w", "$input.t", 1]),
        ),
        "boundary": st.fixed_dictionaries(
            {"outputs": st.lists(st.sampled_from(["v", "w"]), min_size=1, max_size=2, unique=True)}
        ),
    },
    optional={
        "on_failure": st.sampled_from(["skip", "stop"]),
        "retry": st.fixed_dictionaries({"max_attempts": st.integers(-1, 12)}),
    },
)


@given(st.lists(anyphase, min_size=1, max_size=4), st.sampled_from(["$phases.a.v", "$phases.b?", "$input.t", 0]))
def test_what_is_taken_keeps_every_rule_that_the_driver_relies_on(phases: list[Json], output: Json) -> None:
    entry: Json = {"name": "w", "subject": "a.B", "input": ["t"], "phases": phases, "output": output}
    try:
        plan = read({"workflows": [entry]})
    except ConfigurationError as error:
        assert error.faults
        return
    workflow = plan.workflows["a.B"]
    earlier: dict[str, tuple[str, ...]] = {}
    for one in workflow.phases:
        assert one.name not in earlier
        assert 1 <= one.retry.max_attempts <= MAX_ATTEMPTS
        for template in one.inputs.values():
            for _, reference in references(template, ""):
                assert reference.phase is None or reference.path[0] in earlier[reference.phase]
        earlier[one.name] = one.outputs


@given(st.dictionaries(names | st.just("max_concurrent"), anything, max_size=4))
def test_any_configuration_is_taken_or_refused_with_faults(value: dict[str, Json]) -> None:
    try:
        read(value)
    except ConfigurationError as error:
        assert error.faults
        assert all(line.startswith("config") for line in str(error).splitlines())
