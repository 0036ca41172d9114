// The unary plane: a gRPC server that the host calls, with lifecycle and health. Registers nothing itself.

import { create } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import type { HealthImplementation } from "grpc-health-check";

import { ModrackError } from "../errors.js";
import {
  type ExecuteRequest,
  type ExecuteResponse,
  ExecuteResponseSchema,
  ModuleExecutorDefinition,
  type ModuleExecutorHandlers,
} from "../generated/modrack/provider/v1/execution.js";
import { ModuleLifecycleDefinition, type ModuleLifecycleHandlers } from "../generated/modrack/provider/v1/lifecycle.js";
import type { Module } from "../module.js";
import { CHANNEL_OPTIONS } from "../wire/address.js";
import { errorToWire } from "../wire/errors.js";
import type { Connection } from "./connection.js";
import type { Runner, Running } from "./runner.js";
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
    readonly runner: Runner,
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
    this.#server.addService(ModuleExecutorDefinition, this.#executor());
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

  #executor(): ModuleExecutorHandlers {
    const unsupported = { code: status.UNIMPLEMENTED, details: "this provider offers neither batches nor streams" };
    return {
      execute: (call, reply) => this.#execute(call, reply),
      executeBatch: (_, reply) => reply(unsupported),
      executeStream: (call) => call.destroy(Object.assign(new Error(unsupported.details), unsupported)),
    };
  }

  #execute(call: ServerUnaryCall<ExecuteRequest, unknown>, reply: sendUnaryData<ExecuteResponse>): void {
    if (this.#refusing) {
      const error = new ModrackError("executor.provider.unavailable", "the provider is draining", {
        category: "UNAVAILABLE",
        retryable: true,
      });
      return reply(null, responseOf(error));
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
    running = this.runner.start(call.request, (result) => {
      settle();
      reply(null, responseOf(result));
    });
    if (running === undefined) return;
    this.#running.add(running);
    const cancelling = running;
    call.once("cancelled", () => {
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

function responseOf(result: Uint8Array | ModrackError): ExecuteResponse {
  return create(ExecuteResponseSchema, {
    result:
      result instanceof Uint8Array
        ? { case: "outputData", value: result }
        : { case: "error", value: errorToWire(result) },
  });
}

function cannotListen(listen: string, cause: Error): ModrackError {
  return new ModrackError("client.listen.failed", `cannot listen at \`${listen}\`: ${cause.message}`, {
    category: "FAILED_PRECONDITION",
    cause,
  });
}
