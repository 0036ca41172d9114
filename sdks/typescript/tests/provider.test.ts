import { credentials } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Codec } from "../src/codec/codec.js";
import type { ExecuteResponse, ModuleExecutorClient } from "../src/generated/modrack/provider/v1/execution.js";
import { CancelReason } from "../src/generated/modrack/provider/v1/frames.js";
import { ModuleLifecycleClient } from "../src/generated/modrack/provider/v1/lifecycle.js";
import { Command, DataPlane } from "../src/generated/modrack/provider/v1/registry.js";
import { ModrackError, ModuleError, Provider, type ProviderOptions, parseType, t } from "../src/index.js";
import { FakeHost, unknownSession } from "./support/fake_host.js";

let host: FakeHost;
let provider: Provider;
let lines: string[];
let aborted: Promise<unknown>;

beforeEach(async () => {
  host = await FakeHost.start();
  lines = [];
});

afterEach(async () => {
  await provider.stop();
  await host.stop();
});

const log = (message: string): void => {
  lines.push(message);
};

function make(options: ProviderOptions = {}): Provider {
  let abort: (reason: unknown) => void = () => undefined;
  aborted = new Promise((resolve) => {
    abort = resolve;
  });
  provider = new Provider("test", {
    host: host.url,
    graceMs: 5000,
    logger: { debug: log, info: log, warn: log, error: log },
    ...options,
  })
    .module("Double", { input: { n: t.int }, output: t.int, idempotent: true, examples: [[{ n: 2 }, 4]] }, ({ n }) => {
      return BigInt(n) * 2n;
    })
    .module("Fail", { input: { code: t.string }, output: t.int }, ({ code }) => {
      throw new ModuleError(code, "told so", { category: "NOT_FOUND", retryable: true, details: { a: "b" } });
    })
    .module("Raise", { input: {}, output: t.int }, async () => {
      throw new RangeError("boom");
    })
    .module("Lie", { input: {}, output: t.int }, () => "no int" as unknown as number)
    .module("Wait", { input: {}, output: t.int }, (_, ctx) => {
      return new Promise((_resolve, reject) => {
        ctx.signal.addEventListener("abort", () => {
          abort(ctx.signal.reason);
          reject(ctx.signal.reason);
        });
      });
    })
    .module("Big", { input: { size: t.int }, output: t.bytes }, ({ size }) => new Uint8Array(Number(size)));
  return provider;
}

function request(moduleName: string, input: unknown = {}, type = "{}", timeoutMs = 0) {
  const codec = new Codec(parseType(type));
  return { moduleName, inputData: codec.encode(input), executionId: "run-1", attempt: 1, timeoutMs };
}

function output(response: ExecuteResponse, type = "Int"): unknown {
  if (response.result.case === "outputData") return new Codec(parseType(type)).decode(response.result.value);
  return response.result.value;
}

type Execute = (request: Parameters<ModuleExecutorClient["execute"]>[0]) => Promise<ExecuteResponse>;

for (const plane of ["link", "attach", "unary"] as const) {
  describe(`on the ${plane} plane`, () => {
    async function connected(): Promise<Execute> {
      await make({ plane }).start();
      if (plane === "unary") {
        const executor = host.executor();
        return (message) => executor.execute(message);
      }
      const peer = await host.peer();
      return (message) => peer.execute(message).response;
    }

    test("a module answers", async () => {
      const execute = await connected();
      expect(output(await execute(request("Double", { n: 21 }, "{n: Int}")))).toBe(42);
      expect(lines).toContain(`provider test ready: 6 modules over ${plane} at ${host.url}`);
    });

    test("errors of a handler arrive as they are, others as module.failed without a stack", async () => {
      const execute = await connected();
      expect(output(await execute(request("Fail", { code: "test.no" }, "{code: String}")))).toMatchObject({
        category: 4,
        code: "test.no",
        message: "told so",
        origin: 1,
        retryable: true,
        details: { a: "b" },
      });
      const failed = output(await execute(request("Raise")));
      expect(failed).toMatchObject({ code: "module.failed", category: 12, message: "RangeError: boom", details: {} });
      expect(lines.some((line) => line.includes("provider.test.ts"))).toBe(true);
    });

    test("an unknown module, a wrong input and a wrong output are refused by code", async () => {
      const execute = await connected();
      expect(output(await execute(request("Nope")))).toMatchObject({ code: "registry.module.unknown" });
      expect(output(await execute(request("Double", { n: "x" }, "{n: String}")))).toMatchObject({
        code: "executor.input.invalid",
        details: { codec_code: "codec.type_mismatch", path: ".n" },
      });
      expect(output(await execute(request("Lie")))).toMatchObject({ code: "executor.output.invalid", category: 12 });
    });

    test("many calls at once are all answered", async () => {
      const execute = await connected();
      const calls = Array.from({ length: 200 }, (_, n) => execute(request("Double", { n }, "{n: Int}")));
      expect((await Promise.all(calls)).map((answer) => output(answer))).toEqual(calls.map((_, n) => 2 * n));
    });

    test("a stop finishes what runs and unregisters", async () => {
      const execute = await connected();
      const slow = new Promise<void>((resolve) => {
        provider.module("Slow", { input: {}, output: t.int }, async () => {
          resolve();
          await new Promise((later) => setTimeout(later, 50));
          return 7;
        });
      });
      const answer = execute(request("Slow"));
      await slow;
      const stopped = provider.stop();
      expect(output(await answer)).toBe(7);
      await stopped;
      expect(host.unregistered).toEqual(["token-1"]);
    });
  });
}

describe("the registration", () => {
  test("says what the provider is", async () => {
    await make().start();
    const [first] = host.registrations;
    expect(first).toMatchObject({
      serviceId: "test",
      namespace: "test",
      groupId: "",
      protocolVersion: 1,
      lifecycle: false,
    });
    expect(first?.planes).toEqual([DataPlane.LINK, DataPlane.ATTACH]);
    expect(first?.info).toMatchObject({ language: "typescript", pid: process.pid });
    expect(first?.modules[0]).toMatchObject({ name: "Double", capabilities: { idempotent: true } });
    expect(first?.modules[0]?.examples.map((e) => Buffer.from(e.outputData).toString("hex"))).toEqual(["04"]);
  });

  test("falls back to attach where the link cannot be reached, and to unary where attach is not served", async () => {
    host.behaviour.link = false;
    await make().start();
    expect((await host.peer()).plane).toBe("attach");
    await provider.stop();
    host.behaviour.attach = false;
    await make().start();
    expect(host.registrations.at(-1)?.planes).toEqual([DataPlane.UNARY]);
    const executor = host.executor();
    expect(output(await executor.execute(request("Double", { n: 1 }, "{n: Int}")))).toBe(2);
    executor.close();
  });

  test("a final refusal ends the provider with the host's error", async () => {
    host.behaviour.refusals = [
      new ModrackError("registry.namespace.reserved", "not yours", { category: "PERMISSION_DENIED" }),
    ];
    await expect(make().start()).rejects.toMatchObject({
      code: "registry.namespace.reserved",
      category: "PERMISSION_DENIED",
    });
    expect(host.registrations).toHaveLength(1);
  });

  test("a retryable refusal is tried again, and told once", async () => {
    const owned = new ModrackError("registry.namespace.owned", "taken", { category: "CONFLICT", retryable: true });
    host.behaviour.refusals = [owned, owned, owned];
    await make().start();
    expect(host.registrations).toHaveLength(4);
    expect(lines.filter((line) => line.includes("registry.namespace.owned"))).toHaveLength(1);
  });

  test("a module that is added or removed later is registered on the standing connection", async () => {
    await make().start();
    const peer = await host.peer();
    provider.module("Extra", { input: { text: t.string }, output: t.string }, ({ text }) => `${text}!`);
    await host.until(() => host.registrations.length === 2);
    expect(host.registrations[1]?.sessionToken).toBe("token-1");
    expect(host.registrations[1]?.modules.map(({ name }) => name)).toContain("Extra");
    const answer = await peer.execute(request("Extra", { text: "hey" }, "{text: String}")).response;
    expect(output(answer, "String")).toBe("hey!");
    expect(provider.remove("Extra")).toBe(true);
    await provider.publish();
    expect(host.registrations.at(-1)?.modules.map(({ name }) => name)).not.toContain("Extra");
    expect(host.peers).toHaveLength(1);
    expect(peer.closed).toBe(false);
  });

  test("a refused change is told, and the provider goes on", async () => {
    await make().start();
    host.behaviour.refusals = [new ModrackError("registry.schema.incompatible", "narrower")];
    provider.remove("Double");
    await expect(provider.publish()).resolves.toBeUndefined();
    expect(lines.some((line) => line.includes("registry.schema.incompatible"))).toBe(true);
    expect(host.peers).toHaveLength(1);
  });
});

describe("the session", () => {
  test("heartbeats carry its token", async () => {
    await make().start();
    await host.until(() => host.heartbeats.length >= 2);
    expect(new Set(host.heartbeats)).toEqual(new Set(["token-1"]));
  });

  test("is begun anew when the host says so", async () => {
    await make().start();
    host.behaviour.commands = [Command.REREGISTER];
    await host.until(() => host.peers.length === 2);
    expect(host.registrations).toHaveLength(2);
    expect(host.registrations[1]?.sessionToken).toBe("token-1");
  });

  test("is begun anew without the token when the host has forgotten it", async () => {
    await make().start();
    host.behaviour.forgets = true;
    host.behaviour.refusals = [unknownSession()];
    await host.until(() => host.registrations.length === 2);
    host.behaviour.forgets = false;
    await host.until(() => host.peers.length === 2);
    expect(host.registrations.map(({ sessionToken }) => sessionToken)).toEqual(["", "token-1", ""]);
  });

  test("comes back with its token when the connection breaks", async () => {
    await make().start();
    (await host.peer()).end();
    const again = await host.peer(1);
    expect(host.registrations[1]?.sessionToken).toBe("token-1");
    expect(output(await again.execute(request("Double", { n: 3 }, "{n: Int}")).response)).toBe(6);
  });

  test("comes back when the host restarts at its address", async () => {
    await make().start();
    const { port } = host;
    await host.stop();
    host = await FakeHost.start(port);
    const again = await host.peer();
    expect(output(await again.execute(request("Double", { n: 4 }, "{n: Int}")).response)).toBe(8);
  });

  test("ends when the host asks for it", async () => {
    await make().start();
    host.behaviour.commands = [Command.DRAIN];
    await host.until(() => host.unregistered.length === 1);
    const peer = await host.peer();
    await host.until(() => peer.closed);
  });

  test("finishes and comes back when the host drains the connection", async () => {
    await make().start();
    const peer = await host.peer();
    peer.send([{ frame: { case: "drain", value: { graceMs: 0 } } }]);
    await peer.frame("drain");
    await host.peer(1);
    expect(host.unregistered).toEqual([]);
  });
});

describe("the frames", () => {
  for (const plane of ["link", "attach"] as const) {
    test(`a cancelled call reaches the handler and is not answered (${plane})`, async () => {
      await make({ plane }).start();
      const peer = await host.peer();
      const { callId } = peer.execute(request("Wait", {}, "{}", 60_000));
      peer.send([{ callId, frame: { case: "cancel", value: { reason: CancelReason.DEADLINE } } }]);
      expect(await aborted).toMatchObject({ code: "executor.deadline.exceeded", category: "DEADLINE_EXCEEDED" });
      peer.send([{ frame: { case: "ping", value: { number: 9n } } }]);
      expect((await peer.frame("pong")).frame.value).toMatchObject({ number: 9n });
      expect(peer.received.some(({ frame }) => frame.case === "result")).toBe(false);
    });

    test(`what is answered together travels together (${plane})`, async () => {
      await make({ plane }).start();
      const peer = await host.peer();
      const frames = Array.from({ length: 100 }, (_, n) => ({
        callId: BigInt(n + 1000),
        frame: { case: "execute" as const, value: request("Double", { n }, "{n: Int}") },
      }));
      peer.send(frames);
      await host.until(() => peer.received.filter(({ frame }) => frame.case === "result").length === 100);
      expect(peer.messages.at(-1)).toBe(100);
    });
  }

  test("an output larger than a message is an error of the module", async () => {
    host.behaviour.maxMessageBytes = 10_000;
    await make().start();
    const peer = await host.peer();
    const big = await peer.execute(request("Big", { size: 10_000 }, "{size: Int}")).response;
    expect(output(big)).toMatchObject({ code: "module.output_too_large" });
    const most = await peer.execute(request("Big", { size: 9_900 }, "{size: Int}")).response;
    expect(output(most, "Bytes")).toHaveLength(9_900);
  });

  test("answers to a host that reads slowly arrive as they were sent", async () => {
    await make({ plane: "link" }).start();
    let fill = (): void => undefined;
    const filled = new Promise<void>((resolve) => {
      fill = resolve;
    });
    provider.module("Fill", { input: { n: t.int }, output: t.bytes }, async ({ n }) => {
      // One turn of the loop each, so that they leave in writes of their own.
      for (let i = 0; i < Number(n); i += 1) await new Promise((later) => setImmediate(later));
      if (n === 19) setImmediate(fill);
      return new Uint8Array(60_000).fill(Number(n));
    });
    const peer = await host.peer();
    peer.pause();
    const answers = Array.from({ length: 20 }, (_, n) => peer.execute(request("Fill", { n }, "{n: Int}")).response);
    await filled;
    peer.resume();
    for (const [n, answer] of answers.entries()) {
      expect(Buffer.from(output(await answer, "Bytes") as Uint8Array).equals(Buffer.alloc(60_000, n))).toBe(true);
    }
  });

  test("answers that are too much for one message leave in several", async () => {
    host.behaviour.maxMessageBytes = 10_000;
    await make().start();
    const peer = await host.peer();
    const execute = { case: "execute" as const, value: request("Big", { size: 4000 }, "{size: Int}") };
    peer.send([1n, 2n, 3n].map((callId) => ({ callId, frame: execute })));
    await host.until(() => peer.received.filter(({ frame }) => frame.case === "result").length === 3);
    expect(peer.messages).toEqual([1, 2, 1]);
  });

  for (const [what, bytes] of [
    ["a length of 0", Buffer.from([0, 0, 0, 0])],
    ["a length beyond the limit", Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ["bytes that are no message", Buffer.from([0, 0, 0, 2, 0x0a, 0xff])],
    ["a message without frames", Buffer.from([0, 0, 0, 2, 0x7a, 0])],
    ["a frame without content", Buffer.from([0, 0, 0, 4, 0x0a, 2, 8, 1])],
  ] as const) {
    test(`${what} ends the link by code, and the provider comes back`, async () => {
      await make().start();
      const peer = await host.peer();
      peer.raw(bytes);
      expect((await peer.frame("error")).frame.value).toMatchObject({ code: "protocol.frame.malformed" });
      const again = await host.peer(1);
      expect(output(await again.execute(request("Double", { n: 5 }, "{n: Int}")).response)).toBe(10);
    });
  }

  test("a message may come byte by byte", async () => {
    await make().start();
    const peer = await host.peer();
    const bytes = Buffer.from([0, 0, 0, 6, 0x0a, 4, 0x32, 2, 8, 7]);
    for (const byte of bytes) {
      peer.raw(Uint8Array.of(byte));
      await new Promise((later) => setImmediate(later));
    }
    expect((await peer.frame("pong")).frame.value).toMatchObject({ number: 7n });
  });
});

describe("the lifecycle on the unary plane", () => {
  test("describes, initialises, drains and shuts down", async () => {
    await make({ plane: "unary" }).start();
    const target = host.registrations[0]?.serviceUrl.replace("http://", "") ?? "";
    expect(host.registrations[0]?.lifecycle).toBe(true);
    const lifecycle = new ModuleLifecycleClient(target, credentials.createInsecure());
    const described = await lifecycle.describe({});
    expect(described).toMatchObject({ serviceId: "test", namespace: "test" });
    expect(described.modules).toHaveLength(6);
    await lifecycle.initialize({ sessionId: "session-1", configuration: { model: "small" } });
    expect(provider.configuration.get("model")).toBe("small");
    expect(await lifecycle.drain({ graceMs: 100 })).toMatchObject({ inFlight: 0 });
    const executor = host.executor();
    expect(output(await executor.execute(request("Double", { n: 1 }, "{n: Int}")))).toMatchObject({
      code: "executor.provider.unavailable",
      retryable: true,
    });
    await lifecycle.shutdown({});
    await host.until(() => host.unregistered.length === 1);
    lifecycle.close();
    executor.close();
  });

  test("a cancelled call reaches the handler", async () => {
    await make({ plane: "unary" }).start();
    const executor = host.executor();
    const answer = executor.execute(request("Wait"), { deadline: Date.now() + 100 });
    await expect(answer).rejects.toMatchObject({ code: 4 });
    expect(await aborted).toMatchObject({ code: "executor.call.cancelled" });
    executor.close();
  });
});

test("a forced link that the host does not offer is final", async () => {
  host.behaviour.link = false;
  await expect(make({ plane: "link" }).start()).rejects.toMatchObject({
    code: "client.link.absent",
    category: "UNSUPPORTED",
  });
});

test("publishing needs a provider that runs", async () => {
  await expect(make().publish()).rejects.toMatchObject({ code: "client.provider.stopped", retryable: false });
});

test("options that cannot be are refused where they are given", () => {
  make();
  expect(() => new Provider("a..b")).toThrow(expect.objectContaining({ code: "registry.name.invalid" }));
  expect(() => new Provider("a", { serviceId: "-" })).toThrow(
    expect.objectContaining({ code: "registry.name.invalid" }),
  );
  expect(() => new Provider("a", { plane: "pigeon" as "link" })).toThrow(
    expect.objectContaining({ code: "client.plane.invalid" }),
  );
});
