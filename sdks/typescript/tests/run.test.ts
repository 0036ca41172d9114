import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { Codec } from "../src/codec/codec.js";
import { parseType } from "../src/codec/parse.js";
import { ModrackError } from "../src/errors.js";
import { Child, packageFile } from "./support/child.js";
import { FakeHost } from "./support/fake_host.js";

const DATA = packageFile("dist-examples/data_modules.js");
const FIXTURE = packageFile("../../tests/fixtures/typescript/fixture.mjs");

let host: FakeHost;
let child: Child | undefined;

beforeEach(async () => {
  host = await FakeHost.start();
});

afterEach(async () => {
  child?.kill("SIGKILL");
  await child?.exit;
  child = undefined;
  await host.stop();
});

function start(script: string, env: Record<string, string> = { MODRACK_HOST: host.url }): Child {
  child = new Child(script, env);
  return child;
}

function sleeping(ms: number) {
  return { moduleName: "Sleep", inputData: new Codec(parseType("{ms: Int}")).encode({ ms }) };
}

describe("a provider that is run", () => {
  test("without a host says what it is and what to set, and exits with 2", async () => {
    const provider = start(DATA, {});
    expect(await provider.exit).toEqual({ code: 2, signal: null });
    expect(provider.stderr).toContain("provider data, 8 modules:\n  data.SumList: {numbers: List<Int>} -> Int\n");
    expect(provider.stderr).toContain("MODRACK_HOST=http://127.0.0.1:7420");
  });

  test("says once that it is ready", async () => {
    const provider = start(DATA);
    await provider.said("ready");
    expect(provider.stderr).toBe(`modrack: provider data ready: 8 modules over link at ${host.url}\n`);
  });

  test("that is refused for good exits with 1, the code and a hint", async () => {
    const facts = { category: "PERMISSION_DENIED" } as const;
    host.behaviour.refusals = [new ModrackError("registry.namespace.reserved", "`data` is the host's", facts)];
    const provider = start(DATA);
    expect(await provider.exit).toEqual({ code: 1, signal: null });
    expect(provider.stderr).toContain(
      "provider data refused: `data` is the host's [registry.namespace.reserved]\n  hint: ",
    );
  });

  test("takes its plane, service and group from the environment", async () => {
    start(FIXTURE, {
      MODRACK_HOST: host.url,
      MODRACK_PLANE: "attach",
      MODRACK_SERVICE_ID: "one",
      MODRACK_GROUP_ID: "many",
      MODRACK_NAMESPACE: "fix.ture",
    });
    expect((await host.peer()).plane).toBe("attach");
    expect(host.registrations[0]).toMatchObject({ serviceId: "one", groupId: "many", namespace: "fix.ture" });
  });

  test("on SIGTERM finishes what runs, unregisters and exits with 0", async () => {
    const provider = start(FIXTURE);
    const peer = await host.peer();
    const { response } = peer.execute(sleeping(300));
    peer.send([{ frame: { case: "ping", value: { number: 1n } } }]);
    await peer.frame("pong");
    provider.kill("SIGTERM");
    await peer.frame("drain");
    expect((await response).result.case).toBe("outputData");
    expect(await provider.exit).toEqual({ code: 0, signal: null });
    expect(host.unregistered).toEqual(["token-1"]);
  });

  test("on a second signal ends at once", async () => {
    const provider = start(FIXTURE);
    const peer = await host.peer();
    peer.execute(sleeping(60_000));
    await provider.said("ready");
    provider.kill("SIGTERM");
    await peer.frame("drain");
    provider.kill("SIGINT");
    expect(await provider.exit).toEqual({ code: 130, signal: null });
  });

  test("that crashes takes its connection with it", async () => {
    const provider = start(FIXTURE);
    const peer = await host.peer();
    peer.execute({ moduleName: "Crash", inputData: new Codec(parseType("{}")).encode({}) });
    expect(await provider.exit).toEqual({ code: null, signal: "SIGKILL" });
    await host.until(() => peer.closed);
  });
});

test("every example of the data modules comes out as it says", async () => {
  start(DATA);
  const peer = await host.peer();
  const modules = host.registrations[0]?.modules ?? [];
  expect(modules.map(({ name }) => name)).toEqual([
    "SumList",
    "Average",
    "Max",
    "Min",
    "FilterGreaterThan",
    "MultiplyEach",
    "Range",
    "FormatNumber",
  ]);
  for (const { name, examples, capabilities } of modules) {
    expect(capabilities?.idempotent).toBe(true);
    expect(examples.length).toBeGreaterThan(0);
    for (const { inputData, outputData } of examples) {
      const { result } = await peer.execute({ moduleName: name, inputData }).response;
      expect(result).toMatchObject({ case: "outputData", value: outputData });
    }
  }
});

const LIST = "{numbers: List<Int>}";

test("the data modules lose nothing at the edges", async () => {
  start(DATA);
  const peer = await host.peer();
  const call = async (moduleName: string, type: string, input: unknown, output: string): Promise<unknown> => {
    const inputData = new Codec(parseType(type)).encode(input);
    const { result } = await peer.execute({ moduleName, inputData }).response;
    return result.case === "outputData" ? new Codec(parseType(output)).decode(result.value) : result.value;
  };
  expect(await call("SumList", LIST, { numbers: [] }, "Int")).toBe(0);
  expect(await call("SumList", LIST, { numbers: [Number.MAX_SAFE_INTEGER, 2] }, "Int")).toBe(2n ** 53n + 1n);
  expect(await call("SumList", LIST, { numbers: [2n ** 63n - 1n, 1] }, "Int")).toMatchObject({ code: "data.overflow" });
  expect(await call("Average", LIST, { numbers: [] }, "Float")).toBe(0);
  expect(await call("Max", LIST, { numbers: [] }, "Int")).toBe(0);
  expect(await call("Min", LIST, { numbers: [1, -(2n ** 63n)] }, "Int")).toBe(-(2n ** 63n));
  const range = "{start: Int, end: Int}";
  expect(await call("Range", range, { start: 3, end: 1 }, "List<Int>")).toEqual([]);
  expect(await call("Range", range, { start: 0, end: 1_000_000 }, "List<Int>")).toMatchObject({
    code: "data.range.too_long",
  });
  const formatted = (number: number | bigint) => call("FormatNumber", "{number: Int}", { number }, "String");
  expect(await formatted(-1234567)).toBe("-1,234,567");
  expect(await formatted(123)).toBe("123");
  expect(await formatted(2n ** 63n - 1n)).toBe("9,223,372,036,854,775,807");
});
