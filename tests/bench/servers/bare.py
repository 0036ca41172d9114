"""The baseline in Python: a bare `grpcio` aio server whose `Execute` gives the bytes back. Prints where it listens."""

import asyncio

import grpc
from modrack._generated.provider.v1 import execution_grpc, execution_pb


class Bare(execution_grpc.ModuleExecutorAsyncServicer):
    async def Execute(self, request, context):
        return execution_pb.ExecuteResponse(output_data=request.input_data)


async def main() -> None:
    server = grpc.aio.server()
    execution_grpc.add_ModuleExecutorServicer_to_server(Bare(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"http://127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
