import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { VERSION } from "../src/version.js";
import { Child, packageFile } from "./support/child.js";
import { FakeHost } from "./support/fake_host.js";

const manifest = JSON.parse(readFileSync(packageFile("package.json"), "utf8")) as { version: string };
const blocks = [...readFileSync(packageFile("README.md"), "utf8").matchAll(/^```ts\n(.*?)^```$/gms)].map(
  (match) => match[1] ?? "",
);
const folder = packageFile("tests/dist/readme");

describe("the README", () => {
  beforeAll(() => {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    blocks.forEach((block, i) => {
      writeFileSync(`${folder}/block${i}.ts`, block);
    });
    const config = { extends: "../../../tsconfig.json", compilerOptions: { noEmit: false }, include: ["*.ts"] };
    writeFileSync(`${folder}/tsconfig.json`, JSON.stringify(config));
  });

  afterAll(() => rmSync(packageFile("tests/dist"), { recursive: true, force: true }));

  test("has code that compiles, and that prints what its comments say", { timeout: 120_000 }, async () => {
    expect(blocks).toHaveLength(9);
    execFileSync(process.execPath, [packageFile("node_modules/typescript/bin/tsc"), "-p", folder], { stdio: "pipe" });
    const host = await FakeHost.start();
    const words = {
      input: "{text: String}",
      output: "{words: Int}",
      run: ({ text }: { text: string }) => ({ words: text.split(" ").length }),
    };
    const [, source = ""] = /const source = `(.*?)`/s.exec(blocks.join("")) ?? [];
    for (const key of [source, "words"]) host.pipelines.known.set(key, words);
    const server = new Child(`${folder}/block0.js`, { MODRACK_HOST: host.url });
    try {
      await host.peer();
      for (const [i, block] of blocks.entries()) {
        if (i === 0) continue;
        const child = new Child(`${folder}/block${i}.js`, { MODRACK_HOST: host.url });
        expect({ ...(await child.exit), stderr: child.stderr }).toMatchObject({ code: 0 });
        for (const [, said = ""] of block.matchAll(/console\.log\(.*\/\/ (.*)$/gm))
          expect(child.stdout).toContain(said);
      }
    } finally {
      server.kill("SIGTERM");
      expect(await server.exit).toEqual({ code: 0, signal: null });
      await host.stop();
    }
  });

  test("shows a first module in at most ten lines", () => {
    expect(blocks[0]?.trim().split("\n").length).toBeLessThanOrEqual(10);
  });
});

test("the version is that of the manifest", () => {
  expect(VERSION).toBe(manifest.version);
});

test("the package holds what is built, the README and the licence", { timeout: 60_000 }, () => {
  const output = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: packageFile("."),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  // npm gives one report, or one by package, depending on its version.
  const parsed = JSON.parse(output) as Record<string, { files: { path: string }[] }>;
  const paths = Object.values(parsed).flatMap(({ files }) => files.map(({ path }) => path));
  expect(paths).toContain("dist/index.js");
  expect(paths).toContain("dist/testing.d.ts");
  const others = paths.filter((path) => !path.startsWith("dist/"));
  expect(others.sort()).toEqual(["LICENSE", "README.md", "package.json"]);
});

test("importing the package has no effect", async () => {
  const script = `${packageFile("dist")}/../tests/support/import_only.mjs`;
  const child = new Child(script, {});
  expect(await child.exit).toEqual({ code: 0, signal: null });
  expect(child.stdout + child.stderr).toBe("");
});
