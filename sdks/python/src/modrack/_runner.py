"""Starts calls: a request becomes the handler's answer. Knows no connection; the planes use it.

Async handlers are stepped at once, all those of one message in one task: a handler that never waits costs no task of its own, and
the first that waits keeps the task, with everything that `asyncio` promises of tasks. Sync handlers run in worker threads, so none
stalls the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import copy_context

from modrack import _eager
from modrack._failures import envelope
from modrack._generated.provider.v1 import execution_pb as pb
from modrack._module import Module
from modrack._running import Outbox, TaskCall, ThreadCall
from modrack._streams import TaskStream, ThreadStream
from modrack._threads import WorkerThreads
from modrack.context import Context, Nested
from modrack.errors import ModrackError, NotFound, Unsupported

Call = tuple[int, Module, pb.ExecuteRequest]
"""A call of a plain module with an async handler, by its id."""


class _Turn:
    """What the task of a message and whoever started it tell each other: which call it is at, and whether that one waited."""

    __slots__ = ("call_id", "calls", "ctx", "waiting")

    def __init__(self, calls: list[Call]) -> None:
        self.calls = calls
        self.call_id = 0
        self.ctx: Context | None = None
        self.waiting: TaskCall | None = None


class Runner:
    """Starts the calls of one provider. `modules` is looked into at each call, so that it may change."""

    def __init__(self, modules: Mapping[str, Module], *, threads: int) -> None:
        self.modules = modules
        self.plane = ""
        """How calls come in now: `link`, `attach` or `unary`."""
        self.nested: Nested | None = None
        """Makes the clients of handlers, once the provider knows its host."""
        self._loop = asyncio.get_running_loop()
        self._threads = WorkerThreads(self._loop, threads)

    def start(self, calls: list[Call], out: Outbox) -> None:
        """Starts calls of async handlers, in their order; those that do not wait are answered afterwards. Takes the list.

        Belongs to the loop's thread, outside any task.
        """
        calls.reverse()
        while calls:
            turn = _Turn(calls)
            task = _eager.start(self._answer(turn, out), self._loop)
            if not task.done():
                turn.waiting = out.running[turn.call_id] = TaskCall(task, turn.ctx)

    async def _answer(self, turn: _Turn, out: Outbox) -> None:
        task = asyncio.current_task()
        assert task is not None
        cancelling = task.cancelling
        clean = copy_context()
        calls = turn.calls
        while calls:
            call_id, module, request = calls.pop()
            turn.call_id = call_id
            turn.ctx = ctx = self.context(request) if module.takes_context else None
            try:
                output = module.finish(await module.begin(request.input_data, ctx))
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 - whatever a handler raises is its answer, `SystemExit` too
                if turn.waiting is None:
                    out.failed(call_id, envelope(error, module.name))
                elif not turn.waiting.dropped:
                    out.ended(call_id)
                    out.failed(call_id, envelope(error, module.name))
            else:
                if turn.waiting is None:
                    out.result(call_id, output)
                elif not turn.waiting.dropped:
                    out.ended(call_id)
                    out.result(call_id, output)
            # Another task has taken the calls behind one that waited. A handler that changed its context, or cancelled its own
            # task, shall not do so to the next one either.
            if turn.waiting is not None or cancelling() or copy_context() != clean:
                return

    def start_in_thread(self, call_id: int, module: Module, request: pb.ExecuteRequest, out: Outbox) -> None:
        """Starts a call of a sync handler. Does not block."""
        ctx = self.context(request) if module.takes_context else None
        running = ThreadCall(call_id, module, ctx, request.input_data, out)
        out.running[call_id] = running
        self._threads.submit(running)

    def start_any(self, call_id: int, request: pb.ExecuteRequest, out: Outbox) -> None:
        """Starts one call, whatever its handler is; a wrong one is answered."""
        module = self._module(call_id, request, out, result=True)
        if module is None:
            return
        if module.stream:
            why = f"`{module.name}` answers with a stream; it is called by `ExecuteStream`"
            out.failed(call_id, Unsupported("executor.stream.required", why))
        elif module.is_async:
            self.start([(call_id, module, request)], out)
        else:
            self.start_in_thread(call_id, module, request, out)

    def start_stream(self, call_id: int, request: pb.ExecuteRequest, credit: int, out: Outbox) -> None:
        """Starts a call whose output is a stream; `credit` items may be sent."""
        module = self._module(call_id, request, out, result=False)
        if module is None:
            return
        if not module.stream:
            why = f"`{module.name}` answers with one output"
            out.failed(call_id, Unsupported("executor.stream.unsupported", why), result=False)
            return
        ctx = self.context(request) if module.takes_context else None
        if not module.is_async:
            running = ThreadStream(call_id, module, ctx, request.input_data, credit, out, self._threads)
            out.running[call_id] = running
            running.start()
            return
        stream = TaskStream(call_id, module, ctx, request.input_data, credit, out)
        # Entered first: it may be at its end before the start returns.
        out.running[call_id] = stream
        stream.task = _eager.start(stream.run(), self._loop)

    def start_batch(self, call_id: int, requests: list[pb.ExecuteRequest], out: Outbox) -> None:
        """Starts several calls of one module that are answered together; they share the context of the first."""
        if not requests:
            out.batch_result(call_id, [])
            return
        module = self._module(call_id, requests[0], out, result=False)
        if module is None:
            return
        if module.many is None:
            why = f"`{module.name}` takes no batches"
            out.failed(call_id, Unsupported("executor.batch.unsupported", why), result=False)
            return
        ctx = self.context(requests[0]) if module.takes_context else None
        data = [request.input_data for request in requests]
        if not module.is_async:
            running = ThreadCall(call_id, module, ctx, data, out)
            out.running[call_id] = running
            self._threads.submit(running)
            return
        turn = _Turn([])
        task = _eager.start(self._answer_batch(turn, call_id, module, data, ctx, out), self._loop)
        if not task.done():
            turn.waiting = out.running[call_id] = TaskCall(task, ctx)

    async def _answer_batch(
        self, turn: _Turn, call_id: int, module: Module, data: list[bytes], ctx: Context | None, out: Outbox
    ) -> None:
        failure: ModrackError | None = None
        outputs: list[bytes | ModrackError] = []
        assert module.many is not None
        try:
            batch = module.many(data)
            begun = batch.begin(ctx)
            outputs = batch.told(begun if isinstance(begun, list) else await begun)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is its answer
            failure = envelope(error, module.name)
        if turn.waiting is not None:
            out.ended(call_id)
            if turn.waiting.dropped:
                return
        if failure is not None:
            out.failed(call_id, failure, result=False)
        else:
            out.batch_result(call_id, outputs)

    def context(self, request: pb.ExecuteRequest) -> Context:
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
            nested=self.nested,
        )

    def close(self) -> None:
        """Ends the worker threads that are idle."""
        self._threads.close()

    def _module(self, call_id: int, request: pb.ExecuteRequest, out: Outbox, *, result: bool) -> Module | None:
        module = self.modules.get(request.module_name)
        if module is None:
            error = NotFound("registry.module.unknown", f"this provider has no module `{request.module_name}`")
            out.failed(call_id, error, result=result)
        return module
