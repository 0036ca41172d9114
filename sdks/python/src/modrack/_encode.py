"""The precise encoder: native values to canonical MessagePack, with the code and path of a refusal. Not the fast one.

`_fast.py` encodes what is ordinary; whatever it does not expect comes here. Writes its bytes itself, so that the two
encoders check each other in the tests.
"""

# Values may be anything here; what their types are is the question that this file answers.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnnecessaryCast=false, reportAttributeAccessIssue=false

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from modrack._fit import MAX_CONTAINERS, SEVERAL, choose, fields_of
from modrack._path import key_step
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
)
from modrack.errors import CodecError

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
_NAN = b"\xcb\x7f\xf8\0\0\0\0\0\0"


def encode(ctype: CType, value: object) -> bytes:
    """Canonical bytes of a native value.

    # Errors
    `CodecError` with the first fault in the order of the declared type.
    """
    out = bytearray()
    _Encoder(out).write(ctype, value, "", 0)
    return bytes(out)


class _Encoder:
    def __init__(self, out: bytearray) -> None:
        self._out = out

    def write(self, ctype: CType, value: Any, path: str, depth: int) -> None:
        match ctype:
            case StringType() if isinstance(value, str):
                self._out += write_str(value, path)
            case IntType() if isinstance(value, int) and not isinstance(value, bool):
                self._out += write_int(value, path)
            case FloatType() if isinstance(value, float | int) and not isinstance(value, bool):
                self._out += _write_float(value, path)
            case BoolType() if isinstance(value, bool):
                self._out.append(0xC3 if value else 0xC2)
            case BytesType() if isinstance(value, bytes | bytearray | memoryview):
                self._out += _write_bytes(bytes(value))
            case AnyType():
                self._any(value, path, depth)
            case OptionType(item):
                if value is None:
                    self._out.append(0xC0)
                else:
                    self.write(item, value, path, depth)
            case ListType(item) if isinstance(value, list | tuple):
                depth = _deeper(depth, path)
                self._out += _header(len(value), 0x90, 0xDC)
                for i, x in enumerate(value):
                    self.write(item, x, f"{path}[{i}]", depth)
            case MapType(key, item) if isinstance(value, Mapping):
                self._map(key, item, value, path, depth)
            case RecordType():
                self._record(ctype, value, path, depth)
            case UnionType(variants):
                self._union(variants, value, path, depth)
            case _:
                raise mismatch(ctype, value, path)

    def _map(self, key: CType, item: CType, value: Mapping[Any, Any], path: str, depth: int) -> None:
        depth = _deeper(depth, path)
        self._out += _header(len(value), 0x80, 0xDE)
        encoded: dict[bytes, Any] = {}
        for k in value:
            head = bytearray()
            _Encoder(head).write(key, k, path, depth)
            if bytes(head) in encoded:
                raise CodecError("codec.duplicate_key", "a key occurs twice", path + key_step(k))
            encoded[bytes(head)] = k
        for head in sorted(encoded):
            self._out += head
            k = encoded[head]
            self.write(item, value[k], path + key_step(k), depth)

    def _record(self, ctype: RecordType, value: Any, path: str, depth: int) -> None:
        fields = fields_of(ctype, value)
        if fields is None:
            raise mismatch(ctype, value, path)
        depth = _deeper(depth, path)
        count = sum(fields.get(f.name) is not None or _is_given(f, fields) for f in ctype.fields)
        self._out += _header(count, 0x80, 0xDE)
        for f in sorted(ctype.fields, key=lambda f: f.name):
            step = f"{path}.{f.name}"
            if fields.get(f.name) is not None or _is_given(f, fields):
                self._out += write_str(f.name, step)
                self.write(f.type, fields[f.name], step, depth)
            elif not isinstance(f.type, OptionType):
                raise CodecError("codec.missing_field", f"field `{f.name}` is missing", step)

    def _union(self, variants: tuple[CType, ...], value: Any, path: str, depth: int) -> None:
        chosen = choose(variants, value)
        if chosen < 0:
            if isinstance(value, Variant):
                raise CodecError("codec.union_variant", f"there is no variant {value.index}", path)
            raise unfit(variants, value, chosen, path)
        depth = _deeper(depth, path)
        self._out.append(0x92)
        self._out += write_int(chosen, path)
        bare = value.value if isinstance(value, Variant) else value
        self.write(variants[chosen], bare, f"{path}|{chosen}", depth)

    def _any(self, value: Any, path: str, depth: int) -> None:
        if value is None:
            self._out.append(0xC0)
        elif isinstance(value, bool):
            self._out.append(0xC3 if value else 0xC2)
        elif isinstance(value, int):
            self._out += write_int(value, path)
        elif isinstance(value, float):
            self._out += _write_float(value, path)
        elif isinstance(value, str):
            self._out += write_str(value, path)
        elif isinstance(value, bytes | bytearray | memoryview):
            self._out += _write_bytes(bytes(value))
        elif isinstance(value, list | tuple):
            depth = _deeper(depth, path)
            self._out += _header(len(value), 0x90, 0xDC)
            for i, x in enumerate(value):
                self._any(x, f"{path}[{i}]", depth)
        elif isinstance(value, Mapping):
            self._map(_any_key(value, path), AnyType(), value, path, depth)
        else:
            raise mismatch(AnyType(), value, path)


def _is_given(f: Field, fields: Mapping[Any, Any]) -> bool:
    """Whether a field that is `None` is written: only where `None` is a value of its type, as for Any."""
    return f.name in fields and not isinstance(f.type, OptionType)


def mismatch(ctype: CType, value: object, path: str) -> CodecError:
    """The refusal of a value of another kind than declared."""
    found = "None" if value is None else f"a `{type(value).__name__}`"
    return CodecError("codec.type_mismatch", f"expected {ctype}, found {found}", path)


def unfit(variants: tuple[CType, ...], value: object, chosen: int, path: str) -> CodecError:
    """The refusal of a value that fits no variant, or several."""
    union = UnionType(variants)
    if chosen == SEVERAL:
        return CodecError("codec.ambiguous_union", f"several variants of {union} fit; use `Variant(i, value)`", path)
    return CodecError("codec.no_variant", f"no variant of {union} fits a `{type(value).__name__}`", path)


def write_int(value: int, path: str) -> bytes:
    """The shortest form of an integer."""
    value = int(value)
    if not INT_MIN <= value <= INT_MAX:
        raise CodecError("codec.int_range", "the integer is outside 64 bits", path)
    if value >= 0:
        for limit, form in ((0x80, ">B"), (0x100, ">BB"), (0x10000, ">BH"), (0x100000000, ">BI")):
            if value < limit:
                return struct.pack(form, *((value,) if form == ">B" else (_UINT[form], value)))
        return struct.pack(">BQ", 0xCF, value)
    if value >= -32:
        return struct.pack(">b", value)
    for limit, form in ((0x80, ">Bb"), (0x8000, ">Bh"), (0x80000000, ">Bi")):
        if value >= -limit:
            return struct.pack(form, _INT[form], value)
    return struct.pack(">Bq", 0xD3, value)


_UINT = {">BB": 0xCC, ">BH": 0xCD, ">BI": 0xCE}
_INT = {">Bb": 0xD0, ">Bh": 0xD1, ">Bi": 0xD2}


def write_str(value: str, path: str) -> bytes:
    """A str in its shortest length form."""
    try:
        data = value.encode()
    except UnicodeEncodeError as cause:
        raise CodecError("codec.utf8", "the text holds a lone surrogate", path) from cause
    size = len(data)
    if size < 32:
        return bytes([0xA0 | size]) + data
    return _sized(size, 0xD9) + data


def _write_bytes(value: bytes) -> bytes:
    return _sized(len(value), 0xC4) + value


def _sized(size: int, form8: int) -> bytes:
    if size < 0x100:
        return struct.pack(">BB", form8, size)
    if size < 0x10000:
        return struct.pack(">BH", form8 + 1, size)
    return struct.pack(">BI", form8 + 2, size)


def _header(size: int, fix: int, form16: int) -> bytes:
    if size < 16:
        return bytes([fix | size])
    if size < 0x10000:
        return struct.pack(">BH", form16, size)
    return struct.pack(">BI", form16 + 1, size)


def _write_float(value: float, path: str) -> bytes:
    if isinstance(value, int):
        if not is_exact(value):
            raise CodecError("codec.float_inexact", "the integer has no exact float", path)
        value = float(value)
    return _NAN if value != value else struct.pack(">Bd", 0xCB, value)


def is_exact(value: int) -> bool:
    """Whether a float holds this integer exactly."""
    try:
        return int(float(value)) == value
    except OverflowError:
        return False


def _any_key(value: Mapping[Any, Any], path: str) -> CType:
    """The key type that all keys must have: the kind of the first."""
    first = next(iter(value), "")
    if isinstance(first, bool):
        return BoolType()
    if isinstance(first, int):
        return IntType()
    if isinstance(first, str):
        return StringType()
    raise CodecError("codec.type_mismatch", f"a map key is str, int or bool, not `{type(first).__name__}`", path)


def _deeper(depth: int, path: str) -> int:
    if depth >= MAX_CONTAINERS:
        raise CodecError("codec.depth", f"more than {MAX_CONTAINERS} lists and maps inside each other", path)
    return depth + 1
