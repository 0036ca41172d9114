// Which variant of a union a JavaScript value is. Decides only; encodes and decodes nothing.

import type { CType } from "./ctype.js";
import { Float, fieldOf, isPlainObject, isRecordLike, Variant } from "./native.js";

/** No variant fits. */
export const NOBODY = -1;
/** More than one variant fits. */
export const SEVERAL = -2;

/** Most arrays and maps inside each other. */
export const MAX_DEPTH = 128;

const INT_MIN = -(2n ** 63n);
const INT_MAX = 2n ** 63n - 1n;

/** Whether a bigint is within 64 bits. */
export function isInt64(value: bigint): boolean {
  return value >= INT_MIN && value <= INT_MAX;
}

/**
 * The position of the one variant that fits, {@link NOBODY} or {@link SEVERAL}. An integral number fits Int and Float
 * alike, a bigint Int alone. Cost: linear in the value times the variants that compete for a part of it.
 */
export function choose(union: CType & { kind: "union" }, value: unknown, depth = 0): number {
  const { variants } = union;
  if (value instanceof Variant) return value.index in variants ? value.index : NOBODY;
  let found = NOBODY;
  for (let i = 0; i < variants.length; i += 1) {
    if (!fits(variants[i] as CType, value, depth)) continue;
    if (union.native === "first") return i;
    if (found !== NOBODY) return SEVERAL;
    found = i;
  }
  return found;
}

/** Whether a value can be encoded as a type. Cost as for {@link choose}. */
export function fits(type: CType, value: unknown, depth = 0): boolean {
  switch (type.kind) {
    case "string":
      return typeof value === "string";
    case "int":
      return typeof value === "bigint" ? isInt64(value) : Number.isSafeInteger(value);
    case "float":
      return typeof value === "number" || value instanceof Float;
    case "bool":
      return typeof value === "boolean";
    case "bytes":
      return value instanceof Uint8Array;
    case "any":
      return fitsAny(value, depth);
    case "option":
      return value === undefined || value === null || fits(type.item, value, depth);
    case "list":
      return depth < MAX_DEPTH && Array.isArray(value) && everyItem(value, (item) => fits(type.item, item, depth + 1));
    case "map":
      return depth < MAX_DEPTH && fitsMap(type, value, depth + 1);
    case "record":
      return (
        depth < MAX_DEPTH &&
        isRecordLike(value) &&
        type.fields.every((field) => fits(field.type, fieldOf(value, field.name), depth + 1))
      );
    case "union": {
      if (depth >= MAX_DEPTH) return false;
      const chosen = choose(type, value, depth + 1);
      if (chosen < 0) return false;
      return !(value instanceof Variant) || fits(type.variants[chosen] as CType, value.value, depth + 1);
    }
  }
}

function fitsMap(type: CType & { kind: "map" }, value: unknown, depth: number): boolean {
  if (value instanceof Map) {
    for (const [key, item] of value) {
      if (!fits(type.key, key, depth) || !fits(type.value, item, depth)) return false;
    }
    return true;
  }
  return (
    type.key.kind === "string" &&
    isPlainObject(value) &&
    Object.keys(value).every((key) => fits(type.value, value[key], depth))
  );
}

function fitsAny(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case "boolean":
    case "number":
    case "string":
    case "undefined":
      return value !== undefined;
    case "bigint":
      return isInt64(value);
    case "object":
      break;
    default:
      return false;
  }
  if (value === null || value instanceof Float || value instanceof Uint8Array) return true;
  if (depth >= MAX_DEPTH) return false;
  if (Array.isArray(value)) return everyItem(value, (item) => fitsAny(item, depth + 1));
  if (value instanceof Map) {
    const kind = keyKind(value.keys().next().value ?? "");
    for (const [key, item] of value) {
      if (kind === undefined || keyKind(key) !== kind || !fitsAny(item, depth + 1)) return false;
    }
    return true;
  }
  return (
    isPlainObject(value) &&
    Object.keys(value).every((key) => value[key] === undefined || fitsAny(value[key], depth + 1))
  );
}

/** `Array.prototype.every` that also looks at holes. */
function everyItem(items: readonly unknown[], test: (item: unknown) => boolean): boolean {
  for (let i = 0; i < items.length; i += 1) if (!test(items[i])) return false;
  return true;
}

/** The type that a key of an Any has; `undefined` where it cannot be a key. */
export function keyKind(key: unknown): "string" | "int" | "bool" | undefined {
  if (typeof key === "string") return "string";
  if (typeof key === "boolean") return "bool";
  if (typeof key === "bigint") return "int";
  return Number.isSafeInteger(key) ? "int" : undefined;
}
