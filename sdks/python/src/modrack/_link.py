"""The link plane: length-prefixed messages on a socket of this machine. Frames are `_frames.py`'s business.

Every message leaves in one write, TCP_NODELAY is set, and while the socket is full frames gather instead of queueing as
writes of their own.
"""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from modrack._frames import Conversation, malformed
from modrack._generated.provider.v1 import registry_pb
from modrack._runner import Runner
from modrack.errors import ModrackError, Unavailable

_LENGTH = 4


class Link(asyncio.Protocol):
    """A connection; `ended` is done when it is over, with the reason unless this side closed it."""

    name = "link"

    def __init__(self, runner: Runner, session_token: str, max_message_bytes: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._token = session_token
        runner.plane = self.name
        self._max = max_message_bytes
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._wanted = _LENGTH
        self._full = False
        self.conversation = Conversation(runner, max_message_bytes, self._wake)
        self.draining = self.conversation.draining
        self.ended: asyncio.Future[ModrackError | None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        sock: socket.socket = transport.get_extra_info("socket")
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._write(self.conversation.hello(self._token))

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            # A message in many pieces is put together once, when it is whole.
            self._buffer += data
            if len(self._buffer) < self._wanted:
                return
            data = bytes(self._buffer)
            self._buffer.clear()
        at, end = 0, len(data)
        self._wanted = _LENGTH
        try:
            while end - at >= _LENGTH:
                size = int.from_bytes(data[at : at + _LENGTH], "big")
                if not 0 < size <= self._max:
                    raise malformed(f"a message of {size} bytes")
                if end - at - _LENGTH < size:
                    self._wanted = _LENGTH + size
                    break
                at += _LENGTH
                self.conversation.receive(data[at : at + size])
                at += size
        except ModrackError as error:
            self._fail(error)
            return
        if at < end:
            self._buffer += data[at:]
        if self.conversation.has_frames:
            self._flush()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.conversation.abandon()
        if not self.ended.done():
            why = f"the link broke: {exc or 'closed by the host'}"
            self.ended.set_result(Unavailable("client.connection.lost", why, retryable=True))

    async def drain(self, grace: float) -> None:
        """Asks for no new calls and waits at most `grace` seconds for those that run."""
        self.conversation.send_drain(grace)
        await self.conversation.answered(grace)

    async def close(self) -> None:
        """Sends what waits, then closes."""
        if not self.ended.done():
            self.ended.set_result(None)
        if self._transport is not None:
            self._full = False
            self._flush()
            self._transport.close()

    def _wake(self) -> None:
        # What else is answered in this turn of the loop goes along.
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._full or self._transport is None or self._transport.is_closing():
            return
        for message in self.conversation.take():
            self._write(message)

    def _write(self, message: bytes) -> None:
        assert self._transport is not None
        self._transport.write(len(message).to_bytes(_LENGTH, "big") + message)

    def _fail(self, error: ModrackError) -> None:
        self._buffer.clear()
        if not self.ended.done():
            self.ended.set_result(error)
        if not self.conversation.welcomed.done():
            self.conversation.welcomed.set_exception(error)
        if error.code == "protocol.frame.malformed":
            self.conversation.send_error(error)
            self._flush()
        if self._transport is not None:
            self._transport.close()


async def connect(
    endpoint: registry_pb.LinkEndpoint,
    runner: Runner,
    session_token: str,
    max_message_bytes: int,
    *,
    timeout: float,
) -> Link:
    """A link that the host has welcomed.

    # Errors
    `Unavailable` with `client.link.unreachable`; the host's own error when it refuses the session.
    """
    loop = asyncio.get_running_loop()

    def make() -> Link:
        return Link(runner, session_token, max_message_bytes)

    try:
        async with asyncio.timeout(timeout):
            if endpoint.WhichOneof("address") == "unix_path":
                _, link = await loop.create_unix_connection(make, endpoint.unix_path)
            else:
                host, _, port = endpoint.tcp_address.rpartition(":")
                _, link = await loop.create_connection(make, host, int(port))
            try:
                await link.conversation.welcomed
            except BaseException:
                await link.close()
                raise
            return link
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise _unreachable("the link closed before the host's welcome") from None
    except (OSError, TimeoutError, ValueError) as cause:
        raise _unreachable(f"the link cannot be reached: {cause or 'timeout'}") from cause


def _unreachable(why: str) -> Unavailable:
    return Unavailable("client.link.unreachable", why, retryable=True)
