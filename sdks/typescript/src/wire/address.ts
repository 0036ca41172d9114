// Where the host is: reads `MODRACK_HOST` and says what gRPC needs to get there. Connects to nothing.

import type { ChannelOptions } from "@grpc/grpc-js";

import { ModrackError } from "../errors.js";

/** The environment variable that names the host. */
export const HOST_VARIABLE = "MODRACK_HOST";

const EXAMPLES = "`http://127.0.0.1:7420` or `unix:/path/to.sock`";

/**
 * The registration answer says how large messages may be; until then, gRPC's own limit of 4 MiB is only in the way. No
 * proxy stands between us and a host on this machine. Channels share nothing, so that each reconnect tries at once
 * instead of inheriting the back-off of the last one.
 */
export const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
  "grpc.enable_http_proxy": 0,
  "grpc.use_local_subchannel_pool": 1,
};

/** A host. */
export interface Address {
  /** As the user wrote it. */
  readonly text: string;
  /** As gRPC wants it. */
  readonly target: string;
  /** Whether the connection is encrypted. */
  readonly secure: boolean;
}

/**
 * The host that a text names: `http://name:port`, `https://name:port` or `unix:/path`.
 *
 * @throws ModrackError with `client.host.invalid`.
 */
export function parseAddress(text: string): Address {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length).replace(/^\/\/(?=\/)/, "");
    if (!path.startsWith("/")) throw invalid(text, "the path of a Unix socket is absolute");
    return { text, target: `unix:${path}`, secure: false };
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw invalid(text, `a host looks like ${EXAMPLES}`);
  }
  const secure = url.protocol === "https:";
  // A default port is left out by the parser, whether it was written or not.
  const port = url.port || (secure ? "443" : "80");
  if (url.pathname !== "/" || url.search !== "" || url.username !== "" || !new RegExp(`:${port}/?$`).test(text)) {
    throw invalid(text, "a host has a scheme, a name and a port, nothing else");
  }
  return { text, target: `${url.hostname}:${port}`, secure };
}

/**
 * The host given, else that of the environment.
 *
 * @throws ModrackError with `client.host.unset` or `client.host.invalid`.
 */
export function findAddress(host: string | undefined): Address {
  const text = host || process.env[HOST_VARIABLE];
  if (text) return parseAddress(text);
  throw new ModrackError("client.host.unset", `no host is named: set ${HOST_VARIABLE} to ${EXAMPLES}`, {
    category: "FAILED_PRECONDITION",
  });
}

function invalid(text: string, why: string): ModrackError {
  return new ModrackError("client.host.invalid", `\`${text}\` names no host: ${why}`, { category: "INVALID_ARGUMENT" });
}
