"""Types to and from `modrack.types.v1.TypeSchema`. Converts; checks only what the tree itself can get wrong."""

from __future__ import annotations

from modrack._generated.types.v1 import types_pb as pb
from modrack._types import (
    MAX_DEPTH,
    PRIMITIVES,
    CType,
    Field,
    ListType,
    MapType,
    OptionType,
    RecordType,
    UnionType,
    check_type,
)
from modrack.errors import SchemaError

_KINDS: dict[str, pb.TypeKind] = {
    "String": pb.TYPE_KIND_STRING,
    "Int": pb.TYPE_KIND_INT,
    "Float": pb.TYPE_KIND_FLOAT,
    "Bool": pb.TYPE_KIND_BOOL,
    "Bytes": pb.TYPE_KIND_BYTES,
    "Any": pb.TYPE_KIND_ANY,
}
_PRIMITIVES = {kind: PRIMITIVES[name] for name, kind in _KINDS.items()}


def to_schema(ctype: CType, field_name: str = "") -> pb.TypeSchema:
    """The tree of a type."""
    match ctype:
        case ListType(item):
            kind, inner = pb.TYPE_KIND_LIST, [to_schema(item)]
        case MapType(key, value):
            kind, inner = pb.TYPE_KIND_MAP, [to_schema(key), to_schema(value)]
        case RecordType(fields):
            kind, inner = pb.TYPE_KIND_RECORD, [to_schema(f.type, f.name) for f in fields]
        case UnionType(variants):
            kind, inner = pb.TYPE_KIND_UNION, [to_schema(v) for v in variants]
        case OptionType(item):
            kind, inner = pb.TYPE_KIND_OPTION, [to_schema(item)]
        case _:
            kind, inner = _KINDS[str(ctype)], []
    return pb.TypeSchema(kind=kind, children=inner, field_name=field_name)


def from_schema(schema: pb.TypeSchema) -> CType:
    """The type of a tree.

    # Errors
    `SchemaError`: `type.kind` for a tree that stands for no type, or a rule of `docs/codec.md`.
    """
    return check_type(_read(schema, "", 0))


def _read(node: pb.TypeSchema, path: str, above: int) -> CType:
    if above > MAX_DEPTH:
        raise SchemaError("type.depth", f"more than {MAX_DEPTH} constructors inside each other", path)
    inner = node.children

    def expect(count: int) -> None:
        if len(inner) != count:
            raise SchemaError("type.kind", f"{len(inner)} children where {count} should be", path)

    match node.kind:
        case pb.TYPE_KIND_LIST:
            expect(1)
            return ListType(_read(inner[0], path + "[]", above + 1))
        case pb.TYPE_KIND_MAP:
            expect(2)
            return MapType(_read(inner[0], path + "{key}", above + 1), _read(inner[1], path + "{}", above + 1))
        case pb.TYPE_KIND_RECORD:
            return RecordType(
                tuple(Field(c.field_name, _read(c, f"{path}.{c.field_name}", above + 1)) for c in inner),
            )
        case pb.TYPE_KIND_UNION:
            return UnionType(tuple(_read(c, f"{path}|{i}", above + 1) for i, c in enumerate(inner)))
        case pb.TYPE_KIND_OPTION:
            expect(1)
            return OptionType(_read(inner[0], path + "?", above + 1))
        case kind if kind in _PRIMITIVES:
            expect(0)
            return _PRIMITIVES[kind]
        case kind:
            raise SchemaError("type.kind", f"kind {int(kind)} is no type", path)
