"""The driver: what runs, how often, in which order, and what is taken up again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import Answer, ScriptedHost, Time, broken, down, identity, phase, workflow

from modrack_arca.host import Ran
from modrack_arca.plan import Phase, Workflow
from modrack_arca.references import Json
from modrack_arca.retry import Failure
from modrack_arca.run import Clock, Outcome, drive
from modrack_arca.staging import Identity

RETRY: Json = {"max_attempts": 3, "backoff_ms": 100, "max_backoff_ms": 150, "retry_on": ["UNAVAILABLE"]}


def run(
    workflow: Workflow, host: ScriptedHost, identity: Identity, *, deadline: float = 1000.0, time: Time | None = None
) -> Outcome:
    time = time or Time()
    return asyncio.run(drive(workflow, identity, host, deadline, clock=time.clock()))


def test_phases_run_in_order_and_hand_on_their_outputs() -> None:
    three = workflow(
        phase("clean", inputs={"text": "$input.text"}),
        phase("count", inputs={"text": "$phases.clean.value", "n": 1}),
        phase("judge", inputs={"all": "$phases.count"}),
        input=["text"],
        output={"clean": "$phases.clean.value", "judged": "$phases.judge.value", "text": "$input.text"},
    )
    host = ScriptedHost()
    outcome = run(three, host, identity(input={"text": " to be"}))
    assert outcome.output == {"clean": "clean.value", "judged": "judge.value", "text": " to be"}
    assert host.inputs == [{"text": " to be"}, {"text": "clean.value", "n": 1}, {"all": {"value": "count.value"}}]
    assert [(done.name, done.attempts, list(done.run_ids)) for done in outcome.phases] == [
        ("clean", 1, ["run-1"]),
        ("count", 1, ["run-2"]),
        ("judge", 1, ["run-3"]),
    ]


def test_only_declared_outputs_cross_the_boundary() -> None:
    host = ScriptedHost({"a": [{"value": 1, "secret": 2}]})
    outcome = run(workflow(phase("a"), output="$phases.a"), host, identity())
    assert outcome.output == {"value": 1}


def test_a_run_without_a_declared_output_fails_the_phase() -> None:
    outcome = run(workflow(phase("a"), phase("b")), ScriptedHost({"a": [{"other": 1}]}), identity())
    assert outcome.stopped is not None
    assert outcome.stopped.failure.code == "arca.boundary.output_missing"


def test_a_failure_that_is_retried_waits_longer_each_time_but_not_over_its_most() -> None:
    time = Time()
    host = ScriptedHost({"a": [down(), down()]})
    outcome = run(workflow(phase("a", retry=RETRY), output="$phases.a.value"), host, identity(), time=time)
    assert (outcome.output, time.pauses) == ("a.value", [0.1, 0.15])
    assert outcome.phases[0].run_ids == ("run-1", "run-2", "run-3")


def test_a_pause_is_never_shorter_than_the_failure_asks_for() -> None:
    time = Time()
    run(workflow(phase("a", retry=RETRY)), ScriptedHost({"a": [down(retry_after=2.0)]}), identity(), time=time)
    assert time.pauses == [2.0]


def test_the_cap_ends_the_attempts_and_the_workflow() -> None:
    host = ScriptedHost({"a": [down(), down(), down(), down()]})
    outcome = run(workflow(phase("a", retry=RETRY), phase("b")), host, identity())
    assert host.ran == ["a", "a", "a"]
    assert outcome.stopped is not None
    assert (outcome.stopped.phase, outcome.stopped.failure.code) == ("a", "flaky.down")


def test_a_failure_that_the_posture_does_not_name_is_not_retried() -> None:
    host = ScriptedHost({"a": [broken()]})
    outcome = run(workflow(phase("a", retry=RETRY), phase("b")), host, identity())
    assert host.ran == ["a"]
    assert outcome.phases[-1].error == "flaky.broken"


def test_by_default_what_says_that_it_is_retryable_is_retried() -> None:
    host = ScriptedHost({"a": [Failure("INTERNAL", "x.y", "x", retryable=True)]})
    assert run(workflow(phase("a", retry={"max_attempts": 2})), host, identity()).stopped is None
    assert host.ran == ["a", "a"]


def test_a_phase_that_may_be_skipped_leaves_null_where_it_is_referred_to() -> None:
    two = workflow(
        phase("a", on_failure="skip"), phase("b", inputs={"a": "$phases.a.value?"}), output={"a": "$phases.a.value?"}
    )
    host = ScriptedHost({"a": [broken()]})
    outcome = run(two, host, identity())
    assert (outcome.output, outcome.stopped) == ({"a": None}, None)
    assert host.inputs[1] == {"a": None}
    assert [done.error for done in outcome.phases] == ["flaky.broken", None]


def test_an_attempt_has_no_more_time_than_the_deadline_leaves() -> None:
    time, host = Time(), ScriptedHost()
    host.time, host.took = time, 6.0
    outcome = run(workflow(phase("a"), phase("b"), phase("c")), host, identity(), deadline=12.0, time=time)
    assert host.timeouts == [10.0, 6.0]
    assert outcome.stopped is not None
    assert (outcome.stopped.phase, outcome.stopped.failure.code) == ("c", "arca.deadline.exceeded")


def test_the_limit_of_the_workflow_holds_where_the_deadline_is_later() -> None:
    host = ScriptedHost()
    run(workflow(phase("a"), timeout_ms=300), host, identity())
    assert host.timeouts == [0.3]


def test_a_pause_behind_the_deadline_is_not_begun() -> None:
    time, host = Time(), ScriptedHost({"a": [down(retry_after=60.0)]})
    outcome = run(workflow(phase("a", retry=RETRY)), host, identity(), deadline=30.0, time=time)
    assert time.pauses == []
    assert outcome.stopped is not None
    assert outcome.stopped.failure.code == "flaky.down"


def test_staged_values_stay_after_a_failure_and_go_after_success() -> None:
    two = workflow(phase("a"), phase("b"))
    host = ScriptedHost({"b": [broken()]})
    failed = run(two, host, identity())
    assert list(host.values) == [failed.phases[0].staged]
    assert failed.phases[1].staged is None
    run(two, host, identity())
    assert host.values == {}
    assert host.ran == ["a", "b", "b"]


def test_a_repeated_call_takes_up_what_was_staged_and_says_so() -> None:
    two = workflow(phase("a"), phase("b", inputs={"x": "$phases.a.value"}), output="$phases.b.value")
    host = ScriptedHost({"b": [down()]})
    run(two, host, identity())
    outcome = run(two, host, identity())
    assert outcome.output == "b.value"
    assert [(done.name, done.resumed) for done in outcome.phases] == [("a", True), ("b", False)]
    assert host.inputs[-1] == {"x": "a.value"}


@pytest.mark.parametrize(
    "other",
    [identity(key="other"), identity(input={"x": 1}), identity(caller="mallory"), identity(repeatable=False)],
    ids=["another key", "another input", "another caller", "no key"],
)
def test_nobody_takes_up_the_work_of_another(other: Identity) -> None:
    two = workflow(phase("a"), phase("b"))
    host = ScriptedHost({"b": [down()]})
    run(two, host, identity())
    run(two, host, other)
    assert host.ran == ["a", "b", "a", "b"]


def test_work_under_another_configuration_is_not_taken_up() -> None:
    host = ScriptedHost({"b": [down()]})
    run(workflow(phase("a"), phase("b")), host, identity())
    run(workflow(phase("a"), phase("b", timeout_ms=1)), host, identity())
    assert host.ran == ["a", "b", "a", "b"]


def test_a_phase_that_is_not_staged_is_kept_by_the_next_boundary() -> None:
    three = workflow(
        phase("a", boundary={"outputs": ["value"], "stage": False}),
        phase("b"),
        phase("c", inputs={"a": "$phases.a.value", "b": "$phases.b.value"}),
    )
    host = ScriptedHost({"c": [down()]})
    first = run(three, host, identity())
    assert first.phases[0].staged == first.phases[1].staged
    run(three, host, identity())
    assert host.ran == ["a", "b", "c", "c"]
    assert host.inputs[-1] == {"a": "a.value", "b": "b.value"}


def test_a_phase_that_was_skipped_is_kept_by_the_next_boundary_and_not_tried_again() -> None:
    three = workflow(phase("a", on_failure="skip"), phase("b"), phase("c"), output={"a": "$phases.a.value?"})
    host = ScriptedHost({"a": [broken()], "c": [down()]})
    run(three, host, identity())
    outcome = run(three, host, identity())
    assert host.ran == ["a", "b", "c", "c"]
    assert [(done.error, done.resumed) for done in outcome.phases] == [
        ("flaky.broken", True),
        (None, True),
        (None, False),
    ]
    assert (outcome.output, host.values) == ({"a": None}, {})


def test_without_the_grant_nothing_is_staged_and_the_outcome_says_so() -> None:
    host = ScriptedHost(stages=False)
    outcome = run(workflow(phase("a"), phase("b"), output=1), host, identity())
    assert (outcome.output, outcome.staging, outcome.phases[0].staged) == (1, "arca.staging.not_granted", None)


def test_a_value_that_cannot_be_staged_fails_nothing_and_the_outcome_says_so() -> None:
    host = ScriptedHost()
    host.refuse = lambda verb, _: Failure("RATE_LIMITED", "staging.limit", "full") if verb == "stage" else None
    outcome = run(workflow(phase("a"), phase("b"), output=1), host, identity())
    assert (outcome.output, outcome.staging) == (1, "staging.limit")


def test_what_was_staged_and_cannot_be_read_is_not_done_again() -> None:
    two = workflow(phase("a"), phase("b"))
    host = ScriptedHost({"b": [down()]})
    run(two, host, identity())
    host.refuse = lambda verb, _: Failure("UNAVAILABLE", "host.gone", "gone") if verb == "staged" else None
    outcome = run(two, host, identity())
    assert host.ran == ["a", "b"]
    assert outcome.stopped is not None
    assert outcome.stopped.failure.code == "host.gone"


@pytest.mark.parametrize(
    "garbage", [None, 1, {}, {"version": 1, "phases": [{}]}, {"version": 1, "phases": []}, {"version": 9}]
)
def test_what_is_staged_under_a_key_and_is_not_ours_is_not_taken_up(garbage: Json) -> None:
    two = workflow(phase("a"), phase("b"))
    host = ScriptedHost({"b": [down()]})
    run(two, host, identity())
    host.values = dict.fromkeys(host.values, garbage)
    assert run(two, host, identity()).stopped is None
    assert host.ran == ["a", "b", "a", "b"]


class Waiting(ScriptedHost):
    """Answers no run before it is let."""

    def __init__(self, script: Mapping[str, list[Answer]] | None = None) -> None:
        super().__init__(script)
        self.begun = asyncio.Event()
        self.let = asyncio.Event()

    async def run(self, phase: Phase, inputs: Mapping[str, Json], timeout: float) -> Ran:
        self.begun.set()
        await self.let.wait()
        return await super().run(phase, inputs, timeout)


async def test_a_caller_who_leaves_ends_it_behind_the_phase_that_goes_on_which_is_staged() -> None:
    host, left = Waiting(), asyncio.Event()
    two = workflow(phase("a"), phase("b", on_failure="skip"))
    task = asyncio.create_task(drive(two, identity(), host, 1000.0, left=left, clock=Time().clock()))
    await host.begun.wait()
    left.set()
    host.let.set()
    outcome = await task
    assert host.ran == ["a"]
    assert list(host.values) == [outcome.phases[0].staged]
    assert outcome.stopped is not None
    assert (outcome.stopped.phase, outcome.stopped.failure.code) == ("b", "arca.caller.left")


async def test_a_caller_who_leaves_is_not_waited_for_in_a_pause() -> None:
    host, left = ScriptedHost({"a": [down(retry_after=5.0)]}), asyncio.Event()
    pausing = asyncio.Event()

    async def sleep(_: float) -> None:
        pausing.set()
        await asyncio.Event().wait()

    one = workflow(phase("a", retry=RETRY))
    task = asyncio.create_task(drive(one, identity(), host, 1000.0, left=left, clock=Clock(lambda: 0.0, sleep)))
    await pausing.wait()
    left.set()
    outcome = await task
    assert host.ran == ["a"]
    assert outcome.stopped is not None
    assert outcome.stopped.failure.code == "arca.caller.left"


failures = st.sampled_from([down, broken, lambda: Failure("UPSTREAM_ERROR", "x.y", "x"), lambda: down(retry_after=3.0)])
scripts = st.dictionaries(
    st.sampled_from(["p0", "p1", "p2", "p3"]),
    st.lists(failures.map(lambda make: make()) | st.just({"value": "again"}), max_size=6),
)
anyphases = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "on_failure": st.sampled_from(["stop", "skip"]),
            "retry": st.fixed_dictionaries(
                {"max_attempts": st.integers(1, 4), "retry_on": st.just(["UNAVAILABLE"])},
                optional={"backoff_ms": st.sampled_from([0, 50, 5000])},
            ),
            "boundary": st.fixed_dictionaries({"outputs": st.just(["value"]), "stage": st.booleans()}),
        },
    ),
    min_size=1,
    max_size=4,
)


def groups(ran: list[str]) -> list[tuple[str, int]]:
    """Phases in the order in which they ran, each with how often in a row."""
    told: list[tuple[str, int]] = []
    for name in ran:
        if told and told[-1][0] == name:
            told[-1] = (name, told[-1][1] + 1)
        else:
            told.append((name, 1))
    return told


@given(anyphases, scripts, st.sampled_from([1000.0, 4.0, 0.01]), st.booleans())
def test_phases_keep_their_order_their_cap_and_the_stop(
    more: list[dict[str, Json]], script: dict[str, list[Answer]], deadline: float, stages: bool
) -> None:
    planned = workflow(*(phase(f"p{index}", **one) for index, one in enumerate(more)))
    time, host = Time(), ScriptedHost(script, stages=stages)
    host.time, host.took = time, 0.5
    outcome = run(planned, host, identity(), deadline=deadline, time=time)
    caps = {one.name: one.retry.max_attempts for one in planned.phases}
    told = groups(host.ran)
    assert [name for name, _ in told] == list(caps)[: len(told)], "in order, and none that was left"
    assert all(count <= caps[name] for name, count in told)
    assert time.seconds <= deadline, "nothing goes on behind the deadline"
    for one, done in zip(planned.phases, outcome.phases, strict=False):
        assert done.attempts <= one.retry.max_attempts
        assert (done.outputs is None) == (done.error is not None)
    failed = [done for done, one in zip(outcome.phases, planned.phases, strict=False) if done.error and not one.skips]
    if failed:
        assert outcome.stopped is not None
        assert outcome.phases[-1] is failed[0], "nothing is over behind the phase that stopped it"
    if outcome.stopped is None:
        assert len(outcome.phases) == len(planned.phases)
        assert host.values == {}, "nothing stays staged after success"


@given(anyphases, scripts, st.integers(1, 4))
def test_no_phase_behind_which_something_is_staged_runs_again(
    more: list[dict[str, Json]], script: dict[str, list[Answer]], calls: int
) -> None:
    planned = workflow(*(phase(f"p{index}", **one) for index, one in enumerate(more)), output=1)
    order = [one.name for one in planned.phases]
    host = ScriptedHost(script)
    for _ in range(calls):
        settled = max((order.index(key.rsplit(".", 1)[1]) for key in host.values), default=-1)
        before = len(host.ran)
        outcome = run(planned, host, identity())
        assert all(order.index(name) > settled for name in host.ran[before:])
        assert [done.resumed for done in outcome.phases][: settled + 1] == [True] * (settled + 1)
        if outcome.stopped is None:
            break
