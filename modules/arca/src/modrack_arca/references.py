"""References of a workflow: how a phase's inputs and the published output are made of the call's input and of earlier phases.

Reads no configuration but these values, and runs nothing. A value is taken as it is, but for texts that begin with `$`:

* `$input` and `$input.a.b`: the input of the call, or a part of it;
* `$phases.NAME` and `$phases.NAME.words`: the outputs of an earlier phase, or one of them;
* a `?` at the end: null where there is no such part;
* `$$` begins a text that is meant to begin with `$`.

A part of a list is named by its index, from 0.

>>> parse("$phases.count.words?", "/output")
Reference(phase='count', path=('words',), optional=True)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""A value of JSON."""

_PATH = re.compile(r"\$(?:input|phases\.(?P<phase>[A-Za-z0-9_-]+))(?P<path>(?:\.[A-Za-z0-9_-]+)*)(?P<optional>\?)?")
MAX_DEPTH = 32
"""How deep objects and lists may stand in each other."""


class Unresolved(LookupError):
    """A part that a reference names is not there."""

    def __init__(self, reference: Reference) -> None:
        super().__init__(f"`{reference}` is not there")
        self.reference = reference


class Malformed(ValueError):
    """A text that begins with `$` and is no reference; `pointer` says where it stands."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer
        self.message = message


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that is taken as it is."""

    value: Json


@dataclass(frozen=True, slots=True)
class Reference:
    """A part of the call's input (`phase` is None) or of the outputs of a phase."""

    phase: str | None
    path: tuple[str, ...]
    optional: bool = False

    def __str__(self) -> str:
        root = "$input" if self.phase is None else f"$phases.{self.phase}"
        return ".".join((root, *self.path)) + ("?" if self.optional else "")


@dataclass(frozen=True, slots=True)
class Members:
    """An object."""

    members: tuple[tuple[str, Template], ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Template, ...]


Template: TypeAlias = Constant | Reference | Members | Items
"""A value with references in it."""


def parse(value: Json, pointer: str) -> Template:
    """The template that a value of the configuration means; `pointer` is where it stands.

    Raises `Malformed` at the first text that is no reference.
    """
    return _parse(value, pointer, 0)


def _parse(value: Json, pointer: str, depth: int) -> Template:
    if depth > MAX_DEPTH:
        raise Malformed(pointer, f"stands deeper than {MAX_DEPTH}")
    if isinstance(value, dict):
        return Members(
            tuple((name, _parse(one, f"{pointer}/{escaped(name)}", depth + 1)) for name, one in value.items())
        )
    if isinstance(value, list):
        return Items(tuple(_parse(one, f"{pointer}/{index}", depth + 1) for index, one in enumerate(value)))
    if not isinstance(value, str) or not value.startswith("$"):
        return Constant(value)
    if value.startswith("$$"):
        return Constant(value[1:])
    found = _PATH.fullmatch(value)
    if found is None:
        raise Malformed(
            pointer, f"`{value}` is no reference: `$input.FIELD` and `$phases.NAME.OUTPUT` are, with `?` behind"
        )
    path = tuple(found["path"].split(".")[1:])
    return Reference(found["phase"], path, found["optional"] is not None)


def escaped(name: str) -> str:
    """A member's name as a segment of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def references(template: Template, pointer: str) -> Iterator[tuple[str, Reference]]:
    """Every reference in a template, with where it stands."""
    match template:
        case Reference():
            yield pointer, template
        case Members(members):
            for name, one in members:
                yield from references(one, f"{pointer}/{escaped(name)}")
        case Items(items):
            for index, one in enumerate(items):
                yield from references(one, f"{pointer}/{index}")
        case Constant():
            return


def resolve(template: Template, input: Json, phases: Mapping[str, Json]) -> Json:
    """The value of a template. `phases` holds the outputs of those that have some.

    Raises `Unresolved` where a part is missing that no `?` allows to miss.
    """
    return _each(template, lambda reference: _follow(reference, input, phases))


def _each(template: Template, look_up: Callable[[Reference], Json]) -> Json:
    match template:
        case Constant(value):
            return value
        case Reference():
            return look_up(template)
        case Members(members):
            return {name: _each(one, look_up) for name, one in members}
        case Items(items):
            return [_each(one, look_up) for one in items]


_MISSING = object()


def _follow(reference: Reference, input: Json, phases: Mapping[str, Json]) -> Json:
    found: object = input if reference.phase is None else phases.get(reference.phase, _MISSING)
    for segment in reference.path:
        if isinstance(found, dict):
            found = cast("dict[str, Json]", found).get(segment, _MISSING)
        elif isinstance(found, list) and segment.isdecimal() and segment.isascii():
            items = cast("list[Json]", found)
            found = items[int(segment)] if len(segment) < 10 and int(segment) < len(items) else _MISSING
        else:
            found = _MISSING
    if found is not _MISSING:
        return cast("Json", found)
    if reference.optional:
        return None
    raise Unresolved(reference)
