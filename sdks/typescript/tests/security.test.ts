import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";

import * as grpc from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { Client, ModrackError, Provider, t } from "../src/index.js";
import { authority, certificate } from "./support/certificates.js";
import { FakeHost } from "./support/fake_host.js";

const SECRET = "token-that-nobody-sees";
const silent = { debug() {}, info() {}, warn() {}, error() {} };

let folder: string;
let host: FakeHost;
let provider: Provider | undefined;
let client: Client | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "modrack-"));
});

afterEach(async () => {
  client?.close();
  await provider?.stop();
  client = undefined;
  provider = undefined;
  await host.stop();
  rmSync(folder, { recursive: true, force: true });
});

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function make(options: { host: string; caFile?: string; certFile?: string; keyFile?: string }): Provider {
  provider = new Provider("test", { ...options, graceMs: 100, logger: silent })
    .module("One", { input: {}, output: t.int }, () => 1)
    .module("Outer", { input: {}, output: t.int }, (_, ctx) => ctx.client.call<number>("test.One"));
  return provider;
}

describe("the token of a client", () => {
  const refused = () => new ModrackError("host.token.refused", "not known", { category: "UNAUTHENTICATED" });

  beforeEach(async () => {
    host = await FakeHost.start();
    await make({ host: host.url }).start();
  });

  test("comes from its file with every call, and shows nowhere", async () => {
    client = new Client({ host: host.url, tokenFile: file("token", `${SECRET}\n`) });
    expect(await client.call("test.One")).toBe(1);
    expect(host.metadata.map((metadata) => metadata.get("authorization"))).toEqual([[`Bearer ${SECRET}`]]);
    host.behaviour.callRefusals = [refused(), refused()];
    const error: unknown = await client.call("test.One").catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: "host.token.refused", category: "UNAUTHENTICATED" });
    expect(inspect([client, error], { depth: 10, showHidden: true })).not.toContain(SECRET);
  });

  test("is read again when the host refuses it, and the call is sent once more where it is another", async () => {
    const tokenFile = file("token", "first-token");
    client = new Client({ host: host.url, tokenFile });
    expect(await client.call("test.One")).toBe(1);
    host.behaviour.callRefusals = [refused()];
    await expect(client.call("test.One")).rejects.toMatchObject({ code: "host.token.refused" });
    file("token", "second-token");
    host.behaviour.callRefusals = [refused()];
    expect(await client.call("test.One")).toBe(1);
    expect(host.metadata.map((metadata) => metadata.get("authorization")[0])).toEqual([
      "Bearer first-token",
      "Bearer first-token",
      "Bearer first-token",
      "Bearer second-token",
    ]);
  });

  test("that cannot be read fails the call by code, without its path's content", async () => {
    client = new Client({ host: host.url, tokenFile: join(folder, "nothing") });
    await expect(client.call("test.One")).rejects.toMatchObject({ code: "client.credential.unreadable" });
    client.close();
    client = new Client({ host: host.url, tokenFile: file("token", `${SECRET}\nmore`) });
    const error = (await client.call("test.One").catch((failure: unknown) => failure)) as ModrackError;
    expect(error.code).toBe("client.credential.unreadable");
    expect(error.message).not.toContain(SECRET);
  });
});

describe("TLS", () => {
  const ca = authority("test authority");
  const server = certificate("test host", ca);
  const ours = certificate("test client", ca);

  async function listen(isMutual: boolean): Promise<void> {
    const pair = [{ cert_chain: Buffer.from(server.cert), private_key: Buffer.from(server.key) }];
    host = await FakeHost.start(0, grpc.ServerCredentials.createSsl(Buffer.from(ca.cert), pair, isMutual));
  }

  test("carries a provider, its nested calls, and a client that trust the host's authority", async () => {
    await listen(false);
    const caFile = file("ca.pem", ca.cert);
    expect(host.url).toMatch(/^https:/);
    await make({ host: host.url, caFile }).start();
    client = new Client({ host: host.url, caFile });
    expect(await client.call("test.Outer")).toBe(1);
  });

  test("does not reach a host whose authority nobody vouches for", async () => {
    await listen(false);
    client = new Client({ host: host.url, caFile: file("ca.pem", authority("somebody else").cert), timeoutMs: 2000 });
    await expect(client.call("test.One")).rejects.toMatchObject({ code: "client.host.unreachable" });
  });

  test("shows our certificate where the host asks for one", async () => {
    await listen(true);
    const caFile = file("ca.pem", ca.cert);
    const files = { caFile, certFile: file("cert.pem", ours.cert), keyFile: file("key.pem", ours.key) };
    await make({ host: host.url, ...files }).start();
    client = new Client({ host: host.url, ...files });
    expect(await client.call("test.One")).toBe(1);
    const bare = new Client({ host: host.url, caFile, timeoutMs: 2000 });
    await expect(bare.call("test.One")).rejects.toMatchObject({ category: "UNAVAILABLE" });
    bare.close();
  });

  test("with files that are wrong fails where it is set up", async () => {
    await listen(false);
    const make = (files: { caFile?: string; certFile?: string; keyFile?: string }) => () =>
      new Client({ host: host.url, ...files });
    const certFile = file("cert.pem", ours.cert);
    expect(make({ caFile: join(folder, "nothing") })).toThrow(
      expect.objectContaining({ code: "client.credential.unreadable" }),
    );
    expect(make({ certFile })).toThrow(expect.objectContaining({ code: "client.option.invalid" }));
    expect(make({ certFile, keyFile: file("key.pem", "no key") })).toThrow(
      expect.objectContaining({ code: "client.credential.unreadable" }),
    );
  });
});
