// The baseline in Node: a bare grpc-js server whose `Execute` gives the bytes back. Prints where it listens.

import { createRequire } from "node:module";
import { create } from "../../../sdks/typescript/node_modules/@bufbuild/protobuf/dist/esm/index.js";
import {
  ExecuteResponseSchema,
  ModuleExecutorDefinition,
} from "../../../sdks/typescript/dist/generated/modrack/provider/v1/execution.js";

const grpc = createRequire(new URL("../../../sdks/typescript/package.json", import.meta.url))("@grpc/grpc-js");

const server = new grpc.Server();
server.addService(ModuleExecutorDefinition, {
  execute: (call, done) =>
    done(null, create(ExecuteResponseSchema, { result: { case: "outputData", value: call.request.inputData } })),
  executeBatch: (_, done) => done({ code: grpc.status.UNIMPLEMENTED }),
  executeStream: (call) => call.end(),
});
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(`http://127.0.0.1:${port}`);
});
