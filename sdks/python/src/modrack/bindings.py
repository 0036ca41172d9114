"""What generated bindings are made of: modules whose types are known before a host is asked. Calls nothing itself.

`modrack codegen --language python` writes the code that uses this; it can be used by hand as well.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True, slots=True, kw_only=True)
... class Row:
...     class_: str
>>> rows = TypedModule[list[Row]]("a.Rows", "{}", "List<{class: String}>", {"{class: String}": Row})
>>> rows.output.decode(bytes.fromhex("9181a5636c617373a16b"))
[Row(class_='k')]
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

from modrack._native import Native
from modrack._types import CType, ListType, MapType, OptionType, RecordType, UnionType, fingerprint, parse_type
from modrack.codec import Codec, Field
from modrack.errors import SchemaError

__all__ = ["TypedModule"]

Output_co = TypeVar("Output_co", covariant=True)


class TypedModule(Generic[Output_co]):
    """A module with the types that a caller was written for; `Output_co` is what a call gives, or one item of a stream.

    `input` and `output` are types as text. `records` gives the dataclass for each record in them, by the text of the record;
    its attributes stand for the fields of the record in their order, whatever they are called. A record without one is a
    `dict`. The codecs are made at the first call.

    # Errors
    `SchemaError` for a text that is no type, or a class whose attributes are not as many as the fields.
    """

    def __init__(self, name: str, input: str, output: str, records: Mapping[str, type] | None = None) -> None:
        self.name = name
        self._types = input, output
        self._records = records or {}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the types; the host refuses a call with `registry.schema.changed` when the module's is another."""
        return fingerprint(*map(parse_type, self._types))

    @cached_property
    def input(self) -> Codec:
        """Encodes what the module takes."""
        return Codec(_with_classes(parse_type(self._types[0]), self._records))

    @cached_property
    def output(self) -> Codec:
        """Decodes what the module gives."""
        return Codec(_with_classes(parse_type(self._types[1]), self._records))


def _with_classes(ctype: CType, records: Mapping[str, type]) -> CType:
    """The same type with the Python side of its records."""
    match ctype:
        case ListType(item):
            return ListType(_with_classes(item, records))
        case OptionType(item):
            return OptionType(_with_classes(item, records))
        case MapType(key, item):
            return MapType(key, _with_classes(item, records))
        case UnionType(variants):
            return UnionType(tuple(_with_classes(variant, records) for variant in variants))
        case RecordType(fields):
            inner = tuple(Field(f.name, _with_classes(f.type, records)) for f in fields)
            cls = records.get(str(ctype))
            return RecordType(inner, _native(cls, ctype) if cls else None)
        case _:
            return ctype


def _native(cls: type, record: RecordType) -> Native:
    names = [f.name for f in dataclasses.fields(cast(Any, cls))]
    if len(names) != len(record.fields):
        raise SchemaError("type.unsupported", f"`{cls.__name__}` has {len(names)} attributes for `{record}`")
    attributes = {f.name: name for f, name in zip(record.fields, names, strict=True)}

    def make(values: dict[str, Any]) -> Any:
        return cls(**{attributes[name]: value for name, value in values.items()})

    return Native(cls, make, frozenset(), attributes)
