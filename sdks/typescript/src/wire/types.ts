// Types to and from `modrack.types.v1.TypeSchema`. Checks the shape of the tree; the rules are `checkType`'s business.

import { create } from "@bufbuild/protobuf";

import { type CType, checkType } from "../codec/ctype.js";
import { SchemaError } from "../errors.js";
import { TypeKind, type TypeSchema, TypeSchemaSchema } from "../generated/modrack/types/v1/types.js";

const SCALARS = {
  string: TypeKind.STRING,
  int: TypeKind.INT,
  float: TypeKind.FLOAT,
  bool: TypeKind.BOOL,
  bytes: TypeKind.BYTES,
  any: TypeKind.ANY,
} as const;

const SCALAR_TYPES: ReadonlyMap<TypeKind, CType> = new Map(
  (Object.keys(SCALARS) as (keyof typeof SCALARS)[]).map((kind) => [SCALARS[kind], { kind }]),
);

/** The message of a type. */
export function typeToWire(type: CType, fieldName = ""): TypeSchema {
  const node = (kind: TypeKind, children: TypeSchema[]): TypeSchema =>
    create(TypeSchemaSchema, { kind, children, fieldName });
  switch (type.kind) {
    case "list":
      return node(TypeKind.LIST, [typeToWire(type.item)]);
    case "map":
      return node(TypeKind.MAP, [typeToWire(type.key), typeToWire(type.value)]);
    case "record":
      return node(
        TypeKind.RECORD,
        type.fields.map((field) => typeToWire(field.type, field.name)),
      );
    case "union":
      return node(
        TypeKind.UNION,
        type.variants.map((variant) => typeToWire(variant)),
      );
    case "option":
      return node(TypeKind.OPTION, [typeToWire(type.item)]);
    default:
      return node(SCALARS[type.kind], []);
  }
}

/**
 * The type of a message, checked.
 *
 * @throws SchemaError with `type.kind` for a node of no kind or with the wrong children, or with the rule that is broken.
 */
export function typeFromWire(schema: TypeSchema | undefined): CType {
  if (schema === undefined) throw new SchemaError("type.kind", "there is no type");
  const type = convert(schema, "");
  checkType(type);
  return type;
}

function convert(schema: TypeSchema, path: string): CType {
  const { kind, children } = schema;
  const scalar = SCALAR_TYPES.get(kind);
  if (scalar !== undefined) {
    arguments_(children, 0, path);
    return scalar;
  }
  switch (kind) {
    case TypeKind.LIST:
      return { kind: "list", item: convert(arguments_(children, 1, path)[0] as TypeSchema, `${path}[]`) };
    case TypeKind.MAP: {
      const [key, value] = arguments_(children, 2, path) as [TypeSchema, TypeSchema];
      return { kind: "map", key: convert(key, `${path}{key}`), value: convert(value, `${path}{}`) };
    }
    case TypeKind.RECORD:
      return {
        kind: "record",
        fields: children.map((child) => ({
          name: child.fieldName,
          type: convert(child, `${path}.${child.fieldName}`),
        })),
      };
    case TypeKind.UNION:
      return { kind: "union", variants: children.map((child, i) => convert(child, `${path}|${i}`)) };
    case TypeKind.OPTION:
      return { kind: "option", item: convert(arguments_(children, 1, path)[0] as TypeSchema, `${path}?`) };
    default:
      throw new SchemaError("type.kind", "a type without a kind", path);
  }
}

function arguments_(children: readonly TypeSchema[], wanted: number, path: string): readonly TypeSchema[] {
  if (children.length === wanted) return children;
  throw new SchemaError("type.kind", `a type with ${children.length} children instead of ${wanted}`, path);
}
