"""The conversation of the attach and link planes: frames in, frames out. Owns no socket and no stream.

Frames gather in `outgoing` until the connection takes them, so whatever is answered while a write is under way, or while
one received message is worked through, leaves as one message.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from modrack._generated.provider.v1 import frames_pb as pb
from modrack._runner import Runner, Running
from modrack._wire_errors import from_wire, to_wire
from modrack.errors import InvalidArgument, ModrackError, UpstreamError

log = logging.getLogger("modrack")

_FRAME_ROOM = 64
"""Bytes that a message and a frame add to their content, generously."""


class Conversation:
    """One connection's state. Everything here belongs to the loop's thread, outside any task."""

    def __init__(self, runner: Runner, max_message_bytes: int, wake: Callable[[], None]) -> None:
        self._runner = runner
        self._max = max_message_bytes
        self._wake = wake
        self._running: dict[int, Running] = {}
        self._outgoing: list[pb.AttachRequest] = []
        self._size = 0
        self._idle = asyncio.Event()
        self._idle.set()
        loop = asyncio.get_running_loop()
        self.welcomed: asyncio.Future[str] = loop.create_future()
        self.draining = asyncio.Event()
        # Whoever awaits it has gone when the connection fails late; the failure is told by `ended` then.
        self.welcomed.add_done_callback(lambda f: f.cancelled() or f.exception())

    def hello(self, session_token: str) -> pb.AttachRequest:
        """The first message: proves the session."""
        return pb.AttachRequest(frames=[pb.ProviderFrame(hello=pb.Hello(session_token=session_token))])

    def receive(self, message: pb.AttachResponse) -> None:
        """Works through a message of the host.

        # Errors
        `ModrackError` that ends the connection: what the host says, or `protocol.frame.malformed`.
        """
        if not message.frames:
            raise malformed("a message without frames")
        for frame in message.frames:
            self._receive(frame)

    def take(self) -> list[pb.AttachRequest]:
        """Everything that waits, in as few messages as the largest size allows."""
        messages, self._outgoing, self._size = self._outgoing, [], 0
        return messages

    @property
    def has_frames(self) -> bool:
        """Whether `take` would give something."""
        return bool(self._outgoing)

    @property
    def in_flight(self) -> int:
        """Calls that are not answered yet."""
        return len(self._running)

    def send_drain(self, grace: float) -> None:
        """Tells the host to send no new calls."""
        self._frame().drain.grace_ms = round(grace * 1000)

    def send_error(self, error: ModrackError) -> None:
        """Tells the host why this side closes the connection next."""
        self._frame().error.CopyFrom(to_wire(error))

    async def answered(self, grace: float) -> None:
        """Waits until no call runs, at most `grace` seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), grace)

    def abandon(self) -> None:
        """Cancels what runs: nobody can be answered any more."""
        for running in list(self._running.values()):
            running.cancel()
        self._running.clear()
        self._idle.set()
        self.welcomed.cancel()

    def _receive(self, frame: pb.HostFrame) -> None:
        kind = frame.WhichOneof("frame")
        if kind == "execute":
            running = self._runner.start(frame.call_id, frame.execute, self._answer)
            if running is not None:
                self._running[frame.call_id] = running
                self._idle.clear()
        elif kind == "cancel":
            running = self._running.pop(frame.call_id, None)
            if running is not None:
                log.debug("call %d is cancelled: %s", frame.call_id, pb.CancelReason.Name(frame.cancel.reason))
                running.cancel()
                self._settle()
        elif kind == "ping":
            self._frame().pong.number = frame.ping.number
        elif kind == "welcome":
            if not self.welcomed.done():
                self.welcomed.set_result(frame.welcome.session_id)
        elif kind == "drain":
            self.draining.set()
        elif kind == "error":
            raise from_wire(frame.error)
        elif kind is None:
            raise malformed("a frame without content")
        # `pong` answers a ping that this side never sends, `credit` belongs to streams that it never begins.

    def _answer(self, call_id: int, output: bytes | None, error: ModrackError | None) -> None:
        self._running.pop(call_id, None)
        if output is not None and len(output) + 2 * _FRAME_ROOM > self._max:
            output, error = None, _too_large(len(output), self._max)
        if error is not None:
            wire = to_wire(error)
            frame = self._frame(wire.ByteSize())
            frame.call_id = call_id
            frame.result.error.CopyFrom(wire)
        else:
            data = output or b""
            frame = self._frame(len(data))
            frame.call_id = call_id
            frame.result.output_data = data
        if not self._running:
            self._idle.set()

    def _settle(self) -> None:
        if not self._running:
            self._idle.set()

    def _frame(self, content: int = 0) -> pb.ProviderFrame:
        """A frame to fill in, in the message that goes out next; `content` is the size of what it will hold."""
        size = content + _FRAME_ROOM
        first = not self._outgoing
        if first or self._size + size > self._max:
            self._outgoing.append(pb.AttachRequest())
            self._size = 0
        self._size += size
        if first:
            self._wake()
        return self._outgoing[-1].frames.add()


def malformed(why: str) -> ModrackError:
    """The failure of a peer that does not keep to the frame protocol."""
    return InvalidArgument("protocol.frame.malformed", why)


def _too_large(size: int, most: int) -> ModrackError:
    return UpstreamError(
        "module.output_too_large",
        f"the output has {size} bytes, a message at most {most}",
        origin="module",
    )
