"""The conversation of the attach and link planes: frames in, frames out, as bytes. Owns no socket and no stream.

Frames gather until the connection takes them, so whatever is answered while a write is under way, or while one received message
is worked through, leaves as one message.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from google.protobuf.message import DecodeError

from modrack._answers import END, FRAME_HEADS, RESULT_HEADS, call_field, frame_head, item_head, result_head
from modrack._generated.provider.v1 import execution_pb
from modrack._generated.provider.v1 import frames_pb as pb
from modrack._runner import Call, Runner
from modrack._running import Running
from modrack._wire_errors import from_wire, to_wire
from modrack.errors import InvalidArgument, ModrackError, UpstreamError

log = logging.getLogger("modrack")

_FRAME_ROOM = 64
"""Bytes that a message and a frame add to their content, generously."""


class Conversation:
    """One connection's state. Everything here belongs to the loop's thread, outside any task."""

    def __init__(self, runner: Runner, max_message_bytes: int, wake: Callable[[], None]) -> None:
        self.running: dict[int, Running] = {}
        self.welcomed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.draining = asyncio.Event()
        self._runner = runner
        self._max = max_message_bytes
        self._wake = wake
        self._awake = False
        self._messages: list[bytes] = []
        self._parts: list[bytes] = []
        self._size = 0
        self._idle: asyncio.Event | None = None
        # Whoever awaits it has gone when the connection fails late; the failure is told by `ended` then.
        self.welcomed.add_done_callback(lambda f: f.cancelled() or f.exception())

    def hello(self, session_token: str) -> bytes:
        """The first message: proves the session."""
        return pb.AttachRequest(
            frames=[pb.ProviderFrame(hello=pb.Hello(session_token=session_token))]
        ).SerializeToString()

    def receive(self, data: bytes) -> None:
        """Works through a message of the host. The caller takes what it leads to; nobody is woken for that.

        # Errors
        `ModrackError` that ends the connection: what the host says, or `protocol.frame.malformed`.
        """
        try:
            frames = pb.AttachResponse.FromString(data).frames
        except DecodeError as cause:
            raise malformed("bytes that are no message") from cause
        if not frames:
            raise malformed("a message without frames")
        modules, runner = self._runner.modules, self._runner
        calls: list[Call] = []
        self._awake = True
        try:
            for frame in frames:
                request = frame.execute
                name = request.module_name
                # A frame that is no call has no module; other calls than these are rare enough to be asked for their kind.
                module = modules.get(name) if name else None
                if module is not None and not module.stream:
                    if module.is_async:
                        calls.append((frame.call_id, module, request))
                    else:
                        runner.start_in_thread(frame.call_id, module, request, self)
                    continue
                if calls:
                    runner.start(calls, self)
                    calls = []
                self._receive(frame)
            if calls:
                runner.start(calls, self)
        finally:
            self._awake = self.has_frames

    def take(self) -> list[bytes]:
        """Everything that waits, in as few messages as the largest size allows."""
        self._awake = False
        messages, self._messages = self._messages, []
        if self._parts:
            messages.append(b"".join(self._parts))
            self._parts, self._size = [], 0
        return messages

    @property
    def has_frames(self) -> bool:
        """Whether `take` would give something."""
        return bool(self._parts or self._messages)

    def send_drain(self, grace: float) -> None:
        """Tells the host to send no new calls."""
        self._put(pb.ProviderFrame(drain=pb.Drain(grace_ms=round(grace * 1000))).SerializeToString())

    def send_error(self, error: ModrackError) -> None:
        """Tells the host why this side closes the connection next."""
        self._put(pb.ProviderFrame(error=to_wire(error)).SerializeToString())

    async def answered(self, grace: float) -> None:
        """Waits until no call runs, at most `grace` seconds."""
        if not self.running:
            return
        self._idle = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), grace)

    def abandon(self) -> None:
        """Cancels what runs: nobody can be answered any more."""
        running, self.running = self.running, {}
        for each in running.values():
            each.cancel()
        self._settle()
        self.welcomed.cancel()

    # What the runner answers.

    def result(self, call_id: int, output: bytes) -> None:
        size = len(output)
        field, head = call_field(call_id), RESULT_HEADS.get(size) or result_head(size)
        size += len(field) + len(head)
        self._size += size + 6
        if self._size > self._max:
            if size + _FRAME_ROOM > self._max:
                self._size -= size + 6
                self.failed(call_id, _too_large(len(output), self._max))
                return
            self._next_message(size + 6)
        self._parts += (FRAME_HEADS.get(size) or frame_head(size), field, head, output)
        if not self._awake:
            self._awaken()

    def failed(self, call_id: int, error: ModrackError, *, result: bool = True) -> None:
        wire = to_wire(error)
        if result:
            frame = pb.ProviderFrame(call_id=call_id, result=execution_pb.ExecuteResponse(error=wire))
        else:
            frame = pb.ProviderFrame(call_id=call_id, error=wire)
        self._put(frame.SerializeToString())

    def item(self, call_id: int, data: bytes) -> None:
        if len(data) + 2 * _FRAME_ROOM > self._max:
            running = self.running.pop(call_id, None)
            if running is not None:
                running.cancel()
                self.failed(call_id, _too_large(len(data), self._max), result=False)
            return
        self._put(call_field(call_id) + item_head(len(data)) + data)

    def end(self, call_id: int) -> None:
        self._put(call_field(call_id) + END)

    def batch_result(self, call_id: int, outputs: list[bytes | ModrackError]) -> None:
        answer = execution_pb.ExecuteBatchResponse()
        room = self._max - _FRAME_ROOM
        # Every element is answered, so that room for a failure is kept for those that are not written yet.
        reserve = 256
        for i, output in enumerate(outputs):
            if isinstance(output, bytes) and len(output) + _FRAME_ROOM > room - reserve * (len(outputs) - i - 1):
                output = _too_large(len(output), self._max)
            if isinstance(output, bytes):
                answer.responses.add(output_data=output)
                room -= len(output) + 16
            else:
                response = answer.responses.add(error=to_wire(output))
                room -= response.ByteSize() + 16
        if answer.ByteSize() + _FRAME_ROOM > self._max:
            self.failed(call_id, _too_large(answer.ByteSize(), self._max), result=False)
            return
        self._put(pb.ProviderFrame(call_id=call_id, batch_result=answer).SerializeToString())

    def ended(self, call_id: int) -> None:
        self.running.pop(call_id, None)
        self._settle()

    def _receive(self, frame: pb.HostFrame) -> None:
        """A frame that is no ordinary call."""
        kind = frame.WhichOneof("frame")
        if kind == "execute":
            self._runner.start_any(frame.call_id, frame.execute, self)
        elif kind == "execute_stream":
            start = frame.execute_stream
            self._runner.start_stream(frame.call_id, start.request, start.credit, self)
        elif kind == "execute_batch":
            self._runner.start_batch(frame.call_id, list(frame.execute_batch.requests), self)
        elif kind == "credit":
            running = self.running.get(frame.call_id)
            if running is not None:
                running.grant(frame.credit.items)
        elif kind == "cancel":
            running = self.running.pop(frame.call_id, None)
            if running is not None:
                log.debug("call %d is cancelled: %s", frame.call_id, pb.CancelReason.Name(frame.cancel.reason))
                running.cancel()
                self._settle()
        elif kind == "ping":
            self._put(pb.ProviderFrame(pong=pb.Pong(number=frame.ping.number)).SerializeToString())
        elif kind == "welcome":
            if not self.welcomed.done():
                self.welcomed.set_result(frame.welcome.session_id)
        elif kind == "drain":
            self.draining.set()
        elif kind == "error":
            raise from_wire(frame.error)
        elif kind is None:
            raise malformed("a frame without content")
        # `pong` answers a ping that this side never sends.

    def _settle(self) -> None:
        if not self.running and self._idle is not None:
            self._idle.set()

    def _put(self, frame: bytes) -> None:
        """A frame for the message that goes out next."""
        size = len(frame) + 6
        self._size += size
        if self._size > self._max and self._parts:
            self._next_message(size)
        self._parts += (frame_head(len(frame)), frame)
        if not self._awake:
            self._awaken()

    def _next_message(self, size: int) -> None:
        if self._parts:
            self._messages.append(b"".join(self._parts))
        self._parts, self._size = [], size

    def _awaken(self) -> None:
        self._awake = True
        self._wake()


def malformed(why: str) -> ModrackError:
    """The failure of a peer that does not keep to the frame protocol."""
    return InvalidArgument("protocol.frame.malformed", why)


def _too_large(size: int, most: int) -> ModrackError:
    return UpstreamError(
        "module.output_too_large",
        f"the output has {size} bytes, a message at most {most}",
        origin="module",
    )
