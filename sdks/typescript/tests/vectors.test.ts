import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

import { Codec } from "../src/codec/codec.js";
import { formatType } from "../src/codec/ctype.js";
import { type JsonValue, stringifyJson } from "../src/codec/json.js";
import { parseType } from "../src/codec/parse.js";
import { CodecError, SchemaError } from "../src/errors.js";

interface Vector {
  name: string;
  type: string;
  json?: JsonValue;
  msgpack?: string;
  decodes_from?: string[];
  json_from?: JsonValue[];
  refuse_msgpack?: string;
  refuse_json?: JsonValue;
  refuse_type?: boolean;
  print?: string;
  code?: string;
  path?: string;
}

const folder = new URL("../../../tests/vectors/", import.meta.url);

function refusalOf(run: () => unknown): { code: string; path: string } {
  try {
    run();
  } catch (error) {
    if (error instanceof CodecError || error instanceof SchemaError) return { code: error.code, path: error.path };
    throw error;
  }
  throw new Error("it was accepted");
}

/** Objects compare by their members whatever their order; `-0` and `0` differ. */
function sorted(json: JsonValue): JsonValue {
  if (Array.isArray(json)) return json.map(sorted);
  if (typeof json !== "object" || json === null) return json;
  return Object.fromEntries(
    Object.keys(json)
      .sort()
      .map((key) => [key, sorted(json[key] as JsonValue)]),
  );
}

function check(vector: Vector): void {
  const expected = { code: vector.code, ...(vector.path === undefined ? {} : { path: vector.path }) };
  if (vector.refuse_type) {
    expect(refusalOf(() => parseType(vector.type))).toMatchObject(expected);
    return;
  }
  const type = parseType(vector.type);
  expect(formatType(type)).toBe(vector.print ?? vector.type);
  expect(formatType(parseType(formatType(type)))).toBe(formatType(type));
  const codec = new Codec(type);
  const hex = (value: unknown): string => Buffer.from(codec.encode(value)).toString("hex");
  const text = (json: JsonValue): string => stringifyJson(sorted(json));
  if (vector.json !== undefined) {
    for (const json of [vector.json, ...(vector.json_from ?? [])]) {
      const value = codec.fromJson(json);
      expect(text(codec.toJson(value))).toBe(text(vector.json));
      expect(text(JSON.parse(codec.stringify(value)) as JsonValue)).toBe(text(vector.json));
      if (vector.msgpack !== undefined) expect(hex(value)).toBe(vector.msgpack);
    }
  }
  if (vector.msgpack !== undefined) {
    for (const bytes of [vector.msgpack, ...(vector.decodes_from ?? [])]) {
      const value = codec.decode(Buffer.from(bytes, "hex"));
      expect(hex(value)).toBe(vector.msgpack);
      if (vector.json !== undefined) expect(text(codec.toJson(value))).toBe(text(vector.json));
    }
  }
  if (vector.refuse_msgpack !== undefined) {
    const bytes = Buffer.from(vector.refuse_msgpack, "hex");
    expect(refusalOf(() => codec.decode(bytes))).toMatchObject(expected);
  }
  if (vector.refuse_json !== undefined) {
    expect(refusalOf(() => codec.fromJson(vector.refuse_json))).toMatchObject(expected);
  }
}

let count = 0;
for (const file of readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .sort()) {
  const vectors = JSON.parse(readFileSync(new URL(file, folder), "utf8")) as Vector[];
  count += vectors.length;
  describe(file, () => {
    for (const vector of vectors) test(vector.name, () => check(vector));
  });
}

test("there are vectors", () => {
  expect(count).toBeGreaterThan(150);
});
