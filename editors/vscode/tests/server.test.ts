import { expect, test } from "vitest";

import { commandLine } from "../src/server.js";

const none = { path: "", host: "", lock: "" };

test("without settings the program is found on the path and finds its modules itself", () => {
  expect(commandLine(none, "/work")).toEqual({ command: "modrack", args: ["lsp"] });
});

test("a host is named to the server", () => {
  const settings = { path: "/opt/modrack", host: " http://127.0.0.1:7420 ", lock: "" };
  expect(commandLine(settings, "/work")).toEqual({
    command: "/opt/modrack",
    args: ["lsp", "--host", "http://127.0.0.1:7420"],
  });
});

test("a lock counts more than a host and is found from the folder of the workspace", () => {
  const args = (lock: string, folder?: string) => commandLine({ ...none, host: "http://h:1", lock }, folder).args;
  expect(args("a.json", "/work")).toEqual(["lsp", "--lock", "/work/a.json"]);
  expect(args("/b.json", "/work")).toEqual(["lsp", "--lock", "/b.json"]);
  expect(args("a.json")).toEqual(["lsp", "--lock", "a.json"]);
});
