"""Traces by OpenTelemetry, where they are turned on. Off, nothing of it is imported and a call pays nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modrack.context import Context

Trace = tuple[tuple[str, str], ...]


def client_span(name: str, ctx: Context | None) -> AbstractContextManager[Trace]:
    """The span of a call to the host; gives the headers that carry the trace on."""
    if ctx is None or not ctx.traceparent:
        return nullcontext(())
    state = (("tracestate", ctx.tracestate),) if ctx.tracestate else ()
    return nullcontext((("traceparent", ctx.traceparent), *state))
