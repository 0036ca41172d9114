"""Makes values of annotated types from JSON: configuration, init and envelopes. Knows no schema language and writes nothing.

>>> from dataclasses import dataclass
>>> @dataclass
... class Limits:
...     characters: int = 1000
...     modules: list[str] | None = None
>>> bind(Limits, {"characters": 5})
Limits(characters=5, modules=None)
>>> bind(Limits, {"characters": "5", "moduls": []})
Traceback (most recent call last):
    ...
modrack.middleware._bind.BindError: `/characters` is no whole number; `/moduls` is not known here
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

T = TypeVar("T")

_Faults = list[tuple[str, str]]
_Binder = Callable[[Any, str, _Faults], Any]


class BindError(ValueError):
    """A value does not have its type. `faults` has all of them: JSON pointers (RFC 6901), and what is wrong there."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"`{at}` {what}" if at else f"it {what}" for at, what in faults))
        self.faults = tuple(faults)


def bind(annotation: type[T], value: Any, *, closed: bool = True) -> T:
    """The value as that type. `closed` refuses members of objects that the type does not have; else they are ignored.

    Types are `str`, `int`, `float`, `bool`, `None`, `Any`, `Literal`, `list`, `tuple[T, ...]`, `dict[str, T]`, unions of them,
    and dataclasses of them, whose `__post_init__` may raise `ValueError` with what is wrong.

    Raises `BindError` with all faults at once, and `TypeError` for an annotation that is none of these.
    """
    return binder(annotation, closed=closed)(value)


def binder(annotation: type[T], *, closed: bool = True) -> Callable[[Any], T]:
    """`bind`, made ready once for many values."""
    made = _binder(annotation, closed)

    def bound(value: Any) -> T:
        faults: _Faults = []
        result = made(value, "", faults)
        if faults:
            raise BindError(faults)
        return cast("T", result)

    return bound


def _binder(annotation: Any, closed: bool) -> _Binder:
    if annotation is Any or annotation is object:
        return lambda value, _at, _faults: value
    if isinstance(annotation, type) and is_dataclass(annotation):
        return _record(annotation, closed)
    simple = _SIMPLE.get(annotation)
    if simple is not None:
        return _checked(*simple)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        names = ", ".join(f"`{each}`" for each in arguments)
        return _checked(lambda value: any(value is each or value == each for each in arguments), f"is none of {names}")
    if origin in (Union, types.UnionType):
        return _union([_binder(each, closed) for each in arguments])
    if origin in (list, Sequence):
        return _items(_binder(arguments[0], closed), list)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _items(_binder(arguments[0], closed), tuple)
    if origin in (dict, Mapping) and arguments[0] is str:
        return _members(_binder(arguments[1], closed))
    raise TypeError(f"`{annotation}` cannot be made from JSON")


_SIMPLE: dict[Any, tuple[Callable[[Any], bool], str]] = {
    str: (lambda value: isinstance(value, str), "is no text"),
    bool: (lambda value: isinstance(value, bool), "is neither true nor false"),
    int: (lambda value: isinstance(value, int) and not isinstance(value, bool), "is no whole number"),
    float: (lambda value: isinstance(value, (int, float)) and not isinstance(value, bool), "is no number"),
    None: (lambda value: value is None, "is not null"),
    types.NoneType: (lambda value: value is None, "is not null"),
}


def _checked(fits: Callable[[Any], bool], otherwise: str) -> _Binder:
    def check(value: Any, at: str, faults: _Faults) -> Any:
        if not fits(value):
            faults.append((at, otherwise))
        return value

    return check


def _union(variants: list[_Binder]) -> _Binder:
    def first_that_fits(value: Any, at: str, faults: _Faults) -> Any:
        deepest: _Faults = []
        for variant in variants:
            found: _Faults = []
            result = variant(value, at, found)
            if not found:
                return result
            # What is wrong inside a variant says more than that it is not the variant at all.
            if not deepest or len(found[0][0]) > len(deepest[0][0]):
                deepest = found
        faults.extend(deepest)
        return None

    return first_that_fits


def _items(item: _Binder, make: Callable[[list[Any]], Any]) -> _Binder:
    def items(value: Any, at: str, faults: _Faults) -> Any:
        if not isinstance(value, list):
            faults.append((at, "is no list"))
            return None
        return make([item(each, f"{at}/{i}", faults) for i, each in enumerate(cast("list[Any]", value))])

    return items


def _members(member: _Binder) -> _Binder:
    def members(value: Any, at: str, faults: _Faults) -> Any:
        if not isinstance(value, dict):
            faults.append((at, "is no object"))
            return None
        found = cast("dict[str, Any]", value)
        return {key: member(each, _below(at, key), faults) for key, each in found.items()}

    return members


def _record(cls: type[Any], closed: bool) -> _Binder:
    hints = typing.get_type_hints(cls)
    known = {each.name: _binder(hints[each.name], closed) for each in fields(cls) if each.init}
    required = [
        each.name for each in fields(cls) if each.init and each.default is MISSING and each.default_factory is MISSING
    ]

    def record(value: Any, at: str, faults: _Faults) -> Any:
        if not isinstance(value, dict):
            faults.append((at, "is no object"))
            return None
        before = len(faults)
        members: dict[str, Any] = {}
        for key, each in cast("dict[str, Any]", value).items():
            member = known.get(key)
            if member is not None:
                members[key] = member(each, _below(at, key), faults)
            elif closed:
                faults.append((_below(at, key), "is not known here"))
        faults.extend((_below(at, name), "is missing") for name in required if name not in members)
        if len(faults) > before:
            return None
        try:
            return cls(**members)
        except ValueError as cause:
            faults.append((at, str(cause)))
            return None

    return record


def _below(at: str, key: str) -> str:
    return f"{at}/{key.replace('~', '~0').replace('/', '~1')}"
