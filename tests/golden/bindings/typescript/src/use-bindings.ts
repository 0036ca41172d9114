// Uses every module of the golden provider through generated bindings; ends with 0 when each answers as it should.

import assert from "node:assert/strict";

import { Client, variant } from "@modrack/sdk";

import { type EverythingInput, GoldenText } from "./bindings/golden_text.js";
import { GoldenWords, Pipeline } from "./bindings/index.js";
import type { RowsOfOutput } from "./bindings/pipeline.js";

async function text(modules: GoldenText): Promise<void> {
  const replaced: string = await modules.Replace({ text: "banana", find: "a", replace: "o", count: 2 });
  assert.equal(replaced, "bonona");
  assert.equal(await modules.Sum([1, 2n, 3], { timeoutMs: 5000, idempotencyKey: "k" }), 6);
  assert.equal(await modules.Now(), 1);
  const counted: (number | bigint)[] = [];
  for await (const item of modules.Count({ to: 4 })) counted.push(item);
  assert.deepEqual(counted, [0, 1, 2, 3]);
  const sent: EverythingInput = {
    text: "🦀",
    int: -(2n ** 63n),
    float: Number.POSITIVE_INFINITY,
    flag: true,
    data: new Uint8Array([0, 255]),
    any: { a: [1, null] },
    list: ["x"],
    map: new Map([[1, "a"]]),
    union: 7,
    lists: variant(1, []),
    inner: { class: "c", rows: [{ id: 1, name: "ü" }] },
    choice: { id: 2, name: "n" },
  };
  const everything = await modules.Everything(sent);
  assert.equal(everything.text, "🦀");
  assert.equal(everything.int, -(2n ** 63n));
  assert.equal(everything.option, undefined);
  assert.equal(everything.union, 7);
  assert.deepEqual(everything.lists, variant(1, []));
  assert.deepEqual(everything.inner.rows[0], { id: 1, name: "ü" });
  assert.deepEqual(everything.map, new Map([[1, "a"]]));
}

async function words(modules: GoldenWords): Promise<void> {
  const sent = {
    class: "c",
    self: 1,
    timeout: 2.5,
    idempotency_key: "i",
    "content-type": "t",
    camelCase: 3,
    camel_case: 4,
    str: "s",
    list: ["l"],
    __private: 5,
    ["__proto__"]: 6,
    constructor: 7,
    _: 8,
  };
  const echoed = await modules.Echo(sent);
  assert.deepEqual({ ...echoed }, { ...sent });
  assert.equal(Object.getOwnPropertyDescriptor(echoed, "__proto__")?.value, 6);
  await modules.constructor_();
  assert.equal(await modules.list_(undefined), undefined);
  assert.equal(await modules.import("x"), "x");
  assert.deepEqual([await modules.do_it(1), await modules.do_it_2(2)], [1, 2]);
}

async function pipelines(client: Client): Promise<void> {
  const expected: RowsOfOutput = { rows: [{ id: 6, name: "word bonono" }], total: 6 };
  assert.deepEqual(await new Pipeline(client).rows_of({ text: "banana", class: "word" }), expected);
  const { outputs, record } = await client.runPipeline<RowsOfOutput>("rows-of", { text: "banana" });
  assert.deepEqual(outputs, expected);
  assert.deepEqual(record.nodes.map(({ node }) => node.module).sort(), ["golden.text.Replace", "golden.text.Sum"]);
}

const client = new Client();
try {
  await text(new GoldenText(client));
  await words(new GoldenWords(client));
  await pipelines(client);
} finally {
  client.close();
}
