"""The fast codec: types compiled to closures around the native `ormsgpack`. Explains nothing: it gives up with `Bail`.

Encoding turns a value into a tree of exact built-in types in canonical order, which `ormsgpack` writes in one call.
Decoding lets `ormsgpack` read the whole input, then checks the tree. What a dict or a lenient reader hides (duplicate
keys, float32, long forms, trailing bytes) shows because the tree, written again, differs from the input. Whatever is not
surely fine is left to the precise `_encode.py` and `_decode.py`.
"""

# Values may be anything here; what their types are is the question that this file answers.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnnecessaryCast=false, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import ormsgpack

from modrack import _records
from modrack._decode import finish_union
from modrack._encode import INT_MAX, INT_MIN
from modrack._records import Bail
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
    children,
)

Step = Callable[[Any], Any]
"""One compiled type: takes a value or a tree, gives a tree or a value, or raises `Bail`."""

_ANY_DEPTH = 64  # with at most 64 typed containers around it, never deeper than the 128 that are allowed
_NAN = float("nan")
_PACK = ormsgpack.OPT_NON_STR_KEYS
_SCALARS: dict[type[CType], type] = {StringType: str, IntType: int, FloatType: float, BoolType: bool, BytesType: bytes}


REFUSED = (Bail, TypeError, ValueError, KeyError, AttributeError, RecursionError, ormsgpack.MsgpackEncodeError)
"""What a closure or `ormsgpack` may raise for input that the precise codec has to judge."""


def pack(tree: object) -> bytes:
    """The bytes of a canonical tree."""
    return ormsgpack.packb(tree, option=_PACK)


def packer(ctype: CType, refused: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """From values to canonical bytes; what is not ordinary goes to `refused`."""
    step = compile_encoder(ctype)
    packb, option = ormsgpack.packb, options_of(ctype)

    def encode(value: Any) -> bytes:
        try:
            return packb(step(value), None, option)
        except REFUSED:
            return refused(value)

    def encode_text(value: Any) -> bytes:
        try:
            return packb(step(value))
        except REFUSED:
            return refused(value)

    return encode if option else encode_text


def unpacker(ctype: CType, refused: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """From bytes to values; what is not surely canonical goes to `refused`."""
    step = compile_decoder(ctype)
    packb, unpackb, option = ormsgpack.packb, ormsgpack.unpackb, options_of(ctype)

    def decode(data: bytes) -> Any:
        try:
            tree = unpackb(data, option=option)
            if packb(tree, None, option) != data:
                raise Bail
            return step(tree)
        except REFUSED:
            return refused(data)

    def decode_text(data: bytes) -> Any:
        try:
            tree = unpackb(data)
            if packb(tree) != data:
                raise Bail
            return step(tree)
        except REFUSED:
            return refused(data)

    return decode if option else decode_text


def options_of(ctype: CType) -> int | None:
    """What `ormsgpack` must be told for values of a type; nothing where all keys are text, which is faster."""
    if isinstance(ctype, AnyType) or (isinstance(ctype, MapType) and not isinstance(ctype.key, StringType)):
        return _PACK
    return _PACK if any(options_of(child) for _, child in children(ctype)) else None


def compile_encoder(ctype: CType) -> Step:
    """A closure from native values to canonical trees."""
    match ctype:
        case StringType():
            return _exactly(str)
        case BoolType():
            return _exactly(bool)
        case BytesType():
            return _exactly(bytes)
        case IntType():
            return _int
        case FloatType():
            return _encode_float
        case AnyType():
            return _encode_any
        case OptionType(item):
            return _option(compile_encoder(item))
        case ListType(item):
            return _list(item, compile_encoder(item))
        case MapType(key, item):
            return _encode_map(key, compile_encoder(item))
        case RecordType():
            return _records.encoder(ctype, compile_encoder)
        case UnionType(variants):
            return _encode_union(variants)
        case _:
            raise TypeError(f"{ctype!r} is no type")


def compile_decoder(ctype: CType) -> Step:
    """A closure from unpacked trees to native values."""
    match ctype:
        case StringType():
            return _exactly(str)
        case BoolType():
            return _exactly(bool)
        case BytesType():
            return _exactly(bytes)
        case IntType():
            return _int
        case FloatType():
            return _decode_float
        case AnyType():
            return _decode_any
        case OptionType(item):
            return _option(compile_decoder(item))
        case ListType(item):
            return _list(item, compile_decoder(item))
        case MapType(key, item):
            return _decode_map(key, compile_decoder(item))
        case RecordType():
            return _records.decoder(ctype, compile_decoder)
        case UnionType(variants):
            return _decode_union(variants)
        case _:
            raise TypeError(f"{ctype!r} is no type")


def _exactly(kind: type) -> Step:
    def step(value: Any) -> Any:
        if type(value) is kind:
            return value
        raise Bail

    return step


def _int(value: Any) -> int:
    if type(value) is int and INT_MIN <= value <= INT_MAX:
        return value
    raise Bail


def _encode_float(value: Any) -> float:
    if type(value) is float:
        # A NaN has many forms in Python, one in the canonical encoding.
        return value if value == value else _NAN
    raise Bail


def _decode_float(tree: Any) -> float:
    if type(tree) is float:
        return tree
    raise Bail


def _option(inner: Step) -> Step:
    def step(value: Any) -> Any:
        return None if value is None else inner(value)

    return step


def _list(item: CType, inner: Step) -> Step:
    # Text, bools and bytes need no look at each element beyond its type, which `map` takes at the speed of C.
    if isinstance(item, StringType | BoolType | BytesType):
        fits = frozenset((_SCALARS[type(item)],)).issuperset

        def scalars(value: Any) -> Any:
            if type(value) is list and fits(map(type, cast(list[Any], value))):
                return value
            raise Bail

        return scalars

    def step(value: Any) -> Any:
        if type(value) is not list:
            raise Bail
        return [inner(x) for x in cast(list[Any], value)]

    return step


_ORDER: dict[type, Callable[[Any], Any]] = {str: ormsgpack.packb, int: ormsgpack.packb, bool: int}
"""By the encoded bytes of the keys."""


def _encode_map(key: CType, inner: Step) -> Step:
    kind = _SCALARS[type(key)]
    fits = frozenset((kind,)).issuperset
    order = _ORDER[kind]

    def step(value: Any) -> Any:
        if type(value) is not dict:
            raise Bail
        entries = cast(dict[Any, Any], value)
        if not fits(map(type, entries)):
            raise Bail
        if len(entries) < 2:
            return {k: inner(x) for k, x in entries.items()}
        return {k: inner(entries[k]) for k in sorted(entries, key=order)}

    return step


def _decode_map(key: CType, inner: Step) -> Step:
    check = compile_decoder(key)

    def step(tree: Any) -> Any:
        if type(tree) is not dict:
            raise Bail
        return {check(k): inner(x) for k, x in cast(dict[Any, Any], tree).items()}

    return step


def _kinds(ctype: CType) -> tuple[type, ...]:
    """The exact Python types whose values may be of this type; empty where that says too little."""
    match ctype:
        case ListType():
            return (list,)
        case MapType():
            return (dict,)
        case RecordType(native=native):
            return (dict,) if native is None or native.cls is None else (native.cls, dict)
        case _:
            return (_SCALARS[type(ctype)],) if type(ctype) in _SCALARS else ()


def _owners(variants: tuple[CType, ...]) -> dict[type, int]:
    """Python types that belong to one variant alone; empty where a variant takes values of any type."""
    if any(not _kinds(v) for v in variants):
        return {}
    claims: dict[type, list[int]] = {}
    for i, variant in enumerate(variants):
        for kind in _kinds(variant):
            claims.setdefault(kind, []).append(i)
    return {kind: owners[0] for kind, owners in claims.items() if len(owners) == 1}


def _encode_union(variants: tuple[CType, ...]) -> Step:
    owners = _owners(variants)
    steps = [compile_encoder(v) for v in variants]

    def step(value: Any) -> Any:
        if type(value) is Variant:
            # A negative position would index from the end.
            return [_position(value.index), steps[value.index](value.value)] if value.index < len(steps) else _bail()
        i = owners.get(cast(type, type(value)))
        if i is None:
            raise Bail
        return [i, steps[i](value)]

    return step


def _decode_union(variants: tuple[CType, ...]) -> Step:
    owners = _owners(variants)
    steps = [compile_decoder(v) for v in variants]

    def step(tree: Any) -> Any:
        if type(tree) is not list or len(cast(list[Any], tree)) != 2:
            raise Bail
        index, inner = cast(list[Any], tree)
        if type(index) is not int or not 0 <= index < len(steps):
            raise Bail
        value = steps[index](inner)
        return value if owners.get(cast(type, type(value))) == index else finish_union(variants, index, value)

    return step


def _position(index: Any) -> int:
    if type(index) is int and index >= 0:
        return index
    raise Bail


def _bail() -> Any:
    raise Bail


def _encode_any(value: Any, depth: int = 0) -> Any:
    kind = cast(type, type(value))
    if kind is str or kind is bool or value is None or kind is bytes:
        return value
    if kind is int:
        return _int(value)
    if kind is float:
        return _encode_float(value)
    if depth == _ANY_DEPTH:
        raise Bail
    if kind is list:
        return [_encode_any(x, depth + 1) for x in value]
    if kind is dict:
        entries = cast(dict[Any, Any], value)
        if not entries:
            return entries
        kinds = set(map(type, entries))
        order = _ORDER.get(kinds.pop())
        if order is None or kinds:
            raise Bail
        return {k: _encode_any(entries[k], depth + 1) for k in sorted(entries, key=order)}
    raise Bail


def _decode_any(tree: Any, depth: int = 0) -> Any:
    kind = cast(type, type(tree))
    if kind is str or kind is bool or tree is None or kind is float or kind is bytes:
        return tree
    if kind is int:
        return _int(tree)
    if depth == _ANY_DEPTH:
        raise Bail
    if kind is list:
        return [_decode_any(x, depth + 1) for x in tree]
    if kind is dict:
        entries = cast(dict[Any, Any], tree)
        kinds = set(map(type, entries))
        if len(kinds) > 1 or not kinds <= {str, int, bool}:
            raise Bail
        if int in kinds and not all(INT_MIN <= k <= INT_MAX for k in entries):
            raise Bail
        return {k: _decode_any(x, depth + 1) for k, x in entries.items()}
    raise Bail
