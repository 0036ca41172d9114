// The unary plane: a gRPC server that the host calls, with lifecycle and health. Registers nothing itself.

import { create, toBinary } from "@bufbuild/protobuf";
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from "@grpc/grpc-js";
import type { HealthImplementation } from "grpc-health-check";

import { ModrackError } from "../errors.js";
import {
  type ExecuteBatchRequest,
  type ExecuteBatchResponse,
  ExecuteBatchResponseSchema,
  ExecuteResponseSchema,
  type ExecuteStreamRequest,
  type ExecuteStreamResponse,
  ExecuteStreamResponseSchema,
  ModuleExecutorDefinition,
} from "../generated/modrack/provider/v1/execution.js";
import { ModuleLifecycleDefinition, type ModuleLifecycleHandlers } from "../generated/modrack/provider/v1/lifecycle.js";
import type { Module } from "../module.js";
import { CHANNEL_OPTIONS } from "../wire/address.js";
import { errorToStatus, errorToWire } from "../wire/errors.js";
import { malformed } from "../wire/frames_in.js";
import { type Request, requestOf, requestOfBytes } from "../wire/request.js";
import type { Connection } from "./connection.js";
import type { Running, Sink, Starter } from "./sink.js";
import { type Identity, moduleSpec, providerInfo } from "./specs.js";

const SERVICES = ["", "modrack.provider.v1.ModuleExecutor", "modrack.provider.v1.ModuleLifecycle"];

/** What the lifecycle service needs of its provider. */
export interface Served {
  readonly identity: Identity;
  readonly modules: ReadonlyMap<string, Module>;
  /** Filled by `Initialize`. */
  readonly configuration: Map<string, string>;
  /** Ends the provider in an orderly way. */
  readonly stop: () => void;
}

/** A running server. The host opens no lasting connection, so only this side ends it. */
export class UnaryServer implements Connection {
  readonly plane = "unary";
  readonly ended: Promise<ModrackError | undefined>;
  readonly draining: Promise<void> = new Promise(() => undefined);
  readonly #server = new Server(CHANNEL_OPTIONS);
  readonly #running = new Set<Running>();
  readonly #idle: (() => void)[] = [];
  #health: HealthImplementation | undefined;
  #refusing = false;
  #inFlight = 0;
  #end!: (error: ModrackError | undefined) => void;
  #url = "";

  constructor(
    readonly starter: Starter,
    readonly served: Served,
  ) {
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Where the host finds it. */
  get url(): string {
    return this.#url;
  }

  /**
   * Listens at `listen`, e.g. `127.0.0.1:0`; `serviceUrl` stands in for what follows from that.
   *
   * @throws ModrackError with `client.listen.failed`.
   */
  async start(listen: string, serviceUrl: string): Promise<void> {
    // Loads and parses a proto file, which providers on the other planes need not wait for.
    const { HealthImplementation } = await import("grpc-health-check");
    this.#health = new HealthImplementation();
    this.#health.addToServer(this.#server);
    this.#server.addService(EXECUTOR, {
      execute: (call: ServerUnaryCall<Request, Buffer>, reply: sendUnaryData<Buffer>) => this.#execute(call, reply),
      executeBatch: (
        call: ServerUnaryCall<ExecuteBatchRequest, ExecuteBatchResponse>,
        reply: sendUnaryData<ExecuteBatchResponse>,
      ) => this.#executeBatch(call, reply),
      executeStream: (call: ServerWritableStream<ExecuteStreamRequest, ExecuteStreamResponse>) =>
        this.#executeStream(call),
    });
    this.#server.addService(ModuleLifecycleDefinition, this.#lifecycle());
    const port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(listen, ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(cannotListen(listen, error));
      });
    });
    this.#url = serviceUrl || `http://${listen.slice(0, listen.lastIndexOf(":"))}:${port}`;
  }

  /** Takes calls, for the first time or after a drain. */
  resume(): void {
    this.#refusing = false;
    for (const service of SERVICES) this.#health?.setStatus(service, "SERVING");
  }

  async drain(graceMs: number): Promise<number> {
    this.#refusing = true;
    for (const service of SERVICES) this.#health?.setStatus(service, "NOT_SERVING");
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        this.#idle.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this.#inFlight;
  }

  async close(): Promise<void> {
    this.#end(undefined);
    const stopped = new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    const timer = setTimeout(() => this.#server.forceShutdown(), 200);
    const lost = new ModrackError("executor.provider.lost", "the provider ends", { category: "UNAVAILABLE" });
    for (const running of this.#running) running.cancel(lost);
    await stopped;
    clearTimeout(timer);
  }

  #execute(call: ServerUnaryCall<Request, Buffer>, reply: sendUnaryData<Buffer>): void {
    const send = (result: Uint8Array | ModrackError): void => reply(null, responseBytes(result));
    this.#serve(
      call,
      {
        answer: (_, module, value) => send(module.output.encode(value)),
        encoded: (_, output) => send(output),
        fail: (_, error) => send(error),
      },
      (sink) => this.starter.call(0, call.request, sink),
    );
  }

  #executeBatch(
    call: ServerUnaryCall<ExecuteBatchRequest, ExecuteBatchResponse>,
    reply: sendUnaryData<ExecuteBatchResponse>,
  ): void {
    const requests = call.request.requests.map(requestOf);
    this.#serve(
      call,
      {
        answers: (_, answers) =>
          reply(null, create(ExecuteBatchResponseSchema, { responses: answers.map(responseOf) })),
        fail: (_, error) => reply(errorToStatus(error)),
      },
      (sink) => {
        if (requests.length > 0) return this.starter.batch(0, requests, sink);
        sink.fail(0, malformed("a batch without requests"));
        return undefined;
      },
    );
  }

  #executeStream(call: ServerWritableStream<ExecuteStreamRequest, ExecuteStreamResponse>): void {
    const { request } = call.request;
    let running: Running | undefined;
    // HTTP/2 has its own credit: the next item may come when the stream has room for it.
    const item = (_: unknown, module: Module, value: unknown): void => {
      const itemData = module.output.encode(value);
      // Not at once: the first item may come before the stream is known here.
      if (call.write(create(ExecuteStreamResponseSchema, { itemData }))) queueMicrotask(() => running?.grant(1));
      else call.once("drain", () => running?.grant(1));
    };
    const fail = (_: unknown, error: ModrackError): void => {
      call.emit("error", Object.assign(new Error(error.message), errorToStatus(error)));
    };
    this.#serve(call, { item, end: () => call.end(), fail }, (sink) => {
      if (request === undefined) sink.fail(0, malformed("a stream without a request"));
      else running = this.starter.stream(0, requestOf(request), 1, sink);
      return running;
    });
  }

  /** Starts a call, and keeps account of it until it is answered or its caller gives up. */
  #serve(
    call: Pick<ServerUnaryCall<unknown, unknown>, "once">,
    answering: Partial<Sink> & Pick<Sink, "fail">,
    start: (sink: Sink) => Running | undefined,
  ): void {
    if (this.#refusing) {
      return answering.fail(
        0,
        new ModrackError("executor.provider.unavailable", "the provider is draining", {
          category: "UNAVAILABLE",
          retryable: true,
        }),
      );
    }
    this.#inFlight += 1;
    let running: Running | undefined;
    let over = false;
    const settle = (): void => {
      if (over) return;
      over = true;
      if (running !== undefined) this.#running.delete(running);
      this.#inFlight -= 1;
      if (this.#inFlight === 0) for (const done of this.#idle.splice(0)) done();
    };
    running = start(settling(answering, settle));
    if (running === undefined || over) return;
    this.#running.add(running);
    const cancelling = running;
    call.once("cancelled", () => {
      // It also comes when a call that is answered is closed.
      if (over) return;
      cancelling.cancel(new ModrackError("executor.call.cancelled", "the caller gave up", { category: "CANCELLED" }));
      settle();
    });
  }

  #lifecycle(): ModuleLifecycleHandlers {
    const { identity, modules, configuration, stop } = this.served;
    return {
      describe: (_, reply) =>
        reply(null, {
          serviceId: identity.serviceId,
          namespace: identity.namespace,
          modules: Array.from(modules.values(), moduleSpec),
          info: providerInfo(),
        }),
      initialize: ({ request }, reply) => {
        configuration.clear();
        for (const [key, text] of Object.entries(request.configuration)) configuration.set(key, text);
        reply(null, {});
      },
      drain: ({ request }, reply) => {
        void this.drain(request.graceMs).then((inFlight) => reply(null, { inFlight }));
      },
      shutdown: (_, reply) => {
        reply(null, {});
        stop();
      },
    };
  }
}

/** `ModuleExecutor`, with what `Execute` carries read and written here. */
const EXECUTOR = {
  ...ModuleExecutorDefinition,
  execute: {
    ...ModuleExecutorDefinition.execute,
    requestDeserialize: requestOfBytes,
    responseSerialize: (bytes: Buffer): Buffer => bytes,
  },
};

/** The answers of a call, each of which that ends it settles it first; what this call cannot be answered with is a fault. */
function settling(answering: Partial<Sink> & Pick<Sink, "fail">, settle: () => void): Sink {
  const never = (): never => {
    throw new Error("an answer of another kind of call");
  };
  const { answer = never, encoded = never, item = never, end = never, answers = never, fail } = answering;
  return {
    answer: (id, module, value) => {
      answer(id, module, value);
      settle();
    },
    encoded: (id, output) => {
      encoded(id, output);
      settle();
    },
    item,
    end: (id) => {
      end(id);
      settle();
    },
    answers: (id, results) => {
      answers(id, results);
      settle();
    },
    fail: (id, error) => {
      fail(id, error);
      settle();
    },
  };
}

function responseOf(result: Uint8Array | ModrackError) {
  return {
    result:
      result instanceof Uint8Array
        ? { case: "outputData" as const, value: result }
        : { case: "error" as const, value: errorToWire(result) },
  };
}

function responseBytes(result: Uint8Array | ModrackError): Buffer {
  const bytes = toBinary(ExecuteResponseSchema, create(ExecuteResponseSchema, responseOf(result)));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function cannotListen(listen: string, cause: Error): ModrackError {
  return new ModrackError("client.listen.failed", `cannot listen at \`${listen}\`: ${cause.message}`, {
    category: "FAILED_PRECONDITION",
    cause,
  });
}
