// The TypeScript codec for the differential tests: speaks as `tests/differential/src/peer.rs` says. Judges nothing.

import { writeSync } from "node:fs";

import { Codec, CodecError, parseType, SchemaError } from "../../../sdks/typescript/dist/index.js";

/** One question: `d` decode and encode, `j` the same and JSON, `r` read JSON and encode. */
function ask(codec, kind, data) {
  if (kind === "r") return [codec.encode(codec.parse(data.toString("utf8"))), ""];
  const value = codec.decode(data);
  return [codec.encode(value), kind === "j" ? codec.stringify(value) : ""];
}

/** The answer that a codec gives, as it is sent. */
function answer(parts, run) {
  let status = 1;
  let texts;
  try {
    texts = run();
  } catch (fault) {
    // Whatever is no refusal is no answer that a codec may give: the harness shows it.
    const refused = fault instanceof CodecError || fault instanceof SchemaError;
    status = refused ? 0 : 2;
    texts = refused ? [fault.code, fault.path] : [String(fault?.stack ?? fault), ""];
  }
  parts.push(Buffer.of(status));
  for (const text of texts) {
    const bytes = Buffer.from(text);
    const size = Buffer.alloc(4);
    size.writeUInt32BE(bytes.length);
    parts.push(size, bytes);
  }
}

/** The answers to a whole request. */
function reply(request) {
  let at = 0;
  const count = () => {
    at += 4;
    return request.readUInt32BE(at - 4);
  };
  const bytes = () => {
    const size = count();
    at += size;
    return request.subarray(at - size, at);
  };
  const parts = [Buffer.alloc(4)];
  const groups = count();
  for (let group = 0; group < groups; group += 1) {
    const text = bytes().toString("utf8");
    let codec;
    answer(parts, () => {
      codec = new Codec(parseType(text));
      return [codec.text, ""];
    });
    const questions = count();
    for (let question = 0; question < questions; question += 1) {
      at += 1;
      const kind = String.fromCharCode(request[at - 1]);
      const data = bytes();
      if (codec !== undefined) answer(parts, () => ask(codec, kind, data));
    }
  }
  const message = Buffer.concat(parts);
  message.writeUInt32BE(message.length - 4);
  return message;
}

/** Writes all of it, as long as that takes: the harness reads. */
function send(message) {
  let sent = 0;
  while (sent < message.length) {
    try {
      sent += writeSync(1, message, sent);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

let received = Buffer.alloc(0);
process.stdin.on("data", (chunk) => {
  received = Buffer.concat([received, chunk]);
  while (received.length >= 4) {
    const size = received.readUInt32BE();
    if (received.length < 4 + size) break;
    const message = reply(received.subarray(4, 4 + size));
    received = received.subarray(4 + size);
    send(message);
  }
});
