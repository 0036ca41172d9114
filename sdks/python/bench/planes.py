"""What a call costs on the provider's side, by plane and kind of handler. Measures no host; `cargo xtask bench call` does.

    python bench/planes.py [--seconds 2] [--only link]

A scripted peer in a process of its own keeps 1 or 32 calls in flight, each with a record of 100 bytes in and out, over a
socket pair (link) or as a gRPC server (attach). For comparison a bare framed echo and a bare `grpcio` aio unary server. The
figure to compare is `cpu`: the processor time of the provider's process per call, which other load on the machine changes
little.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypedDict

import grpc
import grpc.aio

from modrack import Provider
from modrack._generated.provider.v1 import execution_pb, frames_pb
from modrack._runner import Runner

RECORD = {"text": "x" * 51, "name": "abcdefghij", "count": 12345, "flag": True, "score": 1.5}
FIRST_ID = 1 << 14  # ids of three bytes throughout, so that all frames have one size


class Answer(TypedDict):
    """A record of the same 100 bytes."""

    text: str
    name: str
    count: int
    flag: bool
    score: float


provider = Provider("bench")


@provider.module
async def Inline(text: str, name: str, count: int, flag: bool, score: float) -> Answer:
    return {"text": text, "name": name, "count": count, "flag": flag, "score": score}


@provider.module
async def Suspends(text: str, name: str, count: int, flag: bool, score: float) -> Answer:
    await asyncio.sleep(0)
    return {"text": text, "name": name, "count": count, "flag": flag, "score": score}


@provider.module
def Thread(text: str, name: str, count: int, flag: bool, score: float) -> Answer:
    return {"text": text, "name": name, "count": count, "flag": flag, "score": score}


def frame(name: str, call_id: int) -> bytes:
    """One `execute` frame, as the field of a message."""
    request = execution_pb.ExecuteRequest(
        module_name=name,
        input_data=provider.modules[name].input.encode(RECORD),
        execution_id="0190a5c6-7c5e-7000-8000-000000000000",
        attempt=1,
        timeout_ms=30_000,
    )
    return frames_pb.AttachResponse(frames=[frames_pb.HostFrame(call_id=call_id, execute=request)]).SerializeToString()


# The peer, in a process of its own.


class Load:
    """Keeps `window` calls in flight for `seconds`: what it sends next, and what it has seen."""

    def __init__(self, name: str, window: int, seconds: float, *, echo: bool = False) -> None:
        pattern = frame(name, FIRST_ID)
        at = pattern.index(frames_pb.HostFrame(call_id=FIRST_ID).SerializeToString()) + 1
        self._head, self._tail = pattern[:at], pattern[at + 3 :]
        self._ids = itertools.count(FIRST_ID)
        self._window = window
        self._end = time.monotonic() + seconds
        self.size = len(pattern) if echo else 0
        self.sent: dict[int, float] = {}
        self.done = 0
        self.times: list[float] = []

    def next(self, answer: bytes | None) -> bytes:
        """The message after an answer; empty at the end."""
        now = time.perf_counter()
        count = self._window
        if answer is not None:
            self.size = self.size or len(answer) // len(frames_pb.AttachRequest.FromString(answer).frames)
            count = len(answer) // self.size
            self.done += count
            if self._window == 1:
                self.times.append(now - self._at)
        self._at = now
        if time.monotonic() > self._end:
            return b""
        ids = itertools.islice(self._ids, count)
        return b"".join(
            self._head + bytes((i & 127 | 128, i >> 7 & 127 | 128, i >> 14 & 127)) + self._tail for i in ids
        )

    def report(self) -> None:
        self.times.sort()
        p50 = self.times[len(self.times) // 2] * 1e6 if self.times else 0
        print(json.dumps({"calls": self.done, "p50_us": p50}), flush=True)


def peer_link(name: str, window: int, seconds: float, fd: int, *, echo: bool) -> None:
    load = Load(name, window, seconds, echo=echo)
    with socket.socket(fileno=fd) as sock, sock.makefile("rb") as reader:

        def read() -> bytes:
            return reader.read(int.from_bytes(reader.read(4), "big"))

        read()  # hello, or nothing that matters from an echo
        message = load.next(None)
        while message:
            sock.sendall(len(message).to_bytes(4, "big") + message)
            message = load.next(read())
    load.report()


async def peer_attach(name: str, window: int, seconds: float) -> None:
    load = Load(name, window, seconds)
    ended = asyncio.Event()

    async def attach(request: Any, context: Any) -> Any:
        await anext(request)
        yield frames_pb.AttachResponse(
            frames=[frames_pb.HostFrame(welcome=frames_pb.Welcome(session_id="s"))]
        ).SerializeToString()
        message = load.next(None)
        while message:
            yield message
            message = load.next(await anext(request))
        ended.set()

    server = grpc.aio.server()
    handler = grpc.stream_stream_rpc_method_handler(attach)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("modrack.provider.v1.ModuleRegistry", {"Attach": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await ended.wait()
    load.report()
    await server.stop(0.1)


async def peer_grpc(window: int, seconds: float, port: int) -> None:
    data = frame("Inline", FIRST_ID)
    times: list[float] = []
    end = time.monotonic() + seconds
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/bench.Echo/Call")

        async def one() -> None:
            while time.monotonic() < end:
                began = time.perf_counter()
                await call(data)
                times.append(time.perf_counter() - began)

        await asyncio.gather(*(one() for _ in range(window)))
    times.sort()
    print(json.dumps({"calls": len(times), "p50_us": times[len(times) // 2] * 1e6}), flush=True)


# The provider's side.


def spawn(*arguments: object, fd: int | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, "--peer", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=() if fd is None else (fd,),
    )


class Echo(asyncio.Protocol):
    """The bare framed echo: the least that a Python process can do per message."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(b"\0\0\0\1x")

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


async def on_socket(kind: str, name: str, window: int, seconds: float) -> dict[str, Any]:
    from modrack._link import Link

    mine, other = socket.socketpair()
    mine.setblocking(False)
    peer = spawn(kind, name, window, seconds, other.fileno(), fd=other.fileno())
    other.close()
    loop = asyncio.get_running_loop()
    runner = Runner(provider.modules, threads=8)
    closed = loop.create_future()

    class Watched(Echo if kind == "echo" else Link):  # type: ignore[misc]
        def connection_lost(self, exc: Exception | None) -> None:
            if kind != "echo":
                super().connection_lost(exc)
            closed.set_result(None)

    def make() -> Any:
        return Watched() if kind == "echo" else Watched(runner, "token", 1 << 22)

    await loop.create_unix_connection(make, sock=mine)
    cpu = time.process_time()
    await closed
    cpu = time.process_time() - cpu
    runner.close()
    return finish(peer, cpu, seconds)


async def on_attach(name: str, window: int, seconds: float) -> dict[str, Any]:
    from modrack import _attach

    peer = spawn("attach", name, window, seconds, 0)
    assert peer.stdout is not None
    port = await asyncio.to_thread(peer.stdout.readline)
    runner = Runner(provider.modules, threads=8)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{int(port)}") as channel:
        cpu = time.process_time()
        connection = await _attach.connect(channel, runner, "token", 1 << 22, timeout=5)
        await connection.ended
        cpu = time.process_time() - cpu
        await connection.close()
    runner.close()
    return finish(peer, cpu, seconds)


async def on_grpc(window: int, seconds: float) -> dict[str, Any]:
    server = grpc.aio.server()

    async def call(request: bytes, context: Any) -> bytes:
        return request

    handler = grpc.unary_unary_rpc_method_handler(call)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", {"Call": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    peer = spawn("grpc", "-", window, seconds, port)
    cpu = time.process_time()
    await asyncio.to_thread(peer.wait)
    cpu = time.process_time() - cpu
    await server.stop(0.1)
    return finish(peer, cpu, seconds)


def finish(peer: subprocess.Popen[str], cpu: float, seconds: float) -> dict[str, Any]:
    assert peer.stdout is not None
    seen = json.loads(peer.stdout.read())
    peer.wait()
    return {**seen, "cpu_us": cpu / max(seen["calls"], 1) * 1e6, "per_s": seen["calls"] / seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", default="", help="part of a row's name")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    options = parser.parse_args()
    seconds: float = options.seconds
    rows: list[tuple[str, Callable[[int], Awaitable[dict[str, Any]]]]] = [
        ("bare echo", lambda window: on_socket("echo", "Inline", window, seconds)),
        ("bare grpcio", lambda window: on_grpc(window, seconds)),
    ]
    for name in ("Inline", "Suspends", "Thread"):
        rows.append((f"link {name}", lambda window, name=name: on_socket("link", name, window, seconds)))
    for name in ("Inline", "Thread"):
        rows.append((f"attach {name}", lambda window, name=name: on_attach(name, window, seconds)))
    factory = None
    if options.loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    print(f"python {platform.python_version()}, grpcio {grpc.__version__}, {options.loop}, {os.cpu_count()} cores")
    print(f"{'':16}{'in flight':>10}{'cpu µs/call':>13}{'calls/s':>10}{'p50 µs':>9}")
    for label, run in rows:
        if options.only not in label:
            continue
        for window in (1, 32):
            with asyncio.Runner(loop_factory=factory) as runner:
                row = runner.run(run(window))  # type: ignore[arg-type]
            p50 = f"{row['p50_us']:9.0f}" if row["p50_us"] else f"{'':9}"
            print(f"{label:16}{window:10}{row['cpu_us']:13.2f}{row['per_s']:10.0f}{p50}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        kind, name, window, seconds, number = sys.argv[2:]
        if kind in ("link", "echo"):
            peer_link(name, int(window), float(seconds), int(number), echo=kind == "echo")
        elif kind == "attach":
            asyncio.run(peer_attach(name, int(window), float(seconds)))
        else:
            asyncio.run(peer_grpc(int(window), float(seconds), int(number)))
    else:
        main()
