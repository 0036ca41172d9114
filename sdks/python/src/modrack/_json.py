"""The JSON form of values, directed by the type. Works on parsed JSON and on text; knows no MessagePack."""

# Values may be anything here; what their types are is the question that this file answers.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnnecessaryCast=false, reportAttributeAccessIssue=false

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from modrack._decode import finish_record, finish_union
from modrack._encode import INT_MAX, INT_MIN, encode, is_exact, mismatch, unfit
from modrack._fit import MAX_CONTAINERS, SEVERAL, choose, fields_of
from modrack._path import key_step
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

SAFE_INT = 2**53 - 1
_DECIMAL = re.compile(r"-?[1-9][0-9]*|0", re.ASCII)
_NAMED_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_MAX_DIGITS = 4000  # below the limit at which Python refuses to convert


class _Repeated(dict[str, Any]):
    """A JSON object in which `member` occurs twice; kept so that the refusal can name the path."""

    member: str = ""


def parse(text: str | bytes) -> Any:
    """Parsed JSON of a text.

    # Errors
    `CodecError` with `codec.json_syntax` or `codec.depth`.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except RecursionError as cause:
        raise CodecError("codec.depth", "the JSON text is nested too deep") from cause
    except ValueError as cause:
        raise CodecError("codec.json_syntax", f"no JSON text: {cause}") from cause


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated = _Repeated(found)
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            repeated.member = name
            break
        seen.add(name)
    return repeated


def _no_constant(name: str) -> Any:
    raise ValueError(f"`{name}` is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is beyond the range of float64")
    return value


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _MAX_DIGITS else _finite(text)


def read(ctype: CType, value: Any, path: str = "", depth: int = 0) -> Any:
    """The native value of parsed JSON.

    # Errors
    `CodecError`; the same rule decides what fits a variant.
    """
    match ctype:
        case StringType() if isinstance(value, str):
            return _text(value, path)
        case IntType():
            return _read_int(value, path)
        case FloatType():
            return _read_float(value, path)
        case BoolType() if isinstance(value, bool):
            return value
        case BytesType() if isinstance(value, str):
            return _read_bytes(value, path)
        case AnyType():
            return _read_any(value, path, depth)
        case OptionType(item):
            return None if value is None else read(item, value, path, depth)
        case ListType(item) if isinstance(value, list):
            depth = _deeper(depth, path)
            return [read(item, x, f"{path}[{i}]", depth) for i, x in enumerate(cast(list[Any], value))]
        case MapType(StringType(), item) if isinstance(value, dict):
            members = _members(cast(dict[str, Any], value), path, key_step)
            depth = _deeper(depth, path)
            return {_text(k, path): read(item, x, path + key_step(k), depth) for k, x in members.items()}
        case MapType(IntType() | BoolType() as key, item) if isinstance(value, list):
            return _read_pairs(key, item, cast(list[Any], value), path, depth)
        case RecordType() if isinstance(value, dict):
            return _read_record(ctype, cast(dict[str, Any], value), path, depth)
        case UnionType(variants):
            return _read_union(variants, value, path, depth)
        case _:
            raise mismatch(ctype, value, path)


def _read_record(ctype: RecordType, value: dict[str, Any], path: str, depth: int) -> Any:
    members = _members(value, path, lambda k: f".{k}")
    depth = _deeper(depth, path)
    found: dict[str, Any] = {}
    for f in ctype.fields:
        step = f"{path}.{f.name}"
        if f.name in members:
            inner = read(f.type, members[f.name], step, depth)
            if inner is not None or not isinstance(f.type, OptionType):
                found[f.name] = inner
        elif not isinstance(f.type, OptionType):
            raise CodecError("codec.missing_field", f"field `{f.name}` is missing", step)
    return finish_record(ctype, found)


def _read_union(variants: tuple[CType, ...], value: Any, path: str, depth: int) -> Any:
    depth = _deeper(depth, path)
    if _is_marked(value):
        _members(value, path, key_step)
        if value.keys() != {"$variant", "value"}:
            raise CodecError("codec.union_variant", "a mark has the members `$variant` and `value`", path)
        index = value["$variant"]
        if isinstance(index, bool) or not isinstance(index, int | float) or index not in range(len(variants)):
            raise CodecError("codec.union_variant", f"there is no variant {index!r}", path)
        index = int(index)
        return finish_union(variants, index, read(variants[index], value["value"], f"{path}|{index}", depth))
    fits = _fitting(variants, value, path, depth)
    if len(fits) != 1:
        raise unfit(variants, value, SEVERAL if fits else -1, path)
    ((index, inner),) = fits.items()
    return finish_union(variants, index, inner)


def _fitting(variants: tuple[CType, ...], value: Any, path: str, depth: int) -> dict[int, Any]:
    fits: dict[int, Any] = {}
    for i, variant in enumerate(variants):
        try:
            fits[i] = read(variant, value, f"{path}|{i}", depth)
        except CodecError:
            continue
    return fits


def _is_marked(value: Any) -> bool:
    return isinstance(value, dict) and "$variant" in value


def _read_int(value: Any, path: str) -> int:
    if isinstance(value, bool):
        raise mismatch(IntType(), value, path)
    if isinstance(value, float) and value.is_integer():
        if abs(value) > SAFE_INT:
            # Beyond that a double does not say which integer was meant.
            raise CodecError("codec.int_range", "the number is beyond what a float64 tells exactly", path)
        value = int(value)
    if isinstance(value, int):
        return _in_range(value, path)
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        number = int(value) if len(value) <= 20 else INT_MAX + 1
        if abs(number) > SAFE_INT:
            return _in_range(number, path)
    raise mismatch(IntType(), value, path)


def _in_range(value: int, path: str) -> int:
    if INT_MIN <= value <= INT_MAX:
        return value
    raise CodecError("codec.int_range", "the integer is outside 64 bits", path)


def _read_float(value: Any, path: str) -> float:
    if isinstance(value, str) and value in _NAMED_FLOATS:
        return _NAMED_FLOATS[value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise mismatch(FloatType(), value, path)
    try:
        return float(value)
    except OverflowError as cause:
        raise CodecError("codec.float_inexact", "the integer has no float", path) from cause


def _read_bytes(value: str, path: str) -> bytes:
    try:
        data = base64.b64decode(value.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as cause:
        raise CodecError("codec.base64", "no base64 text", path) from cause
    # Python reads padding and unused bits generously; what is read must be what would be written.
    if base64.b64encode(data).decode() != value:
        raise CodecError("codec.base64", "no canonical base64 text", path)
    return data


def _read_pairs(key: CType, item: CType, value: list[Any], path: str, depth: int) -> Any:
    depth = _deeper(depth, path)
    found: dict[Any, Any] = {}
    for i, pair in enumerate(value):
        if not isinstance(pair, list) or len(cast(list[Any], pair)) != 2:
            raise CodecError("codec.type_mismatch", "expected a pair of key and value", f"{path}[{i}]")
        k, x = cast(list[Any], pair)
        k = read(key, k, path, depth)
        if k in found:
            raise CodecError("codec.duplicate_key", "a key occurs twice", path + key_step(k))
        found[k] = read(item, x, path + key_step(k), depth)
    return found


def _read_any(value: Any, path: str, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, int | float):
        if isinstance(value, float) and not value.is_integer():
            return value
        return int(value) if abs(value) <= SAFE_INT else _read_float(value, path)
    if isinstance(value, list):
        depth = _deeper(depth, path)
        return [_read_any(x, f"{path}[{i}]", depth) for i, x in enumerate(cast(list[Any], value))]
    members = _members(cast(dict[str, Any], value), path, key_step)
    if any(k.startswith("$") for k in members):
        return _read_mark(members, path, depth)
    depth = _deeper(depth, path)
    return {_text(k, path): _read_any(x, path + key_step(k), depth) for k, x in members.items()}


def _read_mark(members: dict[str, Any], path: str, depth: int) -> Any:
    """A value that plain JSON would not tell from another."""
    if len(members) == 1:
        ((mark, inner),) = members.items()
        match mark:
            case "$int":
                return _read_int(inner, path)
            case "$float":
                return _read_float(inner, path)
            case "$bytes":
                return read(BytesType(), inner, path, depth)
            case "$map" if isinstance(inner, list):
                return _read_any_map(cast(list[Any], inner), path, depth)
            case _:
                pass
    raise CodecError("codec.type_mismatch", "an object with a member that begins with `$` is no mark", path)


def _read_any_map(pairs: list[Any], path: str, depth: int) -> dict[Any, Any]:
    depth = _deeper(depth, path)
    found: dict[Any, Any] = {}
    kind: type | None = None
    for i, pair in enumerate(pairs):
        step = f"{path}[{i}]"
        if not isinstance(pair, list) or len(cast(list[Any], pair)) != 2:
            raise CodecError("codec.type_mismatch", "expected a pair of key and value", step)
        k = _read_any(pair[0], step, depth)
        if type(k) not in (str, int, bool):
            raise CodecError("codec.type_mismatch", "a map key is str, int or bool", step)
        if kind not in (None, type(k)):
            raise CodecError("codec.type_mismatch", "the keys of a map are all of one kind", path)
        kind = type(k)
        if k in found:
            raise CodecError("codec.duplicate_key", "a key occurs twice", path + key_step(k))
        found[k] = _read_any(pair[1], path + key_step(k), depth)
    return found


def write(ctype: CType, value: Any, path: str = "", depth: int = 0) -> Any:
    """JSON, ready for `json.dumps(…, allow_nan=False)`, of a native value.

    # Errors
    `CodecError`, as for the bytes.
    """
    match ctype:
        case StringType() if isinstance(value, str):
            return _text(value, path)
        case IntType() if isinstance(value, int) and not isinstance(value, bool):
            value = _in_range(int(value), path)
            return value if abs(value) <= SAFE_INT else str(value)
        case FloatType() if isinstance(value, float | int) and not isinstance(value, bool):
            if isinstance(value, int) and not is_exact(value):
                raise CodecError("codec.float_inexact", "the integer has no exact float", path)
            return _write_float(float(value))
        case BoolType() if isinstance(value, bool):
            return value
        case BytesType() if isinstance(value, bytes | bytearray | memoryview):
            return base64.b64encode(value).decode()
        case AnyType():
            return _write_any(value, path, depth)
        case OptionType(item):
            return None if value is None else write(item, value, path, depth)
        case ListType(item) if isinstance(value, list | tuple):
            depth = _deeper(depth, path)
            return [write(item, x, f"{path}[{i}]", depth) for i, x in enumerate(cast(list[Any], value))]
        case MapType(key, item) if isinstance(value, Mapping):
            return _write_map(key, item, cast(Mapping[Any, Any], value), path, depth)
        case RecordType():
            return _write_record(ctype, value, path, depth)
        case UnionType(variants):
            return _write_union(variants, value, path, depth)
        case _:
            raise mismatch(ctype, value, path)


def _write_map(key: CType, item: CType, value: Mapping[Any, Any], path: str, depth: int) -> Any:
    depth = _deeper(depth, path)
    keys = sorted(value, key=lambda k: encode(key, k))
    if isinstance(key, StringType):
        return {_text(k, path): write(item, value[k], path + key_step(k), depth) for k in keys}
    return [[write(key, k, path, depth), write(item, value[k], path + key_step(k), depth)] for k in keys]


def _write_record(ctype: RecordType, value: Any, path: str, depth: int) -> Any:
    fields = fields_of(ctype, value)
    if fields is None:
        raise mismatch(ctype, value, path)
    depth = _deeper(depth, path)
    out: dict[str, Any] = {}
    for f in ctype.fields:
        if isinstance(f.type, OptionType):
            if fields.get(f.name) is not None:
                out[f.name] = write(f.type, fields[f.name], f"{path}.{f.name}", depth)
        elif f.name in fields:
            out[f.name] = write(f.type, fields[f.name], f"{path}.{f.name}", depth)
        else:
            raise CodecError("codec.missing_field", f"field `{f.name}` is missing", f"{path}.{f.name}")
    return out


def _write_union(variants: tuple[CType, ...], value: Any, path: str, depth: int) -> Any:
    index = choose(variants, value)
    if index < 0:
        if isinstance(value, Variant):
            raise CodecError("codec.union_variant", f"there is no variant {value.index}", path)
        raise unfit(variants, value, index, path)
    depth = _deeper(depth, path)
    bare = value.value if isinstance(value, Variant) else value
    inner = write(variants[index], bare, f"{path}|{index}", depth)
    # A null would be taken by an option around the union, an object with a member `$variant` for the mark.
    if inner is not None and not _is_marked(inner) and len(_fitting(variants, inner, path, depth)) == 1:
        return inner
    return {"$variant": index, "value": inner}


def _write_float(value: float) -> float | str:
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _write_any(value: Any, path: str, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, int):
        value = _in_range(int(value), path)
        return value if abs(value) <= SAFE_INT else {"$int": str(value)}
    if isinstance(value, float):
        plain = math.isfinite(value) and not (value.is_integer() and abs(value) <= SAFE_INT)
        return value if plain else {"$float": _write_float(value)}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"$bytes": base64.b64encode(value).decode()}
    depth = _deeper(depth, path)
    if isinstance(value, list | tuple):
        return [_write_any(x, f"{path}[{i}]", depth) for i, x in enumerate(cast(list[Any], value))]
    if not isinstance(value, Mapping):
        raise mismatch(AnyType(), value, path)
    entries = cast(Mapping[Any, Any], value)
    kinds = {bool if isinstance(k, bool) else int if isinstance(k, int) else type(k) for k in entries}
    if len(kinds) > 1 or not all(issubclass(kind, str | int) for kind in kinds):
        raise CodecError("codec.type_mismatch", "the keys of a map are all str, all int or all bool", path)
    keys = sorted(entries, key=lambda k: encode(AnyType(), k))
    if all(isinstance(k, str) and not k.startswith("$") for k in keys):
        return {_text(k, path): _write_any(entries[k], path + key_step(k), depth) for k in keys}
    pairs = [[_write_any(k, path, depth), _write_any(entries[k], path + key_step(k), depth)] for k in keys]
    return {"$map": pairs}


def _text(value: str, path: str) -> str:
    if any("\ud800" <= c <= "\udfff" for c in value) if not value.isascii() else False:
        raise CodecError("codec.utf8", "the text holds a lone surrogate", path)
    return str.__str__(value)


def _members(value: dict[str, Any], path: str, step: Callable[[str], str]) -> dict[str, Any]:
    if isinstance(value, _Repeated):
        raise CodecError("codec.duplicate_key", "a member occurs twice", path + step(value.member))
    return value


def _deeper(depth: int, path: str) -> int:
    if depth >= MAX_CONTAINERS:
        raise CodecError("codec.depth", f"more than {MAX_CONTAINERS} lists and maps inside each other", path)
    return depth + 1
