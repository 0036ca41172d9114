// The extension: starts `modrack lsp` for pipelines, and again when its settings change. All that is known of the language is in the server.

import { commands, type ExtensionContext, window, workspace } from "vscode";
import { LanguageClient, type LanguageClientOptions } from "vscode-languageclient/node";

import { type CommandLine, commandLine } from "./server.js";

const SECTION = "modrack";
const RESTART = ["modrack.server", "modrack.host", "modrack.lock"];

let client: LanguageClient | undefined;
/** Starts and stops stand in line: two at once would leave a server behind. */
let last: Promise<void> = Promise.resolve();

export async function activate(context: ExtensionContext): Promise<void> {
  context.subscriptions.push(
    commands.registerCommand("modrack.restart", () => restart()),
    workspace.onDidChangeConfiguration((event) => {
      if (RESTART.some((setting) => event.affectsConfiguration(setting))) {
        void restart();
      }
    }),
  );
  await restart();
}

export async function deactivate(): Promise<void> {
  last = last.then(stop);
  await last;
}

function restart(): Promise<void> {
  last = last.then(stop).then(start);
  return last;
}

async function stop(): Promise<void> {
  const stopped = client;
  client = undefined;
  // One that never started has nothing to stop.
  await stopped?.dispose().catch(() => undefined);
}

async function start(): Promise<void> {
  const server = configured();
  const options: LanguageClientOptions = { documentSelector: [{ language: "cst" }] };
  const args = [...server.args];
  client = new LanguageClient(SECTION, "Modrack", { command: server.command, args }, options);
  try {
    await client.start();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const settings = "Open settings";
    const told = window.showErrorMessage(
      `The language server \`${server.command}\` cannot be started: ${reason}. Set \`modrack.server.path\` to the program.`,
      settings,
    );
    void told.then((chosen) => {
      if (chosen === settings) {
        void commands.executeCommand("workbench.action.openSettings", "modrack.server.path");
      }
    });
  }
}

function configured(): CommandLine {
  const settings = workspace.getConfiguration(SECTION);
  const text = (name: string): string => settings.get<string>(name) ?? "";
  const folder = workspace.workspaceFolders?.[0]?.uri.fsPath;
  return commandLine({ path: text("server.path"), host: text("host"), lock: text("lock") }, folder);
}
