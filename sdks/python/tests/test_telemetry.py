"""Spans of handlers and calls, gathered in memory; and that without them nothing is paid."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import grpc.aio
import pytest
from fake_host import WAIT, FakeHost
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from test_process import EXAMPLE, start

from modrack import AsyncClient, Client, Context, ModuleError, NotFound, Provider
from modrack._generated.provider.v1 import execution_pb

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What the program's own tracer provider gets."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    return exporter


def modules(provider: Provider) -> None:
    @provider.module
    async def Outer(text: str, ctx: Context) -> str:
        await asyncio.sleep(0)
        return await ctx.client.call("text.Inner", text=text)

    @provider.module
    def OuterInThread(text: str, ctx: Context) -> str:
        return ctx.sync_client.call("text.Inner", text=text)

    @provider.module
    async def Inner(text: str) -> str:
        return text.upper()

    @provider.module
    async def Refuse() -> str:
        raise ModuleError("text.no", "not today")

    @provider.module
    async def Count(to: int) -> AsyncIterator[int]:
        for i in range(to):
            assert trace.get_current_span().get_span_context().is_valid
            yield i

    @provider.module
    def CountInThread(to: int) -> Iterator[int]:
        yield from range(to)

    @provider.batch(input=int)
    async def Double(numbers: list[int]) -> list[int]:
        return [n * 2 for n in numbers]


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[FakeHost]:
    async with FakeHost() as host:
        provider = Provider("text", host=host.url, grace=2.0)
        modules(provider)
        task = asyncio.create_task(provider.serve())
        try:
            await host.ready()
            yield host
        finally:
            provider.stop()
            await asyncio.wait_for(task, WAIT)


def shown(exporter: InMemorySpanExporter) -> dict[tuple[str, str], Any]:
    found = {(span.name, span.kind.name): span for span in exporter.get_finished_spans()}
    exporter.clear()
    return found


@pytest.mark.parametrize("name", ["Outer", "OuterInThread"])
async def test_one_trace_goes_through_a_handler_and_what_it_calls(spans: InMemorySpanExporter, name: str) -> None:
    async with serving() as host:
        data = host.codecs(name)[0].encode({"text": "a"})
        request = execution_pb.ExecuteRequest(
            module_name=name, input_data=data, execution_id="run-7", traceparent=PARENT
        )
        assert host.read(name, await host.execute(request)) == "A"
    found = shown(spans)
    outer, call = found[f"text.{name}", "SERVER"], found["text.Inner", "CLIENT"]
    assert format(outer.context.trace_id, "032x") == TRACE
    assert format(outer.parent.span_id, "016x") == "00f067aa0ba902b7"
    assert outer.attributes == {
        "modrack.module": f"text.{name}",
        "modrack.execution_id": "run-7",
        "modrack.plane": "link",
    }
    assert (call.context.trace_id, call.parent.span_id) == (outer.context.trace_id, outer.context.span_id)
    assert host.metadata[0]["traceparent"] == f"00-{TRACE}-{call.context.span_id:016x}-01"


async def test_failures_streams_and_batches_have_spans_that_end(spans: InMemorySpanExporter) -> None:
    async with serving() as host:
        await host.call("Refuse")
        refused = shown(spans)["text.Refuse", "SERVER"]
        assert (refused.status.status_code.name, refused.events[0].name) == ("ERROR", "exception")
        assert await host.stream("Count", to=3) == [0, 1, 2]
        assert await host.stream("CountInThread", to=3) == [0, 1, 2]
        stream = await host.start_stream("Count", 1, to=3)
        assert await stream.next() == 0
        await stream.cancel()
        assert await host.batch("Double", [1, 2]) == [2, 4]
        found = shown(spans)
    assert found["text.Double", "SERVER"].attributes["modrack.batch.size"] == 2
    assert {name for name, _ in found} == {"text.Count", "text.CountInThread", "text.Double"}


async def test_clients_make_spans_of_their_own(spans: InMemorySpanExporter) -> None:
    async with serving() as host, AsyncClient(host.url) as client:
        with trace.get_tracer("test").start_as_current_span("program"):
            await client.call("text.Inner", text="a")
        found = shown(spans)
        call, program = found["text.Inner", "CLIENT"], found["program", "INTERNAL"]
        assert call.parent.span_id == program.context.span_id
        assert host.metadata[0]["traceparent"].split("-")[2] == f"{call.context.span_id:016x}"
        assert [item async for item in client.stream("text.Count", to=2)] == [0, 1]
        with Client(host.url) as blocking, pytest.raises(NotFound):
            await asyncio.to_thread(blocking.call, "text.Nope")
        assert ("text.Count", "CLIENT") in shown(spans)


def run(script: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=WAIT, env=environment
    )
    return done.stdout + done.stderr


OFF = "import sys; from modrack import _telemetry as t; print(t.tracing()); print('opentelemetry' in sys.modules)"


def test_off_nothing_of_it_is_imported() -> None:
    assert run(OFF) == "None\nFalse\n"
    endpoint = "http://127.0.0.1:1"
    assert run(OFF, OTEL_SDK_DISABLED="true", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) == "None\nFalse\n"


def test_the_standard_variable_turns_it_on_and_without_the_extra_says_what_is_missing() -> None:
    endpoint = "http://127.0.0.1:1"
    script = "from modrack import _telemetry as t; print(type(t.tracing('text')).__name__)"
    assert run(script, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) == "Tracing\n"
    missing = "import sys; sys.modules['opentelemetry'] = None; " + script
    told = run(missing, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert told.startswith("NoneType\n")
    assert "OTEL_EXPORTER_OTLP_ENDPOINT is set, but traces need the extra `modrack[otel]`" in told


class Collector:
    """What a provider's process exports, by the names of the spans and their resource's service."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    async def __aenter__(self) -> str:
        self._server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(
            self._export, ExportTraceServiceRequest.FromString, ExportTraceServiceResponse.SerializeToString
        )
        service = "opentelemetry.proto.collector.trace.v1.TraceService"
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return f"http://127.0.0.1:{port}"

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(0)

    async def _export(self, request: Any, context: Any) -> Any:
        for resource in request.resource_spans:
            (service,) = [a.value.string_value for a in resource.resource.attributes if a.key == "service.name"]
            self.seen += [(service, span.name) for scope in resource.scope_spans for span in scope.spans]
        return ExportTraceServiceResponse()


async def ended(host: FakeHost, **variables: str) -> float:
    """Runs the example as a process, calls it, has it end, and tells how long that took."""
    process = await start(EXAMPLE, MODRACK_HOST=host.url, **variables)
    await host.ready()
    assert await host.call("Uppercase", text="a") == "A"
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, stderr = await asyncio.wait_for(process.communicate(), 2 * WAIT)
    assert process.returncode == 0, stderr
    return time.monotonic() - began


async def test_a_provider_exports_its_last_spans_before_it_ends() -> None:
    collector = Collector()
    async with FakeHost() as host, collector as endpoint:
        await ended(host, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert collector.seen == [("text", "text.Uppercase")]


async def test_a_collector_that_is_not_there_holds_up_the_end_for_a_bounded_time() -> None:
    async with FakeHost() as host:
        assert await ended(host, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1") < 6
