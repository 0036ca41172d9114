"""Asks the host for what it granted to a component: HTTP/1.1 on a Unix socket or loopback TCP, by the standard library alone.
Starts nothing, keeps no connection."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlencode, urlsplit

from modrack._credentials import SecretFile
from modrack.errors import (
    CATEGORIES,
    DeadlineExceeded,
    FailedPrecondition,
    InternalError,
    InvalidArgument,
    ModrackError,
    Origin,
    PermissionDenied,
    Unavailable,
    error_of,
)
from modrack.middleware._envelope import HostCapability

if TYPE_CHECKING:
    import http.client

DEFAULT_TIMEOUT = 30.0
"""Seconds of a request, where nothing else is said."""

RUN_TIMEOUT = 300.0
"""Seconds of a run, where nothing else is said."""

_SLACK = 2.0
"""Seconds that the host's own answer about a deadline may take."""

_MOST_BYTES = 64 * 1024 * 1024
_PLACEHOLDER = re.compile(r"\{[a-z_]+\}")


@dataclass(frozen=True, slots=True)
class Run:
    """A run that succeeded: the outputs by their names, and the record with its nodes (`docs/pipelines.md`)."""

    outputs: dict[str, Any]
    record: dict[str, Any]

    @property
    def run_id(self) -> str:
        """Names the run at the host."""
        return str(self.record.get("run_id", ""))


class Host:
    """The host, as far as its capabilities were granted. Its methods block, and may be used by several threads at once: call
    them from ordinary functions, or by `asyncio.to_thread`.

    Each takes a `timeout` in seconds and raises `ModrackError` of the category that the host says: with its `code`, whether it is
    `retryable`, and `retry_after` in seconds. On this side there are `PermissionDenied` with `client.permission.denied` for what
    was not granted, `Unavailable` with `client.host.unreachable`, and `DeadlineExceeded` with `client.deadline.exceeded`.
    """

    def __init__(self, capabilities: Sequence[HostCapability]) -> None:
        self._granted = {each.id: _Door(each) for each in capabilities}
        self.staging = Staging(self)

    def can(self, capability: str) -> bool:
        """Whether that was granted: `run_pipeline`, `call`, `list_modules` or `staging`."""
        return capability in self._granted

    def run_pipeline(
        self,
        source: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        timeout: float = RUN_TIMEOUT,
        *,
        name: str | None = None,
        idempotency_key: str = "",
    ) -> Run:
        """Runs a pipeline to its end: a source text, or the `name` of a stored one. Inputs are JSON of their declared types."""
        if (source is None) == (name is None):
            raise InvalidArgument("client.option.invalid", "a pipeline is a source or a name, one of both")
        what = {"source": source} if name is None else {"name": name}
        body = {**what, "inputs": dict(inputs or {})}
        said = self.ask("run_pipeline", "POST", body=body, timeout=timeout, idempotency_key=idempotency_key)
        return Run(_member(said, "outputs"), _member(said, "record"))

    def call(
        self, module: str, input: Any = None, timeout: float = DEFAULT_TIMEOUT, *, idempotency_key: str = ""
    ) -> Any:
        """The output of a module, as JSON of its type. Nothing as the input is a record without fields."""
        body: Any = {} if input is None else input
        said = self.ask("call", "POST", name=module, body=body, timeout=timeout, idempotency_key=idempotency_key)
        if not isinstance(said, dict) or "output" not in said:
            raise _unreadable("it has no output")
        return cast("dict[str, Any]", said)["output"]

    def list_modules(self, pattern: str = "", timeout: float = DEFAULT_TIMEOUT) -> list[dict[str, Any]]:
        """The modules that match a pattern like `text.*`, all without one, in the order of their names."""
        deadline = time.monotonic() + timeout
        modules: list[dict[str, Any]] = []
        token = ""
        while True:
            query = {key: value for key, value in (("pattern", pattern), ("page_token", token)) if value}
            said = self.ask("list_modules", "GET", query=query, timeout=deadline - time.monotonic())
            page = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
            if not isinstance(page.get("modules"), list):
                raise _unreadable("it has no list of modules")
            modules.extend(page["modules"])
            token = str(page.get("next_page_token") or "")
            if not token:
                return modules

    def ask(
        self,
        capability: str,
        method: str,
        *,
        name: str = "",
        query: Mapping[str, str] | None = None,
        body: Any = None,
        timeout: float = DEFAULT_TIMEOUT,
        idempotency_key: str = "",
    ) -> Any:
        """One request to the door of a capability; `name` is the part of the path that says which. The JSON of the answer, `None`
        for an empty one. For what the other methods do not offer."""
        door = self._granted.get(capability)
        if door is None:
            raise PermissionDenied(
                "client.permission.denied", f"the host did not grant `{capability}` to this component"
            )
        headers: dict[str, str] = {}
        if idempotency_key:
            headers["idempotency-key"] = idempotency_key
        return door.ask(method, name, query or {}, body, timeout, headers)


class Staging:
    """Keeps JSON values at the host for a while. The keys are the component's own; the host bounds their number, size and age."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def put(self, key: str, value: Any, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Keeps a value, in place of an older one. Raises what says `staging.limit` or `staging.key.invalid`."""
        self._host.ask("staging", "PUT", name=key, body=value, timeout=timeout)

    def get(self, key: str, timeout: float = DEFAULT_TIMEOUT) -> Any:
        """The value; `NotFound` with `staging.unknown` when there is none any more."""
        return self._host.ask("staging", "GET", name=key, timeout=timeout)

    def delete(self, key: str, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Forgets a value."""
        self._host.ask("staging", "DELETE", name=key, timeout=timeout)


class _Door:
    """One granted capability: where it is, and the token for it."""

    def __init__(self, capability: HostCapability) -> None:
        self._at = capability
        self._token = SecretFile(capability.token_file)

    def ask(
        self, method: str, name: str, query: Mapping[str, str], body: Any, timeout: float, headers: dict[str, str]
    ) -> Any:
        if timeout <= 0:
            raise DeadlineExceeded("client.deadline.exceeded", "no time is left for a request to the host")
        deadline = time.monotonic() + timeout + _SLACK
        headers["authorization"] = f"Bearer {self._token.text()}"
        headers["modrack-timeout-ms"] = str(min(max(1, round(timeout * 1000)), 99_999_999))
        data = None
        if method in ("POST", "PUT"):
            headers["content-type"] = "application/json"
            data = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        connection = _connection(self._at.endpoint, timeout + _SLACK)
        try:
            connection.request(method, self._path(name, query), data, headers)
            answer = connection.getresponse()
            text = _read(connection, answer, deadline)
        except TimeoutError as cause:
            raise DeadlineExceeded(
                "client.deadline.exceeded", f"the host had no answer within {timeout:g} s", retryable=True
            ) from cause
        except (OSError, _http_exception()) as cause:
            # The request may have had its effect: whoever repeats it gives an idempotency key.
            raise Unavailable(
                "client.host.unreachable",
                f"the host at `{self._at.endpoint}` does not answer: {cause or type(cause).__name__}",
                retryable=True,
            ) from cause
        finally:
            connection.close()
        value = _json(text)
        if answer.status >= 300:
            raise _error(answer.status, value, answer.headers.get("retry-after"))
        return value

    def _path(self, name: str, query: Mapping[str, str]) -> str:
        path = self._at.path
        if name:
            quoted = quote(name, safe="")
            path, found = _PLACEHOLDER.subn(lambda _: quoted, path)
            path = path if found else f"{path.rstrip('/')}/{quoted}"
        return f"{path}?{urlencode(query)}" if query else path


def _connection(endpoint: str, timeout: float) -> http.client.HTTPConnection:
    # Most components never ask their host for anything, and this brings `email` and `ssl` along.
    import http.client

    class UnixConnection(http.client.HTTPConnection):
        def __init__(self, path: str) -> None:
            super().__init__("localhost", timeout=timeout)
            self._path = path

        def connect(self) -> None:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(timeout)
            self.sock.connect(self._path)

    if endpoint.startswith("unix:"):
        return UnixConnection(endpoint.removeprefix("unix:").removeprefix("//"))
    url = urlsplit(endpoint)
    if url.scheme != "http" or not url.hostname:
        raise FailedPrecondition("client.host.invalid", f"`{endpoint}` is no address of a host")
    return http.client.HTTPConnection(url.hostname, url.port or 80, timeout=timeout)


def _http_exception() -> type[Exception]:
    from http.client import HTTPException

    return HTTPException


def _read(connection: http.client.HTTPConnection, answer: http.client.HTTPResponse, deadline: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        # The response owns the socket of a connection that is to be closed after it.
        if connection.sock is not None:
            connection.sock.settimeout(left)
        part = answer.read1(65536)
        if not part:
            if answer.length:
                raise ConnectionError(f"{answer.length} bytes of the answer are missing")
            break
        size += len(part)
        if size > _MOST_BYTES:
            raise _unreadable(f"it has more than {_MOST_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _json(text: bytes) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError as cause:
        raise _unreadable("it is no JSON") from cause


def _error(status: int, value: Any, retry_after: str | None) -> ModrackError:
    envelope: Any = cast("dict[str, Any]", value).get("error") if isinstance(value, dict) else None
    if not isinstance(envelope, dict):
        return _unreadable(f"status {status} without the reason")
    said = cast("dict[str, Any]", envelope)
    category = said.get("category")
    if category not in CATEGORIES or not isinstance(said.get("code"), str):
        return _unreadable(f"status {status} with a reason that has no category and code")
    after_ms = said.get("retry_after_ms")
    after = float(after_ms) / 1000 if isinstance(after_ms, (int, float)) else None
    if after is None and retry_after is not None and retry_after.isdigit():
        after = float(retry_after)
    details = cast("dict[str, Any]", said.get("details") or {})
    return error_of(
        category,
        said["code"],
        str(said.get("message", "")),
        origin=cast("Origin", said.get("origin", "core")),
        retryable=said.get("retryable") is True,
        trace_id=str(said.get("trace_id") or ""),
        retry_after=after,
        details={key: str(each) for key, each in details.items()},
    )


def _member(value: Any, name: str) -> dict[str, Any]:
    member: Any = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
    if not isinstance(member, dict):
        raise _unreadable(f"it has no {name}")
    return cast("dict[str, Any]", member)


def _unreadable(why: str) -> InternalError:
    return InternalError("client.answer.invalid", f"the answer of the host cannot be used: {why}")
