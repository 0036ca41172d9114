"""Spans of handlers and of calls. Imported only where traces are on; whether they are is `_telemetry.py`'s business."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import dataclasses
import importlib
import inspect
import os
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context as TraceContext
from opentelemetry.trace import Span, SpanKind, TracerProvider, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from modrack._version import VERSION

if TYPE_CHECKING:
    from modrack._batches import BatchCall
    from modrack._module import Module
    from modrack._telemetry import Trace
    from modrack.context import Context

FLUSH_SECONDS = 2.0
"""Time for the last spans, when a provider or the process ends."""

_W3C = TraceContextTextMapPropagator()


class Tracing:
    """Makes spans by one tracer provider."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("modrack", VERSION)

    async def flush(self, seconds: float) -> None:
        """Sends what waits, for at most so long. `force_flush` itself keeps to no time while the collector is away."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(done.set)

        self._start_flush(tell)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), seconds)

    def flush_at_exit(self, seconds: float) -> None:
        """`flush` for the end of a process."""
        done = threading.Event()
        self._start_flush(done.set)
        done.wait(seconds)

    def _start_flush(self, then: Callable[[], None]) -> None:
        def work() -> None:
            try:
                getattr(self._provider, "force_flush", lambda: True)()
            finally:
                then()

        # No process waits for a daemon thread.
        threading.Thread(target=work, name="modrack-flush", daemon=True).start()

    @contextmanager
    def client(self, name: str, ctx: Context | None) -> Generator[Trace]:
        """The span of a call to the host, which is not made the current one: a stream's consumer is no part of it."""
        parent = None if trace.get_current_span().get_span_context().is_valid else _parent(ctx)
        span = self._tracer.start_span(
            name, context=parent, kind=SpanKind.CLIENT, attributes={"rpc.system": "grpc", "modrack.module": name}
        )
        headers: dict[str, str] = {}
        _W3C.inject(headers, trace.set_span_in_context(span, parent))
        try:
            yield tuple(headers.items())
        except Exception as error:
            span.record_exception(error)
            span.set_status(trace.StatusCode.ERROR, f"{type(error).__name__}: {error}")
            raise
        finally:
            span.end()

    def traced(self, namespace: str, module: Module, plane: Callable[[], str]) -> Module:
        """The same module whose handler runs inside a span; `plane` tells how calls come in now."""

        def start(ctx: Context | None, size: int | None = None) -> Span:
            attributes: dict[str, Any] = {
                "modrack.module": f"{namespace}.{module.name}",
                "modrack.execution_id": ctx.execution_id if ctx else "",
                "modrack.plane": plane(),
            }
            if size is not None:
                attributes["modrack.batch.size"] = size
            name = f"{namespace}.{module.name}"
            return self._tracer.start_span(name, context=_parent(ctx), kind=SpanKind.SERVER, attributes=attributes)

        many = module.many

        def prepare(data: list[bytes]) -> Any:
            assert many is not None
            return _Batch(many(data), len(data), start)

        return dataclasses.replace(
            module, takes_context=True, begin=_begin(module, start), many=prepare if many is not None else None
        )


class TracedModules(Mapping[str, "Module"]):
    """The modules of a provider, each with a span around its handler; follows the provider's own mapping."""

    def __init__(
        self, modules: Mapping[str, Module], tracing: Tracing, namespace: str, plane: Callable[[], str]
    ) -> None:
        self._modules = modules
        self._plane = plane
        self._tracing = tracing
        self._namespace = namespace
        self._made: dict[str, tuple[Module, Module]] = {}

    def __getitem__(self, name: str) -> Module:
        module = self._modules[name]
        made = self._made.get(name)
        if made is None or made[0] is not module:
            made = self._made[name] = (module, self._tracing.traced(self._namespace, module, self._plane))
        return made[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


def of_program() -> Tracing | None:
    """By the tracer provider that the program has set; `None` where it has set none."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return None
    if not _programs or _programs[0][0] is not provider:
        _programs[:] = [(provider, Tracing(provider))]
    return _programs[0][1]


_programs: list[tuple[TracerProvider, Tracing]] = []


def of_environment(service: str) -> Tracing:
    """By a provider of its own, which sends to where the standard variables of OpenTelemetry say, and flushes at exit.

    # Errors
    `ImportError` without the packages.
    """
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter: Any
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol and protocol.startswith("http"):
        module = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        exporter = module.OTLPSpanExporter()
    else:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter()
    name = os.environ.get("OTEL_SERVICE_NAME") or service or "modrack"
    # Its own shutdown at exit would wait for a collector that is away.
    provider = SdkTracerProvider(resource=Resource.create({"service.name": name}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracing = Tracing(provider)
    atexit.register(tracing.flush_at_exit, FLUSH_SECONDS)
    return tracing


class _Batch:
    """A call of a batch inside a span; see `BatchCall`."""

    def __init__(self, inner: BatchCall, size: int, start: Callable[[Context | None, int | None], Span]) -> None:
        self._inner = inner
        self._size = size
        self._start = start
        self.finish = inner.finish
        self.told = inner.told

    def begin(self, ctx: Context | None) -> Any:
        span = self._start(ctx, self._size)
        with use_span(span, end_on_exit=False):
            returned = self._inner.begin(ctx)
        if inspect.isawaitable(returned):
            return _awaited(span, returned)
        span.end()
        return returned


def _begin(module: Module, start: Callable[[Context | None], Span]) -> Callable[[bytes, Context | None], Any]:
    inner = module.begin

    async def call_async(data: bytes, ctx: Context | None) -> Any:
        with use_span(start(ctx), end_on_exit=True):
            return await inner(data, ctx)

    def call(data: bytes, ctx: Context | None) -> Any:
        with use_span(start(ctx), end_on_exit=True):
            return inner(data, ctx)

    async def stream_async(data: bytes, ctx: Context | None) -> AsyncIterator[Any]:
        span = start(ctx)
        items: Any = None
        try:
            with use_span(span):
                items = inner(data, ctx)
                if inspect.isawaitable(items):
                    items = await items
            iterator = aiter(items)
            while True:
                # The span is the current one only in the handler's own steps.
                with use_span(span):
                    try:
                        item = await anext(iterator)
                    except StopAsyncIteration:
                        return
                yield item
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()
            span.end()

    def stream(data: bytes, ctx: Context | None) -> Iterator[Any]:
        span = start(ctx)
        items: Any = None
        try:
            with use_span(span):
                items = iter(inner(data, ctx))
            while True:
                with use_span(span):
                    try:
                        item = next(items)
                    except StopIteration:
                        return
                yield item
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
            span.end()

    if module.stream:
        return stream_async if module.is_async else stream
    return call_async if module.is_async else call


async def _awaited(span: Span, returned: Any) -> Any:
    with use_span(span, end_on_exit=True):
        return await returned


def _parent(ctx: Context | None) -> TraceContext | None:
    if ctx is None or not ctx.traceparent:
        return None
    return _W3C.extract({"traceparent": ctx.traceparent, "tracestate": ctx.tracestate}, TraceContext())
