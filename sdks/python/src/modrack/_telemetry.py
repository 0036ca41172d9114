"""Traces by OpenTelemetry, where they are turned on. Off, nothing of it is imported and a call pays nothing.

They are on where the program has set a global tracer provider, which is then used, or where `OTEL_EXPORTER_OTLP_ENDPOINT` says
where to send spans, which needs the extra `modrack[otel]`. Parents come by W3C `traceparent` and go on by it.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modrack._spans import Tracing
    from modrack.context import Context

log = logging.getLogger("modrack")

Trace = tuple[tuple[str, str], ...]

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_own: list[Tracing | None] = []
"""What the environment led to, once it was looked at."""


def tracing(service: str = "") -> Tracing | None:
    """How spans are made; `None` where traces are off. `service` names this process in its own spans, unless `OTEL_SERVICE_NAME` does."""
    if "opentelemetry.trace" in sys.modules:
        from modrack import _spans

        users = _spans.of_program()
        if users is not None:
            return users
    if not _own:
        _own.append(_from_environment(service))
    return _own[0]


def client_span(name: str, ctx: Context | None) -> AbstractContextManager[Trace]:
    """The span of a call of module `name` to the host; gives the headers that carry the trace on. Without a name there is none."""
    spans = tracing() if name else None
    if spans is not None:
        return spans.client(name, ctx)
    if ctx is None or not ctx.traceparent:
        return nullcontext(())
    state = (("tracestate", ctx.tracestate),) if ctx.tracestate else ()
    return nullcontext((("traceparent", ctx.traceparent), *state))


def _from_environment(service: str) -> Tracing | None:
    environ = os.environ
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or not any(environ.get(name) for name in _ENDPOINTS):
        return None
    try:
        from modrack import _spans

        return _spans.of_environment(service)
    except ImportError as cause:
        log.warning("%s is set, but traces need the extra `modrack[otel]`: %s", _ENDPOINTS[0], cause)
        return None
