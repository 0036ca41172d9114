"""Every language-neutral case of `tests/vectors`, against both the fast and the precise codec."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from modrack import _decode, _encode
from modrack.codec import Codec, CodecError, SchemaError, parse_type

VECTORS = Path(__file__).resolve().parents[3] / "tests" / "vectors"
FILES = sorted(VECTORS.glob("*.json"))
CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in FILES
    for case in json.loads(file.read_text(encoding="utf-8"))
]


def identical(a: Any, b: Any) -> bool:
    """Equal as JSON, in the kinds of numbers too: 3 and 3.0 are one number, -0.0 and 0 are two."""
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
        return a is b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return a == b and (a != 0 or math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(identical(a[k], b[k]) for k in a)
    return type(a) is type(b) and a == b


def test_there_are_at_least_150_cases() -> None:
    assert len(CASES) >= 150


@pytest.mark.parametrize("case", CASES)
def test_vector(case: dict[str, Any]) -> None:
    if case.get("refuse_type"):
        with pytest.raises(SchemaError) as refusal:
            parse_type(case["type"])
        assert_refused(refusal.value, case)
        return
    ctype = parse_type(case["type"])
    assert str(ctype) == case.get("print", case["type"])
    assert parse_type(str(ctype)) == ctype
    codec = Codec(ctype)
    if "msgpack" in case:
        expected = bytes.fromhex(case["msgpack"])
        value = codec.from_json(case["json"])
        assert codec.encode(value).hex() == expected.hex()
        assert _encode.encode(ctype, value).hex() == expected.hex()
        for source in [case["msgpack"], *case.get("decodes_from", [])]:
            for decoded in (codec.decode(bytes.fromhex(source)), _decode.decode(ctype, bytes.fromhex(source))):
                assert identical(codec.to_json(decoded), case["json"])
                assert codec.encode(decoded).hex() == expected.hex()
        for other in case.get("json_from", []):
            assert codec.encode(codec.from_json(other)).hex() == expected.hex()
        assert identical(json.loads(codec.dumps(value)), case["json"])
        assert codec.encode(codec.loads(codec.dumps(value))).hex() == expected.hex()
    elif "json" in case:
        assert identical(codec.to_json(codec.from_json(case["json"])), case["json"])
    if "refuse_msgpack" in case:
        data = bytes.fromhex(case["refuse_msgpack"])
        for refuse in (codec.decode, lambda data: _decode.decode(ctype, data)):
            with pytest.raises(CodecError) as refusal:
                refuse(data)
            assert_refused(refusal.value, case)
    if "refuse_json" in case:
        with pytest.raises(CodecError) as refusal:
            codec.from_json(case["refuse_json"])
        assert_refused(refusal.value, case)


def assert_refused(error: CodecError | SchemaError, case: dict[str, Any]) -> None:
    assert error.code == case["code"], str(error)
    if "path" in case:
        assert error.path == case["path"]
