// Calls modules through the host. Serves nothing.
//
// The types of a module that is called by name are fetched at its first call and kept; inputs are encoded by them, and the
// host is told which types those were. When the module has been replaced since, they are fetched again and the call is sent
// once more, before anything has run. A typed module brings its types: nothing is fetched, and nothing is sent twice.

import { called } from "./called.js";
import { Asker, DEFAULT_TIMEOUT_MS } from "./client/asker.js";
import { type Ask, HostChannel, type Known, NO_SCOPE, type Scope } from "./client/channel.js";
import { type ModuleEvent, type ModuleInfo, moduleEvent, moduleInfo, required } from "./client/listing.js";
import type { BatchOptions, CallOptions, ClientOptions, SchemaOptions, WaitOptions } from "./client/options.js";
import { PipelineClient } from "./client/pipeline_client.js";
import { CodecError, ModrackError } from "./errors.js";
import type { BatchOutput, CallStreamResponse, WatchResponse } from "./generated/modrack/host/v1/host.js";
import type { TypedModule, TypedStream } from "./typed_module.js";
import { findAddress } from "./wire/address.js";
import { errorFromRpc, errorFromWire } from "./wire/errors.js";
import { channelCredentials, TokenFile } from "./wire/secrets.js";

/** A module whose types are known, and whether the caller fixed them. */
interface Target extends Known {
  readonly name: string;
  readonly isFixed: boolean;
}

/**
 * Calls modules of one host. Opens its connection at the first call; `close` ends it. Every failure is a `ModrackError`.
 *
 * ```ts
 * const client = new Client({ host: "http://127.0.0.1:7420" });
 * const words = await client.call("text.WordCount", { text: "to be or not to be" });
 * client.close();
 * ```
 *
 * A module is given by its qualified name, or as a {@link TypedModule} or {@link TypedStream}, with which the compiler knows its types.
 *
 * @throws ModrackError with `client.host.unset`, `client.host.invalid` or `client.credential.unreadable`.
 */
export class Client extends PipelineClient {
  readonly #asker: Asker;
  readonly #channel: HostChannel;

  constructor(options?: ClientOptions);
  /** @internal */
  constructor(channel: HostChannel, scope: Scope);
  constructor(from: ClientOptions | HostChannel = {}, scope: Scope = NO_SCOPE) {
    const asker = askerOf(from, scope);
    super(asker);
    this.#asker = asker;
    this.#channel = asker.channel;
  }

  /**
   * The output of a module, in the JavaScript form of its type. By name, maps come as `Map`, records as objects.
   *
   * @param module typed, or a qualified name.
   * @param input the value of the declared input type; by name, it may be left out for a record without required fields.
   * @typeParam Output what the caller knows the output to be. By name it is not checked here: the host checks it against the module's type.
   * @throws ModrackError: what the module or the host answers, `client.deadline.exceeded`, `client.call.cancelled`,
   * `client.host.unreachable`; CodecError for an input that is not of the declared type.
   */
  call<In, Out>(module: TypedModule<In, Out>, input: In, options?: CallOptions): Promise<Out>;
  call<Output = unknown>(module: string, input?: unknown, options?: CallOptions): Promise<Output>;
  async call(module: TypedModule<never, unknown> | string, input: unknown = {}, options: CallOptions = {}) {
    return this.#asker.spanned(nameOf(module), options, (ask) =>
      this.#reaching(module, options, ask, async (target) => {
        const call = callRequest(target, target.input.encode(input), options);
        const { output } = await this.#channel.ask(() => this.#channel.client.call(call, ask()));
        if (output.case === "outputData") return target.output.decode(output.value);
        throw invalidAnswer("the host answered without an output");
      }),
    );
  }

  /**
   * The items of a module that streams, as they come. Ends with the stream, or throws its failure. Leaving the loop cancels
   * the call, and with it the handler; the module runs ahead of the reader only by the items that are on their way.
   * `timeoutMs` is the time of the whole stream.
   *
   * ```ts
   * for await (const line of client.stream<string>("logs.Follow", { file: "a.log" })) console.log(line);
   * ```
   *
   * @throws as {@link call}, when the loop begins or goes on.
   */
  stream<In, Item>(
    module: TypedStream<In, Item>,
    input: In,
    options?: CallOptions,
  ): AsyncGenerator<Item, void, undefined>;
  stream<Item = unknown>(module: string, input?: unknown, options?: CallOptions): AsyncGenerator<Item, void, undefined>;
  async *stream(
    module: TypedStream<never, unknown> | string,
    input: unknown = {},
    options: CallOptions = {},
  ): AsyncGenerator<unknown, void, undefined> {
    const span = await this.#asker.span(nameOf(module));
    const ask = this.#asker.asking(options, span);
    // Nothing has run when the host says that the types or the token are old, so the first message decides.
    const open = async (target: Target) => {
      const call = callRequest(target, target.input.encode(input), options);
      const { messages, first } = await this.#channel.ask(async () => {
        const messages = this.#channel.client.callStream({ call }, ask());
        const iterator = messages[Symbol.asyncIterator]() as AsyncIterator<CallStreamResponse, undefined>;
        return { messages: { cancel: () => messages.cancel(), iterator }, first: await iterator.next() };
      });
      return { target, messages, first };
    };
    let close = async (): Promise<void> => undefined;
    try {
      const { target, messages, first } = await this.#reaching(module, options, ask, open);
      close = async () => {
        await messages.iterator.return?.();
        messages.cancel();
      };
      for (let next = first; !next.done; next = await messages.iterator.next()) {
        const { event } = next.value;
        if (event.case === "itemData") yield target.output.decode(event.value);
        else if (event.case !== "info") throw invalidAnswer("the host sent a message without an item");
      }
    } catch (failure) {
      const error = called(errorFromRpc(failure));
      span?.end(error);
      throw error;
    } finally {
      await close();
      span?.end();
    }
  }

  /**
   * What became of each input, in their order: its output, or the `ModrackError` why it has none. They have one deadline. No
   * input is sent where one is not of the declared type.
   *
   * ```ts
   * for (const result of await client.callBatch(uppercase, [{ text: "a" }, { text: "b" }]))
   *   console.log(result instanceof ModrackError ? result.code : result);
   * ```
   *
   * @throws as {@link call}, for what fails as a whole; a CodecError's path begins with the position of the input.
   */
  callBatch<In, Out>(
    module: TypedModule<In, Out>,
    inputs: readonly In[],
    options?: BatchOptions,
  ): Promise<(Out | ModrackError)[]>;
  callBatch<Output = unknown>(
    module: string,
    inputs: readonly unknown[],
    options?: BatchOptions,
  ): Promise<(Output | ModrackError)[]>;
  async callBatch(
    module: TypedModule<never, unknown> | string,
    inputs: readonly unknown[],
    options: BatchOptions = {},
  ): Promise<unknown[]> {
    if (inputs.length === 0) return [];
    return this.#asker.spanned(nameOf(module), options, (ask) =>
      this.#reaching(module, options, ask, async (target) => {
        const request = {
          module: target.name,
          schemaFingerprint: target.fingerprint,
          inputs: inputs.map((input, i) => ({
            input: { case: "inputData" as const, value: encodeElement(target, input, i) },
            idempotencyKey: options.idempotencyKeys?.[i] ?? "",
          })),
        };
        const { outputs } = await this.#channel.ask(() => this.#channel.client.callBatch(request, ask()));
        if (outputs.length === inputs.length) return outputs.map((output) => elementOf(target, output));
        throw invalidAnswer(`the host answered ${inputs.length} inputs with ${outputs.length} outputs`);
      }),
    );
  }

  /** The modules whose names match, e.g. `text.*`, in ascending order; all without a pattern. */
  async listModules(pattern = "", options: WaitOptions = {}): Promise<ModuleInfo[]> {
    const ask = this.#asker.asking(options);
    const modules: ModuleInfo[] = [];
    for (let pageToken = ""; ; ) {
      const page = await this.#channel.ask(() => this.#channel.client.listModules({ pattern, pageToken }, ask()));
      modules.push(...page.modules.map(moduleInfo));
      pageToken = page.nextPageToken;
      if (pageToken === "") return modules;
    }
  }

  /**
   * One module.
   *
   * @throws ModrackError with `registry.module.unknown`.
   */
  async getModule(name: string, options: WaitOptions = {}): Promise<ModuleInfo> {
    const ask = this.#asker.asking(options);
    return moduleInfo(
      required((await this.#channel.ask(() => this.#channel.client.getModule({ name }, ask()))).module),
    );
  }

  /**
   * The present modules, then `synced`, then each change. Lasts until the loop is left, the signal fires, `timeoutMs` is
   * over (without one there is no end) or the host goes away; all but the first throw.
   */
  async *watch(pattern = "", options: WaitOptions = {}): AsyncGenerator<ModuleEvent, void, undefined> {
    const ask = this.#asker.asking({ ...options, timeoutMs: options.timeoutMs ?? Number.POSITIVE_INFINITY });
    for (let again = true; again; ) {
      again = false;
      let begun = false;
      const stream = this.#channel.client.watch({ pattern }, ask());
      try {
        for await (const event of stream as AsyncIterable<WatchResponse>) {
          begun = true;
          const told = moduleEvent(event);
          if (told !== undefined) yield told;
        }
      } catch (failure) {
        const error = called(errorFromRpc(failure));
        if (begun || !this.#channel.renews(error)) throw error;
        again = true;
      } finally {
        stream.cancel();
      }
    }
  }

  /**
   * Ends the connection; calls that run fail with `client.call.cancelled` or `client.host.unreachable`. On the client of a
   * handler's context it does nothing: the provider ends that connection.
   */
  close(): void {
    if (this.#asker.scope === NO_SCOPE) this.#channel.close();
  }

  /** Does something with a module whose types are known; once more where they have changed since the host told them. */
  async #reaching<T>(
    module: TypedModule<never, unknown> | TypedStream<never, unknown> | string,
    { schemaFingerprint }: SchemaOptions,
    ask: () => Ask,
    act: (target: Target) => Promise<T>,
  ): Promise<T> {
    if (typeof module !== "string") {
      const fingerprint = schemaFingerprint ?? module.fingerprint;
      return act({ name: module.name, fingerprint, input: module.input, output: module.output, isFixed: true });
    }
    let known = this.#channel.known.get(module) ?? (await this.#channel.fetch(module, ask));
    if (schemaFingerprint !== undefined) {
      if (known.fingerprint !== schemaFingerprint) known = await this.#channel.fetch(module, ask);
      return act({ ...known, name: module, fingerprint: schemaFingerprint, isFixed: true });
    }
    try {
      return await act({ ...known, name: module, isFixed: false });
    } catch (error) {
      if (!(error instanceof ModrackError) || error.code !== "registry.schema.changed") throw error;
    }
    return act({ ...(await this.#channel.fetch(module, ask)), name: module, isFixed: false });
  }
}

function askerOf(from: ClientOptions | HostChannel, scope: Scope): Asker {
  if (from instanceof HostChannel) return new Asker(from, scope, DEFAULT_TIMEOUT_MS);
  const address = findAddress(from.host);
  const credentials = channelCredentials(address, from);
  const channel = new HostChannel(address, () => credentials, new TokenFile(from.tokenFile));
  return new Asker(channel, scope, from.timeoutMs ?? DEFAULT_TIMEOUT_MS);
}

function nameOf(module: TypedModule<never, unknown> | TypedStream<never, unknown> | string): string {
  return typeof module === "string" ? module : module.name;
}

function callRequest(target: Target, input: Uint8Array, { idempotencyKey = "" }: CallOptions) {
  return {
    module: target.name,
    input: { case: "inputData" as const, value: input },
    schemaFingerprint: target.fingerprint,
    idempotencyKey,
  };
}

function encodeElement(target: Target, input: unknown, i: number): Uint8Array {
  try {
    return target.input.encode(input);
  } catch (error) {
    throw error instanceof CodecError ? new CodecError(error.code, error.reason, `[${i}]${error.path}`) : error;
  }
}

function elementOf(target: Target, { result }: BatchOutput): unknown {
  if (result.case === "outputData") return target.output.decode(result.value);
  if (result.case === "error") return called(errorFromWire(result.value));
  return invalidAnswer("the host answered an input with nothing");
}

function invalidAnswer(why: string): ModrackError {
  return new ModrackError("client.answer.invalid", why, { category: "INTERNAL" });
}
