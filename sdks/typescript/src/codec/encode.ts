// JavaScript values to canonical MessagePack, by encoders that are compiled once per type. Decodes nothing.

import type { CType, Field } from "./ctype.js";
import { formatType } from "./ctype.js";
import { choose, isInt64, keyKind, MAX_DEPTH, SEVERAL } from "./fit.js";
import { Float, fieldOf, isPlainObject, isRecordLike, told, Variant } from "./native.js";
import { Fault, keyStep, within } from "./path.js";
import { compareKeys, Writer } from "./writer.js";

/** Writes a value; throws a {@link Fault}. */
export type Encode = (writer: Writer, value: unknown) => void;

/** The encoder of a type that keeps the rules. `depth` counts the arrays and maps around it. */
export function compileEncoder(type: CType, depth = 0): Encode {
  switch (type.kind) {
    case "string":
      return (writer, value) => {
        if (typeof value !== "string") throw mismatch(type, value);
        writer.string(value);
      };
    case "int":
      return (writer, value) => {
        if (Number.isSafeInteger(value)) writer.int(value as number);
        else if (typeof value === "bigint") writer.bigint(value);
        else throw Number.isInteger(value) ? unsafe() : mismatch(type, value);
      };
    case "float":
      return (writer, value) => {
        if (typeof value === "number") writer.float(value);
        else if (value instanceof Float) writer.float(value.value);
        else throw mismatch(type, value);
      };
    case "bool":
      return (writer, value) => {
        if (typeof value !== "boolean") throw mismatch(type, value);
        writer.byte(value ? 0xc3 : 0xc2);
      };
    case "bytes":
      return (writer, value) => {
        if (!(value instanceof Uint8Array)) throw mismatch(type, value);
        writer.bin(value);
      };
    case "any":
      return (writer, value) => encodeAny(writer, value, depth);
    case "option": {
      const item = compileEncoder(type.item, depth);
      return (writer, value) => {
        if (value === undefined || value === null) writer.byte(0xc0);
        else item(writer, value);
      };
    }
    case "list": {
      const item = compileEncoder(type.item, depth + 1);
      return (writer, value) => {
        if (!Array.isArray(value)) throw mismatch(type, value);
        encodeItems(writer, value, item);
      };
    }
    case "map":
      return mapEncoder(type, depth);
    case "record":
      return recordEncoder(type, depth);
    case "union":
      return unionEncoder(type, depth);
  }
}

function encodeItems(writer: Writer, items: readonly unknown[], encode: Encode): void {
  const { length } = items;
  writer.array(length);
  let i = 0;
  try {
    for (; i < length; i += 1) encode(writer, items[i]);
  } catch (error) {
    throw within(error, `[${i}]`);
  }
}

function mapEncoder(type: CType & { kind: "map" }, depth: number): Encode {
  const key = compileEncoder(type.key, depth + 1);
  const item = compileEncoder(type.value, depth + 1);
  const isText = type.key.kind === "string";
  return (writer, value) => {
    if (value instanceof Map) {
      if (isText) encodeTextEntries(writer, [...value.keys()], (name) => value.get(name), item, type);
      else encodeEntries(writer, value, key, item);
    } else if (isText && isPlainObject(value)) {
      encodeTextEntries(writer, Object.keys(value), (name) => value[name], item, type);
    } else throw mismatch(type, value);
  };
}

function encodeTextEntries(
  writer: Writer,
  keys: string[],
  get: (key: string) => unknown,
  item: Encode,
  type: CType,
): void {
  for (const key of keys) if (typeof key !== "string") throw mismatch(type, key);
  if (keys.length > 1) keys.sort(compareKeys);
  writer.map(keys.length);
  for (const key of keys) {
    try {
      writer.string(key);
      item(writer, get(key));
    } catch (error) {
      throw within(error, keyStep(key));
    }
  }
}

function encodeEntries(writer: Writer, map: ReadonlyMap<unknown, unknown>, key: Encode, item: Encode): void {
  const entries = [...map].map(([name, value]) => ({ name, value, head: encodeAlone(key, name) }));
  entries.sort((a, b) => Buffer.compare(a.head, b.head));
  writer.map(entries.length);
  entries.forEach(({ name, value, head }, i) => {
    const before = entries[i - 1];
    try {
      if (before?.head.equals(head)) {
        throw new Fault("codec.duplicate_key", "a key occurs twice");
      }
      writer.reserve(head.length);
      writer.bytes.set(head, writer.at);
      writer.at += head.length;
      item(writer, value);
    } catch (error) {
      throw within(error, keyStep(name));
    }
  });
}

function encodeAlone(encode: Encode, value: unknown): Buffer {
  const writer = new Writer(16);
  encode(writer, value);
  return writer.bytes.subarray(0, writer.at);
}

interface FieldEncoder {
  readonly name: string;
  /** The name as an encoded str. */
  readonly head: Uint8Array;
  readonly encode: Encode;
  readonly optional: boolean;
}

function recordEncoder(type: CType & { kind: "record" }, depth: number): Encode {
  const fields = sortedFields(type.fields).map(
    (field): FieldEncoder => ({
      name: field.name,
      head: encodeAlone((writer) => writer.string(field.name), undefined),
      encode: compileEncoder(field.type, depth + 1),
      optional: field.type.kind === "option",
    }),
  );
  return (writer, value) => {
    if (!isRecordLike(value)) throw mismatch(type, value);
    writer.reserve(5);
    // Only records of more than 15 fields have a count of more than one byte; they are counted first.
    const start = writer.at;
    let count = fields.length;
    if (count > 15) count = fields.filter((field) => isGiven(field, value)).length;
    writer.map(count);
    let written = 0;
    for (const field of fields) {
      const inner = fieldOf(value, field.name);
      if (inner === undefined || (inner === null && field.optional)) {
        if (field.optional) continue;
        throw missing(field.name);
      }
      const { head } = field;
      writer.reserve(head.length);
      writer.bytes.set(head, writer.at);
      writer.at += head.length;
      try {
        field.encode(writer, inner);
      } catch (error) {
        throw within(error, `.${field.name}`);
      }
      written += 1;
    }
    if (written !== count) writer.bytes[start] = 0x80 | written;
  };
}

function isGiven(field: FieldEncoder, value: Record<string, unknown>): boolean {
  const inner = fieldOf(value, field.name);
  return inner !== undefined && !(inner === null && field.optional);
}

/** The fields in the order of their bytes: names are ASCII. */
export function sortedFields(fields: readonly Field[]): Field[] {
  return [...fields].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function unionEncoder(type: CType & { kind: "union" }, depth: number): Encode {
  const variants = type.variants.map((variant) => compileEncoder(variant, depth + 1));
  return (writer, value) => {
    const chosen = choose(type, value, depth + 1);
    if (chosen < 0) throw unfit(type, value, chosen);
    writer.byte(0x92);
    writer.int(chosen);
    try {
      (variants[chosen] as Encode)(writer, value instanceof Variant ? value.value : value);
    } catch (error) {
      throw within(error, `|${chosen}`);
    }
  };
}

function encodeAny(writer: Writer, value: unknown, depth: number): void {
  switch (typeof value) {
    case "string":
      return writer.string(value);
    case "boolean":
      return writer.byte(value ? 0xc3 : 0xc2);
    case "bigint":
      return writer.bigint(value);
    case "number":
      // No Int is negative zero, and no Int beyond the safe range is a number: those are floats.
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? writer.int(value) : writer.float(value);
    default:
      break;
  }
  if (value === null) return writer.byte(0xc0);
  if (value instanceof Float) return writer.float(value.value);
  if (value instanceof Uint8Array) return writer.bin(value);
  const isMap = value instanceof Map;
  if (!Array.isArray(value) && !isMap && !isPlainObject(value)) throw mismatch({ kind: "any" }, value);
  if (depth >= MAX_DEPTH) throw tooDeep();
  const inner: Encode = (into, item) => encodeAny(into, item, depth + 1);
  if (Array.isArray(value)) return encodeItems(writer, value, inner);
  if (isMap) {
    const kind = anyKeyKind(value);
    return mapEncoder({ kind: "map", key: { kind }, value: { kind: "any" } }, depth)(writer, value);
  }
  // As in JSON, a member without a value is no member.
  const keys = Object.keys(value).filter((key) => value[key] !== undefined);
  return encodeTextEntries(writer, keys, (key) => value[key], inner, { kind: "any" });
}

/** The kind that all keys of a map have. */
export function anyKeyKind(map: ReadonlyMap<unknown, unknown>): "string" | "int" | "bool" {
  let kind: ReturnType<typeof keyKind>;
  for (const key of map.keys()) {
    const found = typeof key === "bigint" && !isInt64(key) ? undefined : keyKind(key);
    if (found === undefined || (kind !== undefined && found !== kind)) {
      throw new Fault("codec.type_mismatch", "the keys of a map are all strings, all integers or all booleans");
    }
    kind = found;
  }
  return kind ?? "string";
}

/** The refusal of a value of another kind than declared. */
export function mismatch(type: CType, value: unknown): Fault {
  return new Fault("codec.type_mismatch", `expected ${formatType(type)}, found ${told(value)}`);
}

/** The refusal of a record without a field. */
export function missing(name: string): Fault {
  const fault = new Fault("codec.missing_field", `field \`${name}\` is missing`);
  fault.path = `.${name}`;
  return fault;
}

/** The refusal of a number that does not say which integer is meant. */
export function unsafe(): Fault {
  return new Fault("codec.int_range", "a number beyond ±(2^53 − 1) is not exact; use a bigint");
}

/** The refusal of another container inside the deepest one. */
export function tooDeep(): Fault {
  return new Fault("codec.depth", `more than ${MAX_DEPTH} lists and maps inside each other`);
}

/** The refusal of a value that fits no variant, or several. */
export function unfit(type: CType & { kind: "union" }, value: unknown, chosen: number): Fault {
  if (value instanceof Variant) return new Fault("codec.union_variant", `there is no variant ${value.index}`);
  if (chosen === SEVERAL) {
    return new Fault("codec.ambiguous_union", `several variants of ${formatType(type)} fit; use variant(i, value)`);
  }
  return new Fault("codec.no_variant", `no variant of ${formatType(type)} fits ${told(value)}`);
}
