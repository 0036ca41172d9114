"""Serves a component as a process: its socket, its signals, its end. The contract is the application's."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Generator
from dataclasses import dataclass
from io import TextIOWrapper

from uvicorn.config import Config
from uvicorn.server import Server

from modrack._credentials import SecretFile
from modrack.middleware._app import App
from modrack.middleware._engine import Engine
from modrack.middleware._pool import Pool

_IDLE_SECONDS = 75
"""How long an idle connection stays open; longer than the host keeps one, so that it never sends into a closing one."""

_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Serving:
    """Where and within which bounds a component is served. `grace` is in seconds."""

    bind: str
    token: SecretFile | None
    auth_header: str
    threads: int
    max_requests: int
    max_body_bytes: int
    grace: float


def serve(engine: Engine, serving: Serving) -> int:
    """Serves until SIGTERM or SIGINT, then lets running requests end. The exit code: 0, or 1 when there is no such address.

    A second signal ends the process at once.
    """
    try:
        listener = _listen(serving.bind)
    except (OSError, ValueError) as cause:
        print(f"modrack: middleware {engine.name} cannot listen at {serving.bind}: {cause}", file=sys.stderr)
        return 1
    # What a handler prints shall be in the log when it happens, not when a buffer is full.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    with asyncio.Runner() as runner:
        runner.run(_serve(engine, serving, listener))
    # Threads of handlers that never return would hold up the interpreter's own way out.
    sys.stdout.flush()
    sys.stderr.flush()
    return 0


async def _serve(engine: Engine, serving: Serving, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    pool = Pool(loop, serving.threads, serving.max_requests)
    app = App(
        engine,
        pool,
        token=serving.token,
        auth_header=serving.auth_header,
        max_body_bytes=serving.max_body_bytes,
        max_requests=serving.max_requests,
    )
    config = Config(
        app,  # pyright: ignore[reportArgumentType] - its own types are those of one framework
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_IDLE_SECONDS,
        # It is waited for as it is; the annotation is narrower than the code.
        timeout_graceful_shutdown=serving.grace,  # pyright: ignore[reportArgumentType]
    )
    server = _Server(config, f"modrack: middleware {engine.name} {engine.version} ready at {_address(listener)}")

    def stop(number: int) -> None:
        if app.is_stopping:
            os._exit(128 + number)
        app.is_stopping = True
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    await server.serve(sockets=[listener])
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(serving.grace):
            await engine.stop(pool)
    pool.close()


class _Server(Server):
    """Leaves the signals to us, and says when it listens."""

    def __init__(self, config: Config, message: str) -> None:
        super().__init__(config)
        self._message = message

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._message, file=sys.stderr)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        # The original raises the signal again at the end, so that a polite stop would look like a death.
        yield


def _listen(bind: str) -> socket.socket:
    host, _, port = bind.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if host not in ("127.0.0.1", "::1", "localhost") or not port.isdigit():
        raise ValueError("an address looks like `127.0.0.1:7500`, and is loopback")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named: asyncio turns Nagle's algorithm off only where it reads TCP, and an answer, which is written in two
    # pieces, would wait 40 ms for the acknowledgement of the first one.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _address(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
