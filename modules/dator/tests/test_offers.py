"""Configurations: what is taken, what is refused and where, and what is published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from modrack.middleware import BindError, bind

import modrack_dator
from modrack_dator.offers import Config, pattern_of

PRICE = {"amount": "0.002", "currency": "EUR"}
SCHEMA = json.loads((Path(modrack_dator.__file__).parent / "offer.schema.json").read_text(encoding="utf-8"))


def config(*offers: dict[str, Any], **more: Any) -> Config:
    return bind(Config, {"offers": list(offers), **more})


def offer(**more: Any) -> dict[str, Any]:
    return {"id": "shout", "module": "text.Uppercase", "price": PRICE, **more}


FAULTS = [
    ({"id": "Shout"}, "/offers/0", "lower-case"),
    ({"module": "text uppercase"}, "/offers/0", "neither a name nor a pattern"),
    ({"price": {"amount": 0.002, "currency": "EUR"}}, "/offers/0/price/amount", "is no text"),
    ({"price": {"amount": "1e3", "currency": "EUR"}}, "/offers/0/price", "no decimal number"),
    ({"price": {"amount": "-1", "currency": "EUR"}}, "/offers/0/price", "no decimal number"),
    ({"price": {"amount": "1", "currency": "euro"}}, "/offers/0/price", "three capitals"),
    ({"price": {**PRICE, "per": "unit"}}, "/offers/0/price", "`unit` and `unit_field`"),
    ({"price": {**PRICE, "unit": "byte", "unit_field": "/x"}}, "/offers/0/price", "`unit` and `unit_field`"),
    ({"price": {**PRICE, "per": "unit", "unit": "byte", "unit_field": "x"}}, "/offers/0/price", "no JSON pointer"),
    ({"price": {**PRICE, "per": "week"}}, "/offers/0/price/per", "`call`"),
    ({"limits": {"max_in_flight": 0}}, "/offers/0/limits", "above 0"),
    ({"limits": {"max_queued": 5}}, "/offers/0/limits", "together"),
    ({"limits": {"max_queued": 5, "max_wait_ms": 60_000}}, "/offers/0/limits", "to 10000"),
    ({"limits": {"max_inflight": 5}}, "/offers/0/limits/max_inflight", "not known"),
    ({"limits": {"calls_per_minute": 0}}, "/offers/0/limits", "above 0"),
    ({"limits": {"retry_after_ms": 0}}, "/offers/0/limits", "retry_after_ms"),
    ({"request": {"at_most": {"limit": "10"}}}, "/offers/0/request/at_most/limit", "number"),
    ({"response": {"redact": [{}]}}, "/offers/0/response/redact/0", "`at`, `pattern` or both"),
    ({"response": {"redact": [{"pattern": "("}]}}, "/offers/0/response/redact/0", "regular expression"),
    ({"response": {"redact": [{"at": "mail"}]}}, "/offers/0/response/redact/0", "no JSON pointer"),
    ({"until": "tomorrow"}, "/offers/0/until", "`answer`"),
]


@pytest.mark.parametrize(("more", "at", "why"), FAULTS)
def test_a_fault_is_told_with_its_place(more: dict[str, Any], at: str, why: str) -> None:
    with pytest.raises(BindError) as refused:
        config(offer(**more))
    assert [place for place, _ in refused.value.faults] == [at]
    assert why in str(refused.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(BindError) as refused:
        config(offer(id="A"), offer(id=5, price={"amount": "x", "currency": "EUR"}), stricd=True)
    assert {at for at, _ in refused.value.faults} == {"/offers/0", "/offers/1/id", "/offers/1/price", "/stricd"}


def test_two_offers_have_two_ids() -> None:
    with pytest.raises(BindError, match="two offers with the id `shout`"):
        config(offer(), offer())


def test_the_first_offer_that_covers_a_call_holds() -> None:
    made = config(offer(id="one"), offer(id="many", module="text.*"))
    for name, held in [("text.Uppercase", "one"), ("text.Trim", "many"), ("texts.Trim", None), ("", None)]:
        found = made.offer_for(name)
        assert (found and found.id) == held, name


def test_a_pattern_is_that_of_the_host() -> None:
    for pattern, name, matches in [
        ("text.*", "text.a.B", True),
        ("*", "", True),
        ("*.Uppercase", "text.Uppercase", True),
        ("text.[A-Z]", "text.A", False),
        ("a.b", "aXb", False),
    ]:
        assert (pattern_of(pattern).fullmatch(name) is not None) == matches, (pattern, name)


def test_what_is_published_keeps_its_contract_and_its_order() -> None:
    unit = {**PRICE, "per": "unit", "unit": "character", "unit_field": "/text"}
    made = config(
        offer(description="Capitals."),
        offer(id="count", module="text.*", price=unit, limits={"calls_per_minute": 60, "max_in_flight": 2}),
    )
    published = made.published()
    jsonschema_rs.Draft202012Validator(SCHEMA).validate(published)
    assert [each["id"] for each in published] == ["shout", "count"]
    assert published[0]["price"] == {"amount": "0.002", "currency": "EUR", "per": "call"}
    assert published[1]["price"] == {"amount": "0.002", "currency": "EUR", "per": "character", "field": "/text"}
    assert published[1]["limits"]["calls_per_minute"] == 60


def test_offers_are_listed_for_one_module_or_a_pattern() -> None:
    made = config(offer(), offer(id="all", module="text.*"), offer(id="tax", module="money.Tax"))

    def ids(pattern: str) -> list[str]:
        return [each["id"] for each in made.published(pattern)]

    assert ids("text.Uppercase") == ["shout", "all"]
    assert ids("text.*") == ["shout", "all"]
    assert ids("money.*") == ["tax"]
    assert ids("") == ["shout", "all", "tax"]
    assert ids("other.X") == []
