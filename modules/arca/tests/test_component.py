"""arca as a host asks it: init to report, envelope to decision, with a host on a real socket behind the grants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from modrack.errors import InvalidArgument
from modrack.middleware import Correlation, Decision
from modrack.testing import MiddlewareClient
from scripted import config, phase
from small_host import SmallHost, small_host

import modrack_arca
from modrack_arca.component import component

DOWN = {"category": "UNAVAILABLE", "code": "flaky.down", "retryable": True}
BROKEN = {"category": "INVALID_ARGUMENT", "code": "flaky.broken"}
SCHEMA = Path(modrack_arca.__file__).with_name("workflow-report.schema.json")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[SmallHost]:
    with small_host(tmp_path) as made:
        yield made


def client(host: SmallHost, config: dict[str, Any], *grants: str) -> MiddlewareClient:
    return MiddlewareClient(component(), config, capabilities=host.grants(*grants or ("run_pipeline", "staging")))


def keyed(key: str) -> Correlation:
    return Correlation(execution_id="exe-1", idempotency_key=key)


def report(decision: Decision) -> dict[str, Any]:
    """The report of a decision, after it was held against its schema."""
    told = decision.annotations or decision.diagnostics
    assert told is not None
    jsonschema_rs.validator_for(json.loads(SCHEMA.read_text())).validate(told["arca"])
    return told["arca"]


TWO = config(
    phase("one", inputs={"text": "$input.text"}),
    phase("two", inputs={"value": "$phases.one.value"}, retry={"max_attempts": 3, "backoff_ms": 1}),
    input=["text"],
    output={"result": "$phases.two.value", "of": "$input.text"},
)


def test_the_report_tells_capabilities_classes_and_workflows(host: SmallHost) -> None:
    said = client(host, TWO).report
    assert (said["module_name"], said["contract_version"], said["expected_host_api_version"]) == ("arca", "1", "1")
    assert said["capabilities"] == [
        {
            "id": "arca/workflow-orchestration",
            "class": "base",
            "description": "Runs the phases of workflows in order, in place of their subjects: report (text.Report, 2 phases).",
            "output_contract": json.loads(SCHEMA.read_text())["$id"],
        },
        {
            "id": "arca/phase-retry-and-publication-shaping",
            "class": "other",
            "description": "Tries failed phases again up to a cap, and publishes chosen outputs in the shape that is configured.",
        },
    ]


def test_without_workflows_nothing_is_needed_and_every_call_goes_on(host: SmallHost) -> None:
    made = MiddlewareClient(component())
    assert made.pre_invoke("text.Report", {"text": "a"}).decision == "allow"
    assert "none is configured" in made.report["capabilities"][0]["description"]


def test_what_is_no_subject_goes_on(host: SmallHost) -> None:
    assert client(host, TWO).pre_invoke("text.Other", {"text": "a"}).decision == "allow"
    assert host.ran == []


def test_a_configuration_with_faults_fails_the_init_with_all_of_them(host: SmallHost) -> None:
    broken = config(phase("one", timeout_ms=0), output="$phases.none.value")
    with pytest.raises(InvalidArgument) as caught:
        client(host, broken)
    assert caught.value.code == "module.config.invalid"
    assert "config/workflows/0/phases/0/timeout_ms" in caught.value.message
    assert "config/workflows/0/output" in caught.value.message


def test_workflows_without_the_grant_to_run_fail_the_init(host: SmallHost) -> None:
    with pytest.raises(InvalidArgument, match="`run_pipeline`"):
        client(host, TWO, "staging")


def test_a_stored_pipeline_outside_the_grant_fails_the_init(host: SmallHost) -> None:
    stored = config({"name": "one", "pipeline": "count", "boundary": {"outputs": ["value"]}})
    grants = host.grants("run_pipeline", modules=("text.*",))
    with pytest.raises(InvalidArgument, match=r"pipeline\.count"):
        MiddlewareClient(component(), stored, capabilities=grants)
    covered = host.grants("run_pipeline", modules=("text.*", "pipeline.count"))
    made = MiddlewareClient(component(), stored, capabilities=covered)
    assert made.pre_invoke("text.Report", {}).decision == "return"
    assert host.ran[0] == {"name": "count", "inputs": {}}


@pytest.mark.parametrize("hook", ["pre_invoke", "pre_run"])
def test_a_workflow_answers_with_the_published_output_and_its_report(host: SmallHost, hook: Any) -> None:
    host.answers = {"# one": [{"value": 1}], "# two": [{"value": 2}]}
    decision = client(host, TWO).ask(hook, "text.Report", {"text": "to be"}, kind="module")
    assert decision.decision == "return"
    assert decision.patch == [{"op": "replace", "path": "", "value": {"result": 2, "of": "to be"}}]
    assert host.ran == [
        {"source": "# one", "inputs": {"text": "to be"}},
        {"source": "# two", "inputs": {"value": 1}},
    ]
    phases = report(decision)["phases"]
    assert [(one["name"], one["attempts"], one["run_ids"]) for one in phases] == [
        ("one", 1, ["run-1"]),
        ("two", 1, ["run-2"]),
    ]
    assert phases[0]["staged"].startswith("arca.report.")
    assert host.staged == {}


def test_runs_have_the_time_that_is_left_and_no_more(host: SmallHost) -> None:
    client(host, TWO).pre_invoke("text.Report", {"text": ""}, timeout=1.0)
    assert 0 < int(host.headers[0]["modrack-timeout-ms"]) <= 800


def test_a_phase_that_fails_once_is_tried_again(host: SmallHost) -> None:
    host.answers = {"# two": [DOWN, {"value": 2}]}
    decision = client(host, TWO).pre_invoke("text.Report", {"text": ""})
    assert decision.decision == "return"
    assert report(decision)["phases"][1]["attempts"] == 2
    assert report(decision)["phases"][1]["run_ids"] == ["run-2", "run-3"]


def test_a_failure_that_may_pass_defers_and_the_same_key_takes_it_up(host: SmallHost) -> None:
    host.answers = {"# two": [DOWN, DOWN, {**DOWN, "retry_after_ms": 2500}]}
    made = client(host, TWO)
    first = made.pre_invoke("text.Report", {"text": ""}, correlation=keyed("k"))
    assert (first.decision, first.retry_after_ms) == ("defer", 2500)
    assert first.reason == "`report`: phase `two` failed: down [flaky.down]"
    assert first.next_step == "the same idempotency key takes it up behind `one`"
    assert list(host.staged) == [report(first)["phases"][0]["staged"]]
    second = made.pre_invoke("text.Report", {"text": ""}, correlation=keyed("k"))
    assert second.decision == "return"
    assert [one["resumed"] for one in report(second)["phases"]] == [True, False]
    assert [one["source"] for one in host.ran] == ["# one", "# two", "# two", "# two", "# two"]


def test_work_is_taken_up_by_a_process_that_was_started_since(host: SmallHost) -> None:
    host.answers = {"# two": [BROKEN]}
    client(host, TWO).pre_invoke("text.Report", {"text": ""}, correlation=keyed("k"))
    client(host, TWO).pre_invoke("text.Report", {"text": ""}, correlation=keyed("k"))
    assert [one["source"] for one in host.ran] == ["# one", "# two", "# two"]


def test_a_failure_that_stays_rejects(host: SmallHost) -> None:
    host.answers = {"# one": [BROKEN]}
    decision = client(host, TWO).pre_invoke("text.Report", {"text": ""})
    assert (decision.decision, decision.reason) == ("reject", "`report`: phase `one` failed: down [flaky.broken]")
    assert report(decision)["phases"][0]["error"] == "flaky.broken"
    assert len(host.ran) == 1


def test_without_the_grant_to_stage_it_works_and_says_so(host: SmallHost) -> None:
    made = client(host, TWO, "run_pipeline")
    assert made.report["capabilities"][0]["description"].endswith("Stages nothing: `staging` is not granted.")
    decision = made.pre_invoke("text.Report", {"text": ""}, correlation=keyed("k"))
    assert decision.decision == "return"
    assert report(decision)["staging"] == "arca.staging.not_granted"


def test_a_host_that_is_gone_defers(host: SmallHost) -> None:
    made = client(host, TWO)
    for capability in made.init.capabilities:
        assert capability.endpoint == host.endpoint
    gone = [
        type(one)(one.id, "http://127.0.0.1:9", one.path, one.token_file, one.modules)
        for one in host.grants("run_pipeline")
    ]
    decision = MiddlewareClient(component(), TWO, capabilities=gone).pre_invoke("text.Report", {"text": ""})
    assert decision.decision == "defer"
    assert report(decision)["phases"][0]["error"] == "client.host.unreachable"


def test_a_host_that_does_not_answer_costs_no_more_than_the_deadline(host: SmallHost) -> None:
    host.hold.clear()
    decision = client(host, TWO).pre_invoke("text.Report", {"text": ""}, timeout=1.5)
    assert decision.decision == "defer"
    assert report(decision)["phases"][0]["error"] == "arca.host.late"


async def test_who_finds_no_place_is_deferred(host: SmallHost) -> None:
    host.hold.clear()
    made = await asyncio.to_thread(client, host, {**TWO, "max_concurrent": 1, "busy_retry_after_ms": 70})
    first = asyncio.create_task(made.aask("pre_invoke", "text.Report", {"text": ""}))
    await asyncio.to_thread(host.asked.wait)
    second = await made.aask("pre_invoke", "text.Report", {"text": "other"})
    assert (second.decision, second.reason, second.retry_after_ms) == (
        "defer",
        "all 1 places for workflows are taken",
        70,
    )
    host.hold.set()
    assert (await first).decision == "return"
    assert (await made.aask("pre_invoke", "text.Report", {"text": "other"})).decision == "return"


async def test_equal_work_is_not_done_twice_at_once(host: SmallHost) -> None:
    host.hold.clear()
    made = await asyncio.to_thread(client, host, TWO)
    first = asyncio.create_task(made.aask("pre_invoke", "text.Report", {"text": ""}, correlation=keyed("k")))
    await asyncio.to_thread(host.asked.wait)
    second = await made.aask("pre_invoke", "text.Report", {"text": ""}, correlation=keyed("k"))
    assert (second.decision, second.reason) == ("defer", "`report` goes on under this key already")
    host.hold.set()
    assert (await first).decision == "return"


async def test_a_caller_who_leaves_ends_the_workflow_behind_its_phase(host: SmallHost) -> None:
    host.hold.clear()
    made = await asyncio.to_thread(client, host, {**TWO, "max_concurrent": 1})
    first = asyncio.create_task(made.aask("pre_invoke", "text.Report", {"text": ""}, correlation=keyed("k")))
    await asyncio.to_thread(host.asked.wait)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    host.hold.set()
    async with asyncio.timeout(10):
        while (
            second := await made.aask("pre_invoke", "text.Report", {"text": ""}, correlation=keyed("k"))
        ).decision != "return":
            await asyncio.sleep(0)
    assert [one["resumed"] for one in report(second)["phases"]] == [True, False]
    assert [one["source"] for one in host.ran] == ["# one", "# two"]


def test_a_large_report_names_the_last_run_of_each_phase_alone(host: SmallHost) -> None:
    retry = {"max_attempts": 10, "backoff_ms": 0}
    name = "n" * 38
    many = config(*(phase(f"{name}{index:02}", retry=retry) for index in range(32)))
    long = "x" * 64
    host.answers = {}
    original = host.run

    def failing(body: dict[str, Any]) -> tuple[int, Any]:
        status, answer = original(body)
        if len(host.ran) % 10:
            return 503, {"error": {**DOWN, "message": "", "details": {"run_id": f"{len(host.ran)}{long}"}}}
        answer["record"]["run_id"] = f"{len(host.ran)}{long}"
        return status, answer

    host.run = failing
    decision = client(host, many, "run_pipeline").pre_invoke("text.Report", {}, timeout=60.0)
    assert decision.decision == "return"
    phases = report(decision)["phases"]
    assert all((one["attempts"], len(one["run_ids"])) == (10, 1) for one in phases)
