import { afterEach, expect, test } from "vitest";

import { Client, ModrackError, ModuleError, Provider, t } from "../src/index.js";
import { batchModule, callModule, streamModule } from "../src/testing.js";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
let steps: string[] = [];

afterEach(() => {
  steps = [];
});

const provider = new Provider("test")
  .module("Count", { input: { to: t.int }, output: t.stream(t.int) }, async function* ({ to }, ctx) {
    try {
      for (let n = 1; n <= Number(to); n += 1) {
        steps.push(`make ${n}`);
        yield n;
      }
    } finally {
      steps.push(ctx.isCancelled ? "cancelled" : "done");
    }
  })
  .module("Break", { input: {}, output: t.stream(t.int) }, async function* () {
    yield 1;
    throw new ModuleError("test.broken", "no more");
  })
  .module("Wait", { input: {}, output: t.stream(t.int) }, async function* (_, ctx) {
    yield 1;
    await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
    steps.push("told");
  })
  .batch("Halve", { input: { n: t.int }, output: t.float }, (inputs, ctx) => {
    steps.push(ctx.executionId);
    return inputs.map(({ n }) => (n === 0 ? new ModuleError("test.zero", "zero") : Number(n) / 2));
  })
  .module("Outer", { input: {}, output: t.string }, (_, ctx) => `${ctx.client instanceof Client} ${ctx.traceparent}`);

test("a stream's items come one by one, and none is made before it is asked for", async () => {
  const got: number[] = [];
  for await (const n of streamModule<number>(provider, "Count", { to: 3 })) {
    got.push(n);
    expect(steps).toHaveLength(n);
  }
  expect(got).toEqual([1, 2, 3]);
  expect(steps.at(-1)).toBe("done");
});

test("leaving the loop cancels the stream", async () => {
  for await (const _ of streamModule(provider, "Count", { to: 1000 })) break;
  expect(steps).toEqual(["make 1", "cancelled"]);
});

test("a stream's failure comes behind what came before it", async () => {
  const got: unknown[] = [];
  const follow = async (name: string, input: unknown, call = {}): Promise<void> => {
    for await (const n of streamModule(provider, name, input, { logger: silent, ...call })) got.push(n);
  };
  await expect(follow("Break", {})).rejects.toMatchObject({ code: "test.broken" });
  expect(got).toEqual([1]);
  await expect(follow("Wait", {}, { timeoutMs: 20 })).rejects.toMatchObject({ code: "executor.deadline.exceeded" });
  expect(steps).toEqual(["told"]);
  await expect(follow("Halve", { n: 1 })).rejects.toMatchObject({ code: "executor.stream.unsupported" });
  await expect(follow("Count", { to: "x" })).rejects.toMatchObject({ code: "codec.type_mismatch" });
  await expect(callModule(provider, "Count", { to: 1 })).rejects.toMatchObject({ code: "executor.stream.required" });
});

test("a batch gives each input its own answer", async () => {
  const answers = await batchModule<number>(provider, "Halve", [{ n: 1 }, { n: 0 }, { n: 3 }], {
    executionId: "run-9",
  });
  expect(answers.map((answer) => (answer instanceof ModrackError ? answer.code : answer))).toEqual([
    0.5,
    "test.zero",
    1.5,
  ]);
  expect(steps).toEqual(["run-9"]);
  expect(await callModule(provider, "Halve", { n: 4 })).toBe(2);
  await expect(batchModule(provider, "Count", [{ to: 1 }])).rejects.toMatchObject({
    code: "executor.batch.unsupported",
  });
});

test("a handler finds the client and the trace that the test gives", async () => {
  const client = new Client({ host: "unix:/nowhere/at-all.sock" });
  expect(await callModule(provider, "Outer", {}, { client, traceparent: "00-1" })).toBe("true 00-1");
  client.close();
});
