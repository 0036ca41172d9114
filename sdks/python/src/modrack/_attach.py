"""The attach plane: the same frames as the link, on a gRPC stream that the provider opens. Frames are `_frames.py`'s business."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio

from modrack._frames import Conversation
from modrack._runner import Runner
from modrack._wire_errors import from_rpc
from modrack.errors import DeadlineExceeded, ModrackError, Unavailable

_METHOD = "/modrack.provider.v1.ModuleRegistry/Attach"


class Attachment:
    """A stream; `ended` is done when it is over, with the reason unless this side closed it."""

    name = "attach"

    def __init__(self, channel: grpc.aio.Channel, runner: Runner, max_message_bytes: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._work = asyncio.Event()
        runner.plane = self.name
        self._closing = False
        self.conversation = Conversation(runner, max_message_bytes, self._work.set)
        self.draining = self.conversation.draining
        self.ended: asyncio.Future[ModrackError | None] = self._loop.create_future()
        # gRPC hands the messages over as bytes; `_frames.py` reads and writes them.
        self._call: Any = channel.stream_stream(_METHOD)()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, session_token: str, timeout: float) -> None:
        """Opens the stream and waits for the host's welcome.

        # Errors
        What the host says; `DeadlineExceeded` with `client.deadline.exceeded` when it says nothing.
        """
        self._tasks = [
            self._loop.create_task(self._read(), name="modrack-attach-read"),
            self._loop.create_task(self._write(session_token), name="modrack-attach-write"),
        ]
        await asyncio.wait(
            [self.conversation.welcomed, self.ended], timeout=timeout, return_when=asyncio.FIRST_COMPLETED
        )
        if self.conversation.welcomed.done() and not self.conversation.welcomed.cancelled():
            return
        error = self.ended.result() if self.ended.done() else None
        await self.close()
        raise error or DeadlineExceeded(
            "client.deadline.exceeded", "the host did not answer the attach stream", retryable=True
        )

    async def drain(self, grace: float) -> None:
        """Asks for no new calls and waits at most `grace` seconds for those that run."""
        self.conversation.send_drain(grace)
        await self.conversation.answered(grace)

    async def close(self) -> None:
        """Sends what waits, half-closes, and lets the host end the stream: a cancelled stream may lose what was sent last."""
        if not self.ended.done():
            self.ended.set_result(None)
        self._closing = True
        self._work.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)
        self._call.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.conversation.abandon()

    def _end(self, error: ModrackError) -> None:
        if not self.ended.done():
            self.ended.set_result(error)
        self.conversation.abandon()
        self._call.cancel()

    async def _read(self) -> None:
        try:
            async for message in self._call:
                # Handlers are stepped outside any task, so that each may become a task of its own.
                self._loop.call_soon(self._receive, message)
            status = await self._call.code()
            if status is not grpc.StatusCode.OK:
                self._end(from_rpc(await self._failure()))
            else:
                self._end(Unavailable("client.connection.lost", "the host ended the attach stream", retryable=True))
        except grpc.RpcError as error:
            self._end(from_rpc(error))
        except asyncio.CancelledError:
            self._end(Unavailable("client.connection.lost", "the attach stream is cancelled", retryable=True))

    async def _failure(self) -> grpc.aio.AioRpcError:
        call = self._call
        return grpc.aio.AioRpcError(
            await call.code(),
            await call.initial_metadata(),
            await call.trailing_metadata(),
            details=await call.details(),
        )

    def _receive(self, message: bytes) -> None:
        if self.ended.done() and not self._closing:
            return
        try:
            self.conversation.receive(message)
            if self.conversation.has_frames:
                self._work.set()
        except ModrackError as error:
            if error.code == "protocol.frame.malformed":
                self.conversation.send_error(error)
            self._work.set()
            if not self.ended.done():
                self.ended.set_result(error)
            self._loop.call_later(0.1, self._end, error)

    async def _write(self, session_token: str) -> None:
        try:
            await self._call.write(self.conversation.hello(session_token))
            while True:
                await self._work.wait()
                self._work.clear()
                for message in self.conversation.take():
                    await self._call.write(message)
                if self._closing and not self.conversation.has_frames:
                    await self._call.done_writing()
                    return
        except (grpc.RpcError, asyncio.InvalidStateError):
            # The reader learns why and tells it.
            return


async def connect(
    channel: grpc.aio.Channel,
    runner: Runner,
    session_token: str,
    max_message_bytes: int,
    *,
    timeout: float,
) -> Attachment:
    """A stream that the host has welcomed; errors as in `Attachment.open`."""
    attachment = Attachment(channel, runner, max_message_bytes)
    await attachment.open(session_token, timeout)
    return attachment
