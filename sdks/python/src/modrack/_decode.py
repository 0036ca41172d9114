"""The precise decoder: MessagePack to native values, with the code and path of a refusal. Not the fast one.

`_fast.py` decodes what is ordinary; whatever is not surely fine comes here. Reads byte by byte, allocates nothing from a
length that it has not checked against what is left, and reports the first fault in reading order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from modrack._encode import INT_MAX, INT_MIN, is_exact
from modrack._fit import MAX_CONTAINERS, choose
from modrack._path import found_field, key_step
from modrack._types import (
    AnyType,
    BoolType,
    BytesType,
    CType,
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

_INTS = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
_FLOATS = {0xCA: ">f", 0xCB: ">d"}
_LENGTHS = {0: ">B", 1: ">H", 2: ">I"}
_EXTENSIONS = frozenset((0xC1, 0xC7, 0xC8, 0xC9, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8))


def decode(ctype: CType, data: bytes) -> Any:
    """The native value of the bytes.

    # Errors
    `CodecError` with the first fault in reading order.
    """
    decoder = _Decoder(data)
    value = decoder.read(ctype, "", 0)
    if decoder.left:
        raise CodecError("codec.trailing_bytes", f"{decoder.left} bytes follow the value")
    return value


def finish_record(ctype: RecordType, found: dict[str, Any]) -> Any:
    """The author's object from the fields that were present and not `None`; absent options are filled in."""
    native = ctype.native
    omit: frozenset[str] = native.omit if native else frozenset()
    values = {f.name: found.get(f.name) for f in ctype.fields if f.name in found or f.name not in omit}
    return native.make(values) if native else values


def finish_union(variants: tuple[CType, ...], index: int, value: Any) -> Any:
    """The bare value where the encoder's rule would find the variant again, else a `Variant`.

    Always a `Variant` for `None`, which an option around the union would take for its own, and for a `Variant` of an
    inner union, which this one would.
    """
    tells = value is not None and not isinstance(value, Variant) and choose(variants, value) == index
    return value if tells else Variant(index, value)


class _Decoder:
    def __init__(self, data: bytes) -> None:
        self._data = bytes(data)
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def read(self, ctype: CType, path: str, depth: int) -> Any:
        marker = self._marker(path)
        match ctype:
            case StringType() if _is_str(marker):
                return self._str(marker, path)
            case IntType() if _is_int(marker):
                return self._int(marker, path)
            case FloatType() if marker in _FLOATS:
                return self._scalar(_FLOATS[marker], path)
            case FloatType() if _is_int(marker):
                return self._int_as_float(marker, path)
            case BoolType() if marker in (0xC2, 0xC3):
                return marker == 0xC3
            case BytesType() if 0xC4 <= marker <= 0xC6:
                return self._take(self._length(marker - 0xC4, path), path)
            case AnyType():
                return self._any(marker, path, depth)
            case OptionType(item):
                if marker == 0xC0:
                    return None
                self._at -= 1
                return self.read(item, path, depth)
            case ListType(item) if _is_array(marker):
                count, depth = self._array(marker, path, depth)
                return [self.read(item, f"{path}[{i}]", depth) for i in range(count)]
            case MapType(key, item) if _is_map(marker):
                count, depth = self._map(marker, path, depth)
                found: dict[Any, Any] = {}
                for k in self._keys(key, count, path, depth, found):
                    found[k] = self.read(item, path + key_step(k), depth)
                return found
            case RecordType() if _is_map(marker):
                return self._record(ctype, marker, path, depth)
            case UnionType(variants) if marker not in _EXTENSIONS:
                return self._union(variants, marker, path, depth)
            case _:
                raise _unexpected(ctype, marker, path)

    def _record(self, ctype: RecordType, marker: int, path: str, depth: int) -> Any:
        count, depth = self._map(marker, path, depth)
        declared = {f.name: f.type for f in ctype.fields}
        seen: set[str] = set()
        found: dict[str, Any] = {}
        for _ in range(count):
            head = self._marker(path)
            if not _is_str(head):
                raise _unexpected(StringType(), head, path)
            name = self._str(head, path)
            step = path + found_field(name)
            if name in seen:
                raise CodecError("codec.duplicate_key", f"field `{name}` occurs twice", step)
            seen.add(name)
            if name in declared:
                found[name] = self.read(declared[name], step, depth)
            else:
                self.read(AnyType(), step, depth)
        # In byte order of the names, so that every language reports the same field.
        for f in sorted(ctype.fields, key=lambda f: f.name):
            if f.name in seen:
                if found[f.name] is None and isinstance(f.type, OptionType):
                    del found[f.name]
            elif not isinstance(f.type, OptionType):
                raise CodecError("codec.missing_field", f"field `{f.name}` is missing", f"{path}.{f.name}")
        return finish_record(ctype, found)

    def _union(self, variants: tuple[CType, ...], marker: int, path: str, depth: int) -> Any:
        if not _is_array(marker):
            raise CodecError("codec.union_variant", "a union is an array of a position and a value", path)
        count, depth = self._array(marker, path, depth)
        if count != 2:
            raise CodecError("codec.union_variant", f"a union is an array of two, not of {count}", path)
        head = self._marker(path)
        if head in _EXTENSIONS:
            raise _unexpected(IntType(), head, path)
        if not _is_int(head):
            raise CodecError("codec.union_variant", "the position of a variant is an integer", path)
        index = self._wide_int(head, path)
        if not 0 <= index < len(variants):
            raise CodecError("codec.union_variant", f"there is no variant {index}", path)
        return finish_union(variants, index, self.read(variants[index], f"{path}|{index}", depth))

    def _any(self, marker: int, path: str, depth: int) -> Any:
        if marker == 0xC0:
            return None
        if marker in (0xC2, 0xC3):
            return marker == 0xC3
        if _is_int(marker):
            return self._int(marker, path)
        if marker in _FLOATS:
            return self._scalar(_FLOATS[marker], path)
        if _is_str(marker):
            return self._str(marker, path)
        if 0xC4 <= marker <= 0xC6:
            return self._take(self._length(marker - 0xC4, path), path)
        if _is_array(marker):
            count, depth = self._array(marker, path, depth)
            return [self._any(self._marker(f"{path}[{i}]"), f"{path}[{i}]", depth) for i in range(count)]
        if _is_map(marker):
            count, depth = self._map(marker, path, depth)
            found: dict[Any, Any] = {}
            for k in self._keys(None, count, path, depth, found):
                step = path + key_step(k)
                found[k] = self._any(self._marker(step), step, depth)
            return found
        raise _unexpected(AnyType(), marker, path)

    def _keys(self, key: CType | None, count: int, path: str, depth: int, found: dict[Any, Any]) -> Iterator[Any]:
        """The keys of a map, one at a time; without a declared type, all have the kind of the first."""
        kind = key
        for _ in range(count):
            own = key
            if own is None:
                own = _key_type(self._marker(path), path)
                self._at -= 1
            k = self.read(own, path, depth)
            kind = kind or own
            # A key of another kind is read before it is refused: what is wrong in the key itself comes first.
            if own != kind:
                raise CodecError("codec.type_mismatch", f"the keys of a map are of one kind, here {kind}", path)
            if k in found:
                raise CodecError("codec.duplicate_key", "a key occurs twice", path + key_step(k))
            yield k

    def _array(self, marker: int, path: str, depth: int) -> tuple[int, int]:
        count = marker & 0x0F if marker < 0xA0 else self._length(marker - 0xDC + 1, path)
        return self._open(count, count, path, depth)

    def _map(self, marker: int, path: str, depth: int) -> tuple[int, int]:
        count = marker & 0x0F if marker < 0x90 else self._length(marker - 0xDE + 1, path)
        return self._open(count, 2 * count, path, depth)

    def _open(self, count: int, least: int, path: str, depth: int) -> tuple[int, int]:
        if least > self.left:
            raise _truncated(path)
        if depth >= MAX_CONTAINERS:
            raise CodecError("codec.depth", f"more than {MAX_CONTAINERS} arrays and maps inside each other", path)
        return count, depth + 1

    def _str(self, marker: int, path: str) -> str:
        size = marker & 0x1F if marker < 0xC0 else self._length(marker - 0xD9, path)
        try:
            return self._take(size, path).decode()
        except UnicodeDecodeError as cause:
            raise CodecError("codec.utf8", "the text is not valid UTF-8", path) from cause

    def _int(self, marker: int, path: str) -> int:
        value = self._wide_int(marker, path)
        if not INT_MIN <= value <= INT_MAX:
            raise CodecError("codec.int_range", "the integer is outside 64 bits", path)
        return value

    def _int_as_float(self, marker: int, path: str) -> float:
        value = self._int(marker, path)
        if not is_exact(value):
            raise CodecError("codec.float_inexact", "the integer has no exact float", path)
        return float(value)

    def _wide_int(self, marker: int, path: str) -> int:
        if marker < 0x80:
            return marker
        if marker >= 0xE0:
            return marker - 0x100
        return self._scalar(_INTS[marker], path)

    def _length(self, width: int, path: str) -> int:
        return self._scalar(_LENGTHS[width], path)

    def _scalar(self, form: str, path: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form), path))[0]

    def _marker(self, path: str) -> int:
        return self._take(1, path)[0]

    def _take(self, size: int, path: str) -> bytes:
        if size > self.left:
            raise _truncated(path)
        self._at += size
        return self._data[self._at - size : self._at]


def _is_str(marker: int) -> bool:
    return 0xA0 <= marker <= 0xBF or 0xD9 <= marker <= 0xDB


def _is_int(marker: int) -> bool:
    return marker < 0x80 or marker >= 0xE0 or 0xCC <= marker <= 0xD3


def _is_array(marker: int) -> bool:
    return 0x90 <= marker <= 0x9F or marker in (0xDC, 0xDD)


def _is_map(marker: int) -> bool:
    return 0x80 <= marker <= 0x8F or marker in (0xDE, 0xDF)


def _key_type(marker: int, path: str) -> CType:
    if _is_str(marker):
        return StringType()
    if _is_int(marker):
        return IntType()
    if marker in (0xC2, 0xC3):
        return BoolType()
    if marker in _EXTENSIONS:
        raise _unexpected(AnyType(), marker, path)
    raise CodecError("codec.type_mismatch", "a map key is str, int or bool", path)


def _unexpected(ctype: CType, marker: int, path: str) -> CodecError:
    if marker in _EXTENSIONS:
        return CodecError("codec.unsupported", f"byte {marker:02x} has no meaning here", path)
    return CodecError("codec.type_mismatch", f"expected {ctype}, found {_kind(marker)}", path)


def _kind(marker: int) -> str:
    if _is_int(marker):
        return "an integer"
    if _is_str(marker):
        return "a str"
    if _is_array(marker):
        return "an array"
    if _is_map(marker):
        return "a map"
    if 0xC4 <= marker <= 0xC6:
        return "a bin"
    return {0xC0: "nil", 0xC2: "a bool", 0xC3: "a bool"}.get(marker, "a float")


def _truncated(path: str) -> CodecError:
    return CodecError("codec.truncated", "the input ends too early", path)
