// A provider or another program as a child process, whose output and end can be waited for. Ends only what it started.

import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A file of this package, as a path. */
export function packageFile(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}

export class Child {
  stdout = "";
  stderr = "";
  readonly exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly #process: ChildProcess;
  #waiting: (() => void)[] = [];

  constructor(script: string, env: Record<string, string>) {
    const { MODRACK_HOST: _, ...rest } = process.env;
    this.#process = spawn(process.execPath, [script], { env: { ...rest, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    this.#process.stdout?.on("data", (chunk: Buffer) => this.#heard("stdout", chunk));
    this.#process.stderr?.on("data", (chunk: Buffer) => this.#heard("stderr", chunk));
    this.exit = new Promise((resolve) => this.#process.once("close", (code, signal) => resolve({ code, signal })));
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  async said(text: string): Promise<void> {
    while (!this.stderr.includes(text)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #heard(stream: "stdout" | "stderr", chunk: Buffer): void {
    this[stream] += chunk.toString();
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
