import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { Codec } from "../src/codec/codec.js";
import type { ExecuteResponse } from "../src/generated/modrack/provider/v1/execution.js";
import { CancelReason } from "../src/generated/modrack/provider/v1/frames.js";
import { Client, ModrackError, ModuleError, Provider, parseType, TypedModule, t } from "../src/index.js";
import { errorFromRpc } from "../src/wire/errors.js";
import { FakeHost } from "./support/fake_host.js";

let host: FakeHost;
let provider: Provider;
let seen: unknown[];
let aborted: Promise<unknown>;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

beforeEach(async () => {
  host = await FakeHost.start();
  seen = [];
});

afterEach(async () => {
  await provider.stop();
  await host.stop();
});

async function start(plane: "link" | "attach" | "unary"): Promise<void> {
  let abort: (reason: unknown) => void = () => undefined;
  aborted = new Promise((resolve) => {
    abort = resolve;
  });
  provider = new Provider("test", { host: host.url, plane, graceMs: 1000, logger: silent })
    .batch("Halve", { input: { n: t.int }, output: t.int, examples: [[{ n: 4 }, 2]] }, (inputs, ctx) => {
      seen.push(inputs, ctx.idempotencyKeys, ctx.executionId);
      return inputs.map(({ n }) => {
        if (Number(n) < 0) return new ModuleError("test.negative", "below zero", { category: "INVALID_ARGUMENT" });
        return Number(n) === 13 ? ("no int" as unknown as number) : Math.trunc(Number(n) / 2);
      });
    })
    .batch("Short", { input: {}, output: t.int }, () => [])
    .batch("Raise", { input: {}, output: t.int }, async () => {
      throw new ModuleError("test.all", "none of them");
    })
    .batch("Wait", { input: {}, output: t.int }, (_, ctx) => {
      return new Promise((_resolve, reject) => {
        ctx.signal.addEventListener("abort", () => {
          abort(ctx.signal.reason);
          reject(ctx.signal.reason);
        });
      });
    })
    .module("Plain", { input: {}, output: t.int }, () => 1);
  await provider.start();
}

function request(moduleName: string, input: unknown = {}, type = "{}") {
  return { moduleName, inputData: new Codec(parseType(type)).encode(input), executionId: "run-1" };
}

const halve = (n: number | string, idempotencyKey = "") => {
  const type = typeof n === "string" ? "{n: String}" : "{n: Int}";
  return { ...request("Halve", { n }, type), idempotencyKey };
};

function short({ result }: ExecuteResponse): unknown {
  if (result.case === "outputData") return new Codec(parseType("Int")).decode(result.value);
  return result.value?.code;
}

type Batch = (requests: ReturnType<typeof request>[]) => Promise<unknown>;

for (const plane of ["link", "attach", "unary"] as const) {
  describe(`on the ${plane} plane`, () => {
    async function connected(): Promise<Batch> {
      await start(plane);
      if (plane === "unary") {
        const executor = host.executor();
        return async (requests) => {
          try {
            return (await executor.executeBatch({ requests })).responses.map(short);
          } catch (error) {
            return (errorFromRpc(error) as ModrackError).code;
          }
        };
      }
      const peer = await host.peer();
      return async (requests) => {
        const callId = peer.batch(requests);
        await peer.until(() => peer.of(callId).length > 0);
        const [frame] = peer.of(callId);
        if (frame?.case === "batchResult") return frame.value.responses.map(short);
        return frame?.case === "error" ? frame.value.code : frame;
      };
    }

    test("each input has its own answer, in their order", async () => {
      const batch = await connected();
      expect(await batch([halve(8, "k1"), halve("x", "k2"), halve(-1, "k3"), halve(13), halve(6, "k5")])).toEqual([
        4,
        "executor.input.invalid",
        "test.negative",
        "executor.output.invalid",
        3,
      ]);
      expect(seen).toEqual([[{ n: 8 }, { n: -1 }, { n: 13 }, { n: 6 }], ["k1", "k3", "", "k5"], "run-1"]);
    });

    test("inputs of which none can be read run nothing", async () => {
      const batch = await connected();
      expect(await batch([halve("x")])).toEqual(["executor.input.invalid"]);
      expect(seen).toEqual([]);
    });

    test("another number of outputs, and what the handler throws, fails all by code", async () => {
      const batch = await connected();
      expect(await batch([request("Short"), request("Short")])).toBe("module.batch_mismatch");
      expect(await batch([request("Raise"), request("Raise")])).toBe("test.all");
      expect(await batch([request("Plain")])).toBe("executor.batch.unsupported");
      expect(await batch([request("Nope")])).toBe("registry.module.unknown");
    });
  });
}

test("a plain call is a batch of one", async () => {
  await start("link");
  const peer = await host.peer();
  expect(short(await peer.execute(halve(8, "k")).response)).toBe(4);
  expect(short(await peer.execute(halve(-1)).response)).toBe("test.negative");
  expect(short(await peer.execute(request("Raise")).response)).toBe("test.all");
  expect(seen.slice(0, 2)).toEqual([[{ n: 8 }], ["k"]]);
});

test("a cancelled batch reaches the handler and is not answered", async () => {
  await start("link");
  const peer = await host.peer();
  const callId = peer.batch([request("Wait"), request("Wait")]);
  // The handler runs once the inputs are settled.
  await peer.settled();
  peer.send([{ callId, frame: { case: "cancel", value: { reason: CancelReason.CALLER } } }]);
  expect(await aborted).toMatchObject({ code: "executor.call.cancelled" });
  await peer.settled();
  expect(peer.of(callId)).toEqual([]);
});

test("the registration says what takes batches", async () => {
  await start("link");
  const halving = host.registrations[0]?.modules[0];
  expect(halving).toMatchObject({ name: "Halve", capabilities: { batch: true, stream: false } });
  expect(Buffer.from(halving?.examples[0]?.outputData ?? []).toString("hex")).toBe("02");
});

describe("a client", () => {
  let client: Client;

  beforeEach(async () => {
    await start("link");
    client = new Client({ host: host.url });
  });

  afterEach(() => client.close());

  test("gets an output or an error for each input", async () => {
    const halving = new TypedModule("test.Halve", { input: t.record({ n: t.int }), output: t.int });
    const inputs = [{ n: 8 }, { n: -1 }, { n: 6 }];
    const results: (number | bigint | ModrackError)[] = await client.callBatch(halving, inputs, {
      idempotencyKeys: ["a", "", "c"],
    });
    expect(results.map((result) => (result instanceof ModrackError ? result.code : result))).toEqual([
      4,
      "test.negative",
      3,
    ]);
    expect(results[1]).toMatchObject({ category: "INVALID_ARGUMENT", origin: "module" });
    expect(seen[1]).toEqual(["a", "", "c"]);
    expect(await client.callBatch<number>("test.Halve", [{ n: 2 }])).toEqual([1]);
  });

  test("sends nothing where an input is of another type, or there is none", async () => {
    await expect(client.callBatch("test.Halve", [{ n: 1 }, { n: "2" }])).rejects.toMatchObject({
      code: "codec.type_mismatch",
      path: "[1].n",
    });
    expect(await client.callBatch("test.Halve", [])).toEqual([]);
    expect(host.batches).toHaveLength(0);
  });

  test("is told a failure of all as its own", async () => {
    await expect(client.callBatch("test.Raise", [{}, {}])).rejects.toMatchObject({ code: "test.all" });
  });
});
