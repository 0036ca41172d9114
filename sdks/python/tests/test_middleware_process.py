"""A middleware as a process: its HTTP contract over real sockets, its bounds, its end, and the kind `command_stdio`."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PROBE = Path(__file__).with_name("component.py")
WAIT = 20.0
TOKEN = "t0ken"


def environment(**variables: str) -> dict[str, str]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith("MODRACK_")}
    return {**plain, **variables}


class Served:
    """A probe that runs, and requests to it as its host sends them."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = TOKEN, raw: bytes | None = None
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT)
        try:
            data = raw if raw is not None else None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, {} if token is None else {"X-Modrack-Auth": token})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def init(self, **config: Any) -> tuple[int, Any]:
        return self.ask("POST", "/v1/middleware/init", init(**config))

    def invoke(self, hook: str, payload: Any, **more: Any) -> tuple[int, Any]:
        return self.ask("POST", "/v1/middleware/invoke", envelope(hook, payload, **more))

    async def ainvoke(self, hook: str, payload: Any, **more: Any) -> tuple[int, Any]:
        return await asyncio.to_thread(self.invoke, hook, payload, **more)

    def line(self, text: str) -> str:
        """Reads the log until a line has that text."""
        assert self.process.stderr is not None
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            line = self.process.stderr.readline()
            if text in line:
                return line
            assert line, f"the log ended without `{text}`"
        raise AssertionError(f"no `{text}` in the log")

    def end(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        _, err = self.process.communicate(timeout=WAIT)
        return self.process.returncode, err


def init(**config: Any) -> dict[str, Any]:
    return {
        "contract_version": "1",
        "host_version": "0.0.0",
        "host_api_version": "1",
        "executor_id": "probe-http",
        "transport": "http_local_json",
        "node_id": "node",
        "hooks": ["pre_invoke"],
        "capabilities": [],
        "config": config,
    }


def envelope(hook: str, payload: Any, **more: Any) -> dict[str, Any]:
    return {
        "schema_version": "1",
        "envelope_id": "env-1",
        "hook": hook,
        "correlation": {"execution_id": "exe-1", "trace_id": "0af7651916cd43dd8448eb211c80319c"},
        "attempt": 1,
        "subject": {"kind": "module", "name": "text.Uppercase", "namespace": "text", "revision": 1},
        "caller": {"subject": "anybody"},
        "payload": payload,
        "annotations": {},
        "deadline": "2030-01-01T00:00:00.000Z",
        "remaining_ms": 30_000,
        **more,
    }


@contextmanager
def served(tmp_path: Path, *, ready: bool = True) -> Iterator[Served]:
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    # Its log is one stream, in which what handlers print and what the server says keep their order.
    process = subprocess.Popen(
        [
            sys.executable,
            "-I",
            "-c",
            f"import os, sys, runpy; os.dup2(2, 1); runpy.run_path({str(PROBE)!r}, run_name='__main__')",
        ],
        env=environment(MODRACK_BIND="127.0.0.1:0", MODRACK_AUTH_FILE=str(token)),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        at = Served(process, 0)
        found = re.search(r"ready at http://127\.0\.0\.1:(\d+)$", at.line("ready at").strip())
        assert found
        at.port = int(found[1])
        if ready:
            assert at.init()[0] == 200
        yield at
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_it_serves_the_contract(tmp_path: Path) -> None:
    with served(tmp_path, ready=False) as at:
        assert at.ask("GET", "/readyz") == (200, {"status": "ready"})
        assert at.ask("GET", "/healthz") == (200, {"status": "ok"})
        status, refused = at.invoke("pre_invoke", {"text": "a"})
        assert (status, refused["error"]["code"]) == (409, "module.init.missing")
        assert at.init(longest=3) == (
            200,
            {
                "module_name": "probe",
                "description": "Does what its tests ask of it.",
                "version": "1.2.3",
                "contract_version": "1",
                "expected_host_api_version": "1",
                "capabilities": [
                    {"id": "probe/length", "class": "other", "description": "Rejects what is too long."},
                    {"id": "probe/publication", "class": "base", "description": "", "output_contract": "urn:probe:1"},
                ],
            },
        )
        assert at.invoke("pre_invoke", {"text": "abc"}) == (200, {"decision": "allow", "reason": "short enough"})
        assert at.invoke("pre_invoke", {"text": "abcd"}) == (200, {"decision": "reject", "reason": "too long"})
        assert at.invoke("post_run", {"text": "abc"}) == (
            200,
            {"decision": "rewrite", "reason": "louder", "patch": {"text": "ABC"}, "patch_strategy": "merge"},
        )
        status, seen = at.invoke("post_invoke", "x")
        assert (status, seen["annotations"]["pid"]) == (200, at.process.pid)
        assert seen["annotations"]["thread"] != "MainThread"
        assert at.invoke("audit", None, outcome={"ok": True, "duration_us": 1}) == (200, {})
        assert at.line("audit").strip() == "audit text.Uppercase True"


@pytest.mark.parametrize("path", ["/readyz", "/healthz", "/v1/middleware/init", "/v1/middleware/invoke", "/other"])
def test_nothing_is_said_to_who_does_not_show_the_token(tmp_path: Path, path: str) -> None:
    with served(tmp_path) as at:
        for token in (None, "", "wrong", TOKEN + "x", TOKEN[:-1]):
            status, refused = at.ask("POST" if "v1" in path else "GET", path, {}, token=token)
            assert (status, refused["error"]["code"]) == (401, "module.token.refused")


@pytest.mark.parametrize(
    ("method", "path", "raw", "status", "code"),
    [
        ("GET", "/nowhere", None, 404, "module.path.unknown"),
        ("POST", "/readyz", b"{}", 405, "module.method.unsupported"),
        ("GET", "/v1/middleware/invoke", None, 405, "module.method.unsupported"),
        ("POST", "/v1/middleware/invoke", b"{", 400, "module.request.invalid"),
        ("POST", "/v1/middleware/invoke", b"[]", 400, "module.request.invalid"),
        ("POST", "/v1/middleware/invoke", b"[" * 5000, 400, "module.request.invalid"),
        ("POST", "/v1/middleware/invoke", b"\xff", 400, "module.request.invalid"),
        ("POST", "/v1/middleware/init", b"{}", 400, "module.request.invalid"),
        ("POST", "/v1/middleware/invoke", b" " * 10_001, 413, "module.request.too_large"),
    ],
)
def test_a_request_that_breaks_the_contract_is_refused(
    tmp_path: Path, method: str, path: str, raw: bytes | None, status: int, code: str
) -> None:
    with served(tmp_path) as at:
        got, refused = at.ask(method, path, raw=raw)
        assert (got, refused["error"]["code"]) == (status, code)
        assert at.invoke("pre_invoke", {"text": "a"})[0] == 200


def test_an_init_that_does_not_fit_is_refused_and_the_one_before_holds(tmp_path: Path) -> None:
    with served(tmp_path) as at:
        for change, code in [
            ({"contract_version": "2"}, "module.contract.incompatible"),
            ({"host_api_version": "2"}, "module.contract.incompatible"),
            ({"hooks": ["pre_run"]}, "module.hook.unsupported"),
            ({"config": {"longest": "3", "short": 1}}, "module.config.invalid"),
            ({"config": {"longest": 1, "fail_start": True}}, "module.config.invalid"),
        ]:
            status, refused = at.ask("POST", "/v1/middleware/init", {**init(), **change})
            assert (status, refused["error"]["code"]) == (400, code), change
        assert at.invoke("pre_invoke", {"text": "abc"})[1]["decision"] == "allow"


def test_a_handler_that_fails_costs_its_request_alone(tmp_path: Path) -> None:
    with served(tmp_path) as at:
        assert at.invoke("post_invoke", "raise") == (
            500,
            {"error": {"code": "module.failed", "message": "RuntimeError: boom"}},
        )
        assert 'raise RuntimeError("boom")' in at.line('raise RuntimeError("boom")')
        assert at.invoke("pre_invoke", {"text": "code"})[1]["error"]["code"] == "probe.custom"
        assert at.invoke("pre_invoke", {"none": ""})[1]["error"] == {
            "code": "module.failed",
            "message": "KeyError: 'text'",
        }
        status, refused = at.invoke("pre_invoke", {"text": "nothing"})
        assert (status, refused["error"]["code"]) == (500, "module.decision.invalid")
        assert (
            refused["error"]["message"]
            == "the handler of `pre_invoke` answered with a `NoneType` instead of a decision"
        )
        assert at.invoke("post_invoke", "exit")[1]["error"]["code"] == "module.failed"
        assert at.invoke("pre_invoke", {"text": "a"})[0] == 200


def test_an_answer_that_is_late_is_none(tmp_path: Path) -> None:
    with served(tmp_path) as at:
        for hook, payload in [("pre_invoke", {"text": "sleep"}), ("post_invoke", "pause")]:
            began = time.monotonic()
            status, refused = at.invoke(hook, payload, remaining_ms=50)
            assert (status, refused["error"]["code"]) == (504, "module.late")
            assert time.monotonic() - began < 0.4


def test_handlers_that_block_do_not_delay_health_and_are_bounded(tmp_path: Path) -> None:
    with served(tmp_path) as at:
        waiting = [socket.create_connection(("127.0.0.1", at.port)) for _ in range(4)]
        body = json.dumps(envelope("post_invoke", "hang")).encode()
        head = f"POST /v1/middleware/invoke HTTP/1.1\r\nhost: x\r\nx-modrack-auth: {TOKEN}\r\ncontent-length: {len(body)}\r\n\r\n"
        for connection in waiting:
            connection.sendall(head.encode() + body)
        at.line("hanging")
        at.line("hanging")
        began = time.monotonic()
        assert at.ask("GET", "/healthz")[0] == 200
        assert time.monotonic() - began < 0.5
        status, refused = at.invoke("pre_invoke", {"text": "a"})
        assert (status, refused["error"]["code"]) == (503, "module.overloaded")
        for connection in waiting:
            connection.close()
        # They are cancelled with their connections. The threads hang on, and with what waits for them fill the pool: ordinary
        # handlers are refused, async ones have room.
        deadline = time.monotonic() + WAIT
        while at.invoke("pre_invoke", {"text": "a"})[0] != 200:
            assert time.monotonic() < deadline
        assert at.invoke("post_invoke", "x")[1]["error"]["code"] == "module.overloaded"


def test_answers_on_a_connection_that_stays_open_do_not_wait_for_acknowledgements(tmp_path: Path) -> None:
    with served(tmp_path) as at:
        connection = http.client.HTTPConnection("127.0.0.1", at.port, timeout=WAIT)
        body = json.dumps(envelope("pre_invoke", {"text": "a"}))
        took: list[float] = []
        for _ in range(25):
            began = time.monotonic()
            connection.request("POST", "/v1/middleware/invoke", body, {"X-Modrack-Auth": TOKEN})
            assert connection.getresponse().read()
            took.append(time.monotonic() - began)
        connection.close()
        assert sorted(took)[len(took) // 2] < 0.03


def test_a_handler_is_cancelled_when_its_host_leaves(tmp_path: Path) -> None:
    with served(tmp_path) as at:
        body = json.dumps(envelope("pre_invoke", {"text": "sleep"})).encode()
        head = f"POST /v1/middleware/invoke HTTP/1.1\r\nhost: x\r\nx-modrack-auth: {TOKEN}\r\ncontent-length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", at.port)) as connection:
            connection.sendall(head.encode() + body)
        began = time.monotonic()
        assert at.line("cancelled").strip() == "cancelled"
        assert time.monotonic() - began < 10, "its own deadline cancels it too, after 30 s"
        assert at.ask("GET", "/healthz")[0] == 200


async def test_sigterm_lets_running_requests_end_and_takes_no_new_ones(tmp_path: Path) -> None:
    with served(tmp_path) as at:
        running = asyncio.create_task(at.ainvoke("post_invoke", "pause"))
        await asyncio.to_thread(at.line, "pausing")
        at.process.send_signal(signal.SIGTERM)
        assert (await running)[0] == 200
        code, err = await asyncio.to_thread(at.ended)
        assert code == 0
        assert "stopped" in err
        with pytest.raises(ConnectionRefusedError):
            at.ask("GET", "/readyz")


def test_a_handler_that_never_returns_does_not_keep_the_process(tmp_path: Path) -> None:
    with served(tmp_path) as at:
        body = json.dumps(envelope("post_invoke", "hang")).encode()
        head = f"POST /v1/middleware/invoke HTTP/1.1\r\nhost: x\r\nx-modrack-auth: {TOKEN}\r\ncontent-length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", at.port)) as connection:
            connection.sendall(head.encode() + body)
            at.line("hanging")
            began = time.monotonic()
            code, _ = at.end()
            assert code == 0
            assert time.monotonic() - began < 4


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with served(tmp_path) as at:
        body = json.dumps(envelope("post_invoke", "hang")).encode()
        head = f"POST /v1/middleware/invoke HTTP/1.1\r\nhost: x\r\nx-modrack-auth: {TOKEN}\r\ncontent-length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", at.port)) as connection:
            connection.sendall(head.encode() + body)
            at.line("hanging")
            at.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + WAIT
            while at.process.poll() is None and time.monotonic() < deadline:
                at.process.send_signal(signal.SIGINT)
            assert at.process.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM)


def test_by_hand_it_says_what_it_is_and_what_it_needs(tmp_path: Path) -> None:
    def run(*arguments: str, **variables: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, str(PROBE), *arguments],
            env=environment(**variables),
            capture_output=True,
            text=True,
            timeout=WAIT,
        )
        return done.returncode, done.stderr + done.stdout

    code, said = run()
    assert code == 2
    assert said.startswith("middleware probe 1.2.3: Does what its tests ask of it.\n  at pre_invoke\n")
    assert run("--version") == (0, "probe 1.2.3\n")
    assert run("serve", "--bind", "127.0.0.1:0")[0] == 2
    assert "MODRACK_AUTH_FILE" in run("serve", "--bind", "127.0.0.1:0")[1]
    assert run("--port", "1") == (2, run("--port", "1")[1])
    for bind in ("0.0.0.0:7500", "127.0.0.1", "example.org:1"):
        code, said = run("--bind", bind, "--no-auth")
        assert code == 1
        assert "is loopback" in said
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = run("--no-auth", MODRACK_BIND=f"127.0.0.1:{port}")
        assert code == 1
        assert f"cannot listen at 127.0.0.1:{port}" in said


def test_one_process_answers_one_message_on_its_standard_streams(tmp_path: Path) -> None:
    def run(command: str, message: Any, **variables: str) -> tuple[int, Any, str]:
        text = message if isinstance(message, str) else json.dumps(message)
        done = subprocess.run(
            [sys.executable, str(PROBE), command],
            input=text,
            env=environment(MODRACK_COMPONENT_DATA=str(tmp_path), **variables),
            capture_output=True,
            text=True,
            timeout=WAIT,
        )
        return done.returncode, json.loads(done.stdout), done.stderr

    code, refused, _ = run("middleware-invoke", envelope("pre_invoke", {"text": "a"}))
    assert (code, refused["error"]["code"]) == (1, "module.init.missing")
    code, report, log = run("middleware-init", init(longest=3))
    assert (code, report["module_name"]) == (0, "probe")
    assert "init of probe-http" in log
    assert run("middleware-invoke", envelope("pre_invoke", {"text": "abc"}))[1]["decision"] == "allow"
    assert run("middleware-invoke", envelope("pre_invoke", {"text": "abcd"}))[1]["decision"] == "reject"
    code, failed, log = run("middleware-invoke", envelope("post_invoke", "raise"))
    assert (code, failed["error"]["code"]) == (1, "module.failed")
    assert "RuntimeError: boom" in log
    assert run("middleware-invoke", "{")[1]["error"]["code"] == "module.request.invalid"
    assert run("middleware-invoke", " " * 10_001)[1]["error"]["code"] == "module.request.too_large"


def test_importing_and_serving_it_loads_neither_grpc_nor_the_codec(tmp_path: Path) -> None:
    lines = (
        "import sys, modrack.middleware, modrack.middleware._serve, modrack.middleware._testing, uvicorn.protocols.http.h11_impl;"
        "import modrack.middleware._stdio, http.client;"
        "ours = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names);"
        "print(sorted(name for name in ours if not name.startswith('_')))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {lines}"],
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=True,
    )
    assert done.stdout.strip() == "['click', 'h11', 'modrack', 'uvicorn']"
    lean = "import sys, modrack.middleware; assert not {'uvicorn', 'http.client'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", lean], check=True, timeout=WAIT)
