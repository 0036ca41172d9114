"""What the README shows holds."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields
from pathlib import Path

from modrack.middleware import bind
from modrack.testing import MiddlewareClient

from modrack_dator.component import component
from modrack_dator.offers import Config, Limits, Offer, Price, Redaction, RequestShape, ResponseShape

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)[0]


def test_the_configuration_is_taken_and_prices_as_it_says() -> None:
    shown = tomllib.loads(block("toml"))["components"]["dator-http"]
    config = bind(Config, shown["config"])
    assert [offer.id for offer in config.offers] == ["shout"]
    asked = MiddlewareClient(component(), shown["config"], hooks=shown["hooks"])
    decision = asked.pre_invoke("text.Uppercase", {"text": "hello"})
    assert decision.reason == "offer `shout`: 0.0005 EUR for 5 characters"
    assert decision.reason in README
    after = asked.post_invoke("text.Uppercase", "HELLO", annotations=decision.annotations)
    assert after.annotations is not None
    shown_annotation = json.loads(block("json"))["dator"]
    assert {**after.annotations["dator"], "place": "shout-17"} == shown_annotation


def test_every_member_of_the_configuration_is_in_the_tables() -> None:
    for cls in (Config, Offer, Price, Limits, RequestShape, ResponseShape, Redaction):
        for each in fields(cls):
            assert re.search(rf"`[^`|]*\b{each.name}\b", README), f"{cls.__name__}.{each.name}"
