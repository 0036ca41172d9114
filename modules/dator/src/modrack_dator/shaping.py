"""Shapes requests and answers, and says what a request costs. Pure; the payload that comes in stays as it is."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, cast

from modrack_dator.offers import Price, Redaction, RequestShape, ResponseShape
from modrack_dator.pointers import find, parse, replaced


def units(price: Price, payload: Any) -> int:
    """How many units a request has: 1 where the price is per call.

    >>> units(Price("0.001", "EUR", "unit", "character", "/text"), {"text": "naïve"})
    5
    """
    if price.per == "call":
        return 1
    return sum(_count(each) for each in find(payload, parse(price.unit_field or "")))


def total(price: Price, count: int) -> str:
    """What so many units cost, as a decimal number without exponent.

    >>> total(Price("0.001", "EUR"), 1500)
    '1.500'
    """
    return format(price.decimal * Decimal(count), "f")


def request(shape: RequestShape, payload: Any) -> Any:
    """The request in its shape. One that is no record stays as it is.

    >>> shape = RequestShape(select=["text", "limit"], defaults={"limit": 5}, at_most={"limit": 10})
    >>> request(shape, {"text": "a", "debug": True}), request(shape, {"text": "a", "limit": 99})
    ({'text': 'a', 'limit': 5}, {'text': 'a', 'limit': 10})
    """
    if not isinstance(payload, dict):
        return payload
    shaped = _selected(shape.select, cast("dict[str, Any]", payload))
    for name, value in shape.defaults.items():
        if shaped.get(name) is None:
            shaped[name] = value
    for name, most in shape.at_most.items():
        value = shaped.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value > most:
            shaped[name] = most
    return shaped


def response(shape: ResponseShape, payload: Any) -> Any:
    """The answer in its shape.

    >>> shape = ResponseShape(["name"], [Redaction("/*/name", "[0-9]+", "#")])
    >>> response(shape, [{"name": "Ada 1815", "note": None}])
    [{'name': 'Ada #'}]
    """
    if shape.select is not None:
        payload = _each_selected(shape.select, payload)
    for redaction in shape.redact:
        payload = replaced(payload, redaction.segments, lambda found, hide=redaction: _hidden(hide, found))
    return payload


def _selected(select: list[str] | None, record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if select is None or name in select}


def _each_selected(select: list[str], payload: Any) -> Any:
    if isinstance(payload, list):
        return [_each_selected(select, each) for each in cast("list[Any]", payload)]
    return _selected(select, cast("dict[str, Any]", payload)) if isinstance(payload, dict) else payload


def _hidden(redaction: Redaction, value: Any) -> Any:
    """The value with another content and the same type, so that the answer keeps its own."""
    if isinstance(value, dict):
        return {name: _hidden(redaction, each) for name, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_hidden(redaction, each) for each in cast("list[Any]", value)]
    expression = redaction.expression
    if expression is not None:
        return _masked(expression, redaction.mask, value) if isinstance(value, str) else value
    if isinstance(value, str):
        return redaction.mask
    return type(value)() if isinstance(value, (bool, int, float)) else value


def _masked(expression: re.Pattern[str], mask: str, text: str) -> str:
    # A function, because a text would have its backslashes read.
    return expression.sub(lambda _: mask, text)


def _count(value: Any) -> int:
    if isinstance(value, (str, list, dict)):
        return len(cast("str | list[Any] | dict[str, Any]", value))
    if isinstance(value, int) and not isinstance(value, bool):
        return max(value, 0)
    return 0
