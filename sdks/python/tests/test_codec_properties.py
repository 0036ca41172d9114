"""Drawn types and values: both encoders agree, bytes and JSON lead back, the fast and the precise decoder agree on anything."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modrack import _decode, _encode
from modrack._types import (
    PRIMITIVES,
    CType,
    Field,
    ListType,
    MapType,
    OptionType,
    RecordType,
    UnionType,
    Variant,
)
from modrack.codec import Codec, CodecError, parse_type

RELAXED = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,5}", fullmatch=True)
KEYS = st.sampled_from([PRIMITIVES["String"], PRIMITIVES["Int"], PRIMITIVES["Bool"]])


def unions(inner: st.SearchStrategy[CType]) -> st.SearchStrategy[CType]:
    plain = inner.filter(lambda t: not isinstance(t, UnionType))
    return st.lists(plain, min_size=2, max_size=4, unique=True).map(lambda v: UnionType(tuple(v)))


def types() -> st.SearchStrategy[CType]:
    return st.recursive(
        st.sampled_from(list(PRIMITIVES.values())),
        lambda inner: st.one_of(
            inner.map(ListType),
            st.builds(MapType, KEYS, inner),
            inner.filter(lambda t: not isinstance(t, OptionType)).map(OptionType),
            st.lists(st.builds(Field, NAMES, inner), max_size=4, unique_by=lambda f: f.name).map(
                lambda f: RecordType(tuple(f))
            ),
            unions(inner),
        ),
        max_leaves=8,
    )


INTS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
FLOATS = st.floats()
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "String": TEXTS,
    "Int": INTS,
    "Float": FLOATS,
    "Bool": st.booleans(),
    "Bytes": st.binary(max_size=40),
    "Any": st.recursive(
        st.none() | st.booleans() | INTS | FLOATS | TEXTS | st.binary(max_size=10),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(TEXTS, x, max_size=3)
            | st.dictionaries(INTS, x, max_size=3)
            | st.dictionaries(st.booleans(), x, max_size=2)
        ),
        max_leaves=6,
    ),
}


def values(ctype: CType) -> st.SearchStrategy[Any]:
    match ctype:
        case ListType(item):
            return st.lists(values(item), max_size=4)
        case MapType(key, item):
            return st.dictionaries(SCALARS[str(key)], values(item), max_size=4)
        case RecordType(fields):
            return st.fixed_dictionaries({f.name: values(f.type) for f in fields})
        case UnionType(variants):
            return st.one_of(*(values(v).map(lambda x, i=i: Variant(i, x)) for i, v in enumerate(variants)))
        case OptionType(item):
            return st.none() | values(item)
        case _:
            return SCALARS[str(ctype)]


@st.composite
def typed(draw: st.DrawFn) -> tuple[CType, Any]:
    ctype = draw(types())
    return ctype, draw(values(ctype))


@RELAXED
@given(typed())
def test_bytes_are_canonical_and_lead_back(drawn: tuple[CType, Any]) -> None:
    ctype, value = drawn
    codec = Codec(ctype)
    data = codec.encode(value)
    assert data == _encode.encode(ctype, value)
    for back in (codec.decode(data), _decode.decode(ctype, data)):
        assert codec.encode(back) == data
    assert codec.encode(codec.loads(codec.dumps(codec.decode(data)))) == data
    assert parse_type(str(ctype)) == ctype


@RELAXED
@given(typed(), st.data())
def test_the_fast_and_the_precise_decoder_agree_on_damaged_bytes(drawn: tuple[CType, Any], data: st.DataObject) -> None:
    ctype, value = drawn
    codec = Codec(ctype)
    damaged = bytearray(codec.encode(value))
    at = data.draw(st.integers(0, len(damaged)))
    match data.draw(st.sampled_from(["cut", "flip", "insert"])):
        case "cut":
            del damaged[at:]
        case "flip" if at < len(damaged):
            damaged[at] = data.draw(st.integers(0, 255))
        case _:
            damaged[at:at] = data.draw(st.binary(min_size=1, max_size=3))
    assert outcome(lambda: codec.decode(bytes(damaged)), codec) == outcome(
        lambda: _decode.decode(ctype, bytes(damaged)), codec
    )


@RELAXED
@given(types(), st.binary(max_size=60))
def test_any_bytes_end_in_a_value_or_a_coded_refusal(ctype: CType, data: bytes) -> None:
    codec = Codec(ctype)
    assert outcome(lambda: codec.decode(data), codec) == outcome(lambda: _decode.decode(ctype, data), codec)


def outcome(decode: Any, codec: Codec) -> Any:
    try:
        value = decode()
    except CodecError as error:
        return error.code, error.path
    return codec.encode(value)


def test_a_declared_length_beyond_the_input_is_refused_before_anything_is_allocated() -> None:
    for head in (b"\xdd", b"\xdf", b"\xdb", b"\xc6"):
        with pytest.raises(CodecError) as refusal:
            Codec(parse_type("Any")).decode(head + struct.pack(">I", 0xFFFFFFFF))
        assert refusal.value.code == "codec.truncated"
