"""Types, bytes and JSON of module values: derive a type, encode, decode. Opens no connection and needs no host.

>>> from modrack.codec import Codec, parse_type
>>> codec = Codec(parse_type("{text: String, count: Option<Int>}"))
>>> codec.encode({"text": "a"}).hex()
'81a474657874a161'
>>> codec.decode(codec.encode({"count": 3, "text": "a"}))
{'text': 'a', 'count': 3}
>>> codec.dumps({"text": "a"})
'{"text":"a"}'
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from modrack import _decode, _encode, _fast, _json
from modrack._annotations import type_of
from modrack._types import (
    AnyType,
    BoolType,
    BytesType,
    CType,
    Field,
    FloatType,
    IntType,
    ListType,
    MapType,
    OptionType,
    RecordType,
    StringType,
    UnionType,
    Variant,
    check_type,
    fingerprint,
    parse_type,
)
from modrack.errors import CodecError, SchemaError

__all__ = [
    "AnyType",
    "BoolType",
    "BytesType",
    "CType",
    "Codec",
    "CodecError",
    "Field",
    "FloatType",
    "IntType",
    "ListType",
    "MapType",
    "OptionType",
    "RecordType",
    "SchemaError",
    "StringType",
    "UnionType",
    "Variant",
    "check_type",
    "fingerprint",
    "parse_type",
    "type_of",
]


class Codec:
    """Encodes and decodes values of one type. Made once per type: the type is compiled to closures.

    Every method raises `CodecError` with a code of `docs/codec.md` and the path to the fault. A class that a decoded record
    builds may raise what it likes; that passes through.
    """

    __slots__ = ("decode", "encode", "type")

    encode: Callable[[Any], bytes]
    """Canonical MessagePack of a native value; equal values have equal bytes in every language."""

    decode: Callable[[bytes], Any]
    """The native value of MessagePack bytes, canonical or not."""

    def __init__(self, ctype: CType) -> None:
        self.type = check_type(ctype)
        self.encode = _fast.packer(ctype, lambda value: _encode.encode(ctype, value))
        self.decode = _fast.unpacker(ctype, lambda data: _decode.decode(ctype, data))

    def to_json(self, value: Any) -> Any:
        """The JSON form of a native value, as `json.dumps` takes it."""
        return _json.write(self.type, value)

    def from_json(self, value: Any) -> Any:
        """The native value of parsed JSON."""
        return _json.read(self.type, value)

    def dumps(self, value: Any) -> str:
        """The JSON text of a native value, without white space."""
        return json.dumps(self.to_json(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    def loads(self, text: str | bytes) -> Any:
        """The native value of a JSON text; also refuses an object with a member that occurs twice."""
        return self.from_json(_json.parse(text))
