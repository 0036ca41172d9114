// JSON to and from JavaScript values, directed by the type. Works on parsed JSON; knows no MessagePack.

import type { CType } from "./ctype.js";
import { nativeVariant } from "./decode.js";
import { anyKeyKind, mismatch, missing, tooDeep, unfit, unsafe } from "./encode.js";
import { choose, isInt64, keyKind, MAX_DEPTH, NOBODY, SEVERAL } from "./fit.js";
import { type AnyValue, Float, fieldOf, isPlainObject, isRecordLike, setField, Variant } from "./native.js";
import { Fault, keyStep, within } from "./path.js";
import { compareKeys } from "./writer.js";

/** Parsed JSON. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

const DECIMAL = /^(?:-?[1-9][0-9]*|0)$/;
const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const NAMED_FLOATS: ReadonlyMap<unknown, number> = new Map([
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
]);

/** The value that parsed JSON shows; throws a {@link Fault}. The same rule decides what fits a variant. */
export function readJson(type: CType, json: unknown, depth = 0): unknown {
  switch (type.kind) {
    case "string":
      if (typeof json === "string") return wellFormed(json);
      break;
    case "int": {
      const value = readInt(json);
      return type.native === "bigint" ? BigInt(value) : value;
    }
    case "float":
      return readFloat(json);
    case "bool":
      if (typeof json === "boolean") return json;
      break;
    case "bytes":
      if (typeof json === "string") return readBytes(json);
      break;
    case "any":
      return readAny(json, depth);
    case "option": {
      const value = json === null ? null : readJson(type.item, json, depth);
      return value === null && type.native !== "null" ? undefined : value;
    }
    case "list":
      if (Array.isArray(json)) return readItems(json, (item) => readJson(type.item, item, deeper(depth)), depth);
      break;
    case "map":
      return readMap(type, json, depth);
    case "record":
      if (isRecordLike(json)) return readRecord(type, json, deeper(depth));
      break;
    case "union":
      return readUnion(type, json, deeper(depth));
  }
  throw mismatch(type, json);
}

function readItems<T>(json: readonly unknown[], item: (json: unknown) => T, depth: number): T[] {
  deeper(depth);
  return json.map((value, i) => {
    try {
      return item(value);
    } catch (error) {
      throw within(error, `[${i}]`);
    }
  });
}

function readInt(json: unknown): number | bigint {
  if (typeof json === "number") {
    if (Number.isSafeInteger(json)) return json === 0 ? 0 : json;
    if (Number.isInteger(json)) throw unsafe();
  }
  if (typeof json === "string" && DECIMAL.test(json)) {
    // No more digits than that are within 64 bits, and a bigint of a million digits takes its time.
    const value = json.length <= 20 ? BigInt(json) : 2n ** 64n;
    if (!isInt64(value)) throw new Fault("codec.int_range", "the integer is outside 64 bits");
    if (value > MAX_SAFE || value < -MAX_SAFE) return value;
  }
  throw mismatch({ kind: "int" }, json);
}

function readFloat(json: unknown): number {
  if (typeof json === "number") return json;
  const named = NAMED_FLOATS.get(json);
  if (named === undefined) throw mismatch({ kind: "float" }, json);
  return named;
}

function readBytes(json: string): Uint8Array {
  const bytes = Buffer.from(json, "base64");
  // Node reads base64 generously; what is read must be what would be written.
  if (bytes.toString("base64") !== json) throw new Fault("codec.base64", "no base64 text");
  return new Uint8Array(bytes);
}

function readMap(type: CType & { kind: "map" }, json: unknown, depth: number): unknown {
  const isText = type.key.kind === "string";
  if (isText ? !isRecordLike(json) : !Array.isArray(json)) throw mismatch(type, json);
  const inner = deeper(depth);
  const item = (value: unknown): unknown => readJson(type.value, value, inner);
  if (!isText) return readPairs(json as unknown[], (key) => readJson(type.key, key, inner), item);
  const entries = readMembers(json as Record<string, unknown>, item);
  return type.native === "object" ? objectOf(entries) : entries;
}

function readMembers<T>(json: Record<string, unknown>, item: (json: unknown) => T): Map<string, T> {
  const entries = new Map<string, T>();
  for (const key of Object.keys(json)) {
    try {
      entries.set(wellFormed(key), item(json[key]));
    } catch (error) {
      throw within(error, keyStep(key));
    }
  }
  return entries;
}

function objectOf<T>(entries: ReadonlyMap<string, T>): Record<string, T> {
  const object = Object.create(null) as Record<string, T>;
  for (const [key, value] of entries) object[key] = value;
  return object;
}

function readPairs<K, V>(json: readonly unknown[], key: (json: unknown) => K, item: (json: unknown) => V): Map<K, V> {
  const entries = new Map<K, V>();
  json.forEach((pair, i) => {
    let name: K;
    try {
      if (!Array.isArray(pair) || pair.length !== 2) {
        throw new Fault("codec.type_mismatch", "expected a pair of key and value");
      }
      name = key(pair[0]);
    } catch (error) {
      throw within(error, `[${i}]`);
    }
    try {
      if (entries.has(name)) throw new Fault("codec.duplicate_key", "a key occurs twice");
      entries.set(name, item(pair[1]));
    } catch (error) {
      throw within(error, keyStep(name));
    }
  });
  return entries;
}

function readRecord(type: CType & { kind: "record" }, json: Record<string, unknown>, depth: number): unknown {
  const record: Record<string, unknown> = {};
  for (const { name, type: of } of type.fields) {
    if (!Object.hasOwn(json, name)) {
      if (of.kind !== "option") throw missing(name);
      if (of.native === "null") setField(record, name, null);
      continue;
    }
    try {
      const value = readJson(of, json[name], depth);
      if (value !== undefined) setField(record, name, value);
    } catch (error) {
      throw within(error, `.${name}`);
    }
  }
  return record;
}

function readUnion(type: CType & { kind: "union" }, json: unknown, depth: number): unknown {
  const [index, value] = isMarked(json) ? readMarked(type, json, depth) : readBare(type, json, depth);
  return nativeVariant(type, index, value, depth);
}

function isMarked(json: unknown): json is Record<string, unknown> {
  return isRecordLike(json) && Object.hasOwn(json, "$variant");
}

function readMarked(type: CType & { kind: "union" }, json: Record<string, unknown>, depth: number): [number, unknown] {
  const index = json["$variant"];
  const variant = typeof index === "number" ? type.variants[index] : undefined;
  if (variant === undefined || !Object.hasOwn(json, "value") || Object.keys(json).length !== 2) {
    throw new Fault("codec.union_variant", "expected the position of a variant and a value");
  }
  try {
    return [index as number, readJson(variant, json["value"], depth)];
  } catch (error) {
    throw within(error, `|${index as number}`);
  }
}

function readBare(type: CType & { kind: "union" }, json: unknown, depth: number): [number, unknown] {
  let found: [number, unknown] | undefined;
  for (let i = 0; i < type.variants.length; i += 1) {
    let value: unknown;
    try {
      value = readJson(type.variants[i] as CType, json, depth);
    } catch (error) {
      if (error instanceof Fault) continue;
      throw error;
    }
    if (found !== undefined) throw unfit(type, json, SEVERAL);
    found = [i, value];
    if (type.native === "first") return found;
  }
  if (found === undefined) throw unfit(type, json, NOBODY);
  return found;
}

function readAny(json: unknown, depth: number): AnyValue {
  if (json === null || typeof json === "boolean") return json;
  if (typeof json === "string") return wellFormed(json);
  if (typeof json === "number") return Number.isSafeInteger(json) && json === 0 ? 0 : json;
  if (Array.isArray(json)) return readItems(json, (item) => readAny(item, depth + 1), depth);
  if (!isRecordLike(json)) throw mismatch({ kind: "any" }, json);
  const names = Object.keys(json);
  if (names.some((name) => name.startsWith("$"))) {
    const [mark] = names;
    if (names.length === 1 && mark !== undefined) return readMark(mark, json[mark], depth);
    throw mismatch({ kind: "any" }, json);
  }
  const inner = deeper(depth);
  return objectOf(readMembers(json, (value) => readAny(value, inner)));
}

function readMark(mark: string, json: unknown, depth: number): AnyValue {
  if (mark === "$int") return readInt(json);
  if (mark === "$float") {
    const value = readFloat(json);
    return Number.isSafeInteger(value) && !Object.is(value, -0) ? new Float(value) : value;
  }
  if (mark === "$bytes" && typeof json === "string") return readBytes(json);
  if (mark !== "$map" || !Array.isArray(json)) throw mismatch({ kind: "any" }, json);
  const inner = deeper(depth);
  const key = (name: unknown): unknown => {
    const value = readAny(name, 0);
    if (keyKind(value) === undefined) throw mismatch({ kind: "any" }, name);
    return value;
  };
  const entries = readPairs(json, key, (value) => readAny(value, inner));
  const kind = anyKeyKind(entries);
  return kind === "string" ? objectOf(entries as Map<string, AnyValue>) : (entries as Map<boolean, AnyValue>);
}

function deeper(depth: number): number {
  if (depth >= MAX_DEPTH) throw tooDeep();
  return depth + 1;
}

function wellFormed(text: string): string {
  if (!text.isWellFormed()) throw new Fault("codec.utf8", "the text holds a lone surrogate");
  return text;
}

/** Parsed JSON that reads back as the value, by the same type; throws a {@link Fault}. */
export function writeJson(type: CType, value: unknown, depth = 0): JsonValue {
  switch (type.kind) {
    case "string":
      if (typeof value === "string") return wellFormed(value);
      break;
    case "int":
      if (Number.isSafeInteger(value) || typeof value === "bigint") return writeInt(value as number | bigint, String);
      if (Number.isInteger(value)) throw unsafe();
      break;
    case "float":
      if (typeof value === "number") return writeFloat(value);
      if (value instanceof Float) return value.value;
      break;
    case "bool":
      if (typeof value === "boolean") return value;
      break;
    case "bytes":
      if (value instanceof Uint8Array) return base64(value);
      break;
    case "any":
      return writeAny(value, depth);
    case "option":
      return value === undefined || value === null ? null : writeJson(type.item, value, depth);
    case "list":
      if (Array.isArray(value)) return writeItems(value, (item) => writeJson(type.item, item, depth + 1), depth);
      break;
    case "map":
      return writeMap(type, value, depth);
    case "record":
      if (isRecordLike(value)) return writeRecord(type, value, deeper(depth));
      break;
    case "union":
      return writeUnion(type, value, deeper(depth));
  }
  throw mismatch(type, value);
}

function writeItems(items: readonly unknown[], item: (value: unknown) => JsonValue, depth: number): JsonValue[] {
  deeper(depth);
  return Array.from(items, (value, i) => {
    try {
      return item(value);
    } catch (error) {
      throw within(error, `[${i}]`);
    }
  });
}

function writeInt<T extends JsonValue>(value: number | bigint, unsafely: (value: bigint) => T): number | T {
  if (typeof value === "number") return value === 0 ? 0 : value;
  if (!isInt64(value)) throw new Fault("codec.int_range", "the integer is outside 64 bits");
  return value > MAX_SAFE || value < -MAX_SAFE ? unsafely(value) : Number(value);
}

function writeFloat(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

function base64(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
}

function writeMap(type: CType & { kind: "map" }, value: unknown, depth: number): JsonValue {
  const isText = type.key.kind === "string";
  const entries =
    value instanceof Map ? value : isText && isPlainObject(value) ? new Map(Object.entries(value)) : undefined;
  if (entries === undefined) throw mismatch(type, value);
  const inner = deeper(depth);
  if (isText) return writeMembers(entries, (item) => writeJson(type.value, item, inner), type);
  return writePairs(
    entries,
    (key) => writeJson(type.key, key, inner),
    (item) => writeJson(type.value, item, inner),
  );
}

function writeMembers(
  entries: ReadonlyMap<unknown, unknown>,
  item: (value: unknown) => JsonValue,
  type: CType,
): { [key: string]: JsonValue } {
  const object: { [key: string]: JsonValue } = {};
  for (const key of entries.keys()) if (typeof key !== "string") throw mismatch(type, key);
  for (const key of ([...entries.keys()] as string[]).sort(compareKeys)) {
    try {
      setField(object, wellFormed(key), item(entries.get(key)));
    } catch (error) {
      throw within(error, keyStep(key));
    }
  }
  return object;
}

function writePairs(
  entries: ReadonlyMap<unknown, unknown>,
  key: (value: unknown) => JsonValue,
  item: (value: unknown) => JsonValue,
): JsonValue[] {
  const pairs = [...entries].sort(([a], [b]) => comparePlain(a, b));
  return pairs.map(([name, value]) => {
    try {
      return [key(name), item(value)];
    } catch (error) {
      throw within(error, keyStep(name));
    }
  });
}

/** The canonical order of keys of one kind. */
function comparePlain(a: unknown, b: unknown): number {
  if (typeof a === "string" && typeof b === "string") return compareKeys(a, b);
  const [left, right] = [rank(a), rank(b)];
  return left === right ? Number(BigInt(a as number) - BigInt(b as number) > 0n) * 2 - 1 : left - right;
}

/** Where the MessagePack form of an int stands among the others; within a form, numbers ascend. */
function rank(key: unknown): number {
  const value = BigInt(key as number | bigint | boolean);
  if (value >= 0n) return 0;
  if (value >= -0x20n) return 5;
  if (value >= -0x80n) return 1;
  if (value >= -0x8000n) return 2;
  return value >= -0x80000000n ? 3 : 4;
}

function writeRecord(type: CType & { kind: "record" }, value: Record<string, unknown>, depth: number): JsonValue {
  const record: { [key: string]: JsonValue } = {};
  for (const { name, type: of } of type.fields) {
    const inner = fieldOf(value, name);
    if (inner === undefined || (inner === null && of.kind === "option")) {
      if (of.kind === "option") continue;
      throw missing(name);
    }
    try {
      setField(record, name, writeJson(of, inner, depth));
    } catch (error) {
      throw within(error, `.${name}`);
    }
  }
  return record;
}

function writeUnion(type: CType & { kind: "union" }, value: unknown, depth: number): JsonValue {
  const index = choose(type, value, depth);
  if (index < 0) throw unfit(type, value, index);
  let bare: JsonValue;
  try {
    bare = writeJson(type.variants[index] as CType, value instanceof Variant ? value.value : value, depth);
  } catch (error) {
    throw within(error, `|${index}`);
  }
  return tells(type, index, bare, depth) ? bare : { $variant: index, value: bare };
}

/** Whether the bare value alone says which variant it is. A null never does: an option around the union would take it. */
function tells(type: CType & { kind: "union" }, index: number, bare: JsonValue, depth: number): boolean {
  if (bare === null || isMarked(bare)) return false;
  try {
    return readBare({ kind: "union", variants: type.variants }, bare, depth)[0] === index;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}

function writeAny(value: unknown, depth: number): JsonValue {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") return wellFormed(value);
  if (typeof value === "bigint") return writeInt(value, (int) => ({ $int: String(int) }));
  if (value instanceof Float) return writeAnyFloat(value.value);
  if (typeof value === "number") {
    return Number.isSafeInteger(value) && !Object.is(value, -0) ? value : writeAnyFloat(value);
  }
  if (value instanceof Uint8Array) return { $bytes: base64(value) };
  if (Array.isArray(value)) return writeItems(value, (item) => writeAny(item, depth + 1), depth);
  const isMap = value instanceof Map;
  if (!isMap && !isPlainObject(value)) throw mismatch({ kind: "any" }, value);
  const members = isMap ? value : new Map(Object.entries(value).filter(([, member]) => member !== undefined));
  const kind = anyKeyKind(members);
  const inner = deeper(depth);
  const item = (member: unknown): JsonValue => writeAny(member, inner);
  const plain = kind === "string" && [...members.keys()].every((key) => !String(key).startsWith("$"));
  if (plain) return writeMembers(members, item, { kind: "any" });
  return { $map: writePairs(members, (key) => writeAny(key, inner), item) };
}

function writeAnyFloat(value: number): JsonValue {
  const plain = Number.isFinite(value) && !Number.isSafeInteger(value);
  return plain ? value : { $float: writeFloat(value) };
}

/** JSON text of parsed JSON. Unlike `JSON.stringify` it keeps the sign of a negative zero. Cost: linear. */
export function stringifyJson(json: JsonValue): string {
  if (typeof json === "number") return Object.is(json, -0) ? "-0.0" : JSON.stringify(json);
  if (typeof json !== "object" || json === null) return JSON.stringify(json);
  if (Array.isArray(json)) return `[${json.map(stringifyJson).join(",")}]`;
  const members = Object.keys(json).map((key) => `${JSON.stringify(key)}:${stringifyJson(json[key] as JsonValue)}`);
  return `{${members.join(",")}}`;
}
