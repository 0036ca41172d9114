import * as grpc from "@grpc/grpc-js";
import { expect, test } from "vitest";

import { Codec } from "../src/codec/codec.js";
import { parseType } from "../src/index.js";
import { Child, packageFile } from "./support/child.js";
import { FakeHost } from "./support/fake_host.js";

const EXPORT = {
  path: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
  requestStream: false,
  responseStream: false,
  requestSerialize: (bytes: Buffer) => bytes,
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: (bytes: Buffer) => bytes,
  responseDeserialize: (bytes: Buffer) => bytes,
} as const;

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";

async function run(endpoint: string): Promise<Child> {
  const host = await FakeHost.start();
  const env = { MODRACK_HOST: host.url, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SERVICE_NAME: "numbers" };
  const child = new Child(packageFile("dist-examples/data_modules.js"), env);
  const peer = await host.peer();
  const inputData = new Codec(parseType("{numbers: List<Int>}")).encode({ numbers: [1, 2] });
  const traceparent = `00-${TRACE_ID}-b7ad6b7169203331-01`;
  await peer.execute({ moduleName: "SumList", inputData, executionId: "run-7", traceparent }).response;
  child.kill("SIGTERM");
  expect(await child.exit).toEqual({ code: 0, signal: null });
  await host.stop();
  return child;
}

test("a provider exports its spans by OTLP over gRPC before it ends", async () => {
  const exported: Buffer[] = [];
  const collector = new grpc.Server();
  collector.addService(
    { export: EXPORT },
    {
      export: ({ request }: { request: Buffer }, reply: grpc.sendUnaryData<Buffer>) => {
        exported.push(request);
        reply(null, Buffer.alloc(0));
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) =>
    collector.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  await run(`http://127.0.0.1:${port}`);
  const bytes = Buffer.concat(exported);
  expect(bytes.includes(Buffer.from(TRACE_ID, "hex"))).toBe(true);
  for (const text of ["data.SumList", "run-7", "link", "numbers"]) expect(bytes.includes(text)).toBe(true);
  collector.forceShutdown();
});

test("a collector that is not there keeps no provider from ending well", async () => {
  const child = await run("http://127.0.0.1:1");
  expect(child.stderr).toContain("provider data ready");
});
