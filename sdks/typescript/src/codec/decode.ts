// MessagePack to JavaScript values, by decoders that are compiled once per type. Encodes nothing.

import { type CType, formatType } from "./ctype.js";
import { sortedFields, tooDeep } from "./encode.js";
import { choose, MAX_DEPTH } from "./fit.js";
import { type AnyValue, Float, setField, Variant } from "./native.js";
import { Fault, foundField, keyStep, within } from "./path.js";
import { type Reader, unexpected } from "./reader.js";
import { Writer } from "./writer.js";

/** Reads a value; throws a {@link Fault}. */
export type Decode = (reader: Reader) => unknown;

/** The decoder of a type that keeps the rules. `depth` counts the arrays and maps around it. */
export function compileDecoder(type: CType, depth = 0): Decode {
  switch (type.kind) {
    case "string":
      return (reader) => reader.string();
    case "int":
      return type.native === "bigint" ? (reader) => BigInt(reader.int()) : (reader) => reader.int();
    case "float":
      return (reader) => reader.float();
    case "bool":
      return (reader) => reader.bool();
    case "bytes":
      return (reader) => {
        const head = reader.head();
        const size = reader.binSize(head);
        if (size < 0) throw unexpected(head, "bytes");
        return reader.copy(size);
      };
    case "any":
      return (reader) => decodeAny(reader, depth);
    case "option": {
      const item = compileDecoder(type.item, depth);
      const nothing = type.native === "null" ? null : undefined;
      const isAny = type.item.kind === "any";
      return (reader) => {
        if (reader.peek() === 0xc0) {
          reader.at += 1;
          return nothing;
        }
        const value = item(reader);
        return isAny && value === null ? nothing : value;
      };
    }
    case "list": {
      const item = compileDecoder(type.item, depth + 1);
      return (reader) => decodeItems(reader, reader.array(), item);
    }
    case "map":
      return mapDecoder(type, depth);
    case "record":
      return recordDecoder(type, depth);
    case "union":
      return unionDecoder(type, depth);
  }
}

function decodeItems<T>(reader: Reader, length: number, item: (reader: Reader) => T): T[] {
  const items: T[] = [];
  let i = 0;
  try {
    for (; i < length; i += 1) items.push(item(reader));
  } catch (error) {
    throw within(error, `[${i}]`);
  }
  return items;
}

function mapDecoder(type: CType & { kind: "map" }, depth: number): Decode {
  const key = compileDecoder(type.key, depth + 1);
  const item = compileDecoder(type.value, depth + 1);
  const asObject = type.native === "object" && type.key.kind === "string";
  return (reader) => {
    const entries = decodeEntries(reader, reader.map("a map"), key, item);
    return asObject ? objectOf(entries as Map<string, unknown>) : entries;
  };
}

function decodeEntries<K, V>(
  reader: Reader,
  length: number,
  key: (reader: Reader) => K,
  item: (reader: Reader) => V,
): Map<K, V> {
  const entries = new Map<K, V>();
  for (let i = 0; i < length; i += 1) {
    const name = key(reader);
    try {
      if (entries.has(name)) throw duplicate();
      entries.set(name, item(reader));
    } catch (error) {
      throw within(error, keyStep(name));
    }
  }
  return entries;
}

function objectOf<T>(entries: ReadonlyMap<string, T>): Record<string, T> {
  const object = Object.create(null) as Record<string, T>;
  for (const [key, value] of entries) object[key] = value;
  return object;
}

/** Stands in the place of a field that did not come yet; `undefined` is a value of options. */
const ABSENT = Symbol("absent");

interface FieldDecoder {
  readonly name: string;
  /** The name as an encoded str. */
  readonly head: Uint8Array;
  readonly decode: Decode;
  readonly optional: boolean;
  /** What a missing or empty field of type Option is in JavaScript: `undefined` leaves it out. */
  readonly nothing: null | undefined;
}

function recordDecoder(type: CType & { kind: "record" }, depth: number): Decode {
  const sorted = sortedFields(type.fields).map((field): FieldDecoder => {
    const writer = new Writer(160);
    writer.string(field.name);
    return {
      name: field.name,
      head: writer.bytes.subarray(0, writer.at),
      decode: compileDecoder(field.type, depth + 1),
      optional: field.type.kind === "option",
      nothing: field.type.kind === "option" && field.type.native === "null" ? null : undefined,
    };
  });
  const positions = new Map(sorted.map((field, i) => [field.name, i]));
  const declared = type.fields.map((field) => positions.get(field.name) as number);
  return (reader) => {
    const length = reader.map("a record");
    const values: unknown[] = sorted.map(() => ABSENT);
    let undeclared: Set<string> | undefined;
    let next = 0;
    for (let i = 0; i < length; i += 1) {
      // What is canonical comes in this order, so that names need not be read.
      let position = matching(reader, sorted, next);
      if (position < 0) {
        const name = reader.string();
        position = positions.get(name) ?? -1;
        if (position < 0) {
          undeclared ??= new Set();
          skipUndeclared(reader, name, undeclared, depth + 1);
          continue;
        }
      }
      const field = sorted[position] as FieldDecoder;
      try {
        if (values[position] !== ABSENT) throw duplicate();
        values[position] = field.decode(reader);
      } catch (error) {
        throw within(error, `.${field.name}`);
      }
      next = position + 1;
    }
    return recordOf(sorted, declared, values);
  };
}

/** The first field from `from` on whose name comes next; reads the name. -1 where none does. */
function matching(reader: Reader, fields: readonly FieldDecoder[], from: number): number {
  const { bytes, at } = reader;
  for (let i = from; i < fields.length; i += 1) {
    const { head } = fields[i] as FieldDecoder;
    let same = 0;
    while (same < head.length && bytes[at + same] === head[same]) same += 1;
    // The bytes may be a view on a larger buffer, so that what matched may lie behind the end.
    if (same === head.length && at + same <= reader.end) {
      reader.at = at + same;
      return i;
    }
    if (same === 0) return -1;
  }
  return -1;
}

function skipUndeclared(reader: Reader, name: string, seen: Set<string>, depth: number): void {
  try {
    if (seen.has(name)) throw duplicate();
    seen.add(name);
    decodeAny(reader, depth);
  } catch (error) {
    throw within(error, foundField(name));
  }
}

function recordOf(sorted: readonly FieldDecoder[], declared: readonly number[], values: unknown[]): unknown {
  for (let i = 0; i < sorted.length; i += 1) {
    if (values[i] !== ABSENT) continue;
    const field = sorted[i] as FieldDecoder;
    if (!field.optional) {
      const fault = new Fault("codec.missing_field", `field \`${field.name}\` is missing`);
      fault.path = `.${field.name}`;
      throw fault;
    }
    values[i] = field.nothing;
  }
  const record: Record<string, unknown> = {};
  for (const position of declared) {
    const value = values[position];
    if (value !== undefined) setField(record, (sorted[position] as FieldDecoder).name, value);
  }
  return record;
}

function unionDecoder(type: CType & { kind: "union" }, depth: number): Decode {
  const variants = type.variants.map((variant) => compileDecoder(variant, depth + 1));
  const bare = isBare(type);
  return (reader) => {
    const index = unionPosition(reader, variants.length);
    let value: unknown;
    try {
      value = (variants[index] as Decode)(reader);
    } catch (error) {
      throw within(error, `|${index}`);
    }
    return bare ? value : nativeVariant(type, index, value, depth + 1);
  };
}

function unionPosition(reader: Reader, variants: number): number {
  const head = reader.head();
  const length = reader.arrayLength(head);
  const refusal = new Fault("codec.union_variant", "expected a position and a value");
  if (length < 0) {
    const fault = unexpected(head, "a union");
    throw fault.code === "codec.unsupported" ? fault : refusal;
  }
  if (length !== 2) throw refusal;
  try {
    const index = reader.int();
    if (typeof index === "number" && index >= 0 && index < variants) return index;
  } catch (error) {
    if (error instanceof Fault && error.code !== "codec.type_mismatch" && error.code !== "codec.int_range") throw error;
  }
  throw refusal;
}

/**
 * A value of a union: bare where it alone tells the variant. Nothing never does: an option around the union would take
 * it; nor does the variant of an inner union, which this one would take.
 */
export function nativeVariant(type: CType & { kind: "union" }, index: number, value: unknown, depth: number): unknown {
  const named = value === undefined || value === null || value instanceof Variant;
  const tells = !named && choose(type, value, depth) === index;
  return tells || type.native === "first" ? value : new Variant(index, value);
}

/** Whether the JavaScript kind of a value always tells the variant, so that no value needs to be looked at. */
function isBare(type: CType & { kind: "union" }): boolean {
  if (type.native === "first") return true;
  const seen = new Set<string>();
  for (const variant of type.variants) {
    const kinds = kindsOf(variant);
    if (kinds.includes("nothing") || kinds.some((kind) => seen.has(kind))) return false;
    for (const kind of kinds) seen.add(kind);
  }
  return true;
}

/** The JavaScript kinds that fit a type; types without a common kind cannot be confused. An Any counts as nothing, too. */
function kindsOf(type: CType): string[] {
  switch (type.kind) {
    case "int":
      return ["number", "bigint"];
    case "float":
      return ["number"];
    case "map":
      return type.key.kind === "string" ? ["map", "object"] : ["map"];
    case "record":
      return ["object"];
    case "option":
      return [...kindsOf(type.item), "nothing"];
    case "union":
      return type.variants.flatMap(kindsOf);
    case "any":
      return ["nothing"];
    default:
      return [type.kind];
  }
}

/** A self-described value. `depth` counts the arrays and maps around it. */
export function decodeAny(reader: Reader, depth: number): AnyValue {
  const head = reader.head();
  if (head === 0xc0) return null;
  if (head === 0xc2 || head === 0xc3) return head === 0xc3;
  const int = reader.intOf(head);
  if (int !== undefined) return int;
  if (head === 0xca || head === 0xcb) {
    const value = head === 0xcb ? reader.view.getFloat64(reader.take(8)) : reader.view.getFloat32(reader.take(4));
    // A number would come back as an Int.
    return Number.isSafeInteger(value) && !Object.is(value, -0) ? new Float(value) : value;
  }
  const text = reader.stringSize(head);
  if (text >= 0) return reader.text(text);
  const bin = reader.binSize(head);
  if (bin >= 0) return reader.copy(bin);
  const array = reader.arrayLength(head);
  if (array >= 0) {
    if (depth >= MAX_DEPTH) throw tooDeep();
    return decodeItems(reader, array, (inner) => decodeAny(inner, depth + 1));
  }
  const map = reader.mapLength(head);
  if (map < 0) throw unexpected(head, formatType({ kind: "any" }));
  if (depth >= MAX_DEPTH) throw tooDeep();
  let kind = "";
  const key = (inner: Reader): string | number | bigint | boolean => {
    const name = anyKey(inner);
    const found = typeof name === "bigint" ? "number" : typeof name;
    if (kind !== "" && kind !== found) {
      throw new Fault("codec.type_mismatch", "the keys of a map are all str, all int or all bool");
    }
    kind = found;
    return name;
  };
  const entries = decodeEntries(reader, map, key, (inner) => decodeAny(inner, depth + 1));
  if (kind === "" || kind === "string") return objectOf(entries as Map<string, AnyValue>);
  return entries as Map<number | bigint, AnyValue> | Map<boolean, AnyValue>;
}

function anyKey(reader: Reader): string | number | bigint | boolean {
  const head = reader.head();
  if (head === 0xc2 || head === 0xc3) return head === 0xc3;
  const size = reader.stringSize(head);
  if (size >= 0) return reader.text(size);
  const int = reader.intOf(head);
  if (int === undefined) throw unexpected(head, "a key");
  return int;
}

function duplicate(): Fault {
  return new Fault("codec.duplicate_key", "a key occurs twice");
}
