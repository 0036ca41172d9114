"""Which variant of a union a native value is. Decides only; encodes and decodes nothing.

The rule of `docs/codec.md`: exactly one variant fits. Python tells `int`, `float`, `bool`, `str` and `bytes` apart; an
`int` fits Float weakly, so that it is an Int wherever there is one; instances of classes are matched by their class.
"""

# Values may be anything here; what their types are is the question that this file answers.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnnecessaryCast=false, reportAttributeAccessIssue=false

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

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

NOT, WEAK, EXACT = 0, 1, 2
NOBODY, SEVERAL = -1, -2
MAX_CONTAINERS = 128
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1


def choose(variants: Sequence[CType], value: object, depth: int = 0) -> int:
    """The position of the one variant that fits; `NOBODY` or `SEVERAL` (negative) otherwise."""
    if isinstance(value, Variant):
        return value.index if 0 <= value.index < len(variants) else NOBODY
    fits = [fit(variant, value, depth) for variant in variants]
    best = max(fits)
    if best == NOT:
        return NOBODY
    return fits.index(best) if fits.count(best) == 1 else SEVERAL


def fit(ctype: CType, value: Any, depth: int = 0) -> int:
    """How well a native value fits a type: `NOT`, `WEAK` or `EXACT`. Cost: linear in the value."""
    if depth > MAX_CONTAINERS:
        return NOT
    match ctype:
        case StringType():
            return EXACT if isinstance(value, str) else NOT
        case IntType():
            return EXACT if isinstance(value, int) and not isinstance(value, bool) else NOT
        case FloatType():
            if isinstance(value, float):
                return EXACT
            return WEAK if isinstance(value, int) and not isinstance(value, bool) else NOT
        case BoolType():
            return EXACT if isinstance(value, bool) else NOT
        case BytesType():
            return EXACT if isinstance(value, bytes | bytearray | memoryview) else NOT
        case AnyType():
            return EXACT if _is_any(value, depth) else NOT
        case OptionType(item):
            return EXACT if value is None else fit(item, value, depth)
        case ListType(item):
            if not isinstance(value, list | tuple):
                return NOT
            return min((fit(item, x, depth + 1) for x in value), default=EXACT)
        case MapType(key, item):
            if not isinstance(value, Mapping):
                return NOT
            return min(
                (min(fit(key, k, depth + 1), fit(item, x, depth + 1)) for k, x in value.items()),
                default=EXACT,
            )
        case RecordType():
            return _fit_record(ctype, value, depth)
        case UnionType(variants):
            if isinstance(value, Variant):
                known = 0 <= value.index < len(variants)
                return fit(variants[value.index], value.value, depth + 1) if known else NOT
            chosen = choose(variants, value, depth + 1)
            return fit(variants[chosen], value, depth + 1) if chosen >= 0 else NOT
        case _:
            return NOT


def fields_of(ctype: RecordType, value: Any) -> Mapping[Any, Any] | None:
    """The fields that a native value offers for a record; `None` where it is no record at all."""
    if isinstance(value, Mapping):
        return value
    native = ctype.native
    if native is not None:
        if native.cls is None or not isinstance(value, native.cls):
            return None
        return {f.name: getattr(value, native.attributes.get(f.name, f.name)) for f in ctype.fields}
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return value._asdict()
    model_fields = getattr(type(value), "model_fields", None)
    if isinstance(model_fields, dict):
        return {name: getattr(value, name) for name in model_fields}
    return None


def _fit_record(ctype: RecordType, value: Any, depth: int) -> int:
    native = ctype.native
    if native is not None and native.cls is not None and isinstance(value, native.cls):
        return EXACT if type(value) is native.cls else WEAK
    fields = fields_of(ctype, value)
    if fields is None:
        return NOT
    best = EXACT
    for f in ctype.fields:
        if f.name in fields:
            best = min(best, fit(f.type, fields[f.name], depth + 1))
        elif not isinstance(f.type, OptionType):
            return NOT
        if best == NOT:
            return NOT
    return best


def _is_any(value: Any, depth: int) -> bool:
    if value is None or isinstance(value, bool | float | str | bytes | bytearray | memoryview):
        return True
    if isinstance(value, int):
        return _INT_MIN <= value <= _INT_MAX
    if depth >= MAX_CONTAINERS:
        return False
    if isinstance(value, list | tuple):
        return all(_is_any(x, depth + 1) for x in value)
    if isinstance(value, Mapping):
        kinds = {_key_kind(k) for k in value}
        return len(kinds) <= 1 and None not in kinds and all(_is_any(x, depth + 1) for x in value.values())
    return False


def _key_kind(key: object) -> type | None:
    return next((kind for kind in (bool, int, str) if isinstance(key, kind)), None)
