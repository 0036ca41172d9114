// How the language server is started: from the settings to a command line. Starts nothing, and knows nothing of the editor.

import { isAbsolute, join } from "node:path";

/** What the settings say. */
export interface Settings {
  /** The `modrack` program. */
  readonly path: string;
  /** URL of a host; empty for what `modrack` finds by itself. */
  readonly host: string;
  /** A lock; empty for what `modrack` finds by itself. */
  readonly lock: string;
}

/** A program with its arguments. */
export interface CommandLine {
  readonly command: string;
  readonly args: readonly string[];
}

/** The command line of the server. A lock counts more than a host, as its modules were chosen for this workspace. */
export function commandLine(settings: Settings, folder: string | undefined): CommandLine {
  const lock = settings.lock.trim();
  const host = settings.host.trim();
  const args = ["lsp"];
  if (lock !== "") {
    args.push("--lock", isAbsolute(lock) || folder === undefined ? lock : join(folder, lock));
  } else if (host !== "") {
    args.push("--host", host);
  }
  return { command: settings.path.trim() || "modrack", args };
}
