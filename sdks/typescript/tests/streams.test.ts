import { once } from "node:events";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { Codec } from "../src/codec/codec.js";
import type { ModuleExecutorClient } from "../src/generated/modrack/provider/v1/execution.js";
import { CancelReason } from "../src/generated/modrack/provider/v1/frames.js";
import { Client, ModuleError, Provider, parseType, TypedStream, t } from "../src/index.js";
import { errorFromRpc } from "../src/wire/errors.js";
import { FakeHost, type Peer } from "./support/fake_host.js";

let host: FakeHost;
let provider: Provider;
/** What the handlers did, in their order. */
let steps: string[];
/** Told whenever a generator has cleaned up. */
let cleaned: Promise<void>;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

beforeEach(async () => {
  host = await FakeHost.start();
  steps = [];
});

afterEach(async () => {
  await provider.stop();
  await host.stop();
});

async function start(plane: "link" | "attach" | "unary"): Promise<void> {
  let clean = (): void => undefined;
  cleaned = new Promise((resolve) => {
    clean = resolve;
  });
  provider = new Provider("test", { host: host.url, plane, graceMs: 1000, logger: silent })
    .module("Count", { input: { to: t.int }, output: t.stream(t.int) }, async function* ({ to }) {
      try {
        for (let n = 1; n <= Number(to); n += 1) {
          steps.push(`make ${n}`);
          yield n;
        }
        steps.push("end");
      } finally {
        steps.push("clean");
        clean();
      }
    })
    .module("Sync", { input: {}, output: t.stream(t.string) }, function* () {
      yield "a";
      yield Promise.resolve("b");
    })
    .module("Listed", { input: {}, output: t.stream(t.record({ n: t.int })) }, async () => [{ n: 1 }, { n: 2 }])
    .module("Break", { input: {}, output: t.stream(t.int) }, async function* () {
      yield 1;
      throw new ModuleError("test.broken", "no more", { category: "CONFLICT" });
    })
    .module("Lie", { input: {}, output: t.stream(t.int) }, async function* () {
      try {
        yield 1;
        yield "two" as unknown as number;
      } finally {
        steps.push("clean");
        clean();
      }
    })
    .module("Forever", { input: {}, output: t.stream(t.int) }, async function* (_, ctx) {
      try {
        yield 1;
        await once(ctx.signal, "abort");
        steps.push(`told ${(ctx.signal.reason as { code: string }).code}`);
      } finally {
        steps.push("clean");
        clean();
      }
    })
    .module("Big", { input: {}, output: t.stream(t.bytes) }, async function* () {
      yield new Uint8Array(10);
      yield new Uint8Array(20_000);
    })
    .module("Blobs", { input: {}, output: t.stream(t.bytes) }, function* () {
      try {
        for (;;) {
          steps.push("make");
          yield new Uint8Array(16 << 10);
        }
      } finally {
        clean();
      }
    })
    .module("Text", { input: {}, output: t.stream(t.string) }, () => "text" as unknown as string[])
    .module("Plain", { input: {}, output: t.int }, () => 1);
  await provider.start();
}

function request(moduleName: string, input: unknown = {}, type = "{}") {
  return { moduleName, inputData: new Codec(parseType(type)).encode(input), executionId: "run-1" };
}

const count = (to: number) => request("Count", { to }, "{to: Int}");

/** What a stream has sent, in short. */
function told(peer: Peer, callId: bigint, type = "Int"): unknown[] {
  const codec = new Codec(parseType(type));
  return peer.of(callId).map((frame) => {
    if (frame.case === "item") return codec.decode(frame.value.data);
    return frame.case === "error" ? frame.value.code : frame.case;
  });
}

for (const plane of ["link", "attach"] as const) {
  describe(`on the ${plane} plane`, () => {
    test("a stream sends as many items as it has credit for, and makes no more", async () => {
      await start(plane);
      const peer = await host.peer();
      const callId = peer.stream(count(5), 2);
      await peer.settled();
      expect(told(peer, callId)).toEqual([1, 2]);
      expect(steps).toEqual(["make 1", "make 2"]);
      peer.grant(callId, 1);
      await peer.until(() => peer.of(callId).length === 3);
      await peer.settled();
      expect(steps).toEqual(["make 1", "make 2", "make 3"]);
      peer.grant(callId, 100);
      await peer.until(() => peer.of(callId).at(-1)?.case === "end");
      expect(told(peer, callId)).toEqual([1, 2, 3, 4, 5, "end"]);
      expect(steps.slice(3)).toEqual(["make 4", "make 5", "end", "clean"]);
    });

    test("a cancelled stream is cleaned up, and nothing follows", async () => {
      await start(plane);
      const peer = await host.peer();
      const callId = peer.stream(count(5), 1);
      await peer.until(() => peer.of(callId).length === 1);
      peer.send([
        { callId, frame: { case: "cancel", value: { reason: CancelReason.CALLER } } },
        { callId, frame: { case: "credit", value: { items: 10 } } },
      ]);
      await cleaned;
      await peer.settled();
      expect(steps).toEqual(["make 1", "clean"]);
      expect(told(peer, callId)).toEqual([1]);
    });

    test("a stream that waits is told by its signal", async () => {
      await start(plane);
      const peer = await host.peer();
      const callId = peer.stream(request("Forever"), 10);
      await peer.until(() => peer.of(callId).length === 1);
      peer.send([{ callId, frame: { case: "cancel", value: { reason: CancelReason.DEADLINE } } }]);
      await cleaned;
      expect(steps).toEqual(["told executor.deadline.exceeded", "clean"]);
    });

    test("a failure in the middle ends the stream by its code", async () => {
      await start(plane);
      const peer = await host.peer();
      const broken = peer.stream(request("Break"), 10);
      const lie = peer.stream(request("Lie"), 10);
      const text = peer.stream(request("Text"), 10);
      await peer.until(() => [broken, lie, text].every((id) => peer.of(id).at(-1)?.case === "error"));
      expect(told(peer, broken)).toEqual([1, "test.broken"]);
      expect(told(peer, lie)).toEqual([1, "executor.output.invalid"]);
      expect(told(peer, text)).toEqual(["executor.output.invalid"]);
      await cleaned;
    });

    test("generators, promises of lists and validated items are streams as well", async () => {
      await start(plane);
      const peer = await host.peer();
      const sync = peer.stream(request("Sync"), 10);
      const listed = peer.stream(request("Listed"), 10);
      await peer.until(() => [sync, listed].every((id) => peer.of(id).at(-1)?.case === "end"));
      expect(told(peer, sync, "String")).toEqual(["a", "b", "end"]);
      expect(told(peer, listed, "{n: Int}")).toEqual([{ n: 1 }, { n: 2 }, "end"]);
    });

    test("a loss of the connection cleans up", async () => {
      await start(plane);
      const peer = await host.peer();
      const callId = peer.stream(count(5), 1);
      await peer.until(() => peer.of(callId).length === 1);
      peer.end();
      await cleaned;
      expect(steps).toEqual(["make 1", "clean"]);
    });

    test("a stream of a module that answers once, and a call of one that streams, are refused by code", async () => {
      await start(plane);
      const peer = await host.peer();
      const callId = peer.stream(request("Plain"), 1);
      await peer.until(() => peer.of(callId).length === 1);
      expect(told(peer, callId)).toEqual(["executor.stream.unsupported"]);
      const { response } = peer.execute(count(1));
      expect((await response).result.value).toMatchObject({ code: "executor.stream.required" });
    });
  });
}

test("an item that fits no message ends the stream by code", async () => {
  host.behaviour.maxMessageBytes = 10_000;
  await start("link");
  const peer = await host.peer();
  const callId = peer.stream(request("Big"), 10);
  await peer.until(() => peer.of(callId).length === 2);
  expect(told(peer, callId, "Bytes")).toEqual([new Uint8Array(10), "module.output_too_large"]);
});

test("the registration says what streams", async () => {
  await start("link");
  const [registration] = host.registrations;
  const stream = registration?.modules.filter((module) => module.capabilities?.stream).map(({ name }) => name);
  expect(stream).toEqual(["Count", "Sync", "Listed", "Break", "Lie", "Forever", "Big", "Blobs", "Text"]);
  expect(provider.describe()).toContain("test.Count: {to: Int} -> stream of Int");
});

describe("on the unary plane", () => {
  let executor: ModuleExecutorClient;

  beforeEach(async () => {
    await start("unary");
    executor = host.executor();
  });

  afterEach(() => executor.close());

  async function items(moduleName: string, input: unknown = {}, type = "{}", output = "Int"): Promise<unknown[]> {
    const codec = new Codec(parseType(output));
    const all: unknown[] = [];
    for await (const { itemData } of executor.executeStream({ request: request(moduleName, input, type) }))
      all.push(codec.decode(itemData));
    return all;
  }

  test("a stream comes whole, and is not made ahead of a reader that is slow", async () => {
    expect(await items("Count", { to: 1000 }, "{to: Int}")).toEqual(Array.from({ length: 1000 }, (_, i) => i + 1));
    steps = [];
    const slow = executor.executeStream({ request: request("Blobs") });
    await once(slow, "readable");
    slow.pause();
    // Whatever else is answered meanwhile shows that the loop goes on while the stream waits.
    let before = -1;
    while (before !== steps.length) {
      before = steps.length;
      for (let i = 0; i < 20; i += 1) await executor.execute(request("Plain"));
    }
    expect(steps.length).toBeLessThan(1000);
    slow.on("error", () => undefined);
    slow.cancel();
    await cleaned;
  });

  test("generators and promises of lists are streams as well", async () => {
    expect(await items("Sync", {}, "{}", "String")).toEqual(["a", "b"]);
    expect(await items("Listed", {}, "{}", "{n: Int}")).toEqual([{ n: 1 }, { n: 2 }]);
  });

  test("a failure is the status, with its envelope", async () => {
    const failure = await items("Break").catch(errorFromRpc);
    expect(failure).toMatchObject({ code: "test.broken", category: "CONFLICT", origin: "module" });
    expect(await items("Plain").catch(errorFromRpc)).toMatchObject({
      code: "executor.stream.unsupported",
      category: "UNSUPPORTED",
    });
  });

  test("a caller who gives up reaches the handler", async () => {
    const stream = executor.executeStream({ request: request("Forever") });
    stream.on("error", () => undefined);
    await once(stream, "data");
    stream.cancel();
    await cleaned;
    expect(steps).toEqual(["told executor.call.cancelled", "clean"]);
  });
});

describe("a client", () => {
  let client: Client;

  beforeEach(async () => {
    await start("link");
    client = new Client({ host: host.url });
  });

  afterEach(() => client.close());

  test("reads a stream to its end, by name and typed", async () => {
    const named: number[] = [];
    for await (const n of client.stream<number>("test.Count", { to: 3 })) named.push(n);
    expect(named).toEqual([1, 2, 3]);
    const counting = new TypedStream("test.Count", { input: t.record({ to: t.int }), output: t.int });
    const typed: (number | bigint)[] = [];
    for await (const n of client.stream(counting, { to: 3 })) typed.push(n);
    expect(typed).toEqual([1, 2, 3]);
    expect(host.asked).toEqual(["test.Count"]);
  });

  test("cancels the call when it leaves the loop", async () => {
    for await (const n of client.stream<number>("test.Count", { to: 1000 })) if (n === 2) break;
    await host.until(() => host.cancelled === 1);
    await cleaned;
    expect(steps.at(-1)).toBe("clean");
    expect(steps.length).toBeLessThan(200);
  });

  test("gives up when its signal fires, and at its deadline", async () => {
    const abort = new AbortController();
    const follow = async (options: { signal?: AbortSignal; timeoutMs?: number }): Promise<void> => {
      for await (const n of client.stream("test.Forever", {}, options)) if (n === 1) abort.abort();
    };
    await expect(follow({ signal: abort.signal })).rejects.toMatchObject({ code: "client.call.cancelled" });
    await cleaned;
    await expect(follow({ timeoutMs: 50 })).rejects.toMatchObject({ code: "client.deadline.exceeded" });
  });

  test("gets what came before a failure, then the failure", async () => {
    const got: unknown[] = [];
    const follow = async (): Promise<void> => {
      for await (const n of client.stream("test.Break")) got.push(n);
    };
    await expect(follow()).rejects.toMatchObject({ code: "test.broken", category: "CONFLICT" });
    expect(got).toEqual([1]);
  });

  test("begins a stream anew whose module was replaced", async () => {
    for await (const _ of client.stream("test.Count", { to: 1 }));
    provider.module("Count", { input: { to: t.int }, output: t.stream(t.string) }, () => ["one"]);
    await provider.publish();
    const got: unknown[] = [];
    for await (const n of client.stream("test.Count", { to: 1 })) got.push(n);
    expect(got).toEqual(["one"]);
  });
});
