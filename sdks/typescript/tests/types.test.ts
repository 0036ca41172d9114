import * as v from "valibot";
import { describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";

import { type Accepted, type AnyValue, type Infer, Provider, t, type Variant, variant } from "../src/index.js";
import { callModule } from "../src/testing.js";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

function provider(): Provider {
  return new Provider("test", { logger: silent });
}

describe("static types", () => {
  test("follow from the types", () => {
    const order = t.record({
      id: t.string,
      lines: t.list(t.int),
      prices: t.map(t.string, t.float),
      note: t.option(t.string),
      extra: t.any,
      raw: t.bytes,
      exact: t.bigint,
    });
    expectTypeOf<Infer<typeof order>>().toEqualTypeOf<{
      id: string;
      lines: (number | bigint)[];
      prices: Map<string, number>;
      extra: AnyValue;
      raw: Uint8Array;
      exact: bigint;
      note?: string | undefined;
    }>();
    expectTypeOf<{ [key: string]: number }>().toExtend<Accepted<typeof order>["prices"]>();
    expectTypeOf<null>().toExtend<Accepted<typeof order>["note"]>();
    expect(String(order)).toBe(
      "{id: String, lines: List<Int>, prices: Map<String, Float>, note: Option<String>, extra: Any, raw: Bytes, exact: Int}",
    );
  });

  test("a union is wrapped only where its variants can be confused", () => {
    const told = t.union(t.string, t.int, t.list(t.bool));
    expectTypeOf<Infer<typeof told>>().toEqualTypeOf<string | number | bigint | boolean[]>();
    const confused = t.union(t.int, t.float);
    expectTypeOf<Infer<typeof confused>>().toEqualTypeOf<number | bigint | Variant<number | bigint>>();
  });

  test("of handlers follow from the declaration", () => {
    provider()
      .module("Zod", { input: z.object({ n: z.string().transform(Number) }), output: t.float }, ({ n }) => {
        expectTypeOf(n).toEqualTypeOf<number>();
        return n;
      })
      // @ts-expect-error: a string is no Int
      .module("Wrong", { input: { text: t.string }, output: t.int }, ({ text }) => text);
  });
});

describe("types that the rules refuse", () => {
  for (const [code, make] of [
    ["type.option.nested", () => t.option(t.option(t.int))],
    ["type.union.nested", () => t.union(t.int, t.union(t.string, t.bool))],
    ["type.union.duplicate", () => t.union(t.int, t.bigint)],
    ["type.field.name", () => t.record({ "no name": t.int })],
    ["type.map.key", () => t.map(t.float as unknown as typeof t.string, t.int)],
  ] as const) {
    test(code, () => expect(make).toThrow(expect.objectContaining({ code })));
  }
});

async function echo<S extends Parameters<typeof t.list>[0]>(type: S, input: unknown): Promise<unknown> {
  const echoing = provider().module("Echo", { input: { x: type }, output: type }, ({ x }) => x as never);
  return callModule(echoing, "Echo", { x: input });
}

describe("native values", () => {
  test("of Int are numbers where they are safe, else bigints", async () => {
    expect(await echo(t.int, 5n)).toBe(5);
    expect(await echo(t.int, 2n ** 53n)).toBe(2n ** 53n);
    expect(await echo(t.int, -0)).toBe(0);
    await expect(echo(t.int, 2 ** 53)).rejects.toMatchObject({ code: "codec.int_range", path: ".x" });
    await expect(echo(t.int, 2n ** 63n)).rejects.toMatchObject({ code: "codec.int_range" });
    await expect(echo(t.int, 1.5)).rejects.toMatchObject({ code: "codec.type_mismatch" });
  });

  test("of maps with string keys are given as objects or Maps, and come as Maps", async () => {
    const expected = new Map([
      ["__proto__", 1],
      ["b", 2],
    ]);
    expect(await echo(t.map(t.string, t.int), expected)).toEqual(expected);
    expect(await echo(t.map(t.string, t.int), JSON.parse('{"__proto__": 1, "b": 2}'))).toEqual(expected);
    await expect(echo(t.map(t.string, t.int), { a: "x" })).rejects.toMatchObject({ path: '.x{"a"}' });
    await expect(
      echo(
        t.map(t.int, t.int),
        new Map<unknown, number>([
          [1, 1],
          [1n, 2],
        ]),
      ),
    ).rejects.toMatchObject({
      code: "codec.duplicate_key",
    });
  });

  test("of records may have fields that every object inherits", async () => {
    const odd = t.record({ __proto__x: t.int, constructor: t.option(t.int), toString: t.string });
    expect(await echo(odd, { __proto__x: 1, toString: "s" })).toEqual({ __proto__x: 1, toString: "s" });
    await expect(echo(odd, { __proto__x: 1 })).rejects.toMatchObject({
      code: "codec.missing_field",
      path: ".x.toString",
    });
  });

  test("of options are left out, undefined or null", async () => {
    const type = t.record({ a: t.option(t.int) });
    for (const value of [{}, { a: undefined }, { a: null }]) expect(await echo(type, value)).toEqual({});
    expect(await echo(t.list(t.option(t.int)), [1, null, undefined])).toEqual([1, undefined, undefined]);
  });

  test("of unions say their variant where they must", async () => {
    const type = t.union(t.int, t.float);
    expect(await echo(type, 1.5)).toBe(1.5);
    expect(await echo(type, 1n)).toEqual(variant(0, 1));
    await expect(echo(type, 1)).rejects.toMatchObject({ code: "codec.ambiguous_union", path: ".x" });
    await expect(echo(type, "x")).rejects.toMatchObject({ code: "codec.no_variant" });
    await expect(echo(type, variant(2, 1))).rejects.toMatchObject({ code: "codec.union_variant" });
  });

  test("with lone surrogates, cycles and other classes are refused", async () => {
    await expect(echo(t.string, "\ud800")).rejects.toMatchObject({ code: "codec.utf8", path: ".x" });
    const cycle: unknown[] = [];
    cycle.push(cycle);
    await expect(echo(t.any, cycle)).rejects.toMatchObject({ code: "codec.depth" });
    await expect(echo(t.any, new Date())).rejects.toMatchObject({ code: "codec.type_mismatch" });
  });
});

describe("a Standard Schema", () => {
  test("gives the type, validates the input and shapes it", async () => {
    const input = z.object({
      name: z.string().min(2),
      age: z.int().optional(),
      ratio: z.number().nullable(),
      tags: z.record(z.string(), z.boolean()),
      kind: z.union([z.string(), z.array(z.int())]),
      mode: z.enum(["a", "b"]).default("a"),
    });
    const made = provider().module("Zod", { input, output: z.array(z.unknown()) }, (value) => Object.values(value));
    expect(made.describe()).toContain(
      "{name: String, age: Option<Int>, ratio: Option<Float>, tags: Map<String, Bool>, kind: String | List<Int>, mode: Option<String>} -> List<Any>",
    );
    const tags = Object.assign(Object.create(null), { t: true });
    const given = { name: "Al", ratio: null, tags: new Map([["t", true]]), kind: [1] };
    expect(await callModule(made, "Zod", given)).toEqual(["Al", null, tags, [1], "a"]);
    await expect(callModule(made, "Zod", { ...given, name: "A" })).rejects.toMatchObject({
      code: "module.input_refused",
      category: "INVALID_ARGUMENT",
      message: expect.stringContaining("name: "),
    });
  });

  test("validates asynchronously, and the output too", async () => {
    const even = z.int().refine(async (n) => n % 2 === 0, "is odd");
    const made = provider().module("Half", { input: z.object({ n: even }), output: even }, ({ n }) => n / 2);
    expect(await callModule(made, "Half", { n: 8 })).toBe(4);
    await expect(callModule(made, "Half", { n: 3 })).rejects.toMatchObject({ code: "module.input_refused" });
    await expect(callModule(made, "Half", { n: 2 })).rejects.toMatchObject({
      code: "executor.output.invalid",
      message: expect.stringContaining("is odd"),
    });
  });

  test("that no type can say is refused with the reason", () => {
    interface Tree {
      children: Tree[];
    }
    const tree: z.ZodType<Tree> = z.object({ children: z.array(z.lazy(() => tree)) });
    for (const [schema, why] of [
      [z.object({ at: z.date() }), /zod.*Date/],
      [tree, /cannot (contain itself|be followed)/],
      [z.null(), /null alone/],
      [v.object({ a: v.string() }), /valibot.*no JSON Schema/],
      [{ a: z.string() }, /whole record/],
    ] as const) {
      const make = (): unknown => provider().module("M", { input: schema as never, output: t.int }, () => 1);
      expect(make).toThrow(expect.objectContaining({ code: "type.unsupported", message: expect.stringMatching(why) }));
    }
  });
});

describe("callModule", () => {
  test("gives the handler its context", async () => {
    const made = provider().module("Who", { input: {}, output: t.list(t.any) }, (_, ctx) => {
      return [ctx.module, ctx.executionId, ctx.attempt, ctx.deadline === undefined, (ctx.timeLeft ?? 0) > 0];
    });
    expect(await callModule(made, "Who")).toEqual(["Who", "test", 1, true, false]);
    const facts = { executionId: "e", attempt: 2, timeoutMs: 1000 };
    expect(await callModule(made, "Who", {}, facts)).toEqual(["Who", "e", 2, false, true]);
  });

  test("fails as a caller would see it", async () => {
    const made = provider()
      .module("Raise", { input: {}, output: t.int }, () => {
        throw new TypeError("no");
      })
      .module("Wait", { input: {}, output: t.int }, (_, { signal }) => {
        return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      });
    await expect(callModule(made, "Raise")).rejects.toMatchObject({ code: "module.failed", message: "TypeError: no" });
    await expect(callModule(made, "Wait", {}, { timeoutMs: 10 })).rejects.toMatchObject({
      category: "DEADLINE_EXCEEDED",
    });
    await expect(callModule(made, "Wait", {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      category: "CANCELLED",
    });
    await expect(callModule(made, "Nope")).rejects.toMatchObject({ code: "registry.module.unknown" });
  });

  test("an example that does not fit is refused where the module is made", () => {
    const make = (): unknown =>
      provider().module(
        "M",
        { input: { n: t.int }, output: t.int, examples: [[{ n: 1 }, "x" as never]] },
        ({ n }) => n,
      );
    expect(make).toThrow(expect.objectContaining({ code: "registry.example.invalid" }));
  });
});
