import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { Codec } from "../src/codec/codec.js";
import { CancelReason } from "../src/generated/modrack/provider/v1/frames.js";
import { Command } from "../src/generated/modrack/provider/v1/registry.js";
import { CATEGORIES, type Category, Client, type Context, ModuleError, Provider, parseType, t } from "../src/index.js";
import { callModule } from "../src/testing.js";
import { FakeHost, type Peer } from "./support/fake_host.js";

const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

let host: FakeHost;
let provider: Provider;
let outer: (context: Context) => Promise<number>;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

beforeEach(async () => {
  host = await FakeHost.start();
  provider = new Provider("test", { host: host.url, graceMs: 100, logger: silent })
    .module("Outer", { input: {}, output: t.int }, (_, context) => outer(context))
    .module("Inner", { input: { n: t.int }, output: t.int }, ({ n }) => {
      if (Number(n) < 0) throw new ModuleError("test.negative", "below zero", { category: "INVALID_ARGUMENT" });
      return Number(n) + 1;
    })
    .module("Items", { input: {}, output: t.stream(t.int) }, () => [1, 2, 3])
    .batch("Many", { input: { n: t.int }, output: t.int }, (inputs) => inputs.map(({ n }) => n))
    .module("Fail", { input: t.string, output: t.int }, (category) => fail(category))
    .module("FailLate", { input: t.string, output: t.stream(t.int) }, async function* (category) {
      yield 1;
      fail(category);
    })
    .batch("EachFail", { input: t.string, output: t.int }, (inputs) => inputs.map(chosen))
    .module("Relay", { input: t.string, output: t.stream(t.int) }, (category, { client }) =>
      client.stream<number>("test.FailLate", category),
    )
    .batch("EachCall", { input: t.string, output: t.int }, (inputs, { client }) =>
      client.callBatch<number>("test.EachFail", inputs),
    )
    .batch("AllCall", { input: t.string, output: t.int }, (inputs, { client }) =>
      Promise.all(inputs.map((input) => client.call<number>("test.Fail", input))),
    )
    .module("Wait", { input: {}, output: t.int }, () => new Promise<number>(() => undefined));
  await provider.start();
});

afterEach(async () => {
  await provider.stop();
  await host.stop();
});

const text = new Codec(parseType("String"));

function chosen(category: string): ModuleError {
  return new ModuleError("test.chosen", `${category} it is`, { category: category as Category });
}

function fail(category: string): never {
  throw chosen(category);
}

const inputData = new Codec(parseType("{}")).encode({});

async function run(peer: Peer, facts: { timeoutMs?: number; traceparent?: string } = {}): Promise<unknown> {
  const { result } = await peer.execute({ moduleName: "Outer", inputData, ...facts }).response;
  return result.case === "outputData" ? new Codec(parseType("Int")).decode(result.value) : result.value?.code;
}

test("a handler calls, streams and batches other modules with its session's token and in its trace", async () => {
  outer = async ({ client }) => {
    let sum = await client.call<number>("test.Inner", { n: 1 });
    for await (const n of client.stream<number>("test.Items")) sum += n;
    for (const n of await client.callBatch<number>("test.Many", [{ n: 10 }, { n: 20 }])) sum += n as number;
    return sum;
  };
  expect(await run(await host.peer(), { traceparent: TRACE })).toBe(38);
  for (const metadata of host.metadata) {
    expect(metadata.get("authorization")).toEqual(["Bearer token-1"]);
    expect(metadata.get("traceparent")).toEqual([TRACE]);
    expect(metadata.get("tracestate")).toEqual([]);
  }
  expect(host.metadata).toHaveLength(3);
});

test("what is left of the deadline is the most that a nested call gets", async () => {
  const ends: number[] = [];
  outer = async (context) => {
    ends.push(Number(context.deadline));
    await context.client.call("test.Inner", { n: 1 }, { timeoutMs: 60_000 });
    await context.client.call("test.Inner", { n: 1 }, { timeoutMs: 1000 });
    return 0;
  };
  expect(await run(await host.peer(), { timeoutMs: 20_000 })).toBe(0);
  const [end = 0] = ends;
  const [long = 0, short = 0] = host.deadlines;
  // The deadline travels as the time that is left, so it may come out a little later.
  expect(Math.abs(long - end)).toBeLessThan(1000);
  expect(short).toBeLessThan(end - 15_000);
});

test("a handler whose time is over calls nobody", async () => {
  outer = async (context) => {
    while (context.timeLeft !== 0) await new Promise((later) => setImmediate(later));
    return context.client.call<number>("test.Inner", { n: 1 }).catch((error) => (error.code.length as number) * 1000);
  };
  expect(await run(await host.peer(), { timeoutMs: 5 })).toBe("client.deadline.exceeded".length * 1000);
  expect(host.calls).toEqual([]);
});

test("a cancel of the handler cancels its nested call", async () => {
  let failed: unknown;
  outer = (context) => {
    return context.client.call<number>("test.Wait").catch((error) => {
      failed = error;
      throw error;
    });
  };
  const peer = await host.peer();
  const { callId } = peer.execute({ moduleName: "Outer", inputData });
  await host.until(() => host.calls.length === 1);
  peer.send([{ callId, frame: { case: "cancel", value: { reason: CancelReason.CALLER } } }]);
  await host.until(() => host.cancelled === 1);
  await peer.settled();
  expect(failed).toMatchObject({ code: "client.call.cancelled", category: "CANCELLED" });
});

/** The category of a nested call that fails, then what its handler's caller gets where the handler lets it pass. */
const OUTCOMES = [
  ["DEADLINE_EXCEEDED", "executor.deadline.exceeded", "DEADLINE_EXCEEDED", true],
  ["CANCELLED", "executor.call.cancelled", "CANCELLED", false],
  ["NOT_FOUND", "module.failed", "UPSTREAM_ERROR", false],
] as const;

function passed(nested: Category, code: string, category: Category, retryable: boolean) {
  return {
    code,
    category: CATEGORIES.indexOf(category) + 1,
    retryable,
    message: `ModrackError: ${nested} it is`,
    details: { nested_code: "test.chosen", nested_category: nested },
  };
}

describe.each(OUTCOMES)("an uncaught nested failure %s", (nested, code, category, retryable) => {
  const expected = passed(nested, code, category, retryable);

  test.each(["call", "stream"] as const)("of a %s ends the call", async (kind) => {
    outer = async ({ client }) => {
      if (kind === "call") return client.call<number>("test.Fail", nested);
      for await (const _ of client.stream("test.FailLate", nested));
      return 0;
    };
    const { response } = (await host.peer()).execute({ moduleName: "Outer", inputData });
    expect((await response).result).toMatchObject({ case: "error", value: expected });
  });

  test("of a stream ends a stream, behind its items", async () => {
    const peer = await host.peer();
    const callId = peer.stream({ moduleName: "Relay", inputData: text.encode(nested) }, 5);
    await peer.until(() => peer.of(callId).length === 2);
    const [item, failure] = peer.of(callId);
    expect(item?.case).toBe("item");
    expect(failure).toMatchObject({ case: "error", value: expected });
  });

  test("of a call ends a batch", async () => {
    const peer = await host.peer();
    const callId = peer.batch([{ moduleName: "AllCall", inputData: text.encode(nested) }]);
    await peer.until(() => peer.of(callId).length === 1);
    expect(peer.of(callId)[0]).toMatchObject({ case: "error", value: expected });
  });
});

test("each element of a batch fails as that of its nested batch does", async () => {
  const peer = await host.peer();
  const requests = OUTCOMES.map(([nested]) => ({ moduleName: "EachCall", inputData: text.encode(nested) }));
  const callId = peer.batch(requests);
  await peer.until(() => peer.of(callId).length === 1);
  const [frame] = peer.of(callId);
  const results = frame?.case === "batchResult" ? frame.value.responses.map(({ result }) => result.value) : [];
  expect(results).toMatchObject(
    OUTCOMES.map(([nested, code, category, retryable]) => passed(nested, code, category, retryable)),
  );
});

test("a nested failure that is caught and wrapped is the handler's own", async () => {
  outer = ({ client }) =>
    client.call<number>("test.Fail", "CANCELLED").catch((cause) => {
      throw new RangeError("mine", { cause });
    });
  const { response } = (await host.peer()).execute({ moduleName: "Outer", inputData });
  const value = { code: "module.failed", message: "RangeError: mine", details: {} };
  expect((await response).result).toMatchObject({ value });
});

test("a nested input that does not fit is no fault of the outer call's output", async () => {
  outer = ({ client }) => client.call<number>("test.Fail", 5);
  const { response } = (await host.peer()).execute({ moduleName: "Outer", inputData });
  const details = { nested_code: "codec.type_mismatch", nested_category: "INVALID_ARGUMENT" };
  expect((await response).result).toMatchObject({ value: { code: "module.failed", details } });
});

test("a nested call that outlasts its handler's deadline ends it as the host does", async () => {
  outer = ({ client }) => client.call<number>("test.Wait");
  expect(await run(await host.peer(), { timeoutMs: 50 })).toBe("executor.deadline.exceeded");
});

test("the token is that of the live session after a new registration", async () => {
  outer = ({ client }) => client.call<number>("test.Inner", { n: 1 });
  expect(await run(await host.peer())).toBe(2);
  host.behaviour.forgetsTokens = true;
  host.behaviour.commands = [Command.REREGISTER];
  expect(await run(await host.peer(1))).toBe(2);
  expect(host.metadata.map((metadata) => metadata.get("authorization")[0])).toEqual([
    "Bearer token-1",
    "Bearer token-2",
  ]);
});

test("in a test the handler gets the client of the test", async () => {
  outer = ({ client }) => client.call<number>("test.Inner", { n: 5 });
  const client = new Client({ host: host.url });
  expect(await callModule(provider, "Outer", {}, { client })).toBe(6);
  client.close();
});
