// The conformance provider in TypeScript: the modules that `tests/conformance/scenarios` call. The same exist in the other languages.
// Needs the built SDK; asserts nothing itself.

import { CATEGORIES, ModuleError, Provider, t } from "../../../sdks/typescript/dist/index.js";

const provider = new Provider(process.env.MODRACK_NAMESPACE ?? "conformance");

const everything = t.record({
  text: t.string,
  int: t.int,
  float: t.float,
  flag: t.bool,
  bytes: t.bytes,
  list: t.list(t.list(t.int)),
  map: t.map(t.int, t.string),
  option: t.option(t.string),
  union: t.union(t.string, t.int),
  any: t.any,
});

const cancelled = new Map();
const produced = new Map();
const started = new Map();
const batches = new Map();

const count = (counts, key) => counts.set(key, (counts.get(key) ?? 0) + 1);

provider.module(
  "Echo",
  { input: everything, output: everything, description: "Gives the input back.", idempotent: true },
  (input) => input,
);

provider.module(
  "Fail",
  {
    input: { category: t.string, code: t.string, message: t.string, retryable: t.bool },
    output: t.string,
    description: "Fails with an error of the caller's choice.",
  },
  ({ category, code, message, retryable }) => {
    if (!CATEGORIES.includes(category)) throw new RangeError(`no category ${category}`);
    throw new ModuleError(code, message, { category, retryable });
  },
);

provider.module(
  "Raise",
  { input: { message: t.string }, output: t.string, description: "Throws an ordinary error." },
  ({ message }) => {
    throw new Error(message);
  },
);

provider.module(
  "Sleep",
  {
    input: { key: t.string, ms: t.int },
    output: t.int,
    description: "Waits, and counts under the key when the wait is cancelled.",
  },
  ({ key, ms }, { signal }) =>
    new Promise((resolve, reject) => {
      count(started, key);
      const timer = setTimeout(() => resolve(ms), Number(ms));
      const cancel = () => {
        clearTimeout(timer);
        count(cancelled, key);
        reject(signal.reason);
      };
      if (signal.aborted) cancel();
      else signal.addEventListener("abort", cancel, { once: true });
    }),
);

provider.module(
  "Cancelled",
  { input: { key: t.string }, output: t.int, description: "How many calls and streams of the key were cancelled." },
  ({ key }) => cancelled.get(key) ?? 0,
);

provider.module(
  "Started",
  { input: { key: t.string }, output: t.int, description: "How many calls of Sleep began under the key." },
  ({ key }) => started.get(key) ?? 0,
);

provider.module(
  "Inspect",
  {
    input: {},
    output: t.record({ pid: t.int, attempt: t.int, has_deadline: t.bool }),
    description: "What the handler knows of its call and process.",
  },
  (_, context) => ({
    pid: process.pid,
    attempt: context.attempt,
    has_deadline: context.deadline !== undefined,
  }),
);

provider.module(
  "Crash",
  { input: {}, output: t.int, description: "Ends the process in the middle of the call." },
  () => {
    process.kill(process.pid, "SIGKILL");
    // The signal may arrive a moment later; nothing must be answered until then.
    return new Promise(() => {});
  },
);

provider.module(
  "Measure",
  {
    input: { text: t.string },
    output: t.record({ text: t.string, code_points: t.int, utf8_bytes: t.int }),
    description: "Gives a text back, and how long it is.",
  },
  ({ text }) => ({ text, code_points: [...text].length, utf8_bytes: Buffer.byteLength(text) }),
);

provider.module(
  "Size",
  { input: { data: t.bytes }, output: t.int, description: "How many bytes came." },
  ({ data }) => data.length,
);

provider.module(
  "Big",
  { input: { size: t.int }, output: t.bytes, description: "So many zero bytes." },
  ({ size }) => new Uint8Array(Number(size)),
);

provider.module(
  "Count",
  { input: { to: t.int }, output: t.stream(t.int), description: "The numbers from 1." },
  async function* ({ to }) {
    for (let n = 1; n <= to; n += 1) yield n;
  },
);

provider.module(
  "CountAndFail",
  { input: { to: t.int }, output: t.stream(t.int), description: "The numbers from 1, then a failure." },
  async function* ({ to }) {
    for (let n = 1; n <= to; n += 1) yield n;
    throw new ModuleError("module.stopped", `stopped after ${to}`, { category: "CONFLICT" });
  },
);

provider.module(
  "Produce",
  {
    input: { key: t.string, items: t.int, size: t.int },
    output: t.stream(t.bytes),
    description: "Items of so many zero bytes, counted under the key; a stream that is left counts as cancelled.",
  },
  async function* ({ key, items, size }) {
    let ended = false;
    try {
      for (let i = 0; i < items; i += 1) {
        count(produced, key);
        yield new Uint8Array(Number(size));
      }
      ended = true;
    } finally {
      if (!ended) count(cancelled, key);
    }
  },
);

provider.module(
  "Produced",
  { input: { key: t.string }, output: t.int, description: "How many items `Produce` gave out under the key." },
  ({ key }) => produced.get(key) ?? 0,
);

const negative = (n) => new ModuleError("module.negative", `${n} is negative`, { category: "INVALID_ARGUMENT" });

provider.module(
  "Double",
  { input: { n: t.int }, output: t.int, description: "Twice the number. Takes no batches itself." },
  ({ n }) => {
    if (n < 0) throw negative(n);
    return Number(n) * 2;
  },
);

provider.batch(
  "Square",
  {
    input: { key: t.string, n: t.int },
    output: t.int,
    description: "The squares of the numbers, all at once.",
  },
  (inputs) => {
    const { key } = inputs[0];
    batches.set(key, [...(batches.get(key) ?? []), inputs.length]);
    return inputs.map(({ n }) => (n < 0 ? negative(n) : Number(n) * Number(n)));
  },
);

provider.module(
  "Batches",
  {
    input: { key: t.string },
    output: t.list(t.int),
    description: "How many inputs each call of `Square` had under the key.",
  },
  ({ key }) => batches.get(key) ?? [],
);

provider.module(
  "Nest",
  {
    input: { module: t.string, input: t.any },
    output: t.any,
    description: "Calls another module as part of this call.",
  },
  ({ module, input }, { client }) => client.call(module, input),
);

provider.module(
  "NestStream",
  {
    input: { module: t.string, input: t.any },
    output: t.list(t.any),
    description: "Collects the stream of another module as part of this call.",
  },
  async ({ module, input }, { client }) => {
    const items = [];
    for await (const item of client.stream(module, input)) items.push(item);
    return items;
  },
);

provider.module(
  "NestError",
  {
    input: { module: t.string, input: t.any },
    output: t.string,
    description: "The code with which a nested call fails.",
  },
  ({ module, input }, { client }) =>
    client.call(module, input).then(
      () => "",
      (error) => error.code ?? String(error),
    ),
);

const run = { pipeline: t.string, inputs: t.any };

provider.module(
  "RunPipeline",
  { input: run, output: t.any, description: "Runs a pipeline, a source or a stored one, as part of this call." },
  async ({ pipeline, inputs }, { client }) => (await client.runPipeline(pipeline, inputs)).outputs,
);

provider.module(
  "StreamPipeline",
  { input: run, output: t.list(t.string), description: "What happens in a run, and at the end what it came to." },
  async ({ pipeline, inputs }, { client }) => {
    const told = [];
    for await (const event of client.streamPipeline(pipeline, inputs)) {
      if (event.kind === "started") told.push(`started ${event.nodes.length}`);
      if (event.kind === "nodeStarted") told.push(`node ${event.node} started`);
      if (event.kind === "nodeEnded") told.push(`node ${event.node} ${event.call.outcome}`);
      if (event.kind === "ended") told.push(`run ${event.record.outcome}`);
    }
    return told;
  },
);

const text = t.option(t.string);

provider.module(
  "PipelineError",
  {
    input: run,
    output: t.record({ code: t.string, module: text, line: text, column: text, outcome: text }),
    description: "Where and with which code a pipeline fails, and what its record says.",
  },
  async ({ pipeline, inputs }, { client }) => {
    try {
      await client.runPipeline(pipeline, inputs);
      return { code: "" };
    } catch (error) {
      const { run_id, module, line, column } = error.details ?? {};
      const outcome = run_id && (await client.getRun(run_id)).outcome;
      return { code: error.code ?? String(error), module, line, column, outcome };
    }
  },
);

provider.module(
  "PutPipeline",
  {
    input: { name: t.string, source: t.string },
    output: t.string,
    description: "Stores a pipeline, and tells what it takes and gives.",
  },
  async ({ name, source }, { client }) => {
    const { plan } = await client.putPipeline(name, source);
    return `${plan.input} -> ${plan.output}`;
  },
);

provider.module(
  "CheckPipeline",
  {
    input: { source: t.string },
    output: t.list(t.string),
    description: "What there is to say of a source, each with its place.",
  },
  async ({ source }, { client }) =>
    (await client.checkPipeline(source)).diagnostics.map(({ code, place }) => `${code} ${place.line}:${place.column}`),
);

await provider.run();
