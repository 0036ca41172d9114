// Measures what a call costs a provider on the link and attach planes, beside a bare framed echo and a bare grpc-js server.
// Needs the built SDK; asserts nothing. `node bench/plane.mjs [seconds] [part of a path's name] [index.js of another build]`
//
// The caller is scripted: it sends frames that it has encoded before and looks at nothing but their number, so that the
// figures are those of the provider, which runs in a process of its own and tells its own CPU time. A record of about 100
// bytes comes in and one goes out.

import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import * as grpc from "@grpc/grpc-js";

const seconds = Number(process.argv[2] ?? 2);
const wanted = process.argv[3] ?? "";
const sdk = process.argv[4] ? pathToFileURL(process.argv[4]).href : new URL("../dist/index.js", import.meta.url).href;
const base = new URL(".", sdk);

const text = "x".repeat(90);
const identity = (bytes) => bytes;
const unary = (path) => ({
  path,
  requestStream: false,
  responseStream: false,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
});

/** What runs in the other process: the role that the parent names. */
const roles = {
  async provider({ host, plane, style }) {
    const { Provider, t } = await import(sdk);
    const record = { text: t.string };
    const silent = { debug() {}, info() {}, warn() {}, error() {} };
    const handler = style === "async" ? async ({ text }) => ({ text }) : ({ text }) => ({ text });
    await new Provider("bench", { host, plane, logger: silent })
      .module("Echo", { input: record, output: t.record(record) }, handler)
      .start();
  },

  async echo({ path }) {
    createServer((socket) => {
      let rest = Buffer.alloc(0);
      socket.on("data", (chunk) => {
        const buffer = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
        let at = 0;
        while (buffer.length - at >= 4 && buffer.length - at >= 4 + buffer.readUInt32BE(at)) {
          at += 4 + buffer.readUInt32BE(at);
        }
        socket.write(buffer.subarray(0, at));
        rest = buffer.subarray(at);
      });
    }).listen(path);
  },

  async grpc({ path }) {
    const server = new grpc.Server();
    server.addService({ echo: unary("/bench.Echo/Echo") }, { echo: ({ request }, reply) => reply(null, request) });
    await new Promise((resolve, reject) =>
      server.bindAsync(`unix:${path}`, grpc.ServerCredentials.createInsecure(), (e) => (e ? reject(e) : resolve())),
    );
  },
};

async function main() {
  const folder = mkdtempSync(join(tmpdir(), "modrack-bench-"));
  const rows = [];
  try {
    for (const inFlight of [1, 32]) {
      for (const [name, run] of Object.entries(paths)) {
        if (!name.includes(wanted)) continue;
        const { calls, elapsed, cpu, p50 } = await run(folder, inFlight);
        rows.push({
          path: name,
          "in flight": inFlight,
          "calls/s": Math.round(calls / elapsed),
          "p50 µs": p50 === undefined ? "" : Math.round(p50),
          "provider CPU µs/call": Number((cpu / calls).toFixed(2)),
        });
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.table(rows);
}

/** Starts the other process, gives a function that tells its CPU time, and one that ends it. */
async function other(role, options) {
  const child = fork(fileURLToPath(import.meta.url), process.argv.slice(2), { stdio: "inherit" });
  child.send({ role, ...options });
  await once(child, "message");
  const cpu = async () => {
    child.send({});
    const [{ user, system }] = await once(child, "message");
    return user + system;
  };
  return {
    cpu,
    end: async () => {
      child.kill();
      await once(child, "exit");
    },
  };
}

/** Calls in flight, a part of them for warmth. `start(done)` begins one call. */
async function measure(child, inFlight, start) {
  const times = [];
  let end = performance.now() + 1000;
  let calls = 0;
  const loop = () =>
    new Promise((resolve) => {
      const next = () => {
        const began = performance.now();
        if (began > end) return resolve();
        start(() => {
          calls += 1;
          if (inFlight === 1) times.push(performance.now() - began);
          next();
        });
      };
      next();
    });
  const all = () => Promise.all(Array.from({ length: inFlight }, loop));
  await all();
  times.length = 0;
  calls = 0;
  const before = await child.cpu();
  const began = performance.now();
  end = began + seconds * 1000;
  await all();
  const elapsed = (performance.now() - began) / 1000;
  const cpu = (await child.cpu()) - before;
  times.sort((a, b) => a - b);
  return {
    calls,
    elapsed,
    cpu,
    p50: inFlight === 1 ? times[times.length >> 1] * 1000 : (elapsed * 1e6 * inFlight) / calls,
  };
}

/** A peer that sends one pre-encoded message per turn of its loop, and answers `done`s in the order of the calls. */
function framed(write, frameOf) {
  const waiting = [];
  let batch = [];
  let id = 1;
  return {
    start(done) {
      waiting.push(done);
      batch.push(frameOf(id));
      id = id === 100 ? 1 : id + 1;
      if (batch.length === 1) {
        setImmediate(() => {
          const frames = batch;
          batch = [];
          write(Buffer.concat(frames));
        });
      }
    },
    answered(count) {
      for (const done of waiting.splice(0, count)) done();
    },
  };
}

/** How many frames the messages in a buffer hold, and how much of the buffer they are. */
function countFrames(buffer, prefixed) {
  let at = 0;
  let frames = 0;
  while (buffer.length > at) {
    let end = buffer.length;
    if (prefixed) {
      if (buffer.length - at < 4 || buffer.length - at < 4 + buffer.readUInt32BE(at)) break;
      end = at + 4 + buffer.readUInt32BE(at);
      at += 4;
    }
    while (at < end) {
      let size = 0;
      let shift = 0;
      let byte = 0;
      at += 1;
      do {
        byte = buffer[at++];
        size += (byte & 0x7f) * 2 ** shift;
        shift += 7;
      } while (byte >= 0x80);
      at += size;
      frames += 1;
    }
  }
  return { frames, at };
}

async function hostFor(folder, plane, style, inFlight) {
  const wire = await import(new URL("generated/modrack/provider/v1/frames.js", base));
  const registry = await import(new URL("generated/modrack/provider/v1/registry.js", base));
  const { create, toBinary } = await import("@bufbuild/protobuf");
  const { Codec, parseType } = await import(sdk);
  const request = {
    moduleName: "Echo",
    inputData: new Codec(parseType("{text: String}")).encode({ text }),
    executionId: "0192d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d",
    attempt: 1,
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    timeoutMs: 30_000,
  };
  const message = (frames) =>
    Buffer.from(toBinary(wire.AttachResponseSchema, create(wire.AttachResponseSchema, { frames })));
  const bodies = Array.from({ length: 101 }, (_, id) =>
    message([{ callId: BigInt(id + 1000), frame: { case: "execute", value: request } }]),
  );
  const welcome = message([{ frame: { case: "welcome", value: { sessionId: "s" } } }]);
  const prefix = (body) => {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(body.length);
    return Buffer.concat([head, body]);
  };
  const linkPath = join(folder, `link-${plane}-${style}-${inFlight}.sock`);
  const hostPath = join(folder, `host-${plane}-${style}-${inFlight}.sock`);
  let attached;
  const peer = new Promise((resolve) => {
    attached = resolve;
  });
  const link = createServer((socket) => {
    socket.once("data", () => {
      socket.write(prefix(welcome));
      const peer = framed(
        (bytes) => socket.write(prefix(bytes)),
        (id) => bodies[id],
      );
      let rest = Buffer.alloc(0);
      socket.on("data", (chunk) => {
        const buffer = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
        const { frames, at } = countFrames(buffer, true);
        rest = buffer.subarray(at);
        peer.answered(frames);
      });
      attached(peer);
    });
    socket.on("error", () => {});
  }).listen(linkPath);
  const server = new grpc.Server();
  const { register, heartbeat, unregister, attach } = registry.ModuleRegistryDefinition;
  server.addService(
    {
      register,
      heartbeat,
      unregister,
      attach: { ...attach, requestDeserialize: identity, responseSerialize: identity },
    },
    {
      register: ({ request: { modules } }, reply) =>
        reply(null, {
          results: modules.map(({ name }) => ({ name, accepted: true, revision: 1n })),
          sessionId: "s",
          sessionToken: "t",
          leaseMs: 60_000,
          heartbeatIntervalMs: 20_000,
          link: { address: { case: "unixPath", value: linkPath } },
          protocolVersion: 1,
          maxMessageBytes: 4 << 20,
          attachTimeoutMs: 5000,
        }),
      heartbeat: (_, reply) => reply(null, { leaseMs: 60_000 }),
      unregister: (_, reply) => reply(null, { inFlight: 0 }),
      attach: (stream) => {
        let peer;
        stream.on("data", (bytes) => {
          if (peer !== undefined) return peer.answered(countFrames(bytes, false).frames);
          stream.write(welcome);
          peer = framed(
            (frames) => stream.write(frames),
            (id) => bodies[id],
          );
          attached(peer);
        });
        stream.on("error", () => {});
      },
    },
  );
  await new Promise((resolve) =>
    server.bindAsync(`unix:${hostPath}`, grpc.ServerCredentials.createInsecure(), resolve),
  );
  return {
    url: `unix:${hostPath}`,
    peer,
    stop: () => {
      link.close();
      server.forceShutdown();
    },
  };
}

function provider(plane, style) {
  return async (folder, inFlight) => {
    const host = await hostFor(folder, plane, style, inFlight);
    const child = await other("provider", { host: host.url, plane, style });
    const peer = await host.peer;
    try {
      return await measure(child, inFlight, (done) => peer.start(done));
    } finally {
      await child.end();
      host.stop();
    }
  };
}

const paths = {
  "link, plain handler": provider("link", "plain"),
  "link, async handler": provider("link", "async"),
  "attach, plain handler": provider("attach", "plain"),

  "bare framed echo": async (folder, inFlight) => {
    const path = join(folder, `echo-${inFlight}.sock`);
    const child = await other("echo", { path });
    const socket = connect(path);
    await once(socket, "connect");
    const body = Buffer.alloc(104, 1);
    body.writeUInt32BE(100);
    const peer = framed(
      (bytes) => socket.write(bytes),
      () => body,
    );
    let size = 0;
    socket.on("data", (chunk) => {
      size += chunk.length;
      const count = Math.floor(size / body.length);
      size -= count * body.length;
      peer.answered(count);
    });
    try {
      return await measure(child, inFlight, (done) => peer.start(done));
    } finally {
      socket.destroy();
      await child.end();
    }
  },

  "bare grpc-js unary": async (folder, inFlight) => {
    const path = join(folder, `grpc-${inFlight}.sock`);
    const child = await other("grpc", { path });
    const client = new grpc.Client(`unix:${path}`, grpc.credentials.createInsecure());
    const body = Buffer.alloc(100, 1);
    const call = (done) => client.makeUnaryRequest("/bench.Echo/Echo", identity, identity, body, done);
    try {
      return await measure(child, inFlight, call);
    } finally {
      client.close();
      await child.end();
    }
  },
};

if (process.send) {
  process.on("message", async ({ role, ...options }) => {
    if (role) {
      await roles[role](options);
      process.send("ready");
    } else process.send(process.cpuUsage());
  });
} else await main();
