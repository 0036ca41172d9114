"""Lists the modules of a host and calls one of them, with the generated stubs alone. Not an example of how to use the SDK.

    MODRACK_HOST=http://127.0.0.1:7420 python call_host.py MODULE JSON

`MODULE` is a qualified name, `JSON` its input. Prints two lines, the names of all modules in ascending order joined by commas
and the output as the host's JSON, and ends with status 0; a call that fails ends with status 1 and the error's code.
"""

from __future__ import annotations

import os
import sys

import grpc

from modrack._generated.error.v1 import error_pb
from modrack._generated.host.v1 import host_grpc, host_pb


def main(module: str, text: str) -> int:
    """Runs the two calls."""
    target = os.environ["MODRACK_HOST"].removeprefix("http://")
    with grpc.insecure_channel(target) as channel:
        stub = host_grpc.HostStub(channel)
        modules = stub.ListModules(host_pb.ListModulesRequest(), timeout=10).modules
        print(",".join(module.name for module in modules))
        try:
            response = stub.Call(host_pb.CallRequest(module=module, input_json=text), timeout=10)
        except grpc.RpcError as error:
            print(code_of(error), file=sys.stderr)
            return 1
        print(response.output_json)
        return 0


def code_of(error: grpc.RpcError) -> str:
    """The stable code in the trailer, or the status where there is none."""
    for item in error.trailing_metadata():
        if item.key == "grpc-status-details-bin":
            envelope = error_pb.Error()
            if error_pb.StatusDetails.FromString(item.value).details[0].Unpack(envelope):
                return envelope.code
    return error.code().name


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
