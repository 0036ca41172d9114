// What proves who we are and whom we trust: tokens and certificates, read from files. Shows and logs none of it.

import { readFileSync } from "node:fs";

import { type ChannelCredentials, credentials } from "@grpc/grpc-js";

import { ModrackError } from "../errors.js";
import type { Address } from "./address.js";

/** Files of PEM for a connection by TLS; what is absent comes from the environment. */
export interface TlsFiles {
  /** Certificates of the authorities that vouch for the host. Default: `MODRACK_CA_FILE`, else those of Node. */
  caFile?: string;
  /** Our own certificate, where the host asks for one. Default: `MODRACK_CERT_FILE`, else none. */
  certFile?: string;
  /** The private key of `certFile`. Default: `MODRACK_KEY_FILE`, else none. */
  keyFile?: string;
}

/**
 * The credentials of a channel: TLS for `https`, in which case the files are read now; none otherwise.
 *
 * @throws ModrackError with `client.credential.unreadable` for a file that cannot be read or holds no PEM;
 * `client.option.invalid` for a certificate without a key, or a key without a certificate.
 */
export function channelCredentials(address: Address, files: TlsFiles): ChannelCredentials {
  if (!address.secure) return credentials.createInsecure();
  const ca = pathOf(files.caFile, "MODRACK_CA_FILE");
  const cert = pathOf(files.certFile, "MODRACK_CERT_FILE");
  const key = pathOf(files.keyFile, "MODRACK_KEY_FILE");
  if ((cert === "") !== (key === "")) {
    const message = "a certificate and its key belong together: MODRACK_CERT_FILE and MODRACK_KEY_FILE";
    throw new ModrackError("client.option.invalid", message, { category: "INVALID_ARGUMENT" });
  }
  const read = (path: string, what: string): Buffer | null => (path === "" ? null : Buffer.from(readText(path, what)));
  const parts = [
    read(ca, "the CA file"),
    read(key, "the key of the certificate"),
    read(cert, "the certificate"),
  ] as const;
  try {
    return credentials.createSsl(...parts);
  } catch (cause) {
    throw unreadable(`what TLS needs is no PEM that fits together: ${textOf(cause)}`, cause);
  }
}

/** Where the bearer token of calls comes from. */
export interface TokenSource {
  /** The token; empty for none. */
  current(): string;
  /** Looks again after the host refused the token; whether there is another one now. */
  refresh(): boolean;
}

/** The token of a client: the file's content, read at the first call and again when the host refuses it. */
export class TokenFile implements TokenSource {
  readonly #path: string;
  #token: string | undefined;

  constructor(file: string | undefined) {
    this.#path = pathOf(file, "MODRACK_TOKEN_FILE");
  }

  /** @throws ModrackError with `client.credential.unreadable`. */
  current(): string {
    this.#token ??= this.#path === "" ? "" : secretOf(this.#path, "the token");
    return this.#token;
  }

  refresh(): boolean {
    const before = this.#token;
    this.#token = undefined;
    return this.current() !== before;
  }
}

/** The token of a provider's live session, which changes when the provider registers anew. */
export class SessionToken implements TokenSource {
  readonly #live: () => string;
  #used = "";

  constructor(live: () => string) {
    this.#live = live;
  }

  current(): string {
    this.#used = this.#live();
    return this.#used;
  }

  refresh(): boolean {
    return this.#live() !== this.#used;
  }
}

/**
 * The secret that a file holds on one line.
 *
 * @throws ModrackError with `client.credential.unreadable`.
 */
export function secretOf(path: string, what: string): string {
  const text = readText(path, what).trim();
  if (/^[\x21-\x7e]*$/.test(text)) return text;
  throw unreadable(`${what} is not one line of printable characters: \`${path}\``);
}

function readText(path: string, what: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw unreadable(`${what} cannot be read: ${textOf(cause)}`, cause);
  }
}

function pathOf(file: string | undefined, variable: string): string {
  return file ?? process.env[variable] ?? "";
}

function unreadable(message: string, cause?: unknown): ModrackError {
  return new ModrackError("client.credential.unreadable", message, {
    category: "FAILED_PRECONDITION",
    ...(cause === undefined ? {} : { cause }),
  });
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
