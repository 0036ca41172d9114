"""Runs calls: a frame's request becomes the handler's output or one error. Knows no connection; the planes use it.

Async handlers are stepped at once and cost a task switch only when they wait. Sync handlers run in worker threads, so none
stalls the loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import traceback
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from modrack import _eager
from modrack._generated.provider.v1 import execution_pb as pb
from modrack._module import Module
from modrack._threads import BLOCKS_AFTER, WorkerThreads
from modrack._wire_errors import to_wire
from modrack.context import Context
from modrack.errors import Cancelled, ModrackError, ModuleError, NotFound, UpstreamError

log = logging.getLogger("modrack")

_OWN = frozenset(("executor.input.invalid", "executor.output.invalid", "module.input_refused"))

_NOBODY = Context("")
"""For handlers that take none; never handed out."""

Answer = Callable[[int, bytes | None, ModrackError | None], None]
"""Takes the call id and either the output or the error; called once per call, on the loop's thread."""


class Running:
    """A call that is not answered yet."""

    __slots__ = ("answer", "blocks", "call_id", "ctx", "data", "error", "module", "output", "task")

    def __init__(self, call_id: int, module: Module, ctx: Context, data: bytes, answer: Answer) -> None:
        self.call_id = call_id
        self.module = module
        self.ctx = ctx
        self.data = data
        self.answer: Answer | None = answer
        self.task: asyncio.Task[Any] | None = None
        self.output: bytes | None = None
        self.error: BaseException | None = None
        self.blocks = module.blocks

    def cancel(self) -> None:
        """Stops the handler in Python's way: a task is cancelled, a thread is told. Nothing is answered any more."""
        self.answer = None
        if self.ctx is not _NOBODY:
            self.ctx.cancel()
        if self.task is not None:
            self.task.cancel()

    def settle(self, task: asyncio.Task[Any]) -> None:
        """Answers with what a finished task left."""
        answer, self.answer = self.answer, None
        try:
            value = task.result()
            if answer is not None:
                answer(self.call_id, self.module.finish(value), None)
        except BaseException as error:  # noqa: BLE001 - the task is over; this is its answer
            if answer is not None:
                answer(self.call_id, None, envelope(error, self.module))

    def run(self) -> None:
        """On a worker thread: the whole call, but for its answer."""
        if self.ctx.is_cancelled:
            return
        begin = perf_counter()
        try:
            self.output = self.module.finish(self.module.begin(self.data, self.ctx))
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is its answer, `SystemExit` too
            self.error = error
        self.module.blocks = perf_counter() - begin > BLOCKS_AFTER

    def done(self) -> None:
        """Afterwards, on the loop's thread."""
        answer, self.answer = self.answer, None
        if answer is not None:
            answer(self.call_id, self.output, envelope(self.error, self.module) if self.error else None)


class Runner:
    """Starts the calls of one provider. `modules` is looked into at each call, so that it may change."""

    def __init__(self, modules: Mapping[str, Module], *, threads: int) -> None:
        self._modules = modules
        self._loop = asyncio.get_running_loop()
        self._threads = WorkerThreads(self._loop, threads)

    def start(self, call_id: int, request: pb.ExecuteRequest, answer: Answer) -> Running | None:
        """Starts a call; `None` when it is answered already. Belongs to the loop's thread, outside any task."""
        module = self._modules.get(request.module_name)
        if module is None:
            error = NotFound("registry.module.unknown", f"this provider has no module `{request.module_name}`")
            answer(call_id, None, error)
            return None
        # A handler that takes no context needs none made, unless a thread must be told that it is cancelled.
        ctx = context_of(request) if module.context or not module.is_async else _NOBODY
        if not module.is_async:
            running = Running(call_id, module, ctx, request.input_data, answer)
            self._threads.submit(running)
            return running
        try:
            task = _eager.start(module.begin(request.input_data, ctx), self._loop)
            if task.done():
                answer(call_id, module.finish(task.result()), None)
                return None
        except (KeyboardInterrupt, SystemExit, asyncio.CancelledError, Exception) as error:  # noqa: BLE001 - its answer
            answer(call_id, None, envelope(error, module))
            return None
        running = Running(call_id, module, ctx, b"", answer)
        running.task = task
        task.add_done_callback(running.settle)
        return running

    async def execute(self, request: pb.ExecuteRequest) -> pb.ExecuteResponse:
        """Runs a call to its end; for the unary plane. Cancelling this cancels the handler."""
        module = self._modules.get(request.module_name)
        answered: asyncio.Future[pb.ExecuteResponse] = self._loop.create_future()

        def answer(_: int, output: bytes | None, error: ModrackError | None) -> None:
            if not answered.done():
                answered.set_result(response_of(output, error))

        if module is None or not module.is_async:
            running = self.start(0, request, answer)
        else:
            running = Running(0, module, context_of(request), request.input_data, answer)
            try:
                answer(0, module.finish(await module.begin(running.data, running.ctx)), None)
            except asyncio.CancelledError:
                running.ctx.cancel()
                raise
            except Exception as error:  # noqa: BLE001 - whatever a handler raises is its answer
                answer(0, None, envelope(error, module))
        try:
            return await answered
        except asyncio.CancelledError:
            if running is not None:
                running.cancel()
            raise

    def close(self) -> None:
        """Ends the worker threads that are idle."""
        self._threads.close()


def response_of(output: bytes | None, error: ModrackError | None) -> pb.ExecuteResponse:
    """The message of an answer."""
    if error is not None:
        return pb.ExecuteResponse(error=to_wire(error))
    return pb.ExecuteResponse(output_data=output or b"")


def context_of(request: pb.ExecuteRequest) -> Context:
    """The context of a call, its deadline counted from now."""
    return Context(
        request.module_name,
        execution_id=request.execution_id,
        node_id=request.node_id,
        attempt=request.attempt,
        idempotency_key=request.idempotency_key,
        traceparent=request.traceparent,
        tracestate=request.tracestate,
        timeout=request.timeout_ms / 1000 if request.timeout_ms else None,
    )


def envelope(error: BaseException, module: Module) -> ModrackError:
    """What the caller learns of an exception: codes of this package as they are, of any other its type and text.

    The stack goes to the local log, and into the details only where `MODRACK_DEBUG` is 1.
    """
    if isinstance(error, ModuleError):
        return error
    # What `Module` itself raises; a client's error inside a handler is an ordinary exception of that handler.
    if isinstance(error, ModrackError) and error.code in _OWN:
        log.warning("module %s: %s", module.name, error)
        return error
    if isinstance(error, asyncio.CancelledError):
        return Cancelled("module.cancelled", f"`{module.name}` cancelled itself", origin="module")
    log.error("module %s failed", module.name, exc_info=error)
    details: dict[str, str] = {}
    if debug():
        details["stack"] = "".join(traceback.format_exception(error))[-8000:]
    return UpstreamError("module.failed", _told(error), origin="module", details=details)


def debug() -> bool:
    """Whether `MODRACK_DEBUG` asks for stacks in the details of errors."""
    return os.environ.get("MODRACK_DEBUG", "") == "1"


def _told(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an author's `__str__` may fail as well
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
