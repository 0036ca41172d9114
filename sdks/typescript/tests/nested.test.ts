import { afterEach, beforeEach, expect, test } from "vitest";

import { Codec } from "../src/codec/codec.js";
import { CancelReason } from "../src/generated/modrack/provider/v1/frames.js";
import { Command } from "../src/generated/modrack/provider/v1/registry.js";
import { Client, type Context, ModuleError, Provider, parseType, t } from "../src/index.js";
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
    .module("Wait", { input: {}, output: t.int }, () => new Promise<number>(() => undefined));
  await provider.start();
});

afterEach(async () => {
  await provider.stop();
  await host.stop();
});

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

test("a failure of a nested call that the handler does not catch is the handler's own", async () => {
  outer = (context) => context.client.call<number>("test.Inner", { n: -1 });
  expect(await run(await host.peer())).toBe("module.failed");
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
