"""What becomes of payloads, what calls cost, and the patches that say so."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from modrack_dator import shaping
from modrack_dator.offers import Price, Redaction, RequestShape, ResponseShape
from modrack_dator.patches import MOST, difference

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b/c", "~", ""]), inner),
    max_leaves=12,
)


def applied(payload: Any, patch: list[dict[str, Any]]) -> Any:
    """RFC 6902, as far as `difference` writes it."""
    payload = copy.deepcopy(payload)
    for operation in patch:
        path = [each.replace("~1", "/").replace("~0", "~") for each in operation["path"].split("/")[1:]]
        if not path:
            payload = operation["value"]
            continue
        parent = payload
        for segment in path[:-1]:
            parent = parent[int(segment)] if isinstance(parent, list) else parent[segment]
        last: Any = int(path[-1]) if isinstance(parent, list) else path[-1]
        if operation["op"] == "remove":
            del parent[last]
        else:
            assert operation["op"] == "add" or last in parent or isinstance(parent, list)
            parent[last] = operation["value"]
    return payload


@given(JSON, JSON)
def test_a_patch_makes_the_one_of_the_other(before: Any, after: Any) -> None:
    # As text: `1 == 1.0 == True` in Python.
    made = applied(before, difference(before, after))
    assert json.dumps(made, sort_keys=True) == json.dumps(after, sort_keys=True)


@given(JSON)
def test_what_is_equal_needs_no_patch(payload: Any) -> None:
    assert difference(payload, copy.deepcopy(payload)) == []


def test_what_is_equal_in_python_and_not_in_json_is_patched() -> None:
    for before, after in [(1, True), (0, False), (1, 1.0)]:
        assert difference({"a": before}, {"a": after}) == [{"op": "replace", "path": "/a", "value": after}]


def test_a_patch_of_too_many_operations_replaces_the_whole() -> None:
    before, after = list(range(MOST + 1)), list(range(1, MOST + 2))
    assert difference(before, after) == [{"op": "replace", "path": "", "value": after}]


def test_a_request_keeps_the_selected_fields_takes_defaults_and_is_capped() -> None:
    shape = RequestShape(select=["text", "limit", "lang"], defaults={"lang": "en", "limit": 5}, at_most={"limit": 10})
    payload = {"text": "a", "limit": None, "trace": True}
    assert shaping.request(shape, payload) == {"text": "a", "limit": 5, "lang": "en"}
    assert payload == {"text": "a", "limit": None, "trace": True}
    assert shaping.request(shape, {"text": "a", "limit": 11.5}) == {"text": "a", "limit": 10, "lang": "en"}
    assert shaping.request(shape, "no record") == "no record"


def test_a_default_takes_no_place_of_a_value_that_only_looks_empty() -> None:
    shape = RequestShape(defaults={"limit": 5, "flag": True, "text": "x"})
    assert shaping.request(shape, {"limit": 0, "flag": False, "text": ""}) == {"limit": 0, "flag": False, "text": ""}


def test_an_answer_keeps_the_selected_fields_also_in_lists() -> None:
    shape = ResponseShape(select=["name"])
    assert shaping.response(shape, {"name": "a", "age": 1}) == {"name": "a"}
    assert shaping.response(shape, [{"name": "a", "age": 1}, {"age": 2}]) == [{"name": "a"}, {}]
    assert shaping.response(shape, 5) == 5


def test_redaction_hides_what_it_points_to_and_keeps_its_type() -> None:
    payload = {"people": [{"mail": "a@b", "age": 36, "score": 1.5, "ok": True, "tags": ["x"], "none": None}], "n": 1}
    hidden = shaping.response(ResponseShape(redact=[Redaction("/people/*")]), payload)
    assert hidden == {
        "people": [{"mail": "***", "age": 0, "score": 0.0, "ok": False, "tags": ["***"], "none": None}],
        "n": 1,
    }
    assert payload["people"][0]["mail"] == "a@b"


def test_redaction_by_a_pattern_hides_matches_in_all_texts_below() -> None:
    shape = ResponseShape(redact=[Redaction(pattern=r"\b[\w.]+@[\w.]+\b", mask=r"<\1>")])
    payload = {"to": "ada@x.org", "body": ["write to ada@x.org, or not"], "n": 5}
    assert shaping.response(shape, payload) == {"to": r"<\1>", "body": [r"write to <\1>, or not"], "n": 5}


def test_redaction_points_past_what_is_not_there() -> None:
    shape = ResponseShape(redact=[Redaction("/a/b/0")])
    assert shaping.response(shape, {"a": "text"}) == {"a": "text"}
    assert shaping.response(shape, {"a": {"b": ["x", "y"]}}) == {"a": {"b": ["***", "y"]}}


def test_units_are_characters_items_members_or_the_number_itself() -> None:
    def count(payload: Any) -> int:
        return shaping.units(Price("1", "EUR", "unit", "unit", "/x"), payload)

    for value, units in [("naïve", 5), ([1, 2], 2), ({"a": 1}, 1), (7, 7), (-7, 0), (True, 0), (None, 0)]:
        assert count({"x": value}) == units, value
    assert count({}) == 0
    assert shaping.units(Price("1", "EUR"), {"x": "abc"}) == 1
    assert (
        shaping.units(Price("1", "EUR", "unit", "word", "/rows/*/words"), {"rows": [{"words": 2}, {"words": 3}]}) == 5
    )


def test_totals_are_exact() -> None:
    assert shaping.total(Price("0.1", "EUR"), 3) == "0.3"
    assert shaping.total(Price("0.000000000000000001", "EUR"), 5) == "0.000000000000000005"
    assert shaping.total(Price("999999999999999999", "EUR"), 0) == "0"
