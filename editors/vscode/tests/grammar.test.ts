import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { expect, test } from "vitest";
import oniguruma from "vscode-oniguruma";
import textmate from "vscode-textmate";

const require = createRequire(import.meta.url);
const at = (path: string): URL => new URL(path, import.meta.url);
const read = (path: string): string => readFileSync(at(path), "utf8");

async function grammar(): Promise<textmate.IGrammar> {
  await oniguruma.loadWASM(readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm")));
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async () => textmate.parseRawGrammar(read("../syntaxes/cst.tmLanguage.json"), "cst.json"),
  });
  const loaded = await registry.loadGrammar("source.cst");
  if (loaded === null) {
    throw new Error("the grammar does not load");
  }
  return loaded;
}

const loaded = grammar();

/** Every token that is no blank: its text and its scopes but for those that all have. */
async function tokens(source: string): Promise<string[]> {
  const cst = await loaded;
  let stack = textmate.INITIAL;
  const shown: string[] = [];
  for (const line of source.split("\n")) {
    const result = cst.tokenizeLine(line, stack);
    stack = result.ruleStack;
    for (const token of result.tokens) {
      const text = line.slice(token.startIndex, token.endIndex);
      if (text.trim() !== "") {
        const scopes = token.scopes.slice(1).map((scope) => scope.replace(/\.cst$/, ""));
        shown.push(`${text.trim()}  ${scopes.join(" ")}`.trim());
      }
    }
  }
  return shown;
}

/** The innermost scope of the only token with that text. */
async function scope(source: string, text: string): Promise<string | undefined> {
  const found = (await tokens(source)).filter((token) => token.split("  ")[0] === text);
  expect(found, `${text} in ${source}`).toHaveLength(1);
  return found[0]?.split(" ").at(-1);
}

test("an example with every construct has these scopes", async () => {
  expect((await tokens(read("./example.cst"))).join("\n")).toMatchSnapshot();
});

test("a hyphen belongs to a name", async () => {
  expect(await scope("a = sort-by(x, f)", "sort-by")).toBe("entity.name.function");
  expect(await scope("if-any = 1", "if-any")).toBe("variable.other.definition");
});

test("a reserved word in a name is no reserved word", async () => {
  expect(await scope("x = order.in", "in")).toBe("variable.other.property");
  expect(await scope("x = input", "input")).toBe("variable.other");
});

test("a record does not end an interpolation", async () => {
  expect(await scope('x = "${ { a: 1 }.a } b"', "b")).toBe("string.quoted.double");
});

test("durations and rates are told from numbers", async () => {
  expect(await scope("x = F() with timeout: 30s", "s")).toBe("keyword.other.unit");
  expect(await scope("x = F() with throttle: 10/1min", "/")).toBe("keyword.operator.rate");
  expect(await scope("x = 10 / 2", "/")).toBe("keyword.operator.arithmetic");
});

test("an option is told from an argument of another name", async () => {
  expect(await scope("x = F(retries: 1) with retry: 2", "retry")).toBe("keyword.other.option");
  expect(await scope("x = F(retries: 1)", "retries")).toBe("variable.other.property");
});
