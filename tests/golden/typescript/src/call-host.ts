/**
 * Lists the modules of a host and calls one of them, with the generated stubs alone. Not an example of how to use the SDK.
 *
 *     MODRACK_HOST=http://127.0.0.1:7420 node call-host.js MODULE JSON
 *
 * `MODULE` is a qualified name, `JSON` its input. Prints two lines, the names of all modules in ascending order joined by commas
 * and the output as the host's JSON, and ends with status 0; a call that fails ends with status 1 and the error's code.
 */

import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { fromBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { ErrorSchema, StatusDetailsSchema } from "../../../../sdks/typescript/src/generated/modrack/error/v1/error.js";
import { HostClient } from "../../../../sdks/typescript/src/generated/modrack/host/v1/host.js";

async function main(module: string, json: string): Promise<number> {
  const target = (process.env["MODRACK_HOST"] ?? "").replace(/^http:\/\//, "");
  const client = new HostClient(target, grpc.credentials.createInsecure());
  try {
    const deadline = Date.now() + 10_000;
    const { modules } = await client.listModules({}, { deadline });
    console.log(modules.map(({ name }) => name).join(","));
    const { output } = await client.call({ module, input: { case: "inputJson", value: json } }, { deadline });
    console.log(output.case === "outputJson" ? output.value : `asked in JSON, answered ${output.case}`);
    return 0;
  } catch (error) {
    console.error(codeOf(error as grpc.ServiceError));
    return 1;
  } finally {
    client.close();
  }
}

/** The stable code in the trailer, or the status where there is none. */
function codeOf(error: grpc.ServiceError): string {
  const [trailer] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (trailer instanceof Buffer) {
    const [detail] = fromBinary(StatusDetailsSchema, trailer).details;
    const envelope = detail && anyUnpack(detail, ErrorSchema);
    if (envelope) return envelope.code;
  }
  return grpc.status[error.code] ?? String(error);
}

const [module = "", json = ""] = process.argv.slice(2);
process.exitCode = await main(module, json);
