import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { Client, ModuleError, type ModuleEvent, Provider, TypedModule, t } from "../src/index.js";
import { FakeHost } from "./support/fake_host.js";

let host: FakeHost;
let provider: Provider;
let client: Client;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

beforeEach(async () => {
  host = await FakeHost.start();
  provider = new Provider("test", { host: host.url, graceMs: 100, logger: silent })
    .module("Repeat", { input: { text: t.string, times: t.option(t.int) }, output: t.string }, ({ text, times }) => {
      return text.repeat(Number(times ?? 2));
    })
    .module("Fail", { input: {}, output: t.int }, () => {
      throw new ModuleError("test.full", "no room", { category: "RATE_LIMITED", retryable: true });
    })
    .module("Wait", { input: {}, output: t.int }, () => new Promise<number>(() => undefined));
  await provider.start();
  client = new Client({ host: host.url });
});

afterEach(async () => {
  client.close();
  await provider.stop();
  await host.stop();
});

test("a call encodes by the declared types and gives the decoded output", async () => {
  expect(await client.call<string>("test.Repeat", { text: "ab" })).toBe("abab");
  expect(await client.call("test.Repeat", { text: "ab", times: 3n, more: 1 }, { idempotencyKey: "k" })).toBe("ababab");
  expect(host.calls.map((call) => call.idempotencyKey)).toEqual(["", "k"]);
  expect(host.calls[0]?.schemaFingerprint).toMatch(/^[0-9a-f]{64}$/);
});

test("an input of another type is refused before anything is sent", async () => {
  await expect(client.call("test.Repeat", { text: 1 })).rejects.toMatchObject({
    code: "codec.type_mismatch",
    path: ".text",
    category: "INVALID_ARGUMENT",
  });
  expect(host.calls).toHaveLength(0);
});

test("a module's own error arrives with its category, code and origin", async () => {
  await expect(client.call("test.Fail")).rejects.toMatchObject({
    category: "RATE_LIMITED",
    code: "test.full",
    message: "no room",
    origin: "module",
    retryable: true,
  });
});

test("an unknown module is NOT_FOUND", async () => {
  const failure = { category: "NOT_FOUND", code: "registry.module.unknown" };
  await expect(client.call("test.Nope")).rejects.toMatchObject(failure);
  await expect(client.getModule("test.Nope")).rejects.toMatchObject(failure);
});

test("a replaced module is fetched again and called once more", async () => {
  expect(await client.call("test.Repeat", { text: "ab" })).toBe("abab");
  provider.module("Repeat", { input: { text: t.string }, output: t.int }, ({ text }) => text.length);
  await provider.publish();
  expect(await client.call("test.Repeat", { text: "ab" })).toBe(2);
  expect(host.calls).toHaveLength(3);
});

test("a call ends at its deadline, and when its signal fires", async () => {
  await expect(client.call("test.Wait", {}, { timeoutMs: 50 })).rejects.toMatchObject({
    category: "DEADLINE_EXCEEDED",
    code: "client.deadline.exceeded",
  });
  const abort = new AbortController();
  const call = client.call("test.Wait", {}, { signal: abort.signal });
  await host.until(() => host.calls.length === 2);
  abort.abort();
  await expect(call).rejects.toMatchObject({ category: "CANCELLED", code: "client.call.cancelled" });
  await expect(client.call("test.Wait", {}, { signal: abort.signal })).rejects.toMatchObject({ category: "CANCELLED" });
});

test("a host that is not there is UNAVAILABLE, and retryable", async () => {
  const nobody = new Client({ host: "unix:/nowhere/at-all.sock" });
  await expect(nobody.call("test.Repeat", { text: "" })).rejects.toMatchObject({
    category: "UNAVAILABLE",
    code: "client.host.unreachable",
    retryable: true,
  });
  nobody.close();
});

test("modules are listed and shown with their types and endpoints", async () => {
  const modules = await client.listModules("test.*");
  expect(modules.map(({ name }) => name)).toEqual(["test.Repeat", "test.Fail", "test.Wait"]);
  expect(await client.getModule("test.Repeat")).toMatchObject({
    input: "{text: String, times: Option<Int>}",
    output: "String",
    revision: 1n,
    endpoints: [{ serviceId: "test", plane: "link", state: "ready", language: "typescript", pid: process.pid }],
  });
});

test("a watch tells the present state and then the changes, until the loop is left", async () => {
  const events: ModuleEvent[] = [];
  for await (const event of client.watch()) {
    events.push(event);
    if (event.kind === "removed") break;
  }
  expect(events.map(({ kind }) => kind)).toEqual(["added", "added", "added", "synced", "changed", "removed"]);
  expect(events.at(-1)).toEqual({ kind: "removed", name: "test.Repeat", reason: "unregistered" });
});

test("a watch ends when its signal fires", async () => {
  const abort = new AbortController();
  const follow = async (): Promise<void> => {
    for await (const event of client.watch("", { signal: abort.signal })) if (event.kind === "synced") abort.abort();
  };
  await expect(follow()).rejects.toMatchObject({ code: "client.call.cancelled" });
});

test("what names no host is refused", () => {
  for (const text of ["127.0.0.1:7420", "http://127.0.0.1", "http://a:1/x", "ftp://a:1", "unix:here"]) {
    expect(() => new Client({ host: text })).toThrow(expect.objectContaining({ code: "client.host.invalid" }));
  }
});

describe("a typed module", () => {
  const input = t.record({ text: t.string, times: t.option(t.int) });
  const repeat = new TypedModule("test.Repeat", { input, output: t.string });

  test("types the call, and asks the host for nothing", async () => {
    const text: string = await client.call(repeat, { text: "ab", times: 3 }, { idempotencyKey: "k" });
    expect(text).toBe("ababab");
    expect(host.asked).toEqual([]);
    expect(host.calls.map((call) => [call.schemaFingerprint, call.idempotencyKey])).toEqual([
      [repeat.fingerprint, "k"],
    ]);
    // @ts-expect-error the input has no such field
    await expect(client.call(repeat, { txt: "ab" })).rejects.toMatchObject({ code: "codec.missing_field" });
    // @ts-expect-error a module that answers once does not stream
    expect(() => client.stream(repeat, { text: "ab" })).not.toThrow();
  });

  test("has the fingerprint that the host gives the module", async () => {
    expect(repeat.fingerprint).toBe((await client.getModule("test.Repeat")).fingerprint);
  });

  test("with other types than the module's fails, and is not sent again", async () => {
    const stale = new TypedModule("test.Repeat", { input: t.record({ text: t.string }), output: t.int });
    await expect(client.call(stale, { text: "ab" })).rejects.toMatchObject({ code: "registry.schema.changed" });
    expect(host.calls).toHaveLength(1);
  });
});

test("a fixed fingerprint is sent with the call, and a replacement is told to the caller", async () => {
  const { fingerprint } = await client.getModule("test.Repeat");
  expect(await client.call("test.Repeat", { text: "ab" }, { schemaFingerprint: fingerprint })).toBe("abab");
  provider.module("Repeat", { input: { text: t.string }, output: t.int }, ({ text }) => text.length);
  await provider.publish();
  await expect(client.call("test.Repeat", { text: "ab" }, { schemaFingerprint: fingerprint })).rejects.toMatchObject({
    code: "registry.schema.changed",
  });
  expect(host.calls.map((call) => call.schemaFingerprint)).toEqual([fingerprint, fingerprint]);
});
