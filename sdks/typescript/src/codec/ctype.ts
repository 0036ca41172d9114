// The types of Modrack as data: their constructors, their text, and the rules that each keeps. No values, no bytes.

import { SchemaError } from "../errors.js";
import { isFieldName } from "./path.js";

/**
 * A type. `native` chooses among the JavaScript forms of its values and is no part of the type: two types that differ
 * in it alone have the same text and the same bytes.
 */
export type CType =
  | { readonly kind: "string" | "float" | "bool" | "bytes" | "any" }
  /** `bigint`: always a bigint, also where a number would do. */
  | { readonly kind: "int"; readonly native?: "bigint" }
  | { readonly kind: "list"; readonly item: CType }
  /** `object`: a map with String keys is a plain object instead of a `Map`. */
  | { readonly kind: "map"; readonly key: CType; readonly value: CType; readonly native?: "object" }
  | { readonly kind: "record"; readonly fields: readonly Field[] }
  /** `first`: a value belongs to the first variant that fits, and is never wrapped. */
  | { readonly kind: "union"; readonly variants: readonly CType[]; readonly native?: "first" }
  /** `null`: nothing is `null` instead of `undefined`, also in a record. */
  | { readonly kind: "option"; readonly item: CType; readonly native?: "null" };

/** A field of a record. */
export interface Field {
  readonly name: string;
  readonly type: CType;
}

/** Most constructors above a node. */
export const MAX_TYPE_DEPTH = 64;

const MAX_TYPE_NODES = 10_000;

const NAMES = {
  string: "String",
  int: "Int",
  float: "Float",
  bool: "Bool",
  bytes: "Bytes",
  any: "Any",
} as const;

/** The text of a type; it reads back as the same type. Cost: linear in the type. */
export function formatType(type: CType): string {
  switch (type.kind) {
    case "list":
      return `List<${formatType(type.item)}>`;
    case "map":
      return `Map<${formatType(type.key)}, ${formatType(type.value)}>`;
    case "record":
      return `{${type.fields.map((field) => `${field.name}: ${formatType(field.type)}`).join(", ")}}`;
    case "union":
      return type.variants.map(formatType).join(" | ");
    case "option":
      return `Option<${formatType(type.item)}>`;
    default:
      return NAMES[type.kind];
  }
}

/**
 * Checks the rules of `docs/codec.md` for a whole type.
 *
 * @throws SchemaError with `type.union.empty`, `type.union.nested`, `type.union.duplicate`, `type.option.nested`,
 * `type.field.duplicate`, `type.field.name`, `type.map.key`, `type.depth` or `type.size`, and the path to the fault.
 */
export function checkType(type: CType): void {
  check(type, "", 0, { nodes: 0 });
}

function check(type: CType, path: string, depth: number, seen: { nodes: number }): void {
  if (depth > MAX_TYPE_DEPTH) {
    throw new SchemaError("type.depth", `more than ${MAX_TYPE_DEPTH} types inside each other`, path);
  }
  seen.nodes += 1;
  if (seen.nodes > MAX_TYPE_NODES) throw new SchemaError("type.size", `more than ${MAX_TYPE_NODES} types in one`, path);
  switch (type.kind) {
    case "list":
      return check(type.item, `${path}[]`, depth + 1, seen);
    case "map":
      check(type.key, `${path}{key}`, depth + 1, seen);
      if (type.key.kind !== "string" && type.key.kind !== "int" && type.key.kind !== "bool") {
        throw new SchemaError("type.map.key", "the key of a map is String, Int or Bool", `${path}{key}`);
      }
      return check(type.value, `${path}{}`, depth + 1, seen);
    case "record":
      return checkFields(type.fields, path, depth, seen);
    case "union":
      return checkVariants(type.variants, path, depth, seen);
    case "option":
      if (type.item.kind === "option") {
        throw new SchemaError("type.option.nested", "an option of an option", `${path}?`);
      }
      return check(type.item, `${path}?`, depth + 1, seen);
    default:
      return undefined;
  }
}

function checkFields(fields: readonly Field[], path: string, depth: number, seen: { nodes: number }): void {
  const names = new Set<string>();
  for (const { name, type } of fields) {
    const at = `${path}.${name}`;
    if (!isFieldName(name)) {
      throw new SchemaError("type.field.name", "a field name is an identifier of at most 128 characters", at);
    }
    if (names.has(name)) throw new SchemaError("type.field.duplicate", `two fields are called \`${name}\``, at);
    names.add(name);
    check(type, at, depth + 1, seen);
  }
}

function checkVariants(variants: readonly CType[], path: string, depth: number, seen: { nodes: number }): void {
  if (variants.length < 2) throw new SchemaError("type.union.empty", "a union has two variants or more", path);
  const texts = new Set<string>();
  variants.forEach((variant, i) => {
    const at = `${path}|${i}`;
    if (variant.kind === "union") throw new SchemaError("type.union.nested", "a union directly in a union", at);
    check(variant, at, depth + 1, seen);
    const text = formatType(variant);
    if (texts.has(text)) throw new SchemaError("type.union.duplicate", `the variant \`${text}\` occurs twice`, at);
    texts.add(text);
  });
}
