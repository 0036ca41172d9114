"""dator asked as a host asks it: offers listed, calls shaped and counted, overload answered."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from modrack.errors import InvalidArgument
from modrack.middleware import Correlation, Decision, Outcome
from modrack.testing import MiddlewareClient

from modrack_dator.component import component

PRICE = {"amount": "0.002", "currency": "EUR"}
CANCELLED = Outcome(ok=False, duration_us=1, code="executor.call.cancelled")
FAILED = Outcome(ok=False, duration_us=1, code="module.failed")


def client(*offers: dict[str, Any], **more: Any) -> MiddlewareClient:
    return MiddlewareClient(component(), {"offers": [{"price": PRICE, **each} for each in offers], **more})


def call(number: int, node: str = "") -> Correlation:
    return Correlation(execution_id=f"exe-{number}", node_id=node)


def said(decision: Decision) -> dict[str, Any]:
    assert decision.annotations is not None
    return decision.annotations["dator"]


def test_the_report_tells_the_offers_and_their_contract() -> None:
    made = client({"id": "shout", "module": "text.Uppercase"}, offers_module="catalog.Offers")
    publication, shaping = made.report["capabilities"]
    assert publication == {
        "id": "dator/exchange-service-publication",
        "class": "base",
        "description": "Publishes service offers, told by `catalog.Offers`: shout (text.Uppercase, 0.002 EUR per call).",
        "output_contract": "urn:modrack:dator:offers:1",
    }
    assert (shaping["id"], shaping["class"]) == ("dator/service-execution-shaping", "other")


def test_without_a_configuration_nothing_is_offered_and_nothing_happens() -> None:
    made = client()
    assert made.report["capabilities"][0]["description"] == "Publishes service offers: none is configured."
    assert made.pre_invoke("text.Uppercase", {"text": "a"}).decision == "allow"
    assert made.post_invoke("text.Uppercase", "A").decision == "allow"


def test_a_configuration_with_faults_is_refused_with_their_places() -> None:
    with pytest.raises(InvalidArgument, match="`/offers/0/limits`") as refused:
        client({"id": "shout", "module": "text.Uppercase", "limits": {"max_in_flight": 0}})
    assert refused.value.code == "module.config.invalid"


def test_calls_of_the_offers_module_are_answered_with_the_offers() -> None:
    made = client(
        {"id": "shout", "module": "text.Uppercase"},
        {"id": "tax", "module": "money.Tax"},
        offers_module="catalog.Offers",
    )
    listed = made.pre_invoke("catalog.Offers", {})
    assert (listed.decision, listed.patch_strategy) == ("return", "json_patch")
    assert [each["id"] for each in listed.patch[0]["value"]] == ["shout", "tax"]
    one = made.pre_invoke("catalog.Offers", {"module": "money.*"})
    assert [each["id"] for each in one.patch[0]["value"]] == ["tax"]


def test_a_call_is_annotated_with_its_offer_and_price() -> None:
    price = {"amount": "0.001", "currency": "EUR", "per": "unit", "unit": "character", "unit_field": "/text"}
    made = client({"id": "shout", "module": "text.*", "price": price})
    decision = made.pre_invoke("text.Uppercase", {"text": "naïve"})
    assert (decision.decision, decision.reason) == ("annotate", "offer `shout`: 0.005 EUR for 5 characters")
    assert said(decision)["price"] == {
        "amount": "0.001",
        "currency": "EUR",
        "per": "character",
        "field": "/text",
        "units": 5,
        "total": "0.005",
    }


def test_a_request_is_shaped_before_it_is_priced() -> None:
    price = {"amount": "1", "currency": "EUR", "per": "unit", "unit": "result", "unit_field": "/limit"}
    request = {"select": ["text", "limit"], "defaults": {"limit": 10}, "at_most": {"limit": 20}}
    made = client({"id": "find", "module": "text.Find", "price": price, "request": request})
    decision = made.pre_invoke("text.Find", {"text": "a", "limit": 99, "trace": True})
    assert decision.decision == "rewrite"
    assert decision.patch == [{"op": "remove", "path": "/trace"}, {"op": "replace", "path": "/limit", "value": 20}]
    assert said(decision)["price"]["total"] == "20"


def test_an_answer_is_shaped_and_says_under_which_offer_it_is() -> None:
    response = {"redact": [{"at": "/mail"}]}
    made = client({"id": "find", "module": "people.Find", "response": response})
    before = made.pre_invoke("people.Find", {}, correlation=call(1))
    after = made.post_invoke(
        "people.Find", {"name": "Ada", "mail": "a@b"}, correlation=call(1), annotations=before.annotations
    )
    assert (after.decision, after.reason) == ("rewrite", "answered under offer `find`")
    assert after.patch == [{"op": "replace", "path": "/mail", "value": "***"}]
    assert said(after) == {**said(before), "answered": True, "shaped": True}
    assert made.post_invoke("people.Find", {"name": "Ada"}).decision == "annotate"


def test_a_runs_offer_is_that_of_the_stored_pipeline() -> None:
    made = client({"id": "digest", "module": "pipeline.digest", "limits": {"max_in_flight": 1}})
    before = made.pre_run("pipeline.digest", {"text": "a"}, correlation=call(1))
    assert before.reason == "offer `digest`: 0.002 EUR for 1 call"
    assert made.pre_run("pipeline.digest", {}, correlation=call(2)).decision == "defer"
    # A call of the run comes with what was said of the run: it gives nothing of it back.
    made.post_invoke("text.Trim", "a", correlation=call(1, "trim"), annotations=before.annotations)
    made.audit("text.Trim", correlation=call(1, "trim"), annotations=before.annotations)
    assert made.pre_run("pipeline.digest", {}, correlation=call(3)).decision == "defer"
    made.post_run("pipeline.digest", {"out": "a"}, correlation=call(1), annotations=before.annotations)
    assert made.pre_run("pipeline.digest", {}, correlation=call(4)).decision == "annotate"


def test_what_no_offer_covers_is_rejected_when_the_configuration_is_strict() -> None:
    made = client({"id": "shout", "module": "text.*"}, strict=True)
    assert made.pre_invoke("money.Tax", {}).reason == "no offer covers `money.Tax`"
    assert made.pre_invoke("money.Tax", {}).decision == "reject"
    assert made.pre_run("", {}).reason == "no offer covers a pipeline that is not stored"


def test_an_input_that_is_too_large_is_rejected_and_takes_no_place() -> None:
    made = client({"id": "shout", "module": "text.*", "limits": {"max_in_flight": 1, "max_payload_bytes": 20}})
    rejected = made.pre_invoke("text.Uppercase", {"text": "ää" * 10})
    assert (rejected.decision, rejected.reason) == ("reject", "offer `shout` takes at most 20 bytes of input, not 51")
    assert made.pre_invoke("text.Uppercase", {"text": "a"}).decision == "annotate"


def test_overload_is_answered_with_defer_and_when_to_come_back() -> None:
    made = client({"id": "shout", "module": "text.*", "limits": {"max_in_flight": 1, "retry_after_ms": 250}})
    before = made.pre_invoke("text.Uppercase", {"text": "a"}, correlation=call(1))
    deferred = made.pre_invoke("text.Uppercase", {"text": "b"}, correlation=call(2))
    assert (deferred.decision, deferred.retry_after_ms) == ("defer", 250)
    assert deferred.reason == "offer `shout` is busy: 1 call is in flight"
    made.post_invoke("text.Uppercase", "A", correlation=call(1), annotations=before.annotations)
    assert made.pre_invoke("text.Uppercase", {"text": "b"}, correlation=call(2)).decision == "annotate"


@pytest.mark.parametrize("outcome", [FAILED, CANCELLED])
def test_a_call_that_fails_gives_its_place_back_by_the_audit(outcome: Outcome) -> None:
    made = client({"id": "shout", "module": "text.*", "limits": {"max_in_flight": 1}})
    before = made.pre_invoke("text.Uppercase", {"text": "a"}, correlation=call(1))
    made.audit("text.Uppercase", outcome, correlation=call(1), annotations=before.annotations)
    assert made.pre_invoke("text.Uppercase", {"text": "b"}, correlation=call(2)).decision == "annotate"


def test_a_caller_who_left_while_components_were_asked_costs_no_place() -> None:
    made = client({"id": "shout", "module": "text.*", "limits": {"max_in_flight": 1}})
    made.pre_invoke("text.Uppercase", {"text": "a"}, correlation=call(1))
    made.audit("text.Uppercase", CANCELLED, correlation=call(1))
    assert made.pre_invoke("text.Uppercase", {"text": "b"}, correlation=call(2)).decision == "annotate"


def test_elements_of_a_batch_hold_a_place_each_and_give_back_their_own() -> None:
    made = client({"id": "shout", "module": "text.*", "limits": {"max_in_flight": 2}})
    first = made.pre_invoke("text.Uppercase", {"text": "a"}, correlation=call(1))
    second = made.pre_invoke("text.Uppercase", {"text": "b"}, correlation=call(1))
    assert said(first)["place"] != said(second)["place"]
    # The third is deferred; its audit, and both of the first one's hooks, must not give the second one's place away.
    assert made.pre_invoke("text.Uppercase", {"text": "c"}, correlation=call(1)).decision == "defer"
    made.audit("text.Uppercase", Outcome(False, 1, "middleware.deferred"), correlation=call(1))
    made.post_invoke("text.Uppercase", "A", correlation=call(1), annotations=first.annotations)
    made.audit("text.Uppercase", correlation=call(1), annotations=first.annotations)
    assert made.pre_invoke("text.Uppercase", {"text": "d"}, correlation=call(2)).decision == "annotate"
    assert made.pre_invoke("text.Uppercase", {"text": "e"}, correlation=call(3)).decision == "defer"


def test_a_stream_holds_its_place_until_its_end() -> None:
    made = client({"id": "words", "module": "text.Words", "until": "end", "limits": {"max_in_flight": 1}})
    before = made.pre_invoke("text.Words", {"text": "a b"}, correlation=call(1))
    made.post_invoke("text.Words", "a", correlation=call(1), annotations=before.annotations)
    assert made.pre_invoke("text.Words", {"text": "c"}, correlation=call(2)).decision == "defer"
    made.audit("text.Words", correlation=call(1), annotations=before.annotations)
    assert made.pre_invoke("text.Words", {"text": "c"}, correlation=call(2)).decision == "annotate"


def test_a_call_that_was_routed_gives_back_the_place_that_it_took() -> None:
    made = client({"id": "shout", "module": "text.Uppercase", "limits": {"max_in_flight": 1}})
    # `pre_invoke` names the module that another component routed to, what follows the one that was asked for.
    before = made.pre_invoke("text.Uppercase", {"text": "a"}, correlation=call(1))
    after = made.post_invoke("text.Shout", "A", correlation=call(1), annotations=before.annotations)
    assert after.reason == "answered under offer `shout`"
    assert made.pre_invoke("text.Uppercase", {"text": "b"}, correlation=call(2)).decision == "annotate"


def test_a_fault_of_a_shape_costs_no_place() -> None:
    made = client(
        {"id": "find", "module": "text.*", "limits": {"max_in_flight": 1}, "request": {"defaults": {"limit": 1}}}
    )
    # `limit` is nothing that a default can go to: the payload is no record, and stays as it is.
    assert made.pre_invoke("text.Count", ["a"]).decision == "annotate"


async def test_a_call_that_waits_gets_its_place_when_one_is_free() -> None:
    limits = {"max_in_flight": 1, "max_queued": 1, "max_wait_ms": 5000}
    made = await asyncio.to_thread(client, {"id": "shout", "module": "text.*", "limits": limits})
    before = await made.aask("pre_invoke", "text.Uppercase", {"text": "a"}, correlation=call(1))
    waiting = asyncio.create_task(made.aask("pre_invoke", "text.Uppercase", {"text": "b"}, correlation=call(2)))
    deferred = None
    async with asyncio.timeout(5):
        # Refused at once from the moment on at which the other one waits.
        while deferred is None or deferred.decision != "defer":
            await asyncio.sleep(0)
            deferred = await made.aask("pre_invoke", "text.Uppercase", {"text": "c"}, correlation=call(3))
    assert deferred.reason == "offer `shout` is busy: 1 call is in flight and 1 waits"
    await made.aask("post_invoke", "text.Uppercase", "A", correlation=call(1), annotations=before.annotations)
    decision = await waiting
    assert decision.decision == "annotate"
    assert said(decision)["waited_ms"] >= 0


def test_the_factory_defaults_ask_for_nothing_that_is_not_needed() -> None:
    import json

    defaults = json.loads((Path(__file__).parents[1] / "component.json").read_text(encoding="utf-8"))
    assert defaults["field_policy"] == {"change": [], "answer": False, "route": []}
    assert (defaults["hooks"], defaults["capabilities"]) == ([], [])
    assert (defaults["sandbox_profile"], defaults["module_id"]) == ("module-restricted", "dator")
    made = MiddlewareClient(component(), defaults["config"], hooks=defaults["hooks"])
    assert made.report["module_name"] == defaults["module_id"]
