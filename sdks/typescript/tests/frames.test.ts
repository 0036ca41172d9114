import { inspect } from "node:util";

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";

import { Codec } from "../src/codec/codec.js";
import { ExecuteRequestSchema } from "../src/generated/modrack/provider/v1/execution.js";
import {
  AttachRequestSchema,
  type AttachResponse,
  AttachResponseSchema,
  type HostFrame,
  HostFrameSchema,
} from "../src/generated/modrack/provider/v1/frames.js";
import { parseType } from "../src/index.js";
import { type FrameListener, FrameReader } from "../src/wire/frames_in.js";
import { FrameWriter, type ProviderFrameInit } from "../src/wire/frames_out.js";
import type { Request } from "../src/wire/request.js";

/** Numbers that are the same in each run: mulberry32. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const IDS = [0n, 1n, 127n, 128n, 16_383n, 16_384n, 2n ** 32n, 2n ** 49n - 1n, 2n ** 49n, 2n ** 53n, 2n ** 64n - 1n];
const NUMBERS = [0, 1, 127, 128, 300, 65_536, 2 ** 28, 2 ** 31 - 1, 2 ** 32 - 1];
const TEXTS = ["", "x", "Upper", "übel", "日本", "y".repeat(127), "z".repeat(128), "0af7".repeat(50)];

type Next = (below: number) => number;

const pick = <T>(next: Next, from: readonly T[]): T => from[next(from.length)] as T;

function randomRequest(next: Next) {
  const sometimes = <T>(value: T, none: T): T => (next(2) === 0 ? value : none);
  return create(ExecuteRequestSchema, {
    moduleName: pick(next, TEXTS),
    inputData: new Uint8Array(sometimes(pick(next, [1, 100, 127, 128, 300]), 0)).fill(next(256)),
    executionId: sometimes(pick(next, TEXTS), ""),
    nodeId: sometimes(pick(next, TEXTS), ""),
    attempt: sometimes(pick(next, NUMBERS), 0),
    idempotencyKey: sometimes(pick(next, TEXTS), ""),
    traceparent: sometimes(pick(next, TEXTS), ""),
    tracestate: sometimes(pick(next, TEXTS), ""),
    timeoutMs: sometimes(pick(next, NUMBERS), 0),
  });
}

function randomFrame(next: Next): HostFrame {
  const number = pick(next, NUMBERS);
  const frames: NonNullable<MessageInitShape<typeof HostFrameSchema>["frame"]>[] = [
    { case: "execute", value: randomRequest(next) },
    { case: "execute", value: randomRequest(next) },
    { case: "executeStream", value: { request: randomRequest(next), credit: number } },
    { case: "executeBatch", value: { requests: [randomRequest(next)] } },
    { case: "credit", value: { items: number } },
    { case: "cancel", value: { reason: next(4) } },
    { case: "ping", value: { number: BigInt(number) } },
    { case: "drain", value: { graceMs: number } },
  ];
  return create(HostFrameSchema, { callId: pick(next, IDS), frame: pick(next, frames) });
}

const TEXT_FACTS = ["executionId", "nodeId", "idempotencyKey", "traceparent", "tracestate"] as const;

function shown(request: Request): unknown[] {
  const { input } = request;
  const texts = TEXT_FACTS.map((fact) => request[fact]);
  const bytes = input.bytes.subarray(input.at, input.end).toString("hex");
  return [request.module, request.attempt, request.timeoutMs, ...texts, bytes];
}

/** What a listener is told, as data. */
function heard(bytes: Buffer): unknown[] {
  const told: unknown[] = [];
  const listener: FrameListener = {
    execute: (id, request) => told.push(["execute", BigInt(id), shown(request)]),
    stream: (id, request, credit) => told.push(["stream", BigInt(id), shown(request), credit]),
    credit: (id, items) => told.push(["credit", BigInt(id), items]),
    cancel: (id, reason) => told.push(["cancel", BigInt(id), reason]),
    other: (frame) => told.push(toBinary(HostFrameSchema, frame)),
  };
  // In the middle of a buffer, as messages come: what stands around it must not matter.
  const around = Buffer.concat([Buffer.from([0x0a, 0xff]), bytes, Buffer.alloc(40, 0x0a)]);
  new FrameReader(listener).message(around, 2, 2 + bytes.length);
  return told;
}

/** What the generated code reads, in the same form. */
function meant(message: AttachResponse): unknown[] {
  return message.frames.map((frame) => {
    const { callId, frame: content } = frame;
    const request = (value: Parameters<typeof create<typeof ExecuteRequestSchema>>[1] & { inputData: Uint8Array }) => {
      const whole = create(ExecuteRequestSchema, value);
      const texts = TEXT_FACTS.map((fact) => whole[fact]);
      const input = Buffer.from(whole.inputData).toString("hex");
      return [whole.moduleName, whole.attempt, whole.timeoutMs, ...texts, input];
    };
    if (content.case === "execute") return ["execute", callId, request(content.value)];
    if (content.case === "executeStream" && content.value.request !== undefined)
      return ["stream", callId, request(content.value.request), content.value.credit];
    if (content.case === "credit") return ["credit", callId, content.value.items];
    if (content.case === "cancel") return ["cancel", callId, content.value.reason];
    return toBinary(HostFrameSchema, frame);
  });
}

describe("what is read by hand", () => {
  test("is what the generated code reads", () => {
    const next = random(1);
    for (let i = 0; i < 1500; i += 1) {
      const frames = Array.from({ length: 1 + next(4) }, () => randomFrame(next));
      const bytes = Buffer.from(toBinary(AttachResponseSchema, create(AttachResponseSchema, { frames })));
      expect(heard(bytes)).toEqual(meant(fromBinary(AttachResponseSchema, bytes)));
    }
  });

  test("is what the generated code reads, or refused as it refuses, where bytes are changed, cut or put twice", () => {
    const next = random(2);
    let refused = 0;
    let read = 0;
    for (let i = 0; i < 6000; i += 1) {
      const frames = Array.from({ length: 1 + next(3) }, () => randomFrame(next));
      // No texts but ASCII, which stay UTF-8 when a bit below the highest changes.
      for (const { frame } of frames) {
        const requests =
          frame.case === "execute" ? [frame.value] : frame.case === "executeStream" ? [frame.value.request] : [];
        for (const request of requests)
          for (const fact of ["moduleName", ...TEXT_FACTS] as const) if (request) request[fact] = "ab".repeat(next(5));
      }
      let bytes = Buffer.from(toBinary(AttachResponseSchema, create(AttachResponseSchema, { frames })));
      const at = next(Math.min(bytes.length, 80));
      const kind = next(4);
      if (kind === 0) bytes[at] = (bytes[at] as number) ^ (1 << next(7));
      else if (kind === 1) bytes = bytes.subarray(0, at);
      else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([next(128)]), bytes.subarray(at)]);
      else bytes = Buffer.concat([bytes, bytes.subarray(at)]);
      let expected: unknown;
      let isOverrun = false;
      try {
        const message = fromBinary(AttachResponseSchema, bytes);
        // The generated code lets a field run over the end of its message; what it read is not what was written then.
        isOverrun = !bytes.equals(toBinary(AttachResponseSchema, message));
        const isEmptyStream = message.frames.some(
          ({ frame }) => frame.case === "executeStream" && frame.value.request === undefined,
        );
        expected = message.frames.length === 0 || isEmptyStream ? "protocol.frame.malformed" : meant(message);
      } catch {
        expected = "protocol.frame.malformed";
      }
      let found: unknown;
      try {
        found = heard(bytes);
        read += 1;
      } catch (error) {
        found = (error as { code: string }).code;
        refused += 1;
      }
      // A text that is no UTF-8 is read with replacement characters.
      if (expected === "protocol.frame.malformed" && inspect(found, { depth: 5 }).includes("\ufffd")) continue;
      if (isOverrun && found === "protocol.frame.malformed") continue;
      expect({ bytes: bytes.toString("hex").slice(0, 400), found }).toEqual({
        bytes: bytes.toString("hex").slice(0, 400),
        found: expected,
      });
    }
    expect(Math.min(refused, read)).toBeGreaterThan(300);
  });
});

describe("what is unusual but a message", () => {
  const frame = (...content: number[]) => [0x0a, content.length, ...content];
  for (const [what, bytes] of [
    ["a request whose fields come in another order", frame(0x08, 5, 0x1a, 7, 0x12, 2, 1, 2, 0x0a, 1, 0x41)],
    ["a field that comes twice", frame(0x08, 5, 0x1a, 6, 0x0a, 1, 0x41, 0x0a, 1, 0x42)],
    ["a call id behind the content", frame(0x1a, 3, 0x0a, 1, 0x41, 0x08, 5)],
    ["a call id that comes twice", frame(0x08, 5, 0x08, 6, 0x1a, 3, 0x0a, 1, 0x41)],
    ["a content that is replaced by another", frame(0x08, 5, 0x2a, 2, 0x08, 3, 0x22, 2, 0x08, 1)],
    ["a content in two parts", frame(0x08, 5, 0x1a, 3, 0x0a, 1, 0x41, 0x1a, 2, 0x28, 9)],
    ["fields that nobody knows", [0x7a, 1, 0, ...frame(0x08, 5, 0x1a, 6, 0x0a, 1, 0x41, 0xf8, 0x01, 1), 0x78, 9]],
    ["numbers in more bytes than they need", frame(0x08, 0x85, 0x00, 0x2a, 0x83, 0x00, 0x08, 0x84, 0x00)],
    ["a negative attempt", frame(0x08, 5, 0x1a, 11, 0x28, ...Array(9).fill(0xff), 0x01)],
    ["a stream without its credit", frame(0x08, 5, 0x52, 5, 0x0a, 3, 0x0a, 1, 0x41)],
    ["a stream whose credit comes first", frame(0x08, 5, 0x52, 7, 0x10, 4, 0x0a, 3, 0x0a, 1, 0x41)],
    ["contents without fields", [...frame(0x1a, 0), ...frame(0x22, 0), ...frame(0x2a, 0)]],
  ] as const) {
    test(`is read as the generated code reads it: ${what}`, () => {
      const message = Buffer.from(bytes);
      expect(heard(message)).toEqual(meant(fromBinary(AttachResponseSchema, message)));
    });
  }
});

const text = new Codec(parseType("Bytes"));

/** Messages as they come out of the writer. */
function split(bytes: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    messages.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return messages;
}

describe("what is written by hand", () => {
  test("is what the generated code writes, in messages that keep to their size", () => {
    const next = random(3);
    for (let round = 0; round < 400; round += 1) {
      const most = pick(next, [300, 5000, 1 << 20]);
      const linked = new FrameWriter(4, most);
      const attached = new FrameWriter(0, most);
      const frames: ProviderFrameInit[] = [];
      for (let i = next(12); i >= 0; i -= 1) {
        const callId = pick(next, IDS);
        const id = callId <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(callId) : callId;
        const value = Buffer.alloc(pick(next, [0, 1, 90, 120, 126, 200, 16_000, 16_384, 300_000]), next(256));
        const data = text.encode(value);
        const kind = next(3);
        const frame: ProviderFrameInit =
          kind === 0
            ? { callId, frame: { case: "result", value: { result: { case: "outputData", value: data } } } }
            : kind === 1
              ? { callId, frame: { case: "item", value: { data } } }
              : { callId, frame: { case: "end", value: {} } };
        const size = toBinary(AttachRequestSchema, create(AttachRequestSchema, { frames: [frame] })).length;
        for (const writer of [linked, attached]) {
          const write = (): void => {
            if (kind === 0) writer.result(id, text, value);
            else if (kind === 1) writer.item(id, text, value);
            else writer.frame(frame);
          };
          if (size <= most) write();
          else expect(write).toThrow(expect.objectContaining({ code: "module.output_too_large" }));
        }
        if (size <= most) frames.push(frame);
      }
      const messages = split(linked.bytes());
      expect(Buffer.concat(messages).equals(Buffer.concat(attached.messages()))).toBe(true);
      const whole = toBinary(AttachRequestSchema, create(AttachRequestSchema, { frames }));
      expect(Buffer.concat(messages).equals(whole)).toBe(true);
      for (const message of messages) {
        expect(message.length).toBeLessThanOrEqual(most);
        expect(fromBinary(AttachRequestSchema, message).frames.length).toBeGreaterThan(0);
      }
      expect(linked.isEmpty).toBe(frames.length === 0);
    }
  });

  test("leaves nothing behind of a value that cannot be encoded", () => {
    const writer = new FrameWriter(4, 1000);
    const codec = new Codec(parseType("List<Int>"));
    expect(() => writer.result(1, codec, [1, "2"])).toThrow(expect.objectContaining({ code: "codec.type_mismatch" }));
    expect(writer.isEmpty).toBe(true);
    writer.result(1, codec, [1]);
    expect(() => writer.result(2, codec, [1, "2"])).toThrow(expect.objectContaining({ path: "[1]" }));
    writer.result(3, codec, [3]);
    const [message] = split(writer.bytes());
    const { frames } = fromBinary(AttachRequestSchema, message as Buffer);
    expect(frames.map(({ callId }) => callId)).toEqual([1n, 3n]);
  });

  test("does not touch bytes that somebody still reads", () => {
    const writer = new FrameWriter(4, 1000);
    writer.result(1, text, Buffer.from("first"));
    const bytes = writer.bytes();
    const before = Buffer.from(bytes);
    writer.reset(true);
    writer.result(2, text, Buffer.from("other"));
    expect(bytes.equals(before)).toBe(true);
  });
});
