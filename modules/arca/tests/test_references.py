"""References: what they mean, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modrack_arca.references import Json, Malformed, Unresolved, parse, references, resolve

INPUT: Json = {"text": "to be", "list": [{"a": 1}, 2], "none": None}
PHASES: dict[str, Json] = {"count": {"words": 2}}

texts = st.text(max_size=8)
values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def quoted(value: Json) -> Json:
    """The template that means a value."""
    match value:
        case str():
            return f"${value}" if value.startswith("$") else value
        case list():
            return [quoted(one) for one in value]
        case dict():
            return {name: quoted(one) for name, one in value.items()}
        case _:
            return value


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("$input", INPUT),
        ("$input.text", "to be"),
        ("$input.list.0.a", 1),
        ("$input.none", None),
        ("$input.missing?", None),
        ("$input.list.2?", None),
        ("$input.list.99999999999999999999?", None),
        ("$input.text.0?", None),
        ("$phases.count", {"words": 2}),
        ("$phases.count.words", 2),
        ("$phases.none.words?", None),
        ("$$input", "$input"),
        ({"n": ["$phases.count.words", 1.5, "plain"]}, {"n": [2, 1.5, "plain"]}),
    ],
)
def test_a_reference_means_a_part_of_what_is_there(template: Json, value: Json) -> None:
    assert resolve(parse(template, ""), INPUT, PHASES) == value


@pytest.mark.parametrize(
    "template", ["$input.missing", "$input.list.2", "$input.list.-1", "$input.text.0", "$phases.none"]
)
def test_a_part_that_is_missing_is_named(template: str) -> None:
    with pytest.raises(Unresolved, match="is not there") as caught:
        resolve(parse(template, ""), INPUT, PHASES)
    assert str(caught.value.reference) == template


@pytest.mark.parametrize(
    "text", ["$", "$inputs", "$input.", "$input..a", "$phases", "$phases.", "$ input", "$input.a??", "$input/a"]
)
def test_a_text_that_begins_like_a_reference_is_one_or_refused(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse({"a/b": [text]}, "/output")
    assert caught.value.pointer == "/output/a~1b/0"


def test_a_template_has_a_bound_on_its_depth() -> None:
    value: Json = None
    for _ in range(40):
        value = [value]
    with pytest.raises(Malformed, match="deeper than 32"):
        parse(value, "")


@given(values)
def test_every_value_can_be_written_as_a_template(value: Json) -> None:
    template = parse(quoted(value), "")
    assert resolve(template, INPUT, PHASES) == value
    assert list(references(template, "")) == []


@given(values)
def test_a_template_is_refused_or_resolves_or_says_what_is_missing(value: Json) -> None:
    try:
        resolve(parse(value, ""), INPUT, PHASES)
    except (Malformed, Unresolved) as error:
        assert str(error) != ""
