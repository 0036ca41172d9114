// A host that says as much as the tests of this package need, over the real sockets. It keeps no rules of its own:
// what it refuses, the test tells it to refuse.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server as NetServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";

import { formatType } from "../../src/codec/ctype.js";
import { ModrackError } from "../../src/errors.js";
import { ErrorSchema, StatusDetailsSchema } from "../../src/generated/modrack/error/v1/error.js";
import {
  type CallBatchRequest,
  type CallRequest,
  type CallStreamRequest,
  type CallStreamResponseSchema,
  HostDefinition,
  type HostHandlers,
  type ModuleSchema,
  SessionState,
} from "../../src/generated/modrack/host/v1/host.js";
import {
  type ExecuteRequestSchema,
  type ExecuteResponse,
  ExecuteResponseSchema,
  ModuleExecutorClient,
} from "../../src/generated/modrack/provider/v1/execution.js";
import {
  type AttachRequest,
  AttachRequestSchema,
  AttachResponseSchema,
  type HostFrameSchema,
  type ProviderFrame,
} from "../../src/generated/modrack/provider/v1/frames.js";
import {
  type Command,
  DataPlane,
  ModuleRegistryDefinition,
  type ModuleRegistryHandlers,
  type RegisterRequest,
} from "../../src/generated/modrack/provider/v1/registry.js";
import { errorFromWire, errorToWire } from "../../src/wire/errors.js";
import { typeFromWire } from "../../src/wire/types.js";
import { FakePipelines } from "./fake_pipelines.js";

type HostFrame = MessageInitShape<typeof HostFrameSchema>;
type Execute = MessageInitShape<typeof ExecuteRequestSchema>;

/** How the fake behaves; may be changed while it runs. */
export interface Behaviour {
  /** Whether the registration answer names the link. */
  link: boolean;
  /** Whether `Attach` is served. */
  attach: boolean;
  /** Refuses the next registrations with these, one after the other. */
  refusals: ModrackError[];
  /** Refuses the next calls with these. */
  callRefusals: ModrackError[];
  /** Goes out with the next heartbeat's answer. */
  commands: Command[];
  /** Whether registrations get a new token, whatever they show. */
  forgetsTokens: boolean;
  /** Whether heartbeats and registrations know the sessions that were. */
  forgets: boolean;
  heartbeatIntervalMs: number;
  maxMessageBytes: number;
}

/** One attached or linked provider. */
export class Peer {
  readonly received: ProviderFrame[] = [];
  readonly messages: number[] = [];
  #calls = new Map<bigint, (response: ExecuteResponse) => void>();
  #waiting: (() => void)[] = [];
  #next = 1n;
  closed = false;

  constructor(
    readonly plane: "link" | "attach",
    readonly send: (frames: HostFrame[]) => void,
    readonly raw: (bytes: Uint8Array) => void,
    readonly end: () => void,
    /** Stops reading, and goes on. */
    readonly pause: () => void = () => undefined,
    readonly resume: () => void = () => undefined,
  ) {}

  execute(request: Execute): { callId: bigint; response: Promise<ExecuteResponse> } {
    const callId = this.#next;
    this.#next += 1n;
    const response = new Promise<ExecuteResponse>((resolve) => this.#calls.set(callId, resolve));
    this.send([{ callId, frame: { case: "execute", value: request } }]);
    return { callId, response };
  }

  /** Begins a stream; its frames come to {@link received}. */
  stream(request: Execute, credit: number): bigint {
    const callId = this.#next;
    this.#next += 1n;
    this.send([{ callId, frame: { case: "executeStream", value: { request, credit } } }]);
    return callId;
  }

  /** Begins a batch; its answer comes to {@link received}. */
  batch(requests: Execute[]): bigint {
    const callId = this.#next;
    this.#next += 1n;
    this.send([{ callId, frame: { case: "executeBatch", value: { requests } } }]);
    return callId;
  }

  grant(callId: bigint, items: number): void {
    this.send([{ callId, frame: { case: "credit", value: { items } } }]);
  }

  /** What has come for a call. */
  of(callId: bigint): ProviderFrame["frame"][] {
    return this.received.filter((frame) => frame.callId === callId).map(({ frame }) => frame);
  }

  /** Waits until something is true; looked at whenever frames come. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Waits until the provider has worked through everything that was sent. */
  async settled(): Promise<void> {
    const number = this.#next;
    this.#next += 1n;
    this.send([{ frame: { case: "ping", value: { number } } }]);
    await this.until(() => this.received.some(({ frame }) => frame.case === "pong" && frame.value.number === number));
  }

  receive(message: AttachRequest): void {
    this.messages.push(message.frames.length);
    for (const frame of message.frames) {
      this.received.push(frame);
      const { callId, frame: content } = frame;
      if (content.case === "result") this.#calls.get(callId)?.(content.value);
      if (content.case === "error") this.#calls.get(callId)?.(create(ExecuteResponseSchema, { result: content }));
    }
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** The first frame of this kind, when it has come. */
  async frame(kind: ProviderFrame["frame"]["case"]): Promise<ProviderFrame> {
    for (;;) {
      const found = this.received.find(({ frame }) => frame.case === kind);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

export class FakeHost {
  readonly behaviour: Behaviour = {
    link: true,
    attach: true,
    refusals: [],
    callRefusals: [],
    commands: [],
    forgets: false,
    forgetsTokens: false,
    heartbeatIntervalMs: 50,
    maxMessageBytes: 4 << 20,
  };
  readonly registrations: RegisterRequest[] = [];
  readonly heartbeats: string[] = [];
  readonly unregistered: string[] = [];
  readonly peers: Peer[] = [];
  readonly calls: CallRequest[] = [];
  readonly batches: CallBatchRequest[] = [];
  /** What came with each call, stream and batch. */
  readonly metadata: grpc.Metadata[] = [];
  /** When each call ends, in milliseconds since the epoch. */
  readonly deadlines: number[] = [];
  /** Calls and streams whose caller gave up. */
  cancelled = 0;
  /** Names that `GetModule` was asked for. */
  readonly asked: string[] = [];
  readonly pipelines = new FakePipelines(() => this.#heard());
  #folder = mkdtempSync(join(tmpdir(), "modrack-"));
  #server = new grpc.Server();
  #link: NetServer = createServer((socket) => this.#linked(socket));
  #sockets = new Set<Socket>();
  #port = 0;
  #scheme = "http";
  #session = 0;
  #waiting: (() => void)[] = [];

  static async start(port = 0, credentials = grpc.ServerCredentials.createInsecure()): Promise<FakeHost> {
    const host = new FakeHost();
    host.#scheme = credentials._isSecure() ? "https" : "http";
    host.#link.listen(host.linkPath);
    await once(host.#link, "listening");
    host.#server.addService(ModuleRegistryDefinition, host.#registry());
    host.#server.addService(HostDefinition, host.#host());
    host.#port = await new Promise<number>((resolve, reject) => {
      host.#server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    return host;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  get linkPath(): string {
    return join(this.#folder, "link.sock");
  }

  /** Waits until something is true; looked at whenever the host hears of something. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** The n-th connection that was welcomed, from 0. */
  async peer(n = 0): Promise<Peer> {
    await this.until(() => this.peers.length > n);
    return this.peers[n] as Peer;
  }

  /** Calls a module over the unary plane. */
  executor(): ModuleExecutorClient {
    const url = this.registrations.at(-1)?.serviceUrl ?? "";
    return new ModuleExecutorClient(url.replace("http://", ""), grpc.credentials.createInsecure());
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#link.close();
    this.#server.forceShutdown();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #heard(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #registry(): ModuleRegistryHandlers {
    return {
      register: ({ request }, reply) => {
        this.registrations.push(request);
        const refusal = this.behaviour.refusals.shift();
        if (refusal !== undefined) reply(statusOf(refusal));
        else reply(null, this.#welcome(request));
        this.#heard();
      },
      heartbeat: ({ request }, reply) => {
        this.heartbeats.push(request.sessionToken);
        if (this.behaviour.forgets) reply(statusOf(unknownSession()));
        else reply(null, { leaseMs: 1000, commands: this.behaviour.commands.splice(0) });
        this.#heard();
      },
      unregister: ({ request }, reply) => {
        this.unregistered.push(request.sessionToken);
        reply(null, { inFlight: 0 });
        // As the real host: no call comes behind this frame.
        const peer = this.peers.at(-1);
        if (peer !== undefined && !peer.closed)
          peer.send([{ callId: 0n, frame: { case: "drain", value: { graceMs: 0 } } }]);
        this.#heard();
      },
      attach: (stream) => {
        if (!this.behaviour.attach) {
          stream.emit("error", { code: grpc.status.UNIMPLEMENTED, details: "no attach here" });
          return;
        }
        const peer = new Peer(
          "attach",
          (frames) => stream.write({ frames }),
          () => undefined,
          () => stream.end(),
        );
        stream.on("data", (message: AttachRequest) => this.#receive(peer, message));
        stream.on("end", () => {
          this.#left(peer);
          stream.end();
        });
        stream.on("cancelled", () => this.#left(peer));
      },
    };
  }

  #welcome(request: RegisterRequest) {
    const continues = request.sessionToken !== "" && !this.behaviour.forgetsTokens;
    if (!continues) this.#session += 1;
    const number = continues ? request.sessionToken.replace("token-", "") : String(this.#session);
    const link = this.behaviour.link && request.planes.includes(DataPlane.LINK);
    return {
      results: request.modules.map(({ name }) => ({ name, accepted: true, revision: 1n })),
      sessionId: `session-${number}`,
      sessionToken: `token-${number}`,
      leaseMs: 1000,
      heartbeatIntervalMs: this.behaviour.heartbeatIntervalMs,
      ...(link ? { link: { address: { case: "unixPath" as const, value: this.linkPath } } } : {}),
      protocolVersion: 1,
      maxMessageBytes: this.behaviour.maxMessageBytes,
      attachTimeoutMs: 1000,
    };
  }

  #linked(socket: Socket): void {
    this.#sockets.add(socket);
    const raw = (bytes: Uint8Array): void => {
      socket.write(bytes);
    };
    const send = (frames: HostFrame[]): void => {
      const bytes = toBinary(AttachResponseSchema, create(AttachResponseSchema, { frames }));
      const prefix = Buffer.alloc(4);
      prefix.writeUInt32BE(bytes.length);
      raw(Buffer.concat([prefix, bytes]));
    };
    const peer = new Peer(
      "link",
      send,
      raw,
      () => socket.destroy(),
      () => socket.pause(),
      () => socket.resume(),
    );
    let buffer = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      buffer = Buffer.concat([buffer, chunk]);
      while (buffer.length >= 4 && buffer.length >= 4 + buffer.readUInt32BE(0)) {
        const end = 4 + buffer.readUInt32BE(0);
        this.#receive(peer, fromBinary(AttachRequestSchema, buffer.subarray(4, end)));
        buffer = buffer.subarray(end);
      }
    });
    socket.on("error", () => undefined);
    socket.on("close", () => this.#left(peer));
  }

  #receive(peer: Peer, message: AttachRequest): void {
    peer.receive(message);
    const [first] = message.frames;
    if (first?.frame.case === "hello") {
      const sessionId = first.frame.value.sessionToken.replace("token", "session");
      peer.send([{ frame: { case: "welcome", value: { sessionId } } }]);
      this.peers.push(peer);
    }
    this.#heard();
  }

  #left(peer: Peer): void {
    peer.closed = true;
    this.#heard();
  }

  /** Answers from what is registered, and sends calls to the connection that came last. */
  #host(): HostHandlers {
    const unknown = (name: string): grpc.ServiceError =>
      statusOf(
        new ModrackError("registry.module.unknown", `module \`${name}\` is not registered`, { category: "NOT_FOUND" }),
      );
    // The SDK operates no components.
    const none = (_: unknown, reply: (error: grpc.ServiceError) => void) =>
      reply(statusOf(new ModrackError("protocol.method.unknown", "no components here", { category: "UNSUPPORTED" })));
    return {
      ...this.pipelines.handlers(),
      listComponents: none,
      getComponent: none,
      startComponent: none,
      stopComponent: none,
      restartComponent: none,
      componentLogs: (stream) => stream.end(),
      listModules: (_, reply) => reply(null, { modules: this.#modules() }),
      getModule: ({ request }, reply) => {
        this.asked.push(request.name);
        const module = this.#modules().find(({ name }) => name === request.name);
        reply(module === undefined ? unknown(request.name) : null, { ...(module ? { module } : {}) });
      },
      call: (call, reply) => {
        const { request, metadata } = call;
        this.calls.push(request);
        this.metadata.push(metadata);
        this.deadlines.push(Number(call.getDeadline()));
        call.once("cancelled", () => {
          this.cancelled += 1;
          this.#heard();
        });
        this.#heard();
        const refusal = this.behaviour.callRefusals.shift();
        if (refusal !== undefined) return reply(statusOf(refusal));
        const module = this.#modules().find(({ name }) => name === request.module);
        if (module === undefined) return reply(unknown(request.module));
        if (request.schemaFingerprint !== module.schemaFingerprint) {
          const facts = { category: "FAILED_PRECONDITION", retryable: true } as const;
          return reply(statusOf(new ModrackError("registry.schema.changed", "it was replaced", facts)));
        }
        void this.#forward(request).then(
          (data) => reply(null, { output: { case: "outputData", value: data } }),
          (error: ModrackError) => reply(statusOf(error)),
        );
      },
      callStream: (stream) => void this.#stream(stream),
      callBatch: ({ request, metadata }, reply) => {
        this.batches.push(request);
        this.metadata.push(metadata);
        void this.#batch(request).then(
          (outputs) => reply(null, { outputs }),
          (error: ModrackError) => reply(statusOf(error)),
        );
      },
      watch: (stream) => {
        for (const module of this.#modules()) stream.write({ event: { case: "added", value: { module } } });
        stream.write({ event: { case: "synced", value: { modules: this.#modules().length } } });
        const [first] = this.#modules();
        if (first === undefined) return;
        stream.write({ event: { case: "changed", value: { module: first } } });
        stream.write({ event: { case: "removed", value: { name: first.name ?? "", reason: "unregistered" } } });
      },
    };
  }

  async #forward(request: CallRequest): Promise<Uint8Array> {
    const moduleName = request.module.slice(request.module.lastIndexOf(".") + 1);
    const inputData = request.input.case === "inputData" ? request.input.value : new Uint8Array();
    const { result } = await (this.peers.at(-1) as Peer).execute({ moduleName, inputData, executionId: "run-1" })
      .response;
    if (result.case === "outputData") return result.value;
    throw errorFromWire(result.value);
  }

  /** Forwards with one credit at a time, granted anew as the client's side takes what comes. */
  async #stream(
    stream: grpc.ServerWritableStream<CallStreamRequest, MessageInitShape<typeof CallStreamResponseSchema>>,
  ): Promise<void> {
    const request = stream.request.call as CallRequest;
    this.calls.push(request);
    this.metadata.push(stream.metadata);
    const fail = (error: ModrackError): boolean => stream.emit("error", statusOf(error));
    const refusal = this.behaviour.callRefusals.shift();
    if (refusal !== undefined) return void fail(refusal);
    const module = this.#modules().find(({ name }) => name === request.module);
    if (request.schemaFingerprint !== module?.schemaFingerprint)
      return void fail(
        new ModrackError("registry.schema.changed", "it was replaced", { category: "FAILED_PRECONDITION" }),
      );
    const peer = this.peers.at(-1) as Peer;
    const moduleName = request.module.slice(request.module.lastIndexOf(".") + 1);
    const inputData = request.input.case === "inputData" ? request.input.value : new Uint8Array();
    const callId = peer.stream({ moduleName, inputData, executionId: "run-1" }, 1);
    let over = false;
    stream.once("cancelled", () => {
      over = true;
      this.cancelled += 1;
      peer.send([{ callId, frame: { case: "cancel", value: { reason: 1 } } }]);
      this.#heard();
    });
    stream.write({ event: { case: "info", value: { executionId: "run-1" } } });
    for (let taken = 0; !over; taken += 1) {
      await peer.until(() => peer.of(callId).length > taken);
      const frame = peer.of(callId)[taken];
      if (frame?.case === "end") return void stream.end();
      if (frame?.case === "error") return void fail(errorFromWire(frame.value));
      if (frame?.case !== "item") throw new Error(`a frame ${frame?.case} in a stream`);
      if (!stream.write({ event: { case: "itemData", value: frame.value.data } })) await once(stream, "drain");
      peer.grant(callId, 1);
    }
  }

  async #batch(request: CallBatchRequest) {
    const peer = this.peers.at(-1) as Peer;
    const moduleName = request.module.slice(request.module.lastIndexOf(".") + 1);
    const requests = request.inputs.map(({ input, idempotencyKey }) => ({
      moduleName,
      inputData: input.case === "inputData" ? input.value : new Uint8Array(),
      idempotencyKey,
    }));
    const callId = peer.batch(requests);
    await peer.until(() => peer.of(callId).length > 0);
    const [frame] = peer.of(callId);
    if (frame?.case === "error") throw errorFromWire(frame.value);
    if (frame?.case !== "batchResult") throw new Error(`a frame ${frame?.case} for a batch`);
    return frame.value.responses.map(({ result }) => ({ result }));
  }

  #modules(): MessageInitShape<typeof ModuleSchema>[] {
    const registration = this.registrations.at(-1);
    return (registration?.modules ?? []).map((module) => {
      const [inputText, outputText] = [module.input, module.output].map((type) => formatType(typeFromWire(type)));
      const schemaFingerprint = createHash("sha256").update(`${inputText} -> ${outputText}`).digest("hex");
      return {
        name: `${registration?.namespace}.${module.name}`,
        description: module.description,
        ...(module.input ? { input: module.input } : {}),
        ...(module.output ? { output: module.output } : {}),
        version: "0.0.0",
        revision: 1n,
        schemaFingerprint,
        endpoints: [
          {
            sessionId: "session-1",
            serviceId: registration?.serviceId ?? "",
            plane: DataPlane.LINK,
            state: SessionState.READY,
            ...(registration?.info ? { info: registration.info } : {}),
          },
        ],
      };
    });
  }
}

export function unknownSession(): ModrackError {
  return new ModrackError("registry.session.unknown", "the session is not known", { category: "NOT_FOUND" });
}

/** An error as a gRPC status with its trailer. */
export function statusOf(error: ModrackError): grpc.ServiceError {
  const packed = anyPack(ErrorSchema, create(ErrorSchema, errorToWire(error)));
  const details = toBinary(
    StatusDetailsSchema,
    create(StatusDetailsSchema, { code: grpc.status.FAILED_PRECONDITION, message: error.message, details: [packed] }),
  );
  const metadata = new grpc.Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(details));
  return Object.assign(new Error(error.message), {
    code: grpc.status.FAILED_PRECONDITION,
    details: error.message,
    metadata,
  });
}
