// Certificates for tests, made here: nothing on the disk of a developer is used. Knows just enough X.509 and DER.

import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";

/** A certificate with its private key, both PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

/** An authority that signs the others; valid for a day. */
export function authority(name: string): Identity {
  return issue(name, undefined, true);
}

/** A certificate of `127.0.0.1` and `localhost` that the authority signed. */
export function certificate(name: string, issuer: Identity): Identity {
  return issue(name, { key: createPrivateKey(issuer.key), name: nameOf(issuer) }, false);
}

const names = new Map<string, string>();

function nameOf(identity: Identity): string {
  return names.get(identity.cert) ?? "";
}

function issue(name: string, issuer: { key: KeyObject; name: string } | undefined, isAuthority: boolean): Identity {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = sequence(oid([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]));
  const day = 24 * 3600 * 1000;
  const alternative = sequence(node(0x87, Buffer.from([127, 0, 0, 1])), node(0x82, Buffer.from("localhost")));
  const extension = isAuthority
    ? sequence(
        oid([0x55, 0x1d, 0x13]),
        node(0x01, Buffer.from([0xff])),
        node(0x04, sequence(node(0x01, Buffer.from([0xff])))),
      )
    : sequence(oid([0x55, 0x1d, 0x11]), node(0x04, alternative));
  const body = sequence(
    node(0xa0, node(0x02, Buffer.from([2]))),
    node(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    distinguished(issuer?.name ?? name),
    sequence(time(Date.now() - day), time(Date.now() + day)),
    distinguished(name),
    publicKey.export({ type: "spki", format: "der" }),
    node(0xa3, sequence(extension)),
  );
  const signature = sign("sha256", body, issuer?.key ?? privateKey);
  const der = sequence(body, algorithm, node(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const base64 = der.toString("base64").replaceAll(/.{64}/g, "$&\n");
  const cert = `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
  names.set(cert, name);
  return { cert, key: privateKey.export({ type: "pkcs8", format: "pem" }) as string };
}

function node(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 0xff]), content]);
}

function sequence(...content: Buffer[]): Buffer {
  return node(0x30, Buffer.concat(content));
}

function oid(bytes: number[]): Buffer {
  return node(0x06, Buffer.from(bytes));
}

function distinguished(name: string): Buffer {
  return sequence(node(0x31, sequence(oid([0x55, 0x04, 0x03]), node(0x0c, Buffer.from(name)))));
}

function time(at: number): Buffer {
  const digits = new Date(at).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  return node(0x18, Buffer.from(digits));
}
