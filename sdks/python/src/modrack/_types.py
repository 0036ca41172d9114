"""The type system: the constructors, their text form and their rules. Knows no bytes, no JSON and no annotations.

`docs/codec.md` is the contract. Types are structural and immutable; equality ignores the Python class that a record was
derived from.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from modrack._native import Native
from modrack.errors import SchemaError

MAX_DEPTH = 64
MAX_NODES = 10_000
MAX_NAME = 128


@dataclass(frozen=True, slots=True)
class CType:
    """A type. `str(ctype)` is its text, which `parse_type` reads back."""

    def __str__(self) -> str:
        return type(self).__name__.removesuffix("Type")


@dataclass(frozen=True, slots=True)
class StringType(CType):
    """UTF-8 text; Python `str`."""


@dataclass(frozen=True, slots=True)
class IntType(CType):
    """A signed 64-bit integer; Python `int`."""


@dataclass(frozen=True, slots=True)
class FloatType(CType):
    """IEEE 754 binary64; Python `float`."""


@dataclass(frozen=True, slots=True)
class BoolType(CType):
    """True or false; Python `bool`."""


@dataclass(frozen=True, slots=True)
class BytesType(CType):
    """Octets; Python `bytes`."""


@dataclass(frozen=True, slots=True)
class AnyType(CType):
    """Any value, self-described; Python `Any`."""


@dataclass(frozen=True, slots=True)
class ListType(CType):
    """A homogeneous sequence; Python `list`."""

    item: CType

    def __str__(self) -> str:
        return f"List<{self.item}>"


@dataclass(frozen=True, slots=True)
class MapType(CType):
    """A map; the key is String, Int or Bool; Python `dict`."""

    key: CType
    value: CType

    def __str__(self) -> str:
        return f"Map<{self.key}, {self.value}>"


@dataclass(frozen=True, slots=True)
class Field:
    """One named field of a record."""

    name: str
    type: CType


@dataclass(frozen=True, slots=True)
class RecordType(CType):
    """Ordered named fields; a `dict`, or the class that `native` builds."""

    fields: tuple[Field, ...]
    native: Native | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return "{" + ", ".join(f"{f.name}: {f.type}" for f in self.fields) + "}"


@dataclass(frozen=True, slots=True)
class UnionType(CType):
    """One of several variants, told apart by their positions."""

    variants: tuple[CType, ...]

    def __str__(self) -> str:
        return " | ".join(map(str, self.variants))


@dataclass(frozen=True, slots=True)
class OptionType(CType):
    """A value or `None`."""

    item: CType

    def __str__(self) -> str:
        return f"Option<{self.item}>"


@dataclass(frozen=True, slots=True)
class Variant:
    """A value of a union that says which variant it is, where the value alone does not."""

    index: int
    value: object


PRIMITIVES: dict[str, CType] = {
    "String": StringType(),
    "Int": IntType(),
    "Float": FloatType(),
    "Bool": BoolType(),
    "Boolean": BoolType(),
    "Bytes": BytesType(),
    "Any": AnyType(),
}

_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_SPACE = " \t\r\n"
_TOKEN = re.compile(rf"[{_SPACE}]*(?:([A-Za-z_][A-Za-z0-9_-]*)|([<>{{}}(),:|])|([^{_SPACE}]))", re.ASCII)


def children(ctype: CType) -> tuple[tuple[str, CType], ...]:
    """The direct arguments of a type, each with its step in a path."""
    match ctype:
        case ListType(item):
            return (("[]", item),)
        case MapType(key, value):
            return (("{key}", key), ("{}", value))
        case RecordType(fields):
            return tuple((f".{f.name}", f.type) for f in fields)
        case UnionType(variants):
            return tuple((f"|{i}", v) for i, v in enumerate(variants))
        case OptionType(item):
            return (("?", item),)
        case _:
            return ()


def check_type(ctype: CType) -> CType:
    """The type itself, when it follows every rule of `docs/codec.md`.

    # Errors
    `SchemaError` with the first fault in reading order and its path.
    """
    _walk(ctype, "", 0, [0])
    return ctype


def _walk(node: CType, path: str, above: int, nodes: list[int]) -> None:
    if above > MAX_DEPTH:
        raise SchemaError("type.depth", f"more than {MAX_DEPTH} constructors inside each other", path)
    nodes[0] += 1
    if nodes[0] > MAX_NODES:
        raise SchemaError("type.size", f"more than {MAX_NODES} nodes", path)
    match node:
        case MapType(key, _) if not isinstance(key, StringType | IntType | BoolType):
            raise SchemaError("type.map.key", f"a map key is String, Int or Bool, not `{key}`", path + "{key}")
        case OptionType(OptionType()):
            raise SchemaError("type.option.nested", "an option of an option", path + "?")
        case UnionType(variants) if len(variants) < 2:
            raise SchemaError("type.union.empty", "a union of fewer than two variants", path)
        case _:
            pass
    seen: set[CType | str] = set()
    for step, child in children(node):
        if isinstance(node, RecordType):
            name = step[1:]
            if not _FIELD_NAME.fullmatch(name) or len(name) > MAX_NAME:
                raise SchemaError("type.field.name", f"`{name[:140]}` is no field name", path + step)
            if name in seen:
                raise SchemaError("type.field.duplicate", f"field `{name}` occurs twice", path + step)
            seen.add(name)
        if isinstance(node, UnionType) and isinstance(child, UnionType):
            raise SchemaError("type.union.nested", "a union directly in a union", path + step)
        _walk(child, path + step, above + 1, nodes)
        # Walked first, so that only a variant of legal depth is hashed and compared.
        if isinstance(node, UnionType):
            if child in seen:
                raise SchemaError("type.union.duplicate", f"variant `{child}` occurs twice", path + step)
            seen.add(child)


def parse_type(text: str) -> CType:
    """The type that a text such as `{text: String, count: Option<Int>}` stands for.

    # Errors
    `SchemaError` with `type.syntax`, or the code of the rule that the type breaks.

    >>> str(parse_type("{a:List<Int>|Boolean}"))
    '{a: List<Int> | Bool}'
    """
    parser = _Parser(text)
    ctype = parser.union(0, "")
    parser.expect("")
    return check_type(ctype)


def fingerprint(input_type: CType, output_type: CType) -> str:
    """SHA-256 over both types as text, in lower-case hex; equal for equal schemas on every host."""
    return hashlib.sha256(f"{input_type} -> {output_type}".encode()).hexdigest()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = self._split(text)
        self._next = 0

    @staticmethod
    def _split(text: str) -> list[tuple[str, bool]]:
        tokens: list[tuple[str, bool]] = []
        for match in _TOKEN.finditer(text.rstrip(_SPACE)):
            word, mark, other = match.groups()
            if other is not None:
                raise SchemaError("type.syntax", f"unexpected `{other}`")
            tokens.append((word or mark, word is not None))
        return tokens

    def _peek(self) -> str:
        return self._tokens[self._next][0] if self._next < len(self._tokens) else ""

    def _take(self) -> tuple[str, bool]:
        token = self._tokens[self._next] if self._next < len(self._tokens) else ("", False)
        self._next += 1
        return token

    def expect(self, mark: str) -> None:
        token, _ = self._take()
        if token != mark:
            wanted = f"`{mark}`" if mark else "the end"
            raise SchemaError("type.syntax", f"expected {wanted}, found " + (f"`{token}`" if token else "the end"))

    def union(self, depth: int, path: str) -> CType:
        first = self._primary(depth, path)
        if self._peek() != "|":
            return first
        variants = [first]
        while self._peek() == "|":
            self._take()
            variants.append(self._primary(depth, f"{path}|{len(variants)}"))
        return UnionType(tuple(variants))

    def _primary(self, depth: int, path: str) -> CType:
        # Parentheses count as well, which bounds the recursion; the exact rule is `check_type`'s.
        if depth > MAX_DEPTH:
            raise SchemaError("type.depth", f"more than {MAX_DEPTH} constructors inside each other", path)
        word, is_word = self._take()
        if word == "{":
            return self._record(depth, path)
        if word == "(":
            inner = self.union(depth + 1, path)
            self.expect(")")
            return inner
        if is_word and word in PRIMITIVES:
            return PRIMITIVES[word]
        if word == "List":
            return ListType(self._arguments(depth, path, ["[]"])[0])
        if word == "Map":
            key, value = self._arguments(depth, path, ["{key}", "{}"])
            return MapType(key, value)
        if word in ("Option", "Optional"):
            return OptionType(self._arguments(depth, path, ["?"])[0])
        raise SchemaError("type.syntax", f"`{word}` is no type" if word else "the text ends where a type should be")

    def _arguments(self, depth: int, path: str, steps: list[str]) -> list[CType]:
        self.expect("<")
        found: list[CType] = []
        for i, step in enumerate(steps):
            if i:
                self.expect(",")
            found.append(self.union(depth + 1, path + step))
        self.expect(">")
        return found

    def _record(self, depth: int, path: str) -> CType:
        fields: list[Field] = []
        while self._peek() != "}":
            name, is_word = self._take()
            if not is_word:
                raise SchemaError("type.syntax", f"expected a field name, found `{name or 'the end'}`")
            self.expect(":")
            fields.append(Field(name, self.union(depth + 1, f"{path}.{name}")))
            if self._peek() != "}":
                self.expect(",")
        self._take()
        return RecordType(tuple(fields))
