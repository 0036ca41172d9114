/** The TypeScript stubs of `tests/golden/proto`: every kind of field through bytes, every kind of call over a socket. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { create, equals, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { Color } from "./generated/golden/shared/v1/shared.js";
import {
  Everything_Mood,
  EverythingSchema,
  Exchange,
  ExchangeClient,
  ExchangeDefinition,
  type ExchangeHandlers,
  ObjectSchema,
  type Piece,
  Words_Keyword,
  WordsSchema,
} from "./generated/golden/v1/golden.js";

// The tests run in the directory of the project.
const agreed = Buffer.from(readFileSync("../everything.hex", "utf8").replace(/\s/g, ""), "hex");

const everything: MessageInitShape<typeof EverythingSchema> = {
  text: "täxt 𝄞",
  payload: Uint8Array.of(0x00, 0xff),
  flag: true,
  ratio: -0.5,
  small: -1,
  large: 2n ** 64n - 1n,
  maybe: "",
  mood: Everything_Mood.GOOD,
  numbers: [1n, -(2n ** 63n)],
  nested: [{ deeper: { depth: -3 } }, {}],
  colors: [Color.RED, Color.UNSPECIFIED],
  counts: { a: 1n },
  byNumber: { [-7]: {} },
  byFlag: { true: Everything_Mood.GOOD },
  stamp: { text: "s" },
  at: { seconds: 1n },
  takes: { seconds: 1n, nanos: 500_000_000 },
  wrapped: "w",
  free: { k: [true, null] },
  choice: { case: "count", value: { value: 5n } },
  otherChoice: { case: "yes", value: false },
};

test("every kind of field has the bytes of the other languages", () => {
  const bytes = toBinary(EverythingSchema, create(EverythingSchema, everything));
  const message = create(EverythingSchema, everything);
  assert.ok(equals(EverythingSchema, fromBinary(EverythingSchema, agreed), message));
  assert.ok(equals(EverythingSchema, fromBinary(EverythingSchema, bytes), message));
  assert.ok(!equals(EverythingSchema, fromBinary(EverythingSchema, bytes), create(EverythingSchema)));
});

test("an absent field is undefined", () => {
  const message = create(EverythingSchema);
  assert.equal(message.maybe, undefined);
  assert.equal(message.stamp, undefined);
  assert.deepEqual(message.choice, { case: undefined });
});

test("the names of the runtime are the names of the types", () => {
  assert.deepEqual(
    WordsSchema.fields.map((field) => field.localName),
    Object.keys(create(WordsSchema)).filter((key) => key !== "$typeName"),
  );
  const words = create(WordsSchema, { constructor$: "c", toString$: "t", property: Words_Keyword.toString$ });
  assert.deepEqual(fromBinary(WordsSchema, toBinary(WordsSchema, words)), words);
  assert.equal(create(ObjectSchema, { object: {} }).object?.object, undefined);
  assert.deepEqual(Object.keys(Exchange.method), Object.keys(ExchangeDefinition));
});

test("doc text comes through, and does not end the comment", () => {
  const [first] = readFileSync("src/generated/golden/v1/golden.ts", "utf8").split("\n");
  const text = String.raw`/** Everything that a proto can say, once. Neither """ nor *\/ nor a \ at the end may end a comment: \ */`;
  assert.equal(first, text);
});

const handlers: ExchangeHandlers = {
  once: (call, callback) => callback(null, call.request),
  down: (call) => {
    for (let number = 0n; number < call.request.number; number += 1n) call.write({ number });
    call.end();
  },
  up: (call, callback) => {
    let number = 0n;
    call.on("data", (piece: Piece) => {
      number += piece.number;
    });
    call.on("end", () => callback(null, { number }));
  },
  both: (call) => {
    call.on("data", (piece: Piece) => call.write({ number: -piece.number }));
    call.on("end", () => call.end());
  },
  // Never answers: the caller has to give up.
  close: () => undefined,
  import: (call, callback) => callback(null, { type: call.request.type }),
};

async function numbers(pieces: AsyncIterable<Piece>): Promise<bigint[]> {
  const found: bigint[] = [];
  for await (const piece of pieces) found.push(piece.number);
  return found;
}

test("calls of every shape", async (context) => {
  const server = new grpc.Server();
  server.addService(ExchangeDefinition, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
  const client = new ExchangeClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  context.after(() => {
    client.close();
    server.forceShutdown();
  });

  assert.ok(equals(EverythingSchema, await client.once(everything), create(EverythingSchema, everything)));
  assert.deepEqual(await numbers(client.down({ number: 3n })), [0n, 1n, 2n]);

  const up = client.up();
  up.requests.write({ number: 1n });
  up.requests.end({ number: 2n });
  assert.equal((await up.response).number, 3n);

  const both = client.both();
  both.write({ number: 1n });
  both.end({ number: 2n });
  assert.deepEqual(await numbers(both), [-1n, -2n]);

  assert.equal((await client.import({ type: "t" })).type, "t");
  await assert.rejects(client.close$({}, { signal: AbortSignal.abort() }), { code: grpc.status.CANCELLED });
  const cancelled = client.both({ signal: AbortSignal.abort() });
  await assert.rejects(numbers(cancelled), { code: grpc.status.CANCELLED });
});
