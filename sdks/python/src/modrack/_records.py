"""Functions for records, written as source and compiled once per type, as `dataclasses` does. Knows no bytes: trees of `_fast.py`.

A loop over the fields with a call for each costs three times as much as the same statements in a row. Only names and positions
get into the source, names as literals. Whatever is not ordinary raises `Bail`, or what `_fast.REFUSED` lists besides.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping
from typing import Any

from modrack._decode import finish_record
from modrack._types import (
    BoolType,
    BytesType,
    CType,
    Field,
    FloatType,
    IntType,
    OptionType,
    RecordType,
    StringType,
)

Step = Callable[[Any], Any]

_SCALARS: dict[type[CType], str] = {
    StringType: "str",
    IntType: "int",
    FloatType: "float",
    BoolType: "bool",
    BytesType: "bytes",
}


class Bail(Exception):
    """The value is not ordinary; the precise codec decides."""


class Source:
    """A function in the making: its lines, and the objects that they name."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"Bail": Bail, "NAN": float("nan")}

    def add(self, line: str, depth: int = 1) -> None:
        """A line of the body, `depth` levels in."""
        self.lines.append("    " * depth + line)

    def check(self, name: str, ctype: CType, step: Callable[[CType], Step], depth: int = 1, *, encode: bool) -> None:
        """Checks the variable `name` against a type, or replaces it by what the type's own step makes of it."""
        kind = _SCALARS.get(type(ctype))
        if kind is None:
            self.names[f"step_{name}"] = step(ctype)
            self.add(f"{name} = step_{name}({name})", depth)
            return
        range_ = f" or not {-(2**63)} <= {name} <= {2**63 - 1}" if kind == "int" else ""
        self.add(f"if type({name}) is not {kind}{range_}: raise Bail", depth)
        if kind == "float" and encode:
            # A NaN has many forms in Python, one in the canonical encoding.
            self.add(f"if {name} != {name}: {name} = NAN", depth)

    def function(self, head: str) -> Any:
        """The compiled function; `head` is e.g. `encode(value)`."""
        code = "\n".join((f"def {head}:", *self.lines))
        exec(compile(code, f"<modrack {head}>", "exec", dont_inherit=True), self.names)  # noqa: S102 - built from literals
        return self.names[head.partition("(")[0]]


def encoder(ctype: RecordType, step: Callable[[CType], Step]) -> Step:
    """From an author's record to a tree in canonical order."""
    source = Source()
    native = ctype.native
    cls = native.cls if native else None
    renamed: Mapping[str, str] = native.attributes if native else {}
    source.names["cls"] = cls or dict
    source.add("if type(value) is not cls: raise Bail")
    pairs = [(f"f{i}", f) for i, f in enumerate(sorted(ctype.fields, key=lambda f: f.name))]
    for name, f in pairs:
        inner, optional = _inner(f)
        if cls:
            attribute = renamed.get(f.name, f.name)
            plain = attribute.isidentifier() and not keyword.iskeyword(attribute)
            source.add(f"{name} = value.{attribute}" if plain else f"{name} = getattr(value, {attribute!r})")
        else:
            source.add(f"{name} = value.get({f.name!r})" if optional else f"{name} = value[{f.name!r}]")
        if optional:
            source.add(f"if {name} is not None:")
        source.check(name, inner, step, 2 if optional else 1, encode=True)
    _give(source, pairs, [name for name, f in pairs if isinstance(f.type, OptionType)], "tree")
    source.add("return tree")
    return source.function("encode(value)")


def decoder(ctype: RecordType, step: Callable[[CType], Step]) -> Step:
    """From a tree to an author's record."""
    source = Source()
    pairs = read_fields(source, ctype, step)
    # A record whose author wants a dict, with every field, needs nothing filled in.
    if ctype.native is None or (ctype.native.cls is None and not ctype.native.omit):
        _give(source, pairs, [], "found")
        source.add("return found")
    else:
        _give(source, pairs, [name for name, f in pairs if isinstance(f.type, OptionType)], "found")

        def finish(found: dict[str, Any]) -> Any:
            return finish_record(ctype, found)

        source.names["finish"] = finish
        source.add("return finish(found)")
    return source.function("decode(tree)")


def read_fields(
    source: Source, ctype: RecordType, step: Callable[[CType], Step], depth: int = 1
) -> list[tuple[str, Field]]:
    """Lines that put the fields of `tree` into variables, `None` where an option is absent: the variables in declared order."""
    source.add("if type(tree) is not dict: raise Bail", depth)
    pairs = [(f"f{i}", f) for i, f in enumerate(ctype.fields)]
    required = sum(not isinstance(f.type, OptionType) for f in ctype.fields)
    source.names["names"] = frozenset(f.name for f in ctype.fields)
    # With every required field read below, so many entries leave no room for an undeclared one.
    source.add(f"if len(tree) != {required} and not names.issuperset(tree): raise Bail", depth)
    for name, f in pairs:
        inner, optional = _inner(f)
        if optional:
            source.add(f"{name} = tree.get({f.name!r})", depth)
            source.add(f"if {name} is not None:", depth)
        else:
            source.add(f"{name} = tree[{f.name!r}]", depth)
        source.check(name, inner, step, depth + optional, encode=False)
    return pairs


def _give(source: Source, pairs: list[tuple[str, Field]], optional: list[str], target: str) -> None:
    """Lines that gather the variables into a dict; those that are `optional` only where they are not `None`."""
    if not optional:
        source.add(f"{target} = {{" + ", ".join(f"{f.name!r}: {name}" for name, f in pairs) + "}")
        return
    source.add(f"{target} = {{}}")
    for name, f in pairs:
        test = f"if {name} is not None: " if name in optional else ""
        source.add(f"{test}{target}[{f.name!r}] = {name}")


def _inner(f: Field) -> tuple[CType, bool]:
    return (f.type.item, True) if isinstance(f.type, OptionType) else (f.type, False)
