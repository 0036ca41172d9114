"""The host as a component asks it: real sockets of both kinds, answers and failures of all kinds, and the bounds of the waiting."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn, UnixStreamServer
from typing import Any

import pytest

from modrack.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    InternalError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from modrack.middleware import Host, HostCapability

PATHS = {
    "run_pipeline": "/v1/pipelines:run",
    "call": "/v1/modules/{name}:call",
    "list_modules": "/v1/modules",
    "staging": "/v1/staging/{key}",
}


class FakeHost:
    """Answers what a test tells it to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.answer: Callable[[str, str, Any], tuple[int, Any]] = lambda method, path, body: (200, {})
        self.endpoint = ""
        self.token = Path()

    def host(self, *capabilities: str) -> Host:
        return Host(
            [
                HostCapability(each, self.endpoint, PATHS[each], str(self.token))
                for each in (capabilities or tuple(PATHS))
            ]
        )


class _UnixServer(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


class _TcpServer(ThreadingMixIn, TCPServer):
    daemon_threads = True


@contextmanager
def fake_host(tmp_path: Path, *, unix: bool = True) -> Iterator[FakeHost]:
    fake = FakeHost()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            sent = json.loads(body) if body else None
            fake.asked.append((self.command, self.path, headers, sent))
            status, value = fake.answer(self.command, self.path, sent)
            text = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def address_string(self) -> str:
            return "client"

    fake.token = tmp_path / "token"
    fake.token.write_text("granted\n")
    if unix:
        path = tmp_path / "h.sock"
        server: Any = _UnixServer(str(path), Handler)
        fake.endpoint = f"unix:{path}"
    else:
        server = _TcpServer(("127.0.0.1", 0), Handler)
        fake.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def failure(status: int, category: str, code: str, **more: Any) -> tuple[int, Any]:
    return status, {"error": {"category": category, "code": code, "message": "m", "origin": "core", **more}}


@pytest.mark.parametrize("unix", [True, False])
def test_a_pipeline_runs_with_the_token_and_the_time_that_is_left(tmp_path: Path, unix: bool) -> None:
    with fake_host(tmp_path, unix=unix) as fake:
        fake.answer = lambda *_: (200, {"outputs": {"out": "A"}, "record": {"run_id": "run-1"}})
        run = fake.host().run_pipeline("out x", {"x": "a"}, timeout=2.5, idempotency_key="k")
        assert (run.outputs, run.run_id) == ({"out": "A"}, "run-1")
        method, path, headers, body = fake.asked[0]
        assert (method, path) == ("POST", "/v1/pipelines:run")
        assert body == {"source": "out x", "inputs": {"x": "a"}}
        assert headers["authorization"] == "Bearer granted"
        assert headers["modrack-timeout-ms"] == "2500"
        assert headers["idempotency-key"] == "k"
        assert headers["content-type"] == "application/json"
        fake.host().run_pipeline(name="stored", inputs={})
        assert fake.asked[1][3] == {"name": "stored", "inputs": {}}


def test_a_pipeline_is_a_source_or_a_name() -> None:
    with pytest.raises(InvalidArgument):
        Host([]).run_pipeline("a", name="b")
    with pytest.raises(InvalidArgument):
        Host([]).run_pipeline()


def test_a_call_gives_the_output(tmp_path: Path) -> None:
    with fake_host(tmp_path) as fake:
        fake.answer = lambda *_: (200, {"output": None, "info": {}})
        assert fake.host().call("text.Upper case/ä", {"text": "a"}) is None
        assert fake.asked[0][1] == "/v1/modules/text.Upper%20case%2F%C3%A4:call"
        assert fake.asked[0][3] == {"text": "a"}


def test_modules_are_listed_over_all_pages(tmp_path: Path) -> None:
    with fake_host(tmp_path) as fake:
        pages = {
            "/v1/modules?pattern=text.%2A": {"modules": [{"name": "text.A"}], "next_page_token": "t/2"},
            "/v1/modules?pattern=text.%2A&page_token=t%2F2": {"modules": [{"name": "text.B"}]},
        }
        fake.answer = lambda _, path, __: (200, pages[path])
        assert [each["name"] for each in fake.host().list_modules("text.*")] == ["text.A", "text.B"]


def test_values_are_staged_read_and_deleted(tmp_path: Path) -> None:
    kept: dict[str, Any] = {}

    def answer(method: str, path: str, body: Any) -> tuple[int, Any]:
        if method == "PUT":
            kept[path] = body
            return 200, {"entries": 1}
        if path not in kept:
            return failure(404, "NOT_FOUND", "staging.unknown")
        return (200, kept.pop(path)) if method == "DELETE" else (200, kept[path])

    with fake_host(tmp_path) as fake:
        fake.answer = answer
        staging = fake.host().staging
        for value in ({"a": [1]}, None, "text", False):
            staging.put("run/1", value)
            assert staging.get("run/1") == value
        assert list(kept) == ["/v1/staging/run%2F1"]
        staging.delete("run/1")
        with pytest.raises(NotFound) as refused:
            staging.get("run/1")
        assert refused.value.code == "staging.unknown"


def test_a_failure_of_the_host_keeps_all_that_it_says(tmp_path: Path) -> None:
    with fake_host(tmp_path) as fake:
        more = {"retryable": True, "retry_after_ms": 1500, "trace_id": "t", "details": {"n": 1}}
        fake.answer = lambda *_: failure(503, "UNAVAILABLE", "middleware.deferred", **more)
        with pytest.raises(Unavailable) as refused:
            fake.host().call("text.A")
        error = refused.value
        assert (error.code, error.message, error.origin) == ("middleware.deferred", "m", "core")
        assert (error.retryable, error.retry_after, error.trace_id) == (True, 1.5, "t")
        assert error.details == {"n": "1"}


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"no json"),
        (200, []),
        (200, {"out": 1}),
        (500, b"<html>"),
        (500, {"error": "x"}),
        (500, {"error": {"category": "BAD", "code": "c"}}),
        (500, {"error": {"category": "INTERNAL"}}),
    ],
)
def test_an_answer_that_is_none_is_told_as_such(tmp_path: Path, answer: tuple[int, Any]) -> None:
    with fake_host(tmp_path) as fake:
        fake.answer = lambda *_: answer
        with pytest.raises(InternalError) as refused:
            fake.host().call("text.A")
        assert refused.value.code == "client.answer.invalid"


def test_what_was_not_granted_is_not_asked_for(tmp_path: Path) -> None:
    with fake_host(tmp_path) as fake:
        host = fake.host("call")
        assert host.can("call")
        assert not host.can("staging")
        with pytest.raises(PermissionDenied) as refused:
            host.staging.get("k")
        assert refused.value.code == "client.permission.denied"
        assert fake.asked == []


def test_a_token_that_was_made_anew_is_shown(tmp_path: Path) -> None:
    with fake_host(tmp_path) as fake:
        fake.answer = lambda *_: (200, {"output": 1})
        host = fake.host()
        host.call("text.A")
        fake.token.write_text("another token")
        host.call("text.A")
        assert [each[2]["authorization"] for each in fake.asked] == ["Bearer granted", "Bearer another token"]
        fake.token.unlink()
        with pytest.raises(FailedPrecondition, match="token"):
            host.call("text.A")


def test_a_host_that_is_away_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for endpoint in (f"unix:{tmp_path}/none.sock", f"http://127.0.0.1:{port}"):
        host = Host([HostCapability("call", endpoint, PATHS["call"], str(tmp_path / "token"))])
        with pytest.raises(Unavailable) as refused:
            host.call("text.A")
        assert (refused.value.code, refused.value.retryable) == ("client.host.unreachable", True)


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", b"nonsense\r\n\r\n"])
def test_a_connection_that_breaks_is_unavailable(tmp_path: Path, sent: bytes) -> None:
    (tmp_path / "token").write_text("t")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(sent)

        thread = threading.Thread(target=answer)
        thread.start()
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        host = Host([HostCapability("call", endpoint, PATHS["call"], str(tmp_path / "token"))])
        with pytest.raises(Unavailable) as refused:
            host.call("text.A")
        thread.join()
        assert refused.value.code == "client.host.unreachable"


def test_a_host_that_does_not_answer_is_waited_for_no_longer_than_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modrack.middleware._host._SLACK", 0.0)
    (tmp_path / "token").write_text("t")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        host = Host([HostCapability("call", endpoint, PATHS["call"], str(tmp_path / "token"))])
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded) as refused:
            host.call("text.A", timeout=0.1)
        assert refused.value.code == "client.deadline.exceeded"
        assert time.monotonic() - began < 2
    with pytest.raises(DeadlineExceeded):
        host.call("text.A", timeout=0)


def test_an_answer_that_drips_is_not_waited_for_beyond_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modrack.middleware._host._SLACK", 0.0)
    (tmp_path / "token").write_text("t")
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
                while not over.wait(0.02):
                    connection.sendall(b" ")

        thread = threading.Thread(target=drip)
        thread.start()
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        host = Host([HostCapability("call", endpoint, PATHS["call"], str(tmp_path / "token"))])
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            host.call("text.A", timeout=0.2)
        assert time.monotonic() - began < 2
        over.set()
        thread.join()


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    for endpoint in ("https://127.0.0.1:1", "tcp:127.0.0.1"):
        with pytest.raises(FailedPrecondition):
            Host([HostCapability("call", endpoint, PATHS["call"], str(tmp_path / "token"))]).call("text.A")
