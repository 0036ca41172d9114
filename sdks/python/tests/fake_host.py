"""A host in a test's own event loop: registers anything, offers the three planes, and lets the test make the calls."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from fake_pipelines import FakePipelines, abort, abort_wire

from modrack._generated.error.v1 import error_pb
from modrack._generated.host.v1 import host_pb
from modrack._generated.host.v1.host_grpc import HostAsyncServicer, add_HostServicer_to_server
from modrack._generated.provider.v1 import execution_pb, frames_pb, registry_pb
from modrack._generated.provider.v1.execution_grpc import ModuleExecutorAsyncStub
from modrack._generated.provider.v1.registry_grpc import (
    ModuleRegistryAsyncServicer,
    add_ModuleRegistryServicer_to_server,
)
from modrack._types import fingerprint
from modrack._wire_errors import from_rpc, to_wire
from modrack._wire_types import from_schema
from modrack.codec import Codec
from modrack.errors import ModrackError, NotFound

WAIT = 10.0


class Connection:
    """A link or an attach stream, as the host sees it."""

    def __init__(self, plane: str, send: Any, close: Any) -> None:
        self.plane = plane
        self.send = send
        self.close = close
        self.ids = itertools.count(1)
        self.waiting: dict[int, asyncio.Future[Any]] = {}
        self.streams: dict[int, asyncio.Queue[frames_pb.ProviderFrame]] = {}
        self.received: list[frames_pb.ProviderFrame] = []
        self.messages = 0
        self.arrived = asyncio.Event()

    def take(self, message: frames_pb.AttachRequest) -> None:
        self.messages += 1
        for frame in message.frames:
            self.received.append(frame)
            kind = frame.WhichOneof("frame")
            if kind in ("result", "batch_result", "error") and frame.call_id in self.waiting:
                future = self.waiting.pop(frame.call_id)
                if not future.done():
                    future.set_result(getattr(frame, kind))
            if frame.call_id in self.streams:
                self.streams[frame.call_id].put_nowait(frame)
        self.arrived.set()

    async def wait_for(self, kind: str) -> frames_pb.ProviderFrame:
        async with asyncio.timeout(WAIT):
            while True:
                self.arrived.clear()
                for frame in self.received:
                    if frame.WhichOneof("frame") == kind:
                        return frame
                await self.arrived.wait()


class Stream:
    """A stream as the host sees it: asks for one item at a time, unless told otherwise."""

    def __init__(self, host: FakeHost, call_id: int, codec: Codec) -> None:
        assert host.connection is not None
        self._host = host
        self._frames = host.connection.streams[call_id]
        self._codec = codec
        self.call_id = call_id

    async def next(self) -> Any:
        """The next item, the failure, or `None` at the end."""
        frame = await asyncio.wait_for(self._frames.get(), WAIT)
        kind = frame.WhichOneof("frame")
        if kind == "item":
            return self._codec.decode(frame.item.data)
        return None if kind == "end" else frame.error

    @property
    def waiting(self) -> int:
        return self._frames.qsize()

    async def grant(self, items: int) -> None:
        await self._host.send(frames_pb.HostFrame(call_id=self.call_id, credit=frames_pb.Credit(items=items)))

    async def cancel(self) -> None:
        await self._host.send(frames_pb.HostFrame(call_id=self.call_id, cancel=frames_pb.Cancel()))

    async def __aiter__(self) -> Any:
        while (item := await self.next()) is not None:
            yield item
            if isinstance(item, error_pb.Error):
                return
            await self.grant(1)


class FakeHost(FakePipelines, ModuleRegistryAsyncServicer, HostAsyncServicer):
    """`refuse` answers the next registrations with errors; `commands` the next heartbeats."""

    def __init__(
        self,
        *,
        link: bool = True,
        attach: bool = True,
        heartbeat_ms: int = 50,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        super().__init__()
        self.credentials = credentials
        self.offers_link = link
        self.offers_attach = attach
        self.heartbeat_ms = heartbeat_ms
        self.refuse: list[ModrackError] = []
        self.commands: list[int] = []
        self.registrations: list[registry_pb.RegisterRequest] = []
        self.heartbeats = 0
        self.unregistered: list[str] = []
        self.connection: Connection | None = None
        self.changed = asyncio.Condition()
        self.max_message_bytes = 1 << 20
        self.revision = 1
        self.calls: list[host_pb.CallRequest] = []
        self.metadata: list[dict[str, str]] = []
        self.time_left: list[float] = []
        self.streams_ended = 0
        self._tokens = itertools.count(1)
        self._session = ""
        self._channels: list[grpc.aio.Channel] = []

    async def __aenter__(self) -> FakeHost:
        self._dir = tempfile.TemporaryDirectory()
        await self.start(0)
        return self

    async def start(self, port: int) -> None:
        self.server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        add_ModuleRegistryServicer_to_server(self, self.server)
        add_HostServicer_to_server(self, self.server)
        address = f"127.0.0.1:{port}"
        if self.credentials is not None:
            self.port = self.server.add_secure_port(address, self.credentials)
        else:
            self.port = self.server.add_insecure_port(address)
        await self.server.start()
        self.url = f"http{'s' if self.credentials else ''}://127.0.0.1:{self.port}"
        self.path = str(Path(self._dir.name) / "link.sock")
        Path(self.path).unlink(missing_ok=True)
        self._link = await asyncio.start_unix_server(self._linked, self.path) if self.offers_link else None

    async def stop(self) -> None:
        if self._link is not None:
            self._link.close()
        if self.connection is not None:
            await self.connection.close()
            self.connection = None
        await self.server.stop(0)

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        for channel in self._channels:
            await channel.close()
        self._dir.cleanup()

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(WAIT), self.changed:
            await self.changed.wait_for(condition)

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def ready(self) -> None:
        """Until a provider is callable."""
        await self.until(
            lambda: self.connection is not None or (self.registrations and self.registrations[-1].service_url)
        )

    @property
    def plane(self) -> str:
        return self.connection.plane if self.connection else "unary"

    # what a provider asks

    async def Register(self, request: Any, context: Any) -> registry_pb.RegisterResponse:
        if self.refuse:
            await abort(context, self.refuse.pop(0))
        keep = request.session_token and request.session_token == self._session
        if not keep:
            self._session = f"token-{next(self._tokens)}"
        self.registrations.append(request)
        await self._notify()
        response = registry_pb.RegisterResponse(
            results=[registry_pb.ModuleResult(name=m.name, accepted=True, revision=1) for m in request.modules],
            session_id=self._session.replace("token", "session"),
            session_token=self._session,
            lease_ms=1000,
            heartbeat_interval_ms=self.heartbeat_ms,
            protocol_version=1,
            max_message_bytes=self.max_message_bytes,
            attach_timeout_ms=1000,
        )
        if self.offers_link and registry_pb.DATA_PLANE_LINK in request.planes:
            response.link.unix_path = self.path
        return response

    async def Heartbeat(self, request: Any, context: Any) -> registry_pb.HeartbeatResponse:
        self.heartbeats += 1
        await self._notify()
        if request.session_token != self._session:
            return registry_pb.HeartbeatResponse(commands=[registry_pb.COMMAND_REREGISTER])
        commands, self.commands = self.commands, []
        return registry_pb.HeartbeatResponse(lease_ms=1000, commands=commands)

    async def Unregister(self, request: Any, context: Any) -> registry_pb.UnregisterResponse:
        self.unregistered.append(request.session_token)
        await self._notify()
        if self.connection is not None and self.connection.plane != "unary":
            # As the real host: no call comes behind this frame.
            with contextlib.suppress(OSError, RuntimeError):
                await self.connection.send(
                    frames_pb.AttachResponse(frames=[frames_pb.HostFrame(drain=frames_pb.Drain())])
                )
        return registry_pb.UnregisterResponse()

    async def Attach(self, request: Any, context: Any) -> Any:
        if not self.offers_attach:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no attach here")
        queue: asyncio.Queue[frames_pb.AttachResponse | None] = asyncio.Queue()

        async def close() -> None:
            queue.put_nowait(None)

        async def send(message: frames_pb.AttachResponse) -> None:
            queue.put_nowait(message)

        connection = Connection("attach", send, close)

        async def read() -> None:
            async for message in request:
                connection.take(message)
                if message.frames[0].WhichOneof("frame") == "hello":
                    await self._welcome(connection, message)
            queue.put_nowait(None)

        reader = asyncio.create_task(read())
        try:
            while (message := await queue.get()) is not None:
                yield message
        finally:
            reader.cancel()

    async def _linked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def close() -> None:
            writer.close()

        async def send(message: frames_pb.AttachResponse | bytes) -> None:
            data = message if isinstance(message, bytes) else message.SerializeToString()
            writer.write(len(data).to_bytes(4, "big") + data)
            await writer.drain()

        connection = Connection("link", send, close)
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big")
                assert size <= self.max_message_bytes
                message = frames_pb.AttachRequest.FromString(await reader.readexactly(size))
                connection.take(message)
                if message.frames[0].WhichOneof("frame") == "hello":
                    await self._welcome(connection, message)
        except (asyncio.IncompleteReadError, ConnectionError):
            if self.connection is connection:
                self.connection = None
                await self._notify()
        finally:
            writer.close()

    async def _welcome(self, connection: Connection, message: frames_pb.AttachRequest) -> None:
        assert len(message.frames) == 1
        assert message.frames[0].hello.session_token == self._session
        welcome = frames_pb.Welcome(session_id=self._session.replace("token", "session"))
        await connection.send(frames_pb.AttachResponse(frames=[frames_pb.HostFrame(welcome=welcome)]))
        self.connection = connection
        await self._notify()

    # what the test does

    def codecs(self, name: str) -> tuple[Codec, Codec]:
        spec = next(m for m in self.registrations[-1].modules if m.name == name)
        return Codec(from_schema(spec.input)), Codec(from_schema(spec.output))

    async def call(self, name: str, input: Any = None, **fields: Any) -> Any:
        """The output, or the error as the provider said it."""
        response = await self.start_call(name, input, **fields)
        return self.read(name, response)

    def read(self, name: str, response: execution_pb.ExecuteResponse) -> Any:
        if response.WhichOneof("result") == "error":
            return response.error
        return self.codecs(name)[1].decode(response.output_data)

    async def start_call(self, name: str, input: Any = None, **fields: Any) -> execution_pb.ExecuteResponse:
        request = execution_pb.ExecuteRequest(
            module_name=name,
            input_data=self.codecs(name)[0].encode(fields if input is None else input),
            execution_id="run-1",
            attempt=2,
            timeout_ms=5000,
        )
        return await self.execute(request)

    async def execute(self, request: execution_pb.ExecuteRequest) -> execution_pb.ExecuteResponse:
        if self.connection is None:
            return await self.stub().Execute(request, timeout=WAIT)
        return await asyncio.wait_for((await self.send_execute(request))[1], WAIT)

    async def send_execute(self, *requests: Any) -> Any:
        """Sends all requests in one message: the call id and the future of the last."""
        assert self.connection is not None
        frames = []
        for request in requests:
            call_id = next(self.connection.ids)
            future = asyncio.get_running_loop().create_future()
            self.connection.waiting[call_id] = future
            frames.append(frames_pb.HostFrame(call_id=call_id, execute=request))
        await self.connection.send(frames_pb.AttachResponse(frames=frames))
        return call_id, future

    async def send(self, *frames: frames_pb.HostFrame) -> None:
        assert self.connection is not None
        await self.connection.send(frames_pb.AttachResponse(frames=frames))

    def request(self, name: str, input: Any = None, **fields: Any) -> execution_pb.ExecuteRequest:
        data = self.codecs(name)[0].encode(fields if input is None else input)
        return execution_pb.ExecuteRequest(module_name=name, input_data=data, execution_id="run-1", timeout_ms=5000)

    async def start_stream(self, name: str, credit: int, input: Any = None, **fields: Any) -> Stream:
        """A stream on attach or link, of which `credit` items may come."""
        assert self.connection is not None
        call_id = next(self.connection.ids)
        self.connection.streams[call_id] = asyncio.Queue()
        request = self.request(name, input, **fields)
        start = frames_pb.StreamStart(request=request, credit=credit)
        await self.send(frames_pb.HostFrame(call_id=call_id, execute_stream=start))
        return Stream(self, call_id, self.codecs(name)[1])

    async def stream(self, name: str, input: Any = None, **fields: Any) -> list[Any]:
        """All items of a stream on any plane, and the failure behind them if there is one."""
        if self.connection is not None:
            stream = await self.start_stream(name, 2, input, **fields)
            return [item async for item in stream]
        call = self.stub().ExecuteStream(
            execution_pb.ExecuteStreamRequest(request=self.request(name, input, **fields)), timeout=WAIT
        )
        found: list[Any] = []
        try:
            async for response in call:
                found.append(self.codecs(name)[1].decode(response.item_data))
        except grpc.aio.AioRpcError as failure:
            found.append(to_wire(from_rpc(failure)))
        return found

    async def batch(self, name: str, inputs: list[Any]) -> Any:
        """The answers of a batch on any plane, or its failure."""
        requests = [
            self.request(name, each)
            if not isinstance(each, bytes)
            else execution_pb.ExecuteRequest(module_name=name, input_data=each)
            for each in inputs
        ]
        batch = execution_pb.ExecuteBatchRequest(requests=requests)
        if self.connection is None:
            try:
                answer = await self.stub().ExecuteBatch(batch, timeout=WAIT)
            except grpc.aio.AioRpcError as failure:
                return to_wire(from_rpc(failure))
        else:
            call_id = next(self.connection.ids)
            future = self.connection.waiting[call_id] = asyncio.get_running_loop().create_future()
            await self.send(frames_pb.HostFrame(call_id=call_id, execute_batch=batch))
            answer = await asyncio.wait_for(future, WAIT)
        if isinstance(answer, error_pb.Error):
            return answer
        return [self.read(name, response) for response in answer.responses]

    def stub(self) -> ModuleExecutorAsyncStub:
        return ModuleExecutorAsyncStub(self.provider_channel())

    def provider_channel(self) -> grpc.aio.Channel:
        channel = grpc.aio.insecure_channel(self.registrations[-1].service_url.removeprefix("http://"))
        self._channels.append(channel)
        return channel

    # what a client asks

    def _module(self, name: str) -> host_pb.Module | None:
        for registration in self.registrations[-1:]:
            for spec in registration.modules:
                if name == f"{registration.namespace}.{spec.name}":
                    types = from_schema(spec.input), from_schema(spec.output)
                    return host_pb.Module(
                        name=name,
                        description=spec.description,
                        input=spec.input,
                        output=spec.output,
                        revision=self.revision,
                        schema_fingerprint=fingerprint(*types) + "+" * (self.revision - 1),
                        capabilities=spec.capabilities,
                        endpoints=[
                            host_pb.Endpoint(
                                session_id="session-1",
                                plane=registry_pb.DATA_PLANE_LINK,
                                state=host_pb.SESSION_STATE_READY,
                                info=registration.info,
                            )
                        ],
                    )
        return None

    async def ListModules(self, request: Any, context: Any) -> host_pb.ListModulesResponse:
        names = sorted(f"{r.namespace}.{m.name}" for r in self.registrations[-1:] for m in r.modules)
        at = int(request.page_token or 0)
        more = str(at + 1) if at + 1 < len(names) else ""
        return host_pb.ListModulesResponse(modules=[self._module(names[at])], next_page_token=more)

    async def GetModule(self, request: Any, context: Any) -> host_pb.GetModuleResponse:
        module = self._module(request.name)
        if module is None:
            await abort(context, NotFound("registry.module.unknown", f"module `{request.name}` is not registered"))
        return host_pb.GetModuleResponse(module=module)

    async def _accept(self, request: Any, context: Any) -> execution_pb.ExecuteRequest:
        self.calls.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.time_left.append(context.time_remaining())
        module = self._module(request.module)
        if module is None:
            await abort(context, NotFound("registry.module.unknown", f"module `{request.module}` is not registered"))
        assert module is not None
        if request.schema_fingerprint != module.schema_fingerprint:
            await abort(context, ModrackError("registry.schema.changed", "changed", category="FAILED_PRECONDITION"))
        return execution_pb.ExecuteRequest(
            module_name=request.module.rpartition(".")[2],
            input_data=getattr(request, "input_data", b""),
            timeout_ms=round(context.time_remaining() * 1000),
        )

    async def Call(self, request: Any, context: Any) -> host_pb.CallResponse:
        execute = await self._accept(request, context)
        call_id, future = await self.send_execute(execute)
        try:
            answer = await asyncio.wait_for(future, WAIT)
        except asyncio.CancelledError:
            await self.send(frames_pb.HostFrame(call_id=call_id, cancel=frames_pb.Cancel()))
            raise
        if answer.WhichOneof("result") == "error":
            await abort_wire(context, answer.error)
        return host_pb.CallResponse(output_data=answer.output_data)

    async def CallStream(self, request: Any, context: Any) -> Any:
        assert self.connection is not None
        execute = await self._accept(request.call, context)
        call_id = next(self.connection.ids)
        frames = self.connection.streams[call_id] = asyncio.Queue()
        start = frames_pb.StreamStart(request=execute, credit=1)
        await self.send(frames_pb.HostFrame(call_id=call_id, execute_stream=start))
        yield host_pb.CallStreamResponse(info=host_pb.CallInfo(execution_id="run-1"))
        ended = False
        try:
            while True:
                frame = await asyncio.wait_for(frames.get(), WAIT)
                if frame.WhichOneof("frame") != "item":
                    ended = True
                    if frame.WhichOneof("frame") == "error":
                        await abort_wire(context, frame.error)
                    return
                yield host_pb.CallStreamResponse(item_data=frame.item.data)
                await self.send(frames_pb.HostFrame(call_id=call_id, credit=frames_pb.Credit(items=1)))
        finally:
            if not ended:
                await self.send(frames_pb.HostFrame(call_id=call_id, cancel=frames_pb.Cancel()))

    async def CallBatch(self, request: Any, context: Any) -> host_pb.CallBatchResponse:
        execute = await self._accept(request, context)
        requests = [
            execution_pb.ExecuteRequest(module_name=execute.module_name, input_data=each.input_data)
            for each in request.inputs
        ]
        call_id = next(self.connection.ids)
        future = self.connection.waiting[call_id] = asyncio.get_running_loop().create_future()
        batch = execution_pb.ExecuteBatchRequest(requests=requests)
        await self.send(frames_pb.HostFrame(call_id=call_id, execute_batch=batch))
        answer = await asyncio.wait_for(future, WAIT)
        if isinstance(answer, error_pb.Error):
            await abort_wire(context, answer)
        outputs = [
            host_pb.BatchOutput(error=each.error)
            if each.WhichOneof("result") == "error"
            else host_pb.BatchOutput(output_data=each.output_data)
            for each in answer.responses
        ]
        return host_pb.CallBatchResponse(outputs=outputs)

    async def Watch(self, request: Any, context: Any) -> Any:
        modules = [self._module(f"{r.namespace}.{m.name}") for r in self.registrations[-1:] for m in r.modules]
        for module in modules:
            yield host_pb.WatchResponse(added=host_pb.ModuleAdded(module=module))
        yield host_pb.WatchResponse(synced=host_pb.WatchSynced(modules=len(modules), caches=["memory"]))
        yield host_pb.WatchResponse(removed=host_pb.ModuleRemoved(name="text.Gone", reason="link_lost"))
        await asyncio.sleep(WAIT)
