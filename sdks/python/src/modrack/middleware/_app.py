"""The HTTP contract of a component (`docs/middleware.md`) as an ASGI application. Owns no socket; the engine decides."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from hmac import compare_digest
from typing import Any, TypeVar

from modrack._credentials import SecretFile
from modrack.errors import FailedPrecondition
from modrack.middleware._engine import CallSync, Engine
from modrack.middleware._fault import Fault, malformed

T = TypeVar("T")

READY_PATH = "/readyz"
HEALTH_PATH = "/healthz"
INIT_PATH = "/v1/middleware/init"
INVOKE_PATH = "/v1/middleware/invoke"

# The messages of ASGI.
_REQUEST, _DISCONNECT, _START, _BODY = (
    f"http.{each}" for each in ("request", "disconnect", "response.start", "response.body")
)

_METHODS = {READY_PATH: "GET", HEALTH_PATH: "GET", INIT_PATH: "POST", INVOKE_PATH: "POST"}

BODY_SECONDS = 10.0
"""How long the body of a request may take to arrive."""

_ATTENTION = 0.05
"""Seconds from which on it is worth to look whether the host still waits."""

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


class App:
    """Answers the host, and nobody who does not show its token."""

    def __init__(
        self,
        engine: Engine,
        call: CallSync,
        *,
        token: SecretFile | None,
        auth_header: str,
        max_body_bytes: int,
        max_requests: int,
    ) -> None:
        self._engine = engine
        self._call = call
        self._token = token
        self._auth_header = auth_header.lower().encode("ascii")
        self._max_body_bytes = max_body_bytes
        self._max_requests = max_requests
        self._requests = 0
        self.is_stopping = False

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        """One request."""
        try:
            status, body = await self._answer(scope, receive)
        except Fault as fault:
            status, body = fault.status, _encode(fault.to_json())
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if status == 413:
            headers.append((b"connection", b"close"))  # what is left of the body is not read
        if status == 405:
            headers.append((b"allow", _METHODS[scope["path"]].encode("ascii")))
        await send({"type": _START, "status": status, "headers": headers})
        await send({"type": _BODY, "body": body})

    async def _answer(self, scope: MutableMapping[str, Any], receive: _Receive) -> tuple[int, bytes]:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        self._admit(headers.get(self._auth_header, b""))
        path = scope["path"]
        method = _METHODS.get(path)
        if method is None:
            raise Fault(404, "module.path.unknown", f"there is nothing at `{path}`")
        if scope["method"] != method:
            raise Fault(405, "module.method.unsupported", f"`{path}` takes {method}")
        if path == HEALTH_PATH:
            return 200, b'{"status":"ok"}'
        if self.is_stopping:
            raise Fault(503, "module.stopping", f"`{self._engine.name}` is stopping")
        if path == READY_PATH:
            return 200, b'{"status":"ready"}'
        if self._requests >= self._max_requests:
            raise Fault(503, "module.overloaded", f"`{self._engine.name}` has {self._max_requests} requests already")
        self._requests += 1
        try:
            value = await self._body(headers, receive)
            if path == INIT_PATH:
                return 200, _encode(await self._engine.initialise(value, self._call))
            decision = await _while_awaited(self._engine.invoke(value, self._call), receive)
            return 200, b"{}" if decision is None else _encode(decision)
        finally:
            self._requests -= 1

    def _admit(self, shown: bytes) -> None:
        if self._token is None:
            return
        try:
            wanted = self._token.text().encode("ascii")
        except FailedPrecondition as cause:
            raise Fault(500, cause.code, cause.message) from cause
        if not wanted or not compare_digest(shown, wanted):
            raise Fault(401, "module.token.refused", "the request does not show the token of this component's host")

    async def _body(self, headers: dict[bytes, bytes], receive: _Receive) -> Any:
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self._max_body_bytes:
            raise self._too_large()
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] != _REQUEST:
                        raise malformed("the connection closed before the whole body was there")
                    part: bytes = message.get("body", b"")
                    size += len(part)
                    if size > self._max_body_bytes:
                        raise self._too_large()
                    parts.append(part)
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise Fault(408, "module.request.invalid", f"the body took longer than {BODY_SECONDS:g} s") from None
        try:
            return json.loads(b"".join(parts))
        except (ValueError, RecursionError) as cause:
            raise malformed(f"the body is no JSON: {cause}") from cause

    def _too_large(self) -> Fault:
        return Fault(413, "module.request.too_large", f"a body has at most {self._max_body_bytes} bytes")


async def _while_awaited(work: Coroutine[Any, Any, T], receive: _Receive) -> T:
    """What the work gives. It is cancelled when the host closes the connection, because its caller left or lost patience."""
    loop = asyncio.get_running_loop()
    current = asyncio.current_task()
    assert current is not None
    listener: asyncio.Task[None] | None = None
    has_left = False

    async def listen() -> None:
        nonlocal has_left
        while (await receive())["type"] != _DISCONNECT:
            pass
        has_left = True
        current.cancel()

    def begin() -> None:
        nonlocal listener
        listener = loop.create_task(listen())

    timer = loop.call_later(_ATTENTION, begin)
    try:
        return await work
    except asyncio.CancelledError:
        if not has_left:
            raise
        current.uncancel()
        raise Fault(499, "module.cancelled", "nobody waits for the answer any more") from None
    finally:
        timer.cancel()
        if listener is not None:
            listener.cancel()


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")
