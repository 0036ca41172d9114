"""A component as the tests of the supervisor need it: does what `control.json` in its data directory says at each request.
No part of the product."""

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REPORT = {
    "module_name": "dator",
    "description": "Does what a test says.",
    "version": "1.2.3",
    "contract_version": "1",
    "expected_host_api_version": "1",
    "capabilities": [{"id": "dator/test", "class": "other", "description": "Tests."}],
}
DATA = Path(os.environ.get("MODRACK_COMPONENT_DATA", "."))


def control() -> dict[str, object]:
    try:
        return json.loads((DATA / "control.json").read_text())
    except FileNotFoundError:
        return {}


def note(name: str, text: str) -> None:
    with (DATA / name).open("a") as file:
        file.write(text + "\n")


def report() -> object:
    changes = control().get("report", {})
    return {name: value for name, value in (REPORT | changes).items() if value is not None}  # type: ignore[operator]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One packet per answer: no waiting for acknowledgements.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        pass

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def is_known(self) -> bool:
        expected = control().get("token")
        if expected is None:
            file = os.environ.get("MODRACK_AUTH_FILE")
            expected = Path(file).read_text() if file else None
        if expected is None or self.headers.get("X-Modrack-Auth") == expected:
            return True
        error = {"error": {"code": "component.auth", "message": "the token is missing or wrong"}}
        self.answer(401, json.dumps(error).encode())
        return False

    def do_GET(self) -> None:
        if not self.is_known():
            return
        what = {"/readyz": "ready", "/healthz": "health"}.get(self.path, "")
        said = control()
        time.sleep(float(said.get(f"{what}_delay", 0)))  # type: ignore[arg-type]
        self.answer(int(said.get(what, 200)), b"{}")  # type: ignore[arg-type]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self.is_known():
            return
        said = control()
        if self.path.endswith("/init"):
            note("inits", body.decode())
            status = int(said.get("init", 200))  # type: ignore[arg-type]
            error = {"error": {"code": "test.refused", "message": "no such init"}}
            self.answer(status, json.dumps(report() if status == 200 else error).encode())
            return
        note("invocations", self.headers.get("x-extra", "-"))
        match said.get("invoke", "echo"):
            case "echo":
                self.answer(200, body)
            case "large":
                self.answer(200, b"x" * 200_000)
            case "chunked":
                self.send_response(200)
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for _ in range(2000):
                    self.wfile.write(b"64\r\n" + b"x" * 100 + b"\r\n")
                self.wfile.write(b"0\r\n\r\n")
            case "slow":
                note("slow", "begun")
                time.sleep(float(said.get("delay", 60)))  # type: ignore[arg-type]
                self.answer(200, b'"slow"')
            case "break":
                self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
                self.wfile.flush()
                self.close_connection = True
            case "close":
                self.answer(200, b'"closed"')
                self.close_connection = True
            case "exit":
                os._exit(7)
            case int(status):
                self.answer(status, b"{}")
            case _:
                self.answer(204, b"")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # Connections that may wait to be accepted; the default of 5 loses some of a burst.
    request_queue_size = 512


def serve() -> None:
    host, _, port = os.environ["MODRACK_BIND"].rpartition(":")
    server = Server((host, int(port)), Handler)
    print("listening", flush=True)
    server.serve_forever(poll_interval=0.05)


def command(question: str) -> None:
    body = sys.stdin.buffer.read()
    said = control()
    if question == "middleware-init":
        note("inits", body.decode())
        sys.stdout.write(json.dumps(report()))
        return
    match said.get("invoke", "echo"):
        case "echo":
            sys.stdout.buffer.write(body)
        case "large":
            sys.stdout.write("x" * 200_000)
        case "slow":
            note("slow", "begun")
            time.sleep(60)
        case "fail":
            print("it is broken", file=sys.stderr)
            sys.exit(3)


def main() -> None:
    mode = sys.argv[1] if len(sys.argv) > 1 else "serve"
    print(f"pid {os.getpid()}", file=sys.stderr, flush=True)
    if mode == "crash" or (DATA / "crash").exists():
        sys.exit(3)
    if control().get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mode == "provider":
        note("environment", json.dumps(dict(os.environ)))
        signal.pause()
    elif mode.startswith("middleware-"):
        command(mode)
    else:
        serve()


if __name__ == "__main__":
    main()
