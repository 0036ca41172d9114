// A provider's life with a host: register, connect, stay alive, come back, leave. Runs no handler itself.
//
// Only a refused registration is final. Whatever happens afterwards (a broken link, a host that restarts, a lost lease)
// leads to a new registration after a back-off with full jitter; it carries the old session token, so the names come back
// without a gap.

import { create } from "@bufbuild/protobuf";

import { ModrackError } from "../errors.js";
import {
  Command,
  DataPlane,
  ModuleRegistryClient,
  type RegisterResponse,
  RegisterResponseSchema,
} from "../generated/modrack/provider/v1/registry.js";
import type { Logger } from "../logger.js";
import { type Address, CHANNEL_OPTIONS } from "../wire/address.js";
import { errorFromRpc, errorFromWire } from "../wire/errors.js";
import { channelCredentials, type TlsFiles } from "../wire/secrets.js";
import { connectAttach } from "./attach.js";
import type { Connection, Plane } from "./connection.js";
import { connectLink } from "./link.js";
import type { Starter } from "./sink.js";
import { registerRequest } from "./specs.js";
import { type Served, UnaryServer } from "./unary.js";

const RPC_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;
/** Time in which calls arrive that were routed before this provider left. */
const LAST_CALLS_MS = 2_000;
const LAST_CALLS_UNARY_MS = 100;

/** What a session is given. */
export interface SessionOptions {
  readonly address: Address;
  readonly tls: TlsFiles;
  readonly served: Served;
  /** Starts the calls that come by a plane. */
  readonly starter: (plane: Plane) => Starter;
  readonly logger: Logger;
  /** The only plane to use; the fastest that works where it is absent. */
  readonly plane?: Plane | undefined;
  /** Where the unary plane listens. */
  readonly listen: string;
  /** How the host calls it where that does not follow from `listen`; else empty. */
  readonly serviceUrl: string;
  /** Time for running calls when the provider leaves. */
  readonly graceMs: number;
  /** Called whenever calls can come in. */
  readonly onReady: (plane: Plane, modules: number) => void;
}

/** A refusal that no retry mends. */
class Final extends Error {
  constructor(readonly error: ModrackError) {
    super(error.message);
  }
}

/** Why a provider stops serving over one connection. */
type Outcome = "stop" | "again" | "drain" | ModrackError;

/** One provider with one host. */
export class Session {
  readonly #options: SessionOptions;
  readonly #stopping = new AbortController();
  #server: UnaryServer | undefined;
  #client: ModuleRegistryClient | undefined;
  #planes: readonly DataPlane[] = [];
  #registration: RegisterResponse = create(RegisterResponseSchema);
  #publishing: Promise<unknown> = Promise.resolve();
  #reconnect: () => void = () => undefined;
  #stale = false;
  #told = "";

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** The token of the registration that is live or was last; empty before the first. A secret. */
  get token(): string {
    return this.#registration.sessionToken;
  }

  /** Asks to drain and leave; `run` is done afterwards. */
  stop(): void {
    this.#stopping.abort();
  }

  /**
   * Registers the present modules again, on the standing connection.
   *
   * @throws ModrackError that the host refuses them with, in which case those that it knew before stay callable;
   * `client.provider.unregistered` where the provider is not registered now.
   */
  publish(): Promise<void> {
    const turn = this.#publishing.then(() => this.#publish());
    this.#publishing = turn.catch(() => undefined);
    return turn;
  }

  /** Registers the present modules again in the background, or with the next registration; a refusal is logged. */
  publishSoon(): void {
    if (this.#client === undefined) {
      this.#stale = true;
      return;
    }
    this.publish().catch((error: unknown) => {
      this.#options.logger.error(`the change of modules is refused: ${messageOf(error)}`);
    });
  }

  /**
   * Serves until `stop`, the host's drain command, or a final refusal.
   *
   * @throws ModrackError that the host refuses the registration with, when trying again would not help.
   */
  async run(): Promise<void> {
    let attempt = 0;
    try {
      while (!this.#stopping.signal.aborted) {
        const began = Date.now();
        const outcome = await this.#serveOnce();
        if (outcome === "stop") return;
        if (Date.now() - began > LONGEST_DELAY_MS || outcome === "again") attempt = 0;
        if (outcome === "again") continue;
        if (outcome instanceof ModrackError) this.#tell(outcome);
        // Full jitter: providers that lost the same host do not come back in step.
        const most = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt);
        attempt += 1;
        await sleep(Math.random() * most, this.#stopping.signal);
      }
    } catch (error) {
      throw error instanceof Final ? error.error : error;
    } finally {
      await this.#server?.close();
    }
  }

  /** From one registration to the end of its connection. */
  async #serveOnce(): Promise<Outcome> {
    const { address, tls, graceMs, onReady } = this.#options;
    // Read anew for each registration, so that certificates can be rotated.
    const client = new ModuleRegistryClient(address.target, channelCredentials(address, tls), CHANNEL_OPTIONS);
    let connection: Connection | undefined;
    try {
      connection = await this.#open(client);
      this.#client = client;
      this.#told = "";
      onReady(connection.plane, this.#registration.results.length);
      const outcome = await this.#stay(client, connection);
      if (outcome === "stop") await this.#leave(client, connection);
      if (outcome === "drain") {
        this.#options.logger.info("the host drains: finishing what runs, then registering again");
        await connection.drain(graceMs);
      }
      return outcome;
    } catch (error) {
      if (error instanceof ModrackError) return error;
      if (error instanceof Again) return "again";
      throw error;
    } finally {
      this.#client = undefined;
      if (connection !== undefined && connection !== this.#server) await connection.close();
      client.close();
    }
  }

  /** Registers and connects over the fastest plane that works. */
  async #open(client: ModuleRegistryClient): Promise<Connection> {
    const { plane } = this.#options;
    if (plane === "unary") return this.#openUnary(client);
    const planes = { link: [DataPlane.LINK], attach: [DataPlane.ATTACH] };
    try {
      await this.#register(client, plane === undefined ? [DataPlane.LINK, DataPlane.ATTACH] : planes[plane]);
    } catch (error) {
      const refused = error instanceof Final && error.error.code === "registry.plane.unsupported";
      if (plane === undefined && refused) return this.#openUnary(client);
      throw error;
    }
    const { sessionToken, maxMessageBytes, link } = this.#registration;
    const options = { sessionToken, maxMessageBytes, timeoutMs: CONNECT_TIMEOUT_MS };
    const { starter } = this.#options;
    if (plane !== "attach") {
      const linked = await this.#openLink(
        link === undefined ? undefined : { ...options, starter: starter("link"), endpoint: link },
      );
      if (linked !== undefined) return linked;
    }
    try {
      return await connectAttach({ ...options, starter: starter("attach"), client });
    } catch (error) {
      if (plane !== undefined || !(error instanceof ModrackError) || error.category !== "UNSUPPORTED") throw error;
      this.#options.logger.info("the host serves no attach stream; trying unary");
      return this.#openUnary(client);
    }
  }

  /** The link; `undefined` where there is none and another plane may do. */
  async #openLink(options: Parameters<typeof connectLink>[0] | undefined): Promise<Connection | undefined> {
    const isOnly = this.#options.plane === "link";
    if (options === undefined) {
      if (!isOnly) return undefined;
      throw new Final(new ModrackError("client.link.absent", "the host offers no link", { category: "UNSUPPORTED" }));
    }
    try {
      return await connectLink(options);
    } catch (error) {
      if (isOnly || !(error instanceof ModrackError) || error.code !== "client.link.unreachable") throw error;
      this.#options.logger.info(`${error.message}; trying attach`);
      return undefined;
    }
  }

  async #openUnary(client: ModuleRegistryClient): Promise<Connection> {
    if (this.#server === undefined) {
      const server = new UnaryServer(this.#options.starter("unary"), this.#options.served);
      // The server's own life is longer than this connection: its address stays.
      this.#server = server;
      try {
        await server.start(this.#options.listen, this.#options.serviceUrl);
      } catch (error) {
        throw error instanceof ModrackError ? new Final(error) : error;
      }
    }
    this.#server.resume();
    await this.#register(client, [DataPlane.UNARY]);
    return this.#server;
  }

  async #register(client: ModuleRegistryClient, planes: readonly DataPlane[]): Promise<void> {
    const { identity, modules } = this.#options.served;
    this.#stale = false;
    const answer = await this.#ask(async () => {
      const request = registerRequest(identity, modules.values(), {
        planes,
        serviceUrl: planes.includes(DataPlane.UNARY) ? (this.#server?.url ?? "") : "",
        sessionToken: this.#registration.sessionToken,
      });
      return client.register(request, within(RPC_TIMEOUT_MS));
    });
    for (const result of answer.results) if (!result.accepted) throw new Final(errorFromWire(result.error));
    this.#registration = answer;
    this.#planes = planes;
  }

  /** A registration's answer, its failures sorted: again at once, final, or worth another try. */
  async #ask(send: () => Promise<RegisterResponse>): Promise<RegisterResponse> {
    try {
      return await send();
    } catch (failure) {
      const error = errorFromRpc(failure);
      if (!(error instanceof ModrackError)) throw error;
      if (error.code === "registry.session.unknown" && this.#registration.sessionToken !== "") {
        this.#registration = create(RegisterResponseSchema);
        throw new Again();
      }
      throw error.retryable ? error : new Final(error);
    }
  }

  async #publish(): Promise<void> {
    const client = this.#client;
    if (client === undefined) {
      throw new ModrackError("client.provider.unregistered", "the provider is not registered now", {
        category: "FAILED_PRECONDITION",
        retryable: true,
      });
    }
    const before = this.#registration.sessionId;
    try {
      await this.#register(client, this.#planes);
    } catch (error) {
      if (error instanceof Again) return this.#reconnect();
      throw error instanceof Final ? error.error : error;
    }
    // The host may answer with a session of its own for the replacement; the names move when we connect to it.
    if (this.#registration.sessionId !== before) this.#reconnect();
  }

  /** Until the provider shall leave, or the connection or the lease is lost. */
  async #stay(client: ModuleRegistryClient, connection: Connection): Promise<Outcome> {
    const over = new AbortController();
    const lost = new ModrackError("client.connection.lost", "the connection is closed", {
      category: "UNAVAILABLE",
      retryable: true,
    });
    const outcomes: Promise<Outcome>[] = [
      connection.ended.then((error) => error ?? lost),
      connection.draining.then(() => "drain"),
      this.#heartbeat(client, over.signal),
      new Promise((resolve) => {
        this.#reconnect = () => resolve("again");
      }),
      aborted(this.#stopping.signal, over.signal).then(() => "stop"),
    ];
    if (this.#stale) this.publishSoon();
    try {
      return await Promise.race(outcomes);
    } finally {
      over.abort();
    }
  }

  async #heartbeat(client: ModuleRegistryClient, over: AbortSignal): Promise<Outcome> {
    let alive = Date.now();
    for (;;) {
      const { heartbeatIntervalMs, leaseMs } = this.#registration;
      const intervalMs = Math.max(heartbeatIntervalMs, 10);
      await sleep(intervalMs, over);
      if (over.aborted) return "again";
      try {
        const request = { sessionToken: this.#registration.sessionToken };
        const answer = await client.heartbeat(request, within(Math.max(intervalMs, 1000)));
        alive = Date.now();
        if (answer.commands.includes(Command.REREGISTER)) return "again";
        if (answer.commands.includes(Command.DRAIN)) {
          this.#options.logger.info("the host asks this provider to leave");
          return "stop";
        }
      } catch (failure) {
        const error = errorFromRpc(failure);
        if (!(error instanceof ModrackError)) throw error;
        if (error.code === "registry.session.unknown") return "again";
        this.#options.logger.debug(`heartbeat: ${error.message} [${error.code}]`);
        if (Date.now() - alive > leaseMs) {
          return new ModrackError("client.lease.lost", `no heartbeat within a lease: ${error.message}`, {
            category: "UNAVAILABLE",
            retryable: true,
          });
        }
      }
    }
  }

  /** The names go first, then what runs is answered, then the connection ends. */
  async #leave(client: ModuleRegistryClient, connection: Connection): Promise<void> {
    this.#client = undefined;
    const { graceMs, logger } = this.#options;
    const request = { sessionToken: this.#registration.sessionToken };
    const timeoutMs = Math.min(RPC_TIMEOUT_MS, Math.max(graceMs, 1000));
    await client.unregister(request, within(timeoutMs)).catch((failure: unknown) => {
      logger.debug(`unregister: ${messageOf(errorFromRpc(failure))}`);
    });
    await this.#receiveTheLast(connection);
    const left = await connection.drain(graceMs);
    if (left > 0) logger.warn(`${left} call${left === 1 ? "" : "s"} did not end within ${graceMs} ms`);
  }

  /**
   * Calls that were routed before the names went are still on their way. The host's drain frame stands behind them; to an
   * address that the host dials they come at once, or not at all.
   */
  async #receiveTheLast(connection: Connection): Promise<void> {
    const most = connection.plane === "unary" ? LAST_CALLS_UNARY_MS : LAST_CALLS_MS;
    const over = new AbortController();
    const time = sleep(Math.min(most, this.#options.graceMs), over.signal);
    await Promise.race([connection.draining, connection.ended, time]);
    over.abort();
  }

  /** Logs why it tries again, once per reason. */
  #tell(error: ModrackError): void {
    if (error.code === this.#told) return;
    this.#told = error.code;
    this.#options.logger.warn(`${messageOf(error)}; trying again until it works`);
  }
}

/** The host does not know the session any more: register at once. */
class Again extends Error {}

function within(timeoutMs: number): { deadline: number } {
  return { deadline: Date.now() + timeoutMs };
}

function messageOf(error: unknown): string {
  if (error instanceof ModrackError) return `${error.message} [${error.code}]`;
  return error instanceof Error ? error.message : String(error);
}

/** Waits so long, or until the signal. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}

/** Waits for the signal; lets go of it when `over` fires. */
function aborted(signal: AbortSignal, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => resolve();
    signal.addEventListener("abort", done, { once: true });
    over.addEventListener("abort", () => signal.removeEventListener("abort", done), { once: true });
  });
}
