// The provider: collects an author's functions as modules and serves them to a host. The work is done by `session.ts`.

import { hostname } from "node:os";

import { HostChannel, type Scope } from "../client/channel.js";
import { Client } from "../client.js";
import { ModrackError } from "../errors.js";
import { type Logger, stderrLogger } from "../logger.js";
import {
  type BatchHandler,
  compileBatchModule,
  compileModule,
  describeModule,
  type Handler,
  type Module,
  type ModuleSpec,
  type StreamHandler,
  type StreamSpec,
} from "../module.js";
import type { Schema } from "../schema.js";
import { type Tracing, tracing } from "../telemetry.js";
import { findAddress, HOST_VARIABLE } from "../wire/address.js";
import { channelCredentials, SessionToken, type TlsFiles } from "../wire/secrets.js";
import { PLANES, type Plane } from "./connection.js";
import { Runner } from "./runner.js";
import { Session } from "./session.js";
import { TracedStarter } from "./traced.js";

const NAMESPACE = /^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*$/;
const SERVICE_ID = /^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/;

const HINTS: Readonly<Record<string, string>> = {
  "registry.namespace.reserved": "`std`, `stdlib` and what is below them are the host's own; choose another namespace",
  "registry.namespace.denied": "the credential does not cover this namespace; ask who runs the host",
  "registry.credential.refused": "set MODRACK_CREDENTIAL_FILE to a file with a credential that the host knows",
  "registry.schema.incompatible": "keep the old types callable, or create the provider with `allowBreaking: true`",
  "registry.group.schema_mismatch":
    "all members of a group declare identical modules; use a new group id for new types",
  "registry.protocol.unsupported": "use an SDK of the same major version as the host",
  "registry.registration.empty": "give the provider a module before it runs",
  "client.method.unsupported": `is what ${HOST_VARIABLE} names a Modrack host?`,
};

/** What a provider may be told besides its namespace; what is absent comes from the environment. */
export interface ProviderOptions extends TlsFiles {
  /** Who the provider is, stable over restarts. Default: `MODRACK_SERVICE_ID`, else the namespace. */
  serviceId?: string;
  /** Shared by replicas, each with a service id of its own. Default: `MODRACK_GROUP_ID`, else none. */
  groupId?: string;
  /** `http://127.0.0.1:7420`, `https://modrack.example:7420` or `unix:/path/to.sock`. Default: `MODRACK_HOST`. */
  host?: string;
  /** The only plane to use. Default: `MODRACK_PLANE`, else the fastest that works. */
  plane?: Plane;
  /** File with the credential that the host asks for. Default: `MODRACK_CREDENTIAL_FILE`, else none. */
  credentialFile?: string;
  /** Permit a replacement that narrows an input or widens an output. Default: false. */
  allowBreaking?: boolean;
  /** Milliseconds that running calls get when the provider leaves. Default: 10 000. */
  graceMs?: number;
  /** Where the unary plane listens. Default: `127.0.0.1:0`, a free port. */
  listen?: string;
  /** How the host calls the unary plane where that does not follow from `listen`. */
  serviceUrl?: string;
  /** Where the provider and its handlers log to. Default: lines on stderr. */
  logger?: Logger;
}

/**
 * The modules of one namespace, served by this process.
 *
 * ```ts
 * const provider = new Provider("text");
 * provider.module("Uppercase", { input: { text: t.string }, output: t.string }, ({ text }) => text.toUpperCase());
 * await provider.run();
 * ```
 *
 * @throws ModrackError with `registry.name.invalid` for a namespace or service id that is none, `client.plane.invalid`.
 */
export class Provider {
  readonly namespace: string;
  readonly serviceId: string;
  readonly groupId: string;
  /** What the host sent with `ModuleLifecycle.Initialize`; on the unary plane only. */
  readonly configuration: ReadonlyMap<string, string>;
  readonly #configuration = new Map<string, string>();
  readonly #options: ProviderOptions;
  readonly #plane: Plane | undefined;
  readonly #logger: Logger;
  readonly #modules = new Map<string, Module>();
  #session: Session | undefined;
  #ended: Promise<void> | undefined;

  constructor(namespace: string, options: ProviderOptions = {}) {
    if (!NAMESPACE.test(namespace) || namespace.length > 128) throw invalid(`\`${namespace}\` is no namespace`);
    this.namespace = namespace;
    this.configuration = this.#configuration;
    this.#options = options;
    this.#plane = planeOf(options.plane ?? process.env["MODRACK_PLANE"] ?? "");
    this.#logger = options.logger ?? stderrLogger;
    this.groupId = options.groupId ?? process.env["MODRACK_GROUP_ID"] ?? "";
    this.serviceId = options.serviceId ?? (process.env["MODRACK_SERVICE_ID"] || this.#defaultServiceId());
    if (!SERVICE_ID.test(this.serviceId)) throw invalid(`\`${this.serviceId}\` is no service id`);
  }

  /**
   * Makes a function a module of this provider, or replaces the one of that name. With `output: t.stream(…)` the function
   * is a generator of items. On a running provider the host learns it in the background; `await provider.publish()` waits for that.
   *
   * @throws SchemaError for a name, a type or an example that the rules refuse.
   */
  module<const I extends Schema, const O extends Schema>(
    name: string,
    spec: StreamSpec<I, O>,
    handler: StreamHandler<I, O>,
  ): this;
  module<const I extends Schema, const O extends Schema>(
    name: string,
    spec: ModuleSpec<I, O>,
    handler: Handler<I, O>,
  ): this;
  module<const I extends Schema, const O extends Schema>(
    name: string,
    spec: ModuleSpec<I, O> | StreamSpec<I, O>,
    handler: Handler<I, O> | StreamHandler<I, O>,
  ): this {
    return this.#add(compileModule(name, spec, handler));
  }

  /**
   * Makes a function that takes several inputs at once a module of this provider. To its callers it is a module like any
   * other: calls come as lists of one, batches as they are, or in parts where they fit no message.
   *
   * ```ts
   * provider.batch("Lengths", { input: { text: t.string }, output: t.int }, (inputs) => inputs.map(({ text }) => text.length));
   * ```
   *
   * @throws SchemaError as {@link module}.
   */
  batch<const I extends Schema, const O extends Schema>(
    name: string,
    spec: ModuleSpec<I, O>,
    handler: BatchHandler<I, O>,
  ): this {
    return this.#add(compileBatchModule(name, spec, handler));
  }

  /** Takes a module away, and says whether there was one. On a running provider the host learns it in the background. */
  remove(name: string): boolean {
    const found = this.#modules.delete(name);
    if (found) this.#session?.publishSoon();
    return found;
  }

  /** The modules by their unqualified names. */
  get modules(): ReadonlyMap<string, Module> {
    return this.#modules;
  }

  /** What this provider is, for people: namespace and modules with their types. */
  describe(): string {
    const lines = [...this.#modules.values()].map((module) => `  ${this.namespace}.${describeModule(module)}`);
    return [`provider ${this.namespace}, ${plural(lines.length)}:`, ...lines].join("\n");
  }

  /**
   * Serves as the main thing of this process until SIGTERM, SIGINT or the host's drain command; then finishes what runs
   * and ends the process. A second signal ends it at once.
   *
   * Exit codes: 0 after an orderly end, 1 when the host refuses the registration for good, 2 when no host is named (after
   * saying what this provider is).
   */
  async run(): Promise<void> {
    if (!this.#options.host && !process.env[HOST_VARIABLE]) {
      const hint = `Set ${HOST_VARIABLE} to serve it, e.g. ${HOST_VARIABLE}=http://127.0.0.1:7420`;
      process.stderr.write(`${this.describe()}\n\n${hint}\n`);
      process.exit(2);
    }
    const onSignal = (name: NodeJS.Signals, number: number): void => {
      if (this.#session === undefined) process.exit(128 + number);
      this.#logger.info(`${name}: leaving; once more ends the process at once`);
      for (const again of ["SIGTERM", "SIGINT"]) {
        process.removeListener(again, onSignal);
        process.once(again, (_, second: number) => process.exit(128 + second));
      }
      this.#session.stop();
    };
    process.on("SIGTERM", onSignal).on("SIGINT", onSignal);
    try {
      await this.#serve(() => undefined);
    } catch (error) {
      if (!(error instanceof ModrackError)) throw error;
      process.stderr.write(`modrack: provider ${this.namespace} refused: ${error.message} [${error.code}]\n`);
      const hint = HINTS[error.code] ?? error.details["hint"];
      if (hint !== undefined) process.stderr.write(`  hint: ${hint}\n`);
      process.exit(1);
    }
    // A handler that did not end within the grace must not keep the process.
    process.exit(0);
  }

  /**
   * Serves inside a program that does other things besides; done when calls can come in. `stop` ends it. Whatever happens
   * to the connection afterwards, the provider comes back by itself.
   *
   * @throws ModrackError when no host is named, or when it refuses the registration for good.
   */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      let isReady = false;
      const ready = (): void => {
        isReady = true;
        resolve();
      };
      this.#serve(ready).then(resolve, (error: unknown) => {
        if (!isReady) return reject(error);
        // Calls could come in already, so nobody waits for this promise any more.
        const why = error instanceof Error ? error.message : String(error);
        this.#logger.error(`provider ${this.namespace} ended: ${why}`);
      });
    });
  }

  /** Leaves: the names go, what runs is finished within `graceMs`. Done when it is over; at once where it does not run. */
  async stop(): Promise<void> {
    this.#session?.stop();
    await this.#ended?.catch(() => undefined);
  }

  /**
   * Registers the present modules now, on the standing connection, and waits for the host's answer.
   *
   * @throws ModrackError that the host refuses them with; `client.provider.unregistered` between two registrations; `client.provider.stopped`.
   */
  async publish(): Promise<void> {
    if (this.#session !== undefined) return this.#session.publish();
    throw new ModrackError("client.provider.stopped", "the provider does not run", {
      category: "FAILED_PRECONDITION",
    });
  }

  #add(module: Module): this {
    this.#modules.set(module.name, module);
    this.#session?.publishSoon();
    return this;
  }

  #serve(onReady: () => void): Promise<void> {
    const ended = this.#serving(onReady);
    this.#ended = ended;
    return ended;
  }

  async #serving(onReady: () => void): Promise<void> {
    if (this.#session !== undefined) {
      throw new ModrackError("client.provider.running", "this provider runs already", {
        category: "FAILED_PRECONDITION",
      });
    }
    const { host, credentialFile, allowBreaking = false, graceMs = 10_000, listen, serviceUrl } = this.#options;
    const address = findAddress(host);
    // For the calls of handlers; opened by the first of them.
    const token = new SessionToken(() => session.token);
    const channel = new HostChannel(address, () => channelCredentials(address, this.#options), token);
    const nested = (scope: Scope): Client => new Client(channel, scope);
    const runner = new Runner(this.#modules, { logger: this.#logger, nested });
    let traces: Tracing | undefined;
    const session: Session = new Session({
      address,
      tls: this.#options,
      served: {
        identity: {
          serviceId: this.serviceId,
          namespace: this.namespace,
          groupId: this.groupId,
          credentialFile: credentialFile ?? process.env["MODRACK_CREDENTIAL_FILE"] ?? "",
          allowBreaking,
        },
        modules: this.#modules,
        configuration: this.#configuration,
        stop: () => session.stop(),
      },
      starter: (plane) => (traces === undefined ? runner : new TracedStarter(runner, traces, this.namespace, plane)),
      logger: this.#logger,
      plane: this.#plane,
      listen: listen ?? "127.0.0.1:0",
      serviceUrl: serviceUrl ?? "",
      graceMs,
      onReady: (plane, modules) => {
        this.#logger.info(`provider ${this.namespace} ready: ${plural(modules)} over ${plane} at ${address.text}`);
        onReady();
      },
    });
    this.#session = session;
    try {
      // Where nothing is traced, nothing is waited for.
      const loading = tracing();
      if (loading !== undefined) traces = await loading;
      await session.run();
    } finally {
      this.#session = undefined;
      channel.close();
      await traces?.flush();
    }
  }

  #defaultServiceId(): string {
    if (this.groupId === "") return this.namespace;
    const machine = hostname().replaceAll(/[^A-Za-z0-9_-]/g, "-");
    return `${this.namespace}-${machine}-${process.pid}`.slice(0, 128);
  }
}

function planeOf(text: string): Plane | undefined {
  if (text === "") return undefined;
  const plane = PLANES.find((known) => known === text);
  if (plane !== undefined) return plane;
  throw new ModrackError("client.plane.invalid", `a plane is ${PLANES.join(", ")}, not \`${text}\``, {
    category: "INVALID_ARGUMENT",
  });
}

function plural(modules: number): string {
  return `${modules} module${modules === 1 ? "" : "s"}`;
}

function invalid(why: string): ModrackError {
  return new ModrackError("registry.name.invalid", why, { category: "INVALID_ARGUMENT" });
}
