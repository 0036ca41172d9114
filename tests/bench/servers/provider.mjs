// The measured provider in TypeScript: `Echo` gives its record back. The namespace is the first argument; the plane is MODRACK_PLANE's.

import { Provider, t } from "../../../sdks/typescript/dist/index.js";

const row = { id: t.int, name: t.string, score: t.float, ok: t.bool, tags: t.list(t.string), text: t.string };
const provider = new Provider(process.argv[2]);
provider.module("Echo", { input: row, output: t.record(row), idempotent: true }, (input) => input);
await provider.run();
