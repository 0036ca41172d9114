// Measures the codec beside two MessagePack libraries, on the shapes that modules exchange. Needs the built SDK; asserts nothing.
//
// The libraries know no schema: they check nothing, order no keys, and lose what only the type tells. They show what the
// checks cost, and why a library under the codec would have to be walked twice.

import { decode as decodePlain, encode as encodePlain } from "@msgpack/msgpack";
import { Packr } from "msgpackr";

import { Codec, parseType } from "../dist/index.js";

const words = "the quick brown fox jumps over the lazy dog ".repeat(4);
const cases = [
  ["{text: String}", { text: "hello world" }],
  ["{text: String, find: String, replace: String}", { text: words, find: "fox", replace: "cat" }],
  ["{numbers: List<Int>}", { numbers: Array.from({ length: 100 }, (_, i) => i * 37) }],
  [
    "{rows: List<{id: Int, name: String, score: Float}>}",
    {
      rows: Array.from({ length: 20 }, (_, id) => ({ id, name: `row ${id}`, score: id + 0.5 })),
    },
  ],
  ["Map<String, Int>", new Map(Array.from({ length: 50 }, (_, i) => [`key${i}`, i]))],
];

const packr = new Packr({ useRecords: false, mapsAsObjects: false });

function rate(run) {
  for (let i = 0; i < 20_000; i += 1) run();
  const start = performance.now();
  let count = 0;
  while (performance.now() - start < 400) {
    for (let i = 0; i < 500; i += 1) run();
    count += 500;
  }
  return Math.round(count / (performance.now() - start));
}

const rows = [];
for (const [text, value] of cases) {
  const codec = new Codec(parseType(text));
  const bytes = codec.encode(value);
  const plain = value instanceof Map ? Object.fromEntries(value) : value;
  rows.push({
    type: text.slice(0, 40),
    bytes: bytes.length,
    "encode/ms": rate(() => codec.encode(value)),
    "@msgpack": rate(() => encodePlain(plain)),
    msgpackr: rate(() => packr.pack(plain)),
    "decode/ms": rate(() => codec.decode(bytes)),
    "@msgpack ": rate(() => decodePlain(bytes)),
    "msgpackr ": rate(() => packr.unpack(bytes)),
  });
}
console.table(rows);
