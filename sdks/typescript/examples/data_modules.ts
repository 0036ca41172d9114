// The modules of the namespace `data`: numbers in, numbers out. Serves them; everything about the host is the SDK's.

import { type Infer, ModuleError, Provider, t } from "@modrack/sdk";

const numbers = t.list(t.int);
type Int = Infer<typeof t.int>;

/** The most numbers that `Range` gives at once. */
const MOST = 1_000_000n;

const provider = new Provider("data");

/** Computes with bigints, so that nothing is lost on the way; what is too large for an Int is an error. */
function int(value: bigint): bigint {
  if (value === BigInt.asIntN(64, value)) return value;
  throw new ModuleError("data.overflow", `${value} is beyond 64 bits`, { category: "INVALID_ARGUMENT" });
}

provider.module(
  "SumList",
  {
    input: { numbers },
    output: t.int,
    description: "The sum of the numbers; 0 when there are none.",
    idempotent: true,
    examples: [[{ numbers: [1, 2, 3] }, 6]],
  },
  ({ numbers }) => {
    let sum = 0n;
    for (const number of numbers) sum += BigInt(number);
    return int(sum);
  },
);

provider.module(
  "Average",
  {
    input: { numbers },
    output: t.float,
    description: "The arithmetic mean of the numbers; 0.0 when there are none.",
    idempotent: true,
    examples: [[{ numbers: [1, 2] }, 1.5]],
  },
  ({ numbers }) => {
    if (numbers.length === 0) return 0;
    let sum = 0n;
    for (const number of numbers) sum += BigInt(number);
    return Number(sum) / numbers.length;
  },
);

provider.module(
  "Max",
  {
    input: { numbers },
    output: t.int,
    description: "The largest number; 0 when there are none.",
    idempotent: true,
    examples: [[{ numbers: [3, 1, 2] }, 3]],
  },
  ({ numbers }) => numbers.reduce((most, number) => (number > most ? number : most), numbers[0] ?? 0),
);

provider.module(
  "Min",
  {
    input: { numbers },
    output: t.int,
    description: "The smallest number; 0 when there are none.",
    idempotent: true,
    examples: [[{ numbers: [3, 1, 2] }, 1]],
  },
  ({ numbers }) => numbers.reduce((least, number) => (number < least ? number : least), numbers[0] ?? 0),
);

provider.module(
  "FilterGreaterThan",
  {
    input: { numbers, threshold: t.int },
    output: numbers,
    description: "The numbers above the threshold, in their order.",
    idempotent: true,
    examples: [[{ numbers: [1, 5, 3], threshold: 2 }, [5, 3]]],
  },
  ({ numbers, threshold }) => numbers.filter((number) => number > threshold),
);

provider.module(
  "MultiplyEach",
  {
    input: { numbers, multiplier: t.int },
    output: numbers,
    description: "Each number times the multiplier.",
    idempotent: true,
    examples: [[{ numbers: [1, -2], multiplier: 3 }, [3, -6]]],
  },
  ({ numbers, multiplier }) => {
    const factor = BigInt(multiplier);
    return numbers.map((number) => int(BigInt(number) * factor));
  },
);

provider.module(
  "Range",
  {
    input: { start: t.int, end: t.int },
    output: numbers,
    description: "The integers from start to end, both included; none when the end comes first.",
    idempotent: true,
    examples: [[{ start: 2, end: 5 }, [2, 3, 4, 5]]],
  },
  ({ start, end }) => {
    const [first, last] = [BigInt(start), BigInt(end)];
    if (last - first >= MOST) {
      throw new ModuleError("data.range.too_long", `a range has at most ${MOST} numbers`, {
        category: "INVALID_ARGUMENT",
      });
    }
    const range: Int[] = [];
    for (let number = first; number <= last; number += 1n) range.push(number);
    return range;
  },
);

provider.module(
  "FormatNumber",
  {
    input: { number: t.int },
    output: t.string,
    description: "The number with a comma after each group of three digits.",
    idempotent: true,
    examples: [[{ number: 1234 }, "1,234"]],
  },
  ({ number }) => String(number).replaceAll(/\B(?=(\d{3})+$)/g, ","),
);

await provider.run();
