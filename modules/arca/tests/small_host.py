"""A host on a loopback socket, as far as arca sees one: pipelines that answer as they are told, and staged values."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from modrack.middleware import HostCapability


@dataclass
class SmallHost:
    """What was asked, and what is answered: `answers[source]` holds outputs or errors, then outputs of None for ever."""

    endpoint: str
    token_file: str
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    ran: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    staged: dict[str, Any] = field(default_factory=dict[str, Any])
    hold: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)

    def grants(self, *ids: str, modules: tuple[str, ...] = ("*",)) -> list[HostCapability]:
        paths = {"run_pipeline": "/v1/pipelines:run", "staging": "/v1/staging/{key}"}
        return [
            HostCapability(
                one, self.endpoint, paths[one], self.token_file, list(modules) if one == "run_pipeline" else []
            )
            for one in ids
        ]

    def run(self, body: dict[str, Any]) -> tuple[int, Any]:
        self.ran.append(body)
        self.asked.set()
        self.hold.wait(10)
        number = len(self.ran)
        answers = self.answers.get(body.get("source") or body["name"], [])
        answer = answers.pop(0) if answers else {"value": None}
        if "category" in answer:
            details = {"run_id": f"run-{number}"}
            return 503, {
                "error": {"message": "down", "origin": "module", "retryable": False, "details": details, **answer}
            }
        return 200, {"outputs": answer, "record": {"run_id": f"run-{number}"}}


@contextmanager
def small_host(directory: Path) -> Iterator[SmallHost]:
    token = directory / "token"
    token.write_text("secret")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self, status: int, value: Any) -> None:
            body = b"" if value is None else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _ask(self) -> None:
            if self.headers["authorization"] != "Bearer secret":
                self._answer(
                    401, {"error": {"category": "UNAUTHENTICATED", "code": "host.token.refused", "message": ""}}
                )
                return
            length = int(self.headers["content-length"] or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            host.headers.append({name.lower(): value for name, value in self.headers.items()})
            if self.path == "/v1/pipelines:run":
                self._answer(*host.run(body))
                return
            key = unquote(self.path.removeprefix("/v1/staging/"))
            if self.command == "PUT":
                host.staged[key] = body
                self._answer(200, {})
            elif key not in host.staged:
                self._answer(404, {"error": {"category": "NOT_FOUND", "code": "staging.unknown", "message": "none"}})
            elif self.command == "GET":
                self._answer(200, host.staged[key])
            else:
                del host.staged[key]
                self._answer(200, {})

        do_POST = do_PUT = do_GET = do_DELETE = _ask  # noqa: N815 - the names that the library looks for

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    host = SmallHost(f"http://127.0.0.1:{server.server_port}", str(token))
    host.hold.set()
    try:
        yield host
    finally:
        host.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()
