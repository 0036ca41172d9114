"""dator as a component of a real host, with real providers: what callers see of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from modrack import Client, ModrackError, PermissionDenied, Unavailable, UpstreamError

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parents[1]
WAIT = 30.0


def program() -> Path | None:
    named = os.environ.get("MODRACK_BIN")
    found = Path(named) if named else ROOT / "target" / "debug" / "modrack"
    if not found.is_file():
        return None
    # One that was built before there were components takes no `--components`.
    told = subprocess.run([found, "serve", "--help"], capture_output=True, text=True, check=False)
    return found if "--components" in told.stdout else None


PROGRAM = program()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no host; build it, or name it in MODRACK_BIN")

PRICE = {"amount": "0.01", "currency": "EUR"}
CONFIG: dict[str, Any] = {
    "offers_module": "catalog.Offers",
    "offers": [
        {
            "id": "slow",
            "module": "work.Slow",
            "description": "Waits for you.",
            "price": {**PRICE, "per": "unit", "unit": "millisecond", "unit_field": "/ms"},
            "limits": {"max_in_flight": 1, "max_payload_bytes": 200, "retry_after_ms": 1500},
            "request": {"defaults": {"note": "by default"}, "at_most": {"ms": 2000}},
            "response": {"redact": [{"pattern": "[^ ]+@[^ ]+", "mask": "<hidden>"}]},
        }
    ],
}


def component(**more: Any) -> dict[str, Any]:
    return {
        "kind": "http_local_json",
        "module_id": "dator",
        "component_id": "middleware.dator",
        "launch": {
            "executable": sys.executable,
            "args": ["-m", "modrack_dator", "serve", "--bind", "{bind}"],
            "cwd": ".",
            "env": {"PYTHONPATH": os.pathsep.join([str(HERE / "src"), str(ROOT / "sdks/python/src")])},
        },
        "http": {"endpoint": "http://127.0.0.1:0"},
        "hooks": ["pre_invoke", "post_invoke", "audit"],
        "field_policy": {"change": ["/ms", "/note", "/contact"], "answer": True},
        "config": CONFIG,
        **more,
    }


def provider(script: Path, namespace: str) -> dict[str, Any]:
    return {
        "kind": "grpc_local",
        "module_id": namespace,
        "launch": {
            "executable": sys.executable,
            "args": [str(script)],
            "cwd": ".",
            "env": {"PYTHONPATH": str(ROOT / "sdks/python/src")},
        },
    }


class Running:
    """A host that runs."""

    def __init__(self, directory: Path, process: subprocess.Popen[str]) -> None:
        self.url = f"unix:{directory}/host.sock"
        self.process = process

    def modrack(self, *arguments: str) -> Any:
        assert PROGRAM is not None
        done = subprocess.run(
            [PROGRAM, "--json", *arguments, "--host", self.url], capture_output=True, text=True, timeout=WAIT
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def get(self, path: str) -> Any:
        """What the host says at a path, by HTTP."""
        connection = http.client.HTTPConnection("localhost", timeout=WAIT)
        with contextlib.closing(connection):
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.connect(self.url.removeprefix("unix:"))
            connection.request("GET", path)
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200, text
            return json.loads(text)

    def client(self) -> Client:
        return Client(self.url)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("host")
    components = directory / "components"
    components.mkdir()
    for name, made in {
        "dator-http": component(),
        "catalog": provider(HERE / "examples" / "catalog_modules.py", "catalog"),
        "work": provider(HERE / "examples" / "slow_modules.py", "work"),
    }.items():
        (components / f"{name}.json").write_text(json.dumps(made), encoding="utf-8")
    (directory / "modrack.toml").write_text(
        f'listen = ""\nsocket = "{directory}/host.sock"\ndata_dir = "{directory}/data"\ncomponents_dir = "components"\n',
        encoding="utf-8",
    )
    log = (directory / "log").open("w")
    assert PROGRAM is not None
    process = subprocess.Popen(
        [PROGRAM, "serve", "--config", str(directory / "modrack.toml")],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("MODRACK_")},
    )
    running = Running(directory, process)
    try:
        assert process.stdout is not None
        assert process.stdout.readline(), (directory / "log").read_text()
        for name in ("dator-http", "catalog", "work"):
            # Waits until it is ready, also where it is on its way already.
            running.modrack("components", "start", name)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(WAIT)
        finally:
            process.kill()
            process.stdout.close() if process.stdout else None
            log.close()


def test_offers_are_listed_to_users_and_to_operators(host: Running) -> None:
    with host.client() as client:
        (offer,) = client.call("catalog.Offers")
        assert (offer["id"], offer["module"], offer["description"]) == ("slow", "work.Slow", "Waits for you.")
        assert offer["price"] == {"amount": "0.01", "currency": "EUR", "per": "millisecond", "field": "/ms"}
        assert offer["limits"]["max_in_flight"] == 1
        assert client.call("catalog.Offers", module="text.*") == []
    report = host.get("/v1/components/dator-http")["report"]
    publication = report["capabilities"][0]
    assert "slow (work.Slow, 0.01 EUR per millisecond)" in publication["description"]
    assert publication["output_contract"] == "urn:modrack:dator:offers:1"


def test_requests_and_answers_are_shaped(host: Running) -> None:
    with host.client() as client:
        done = client.call("work.Slow", ms=1)
        assert done == {"seen_ms": 1, "note": "by default", "contact": "<hidden>"}
        assert client.call("work.Slow", ms=99_000, timeout=10)["seen_ms"] == 2000
        assert client.call("work.Slow", ms=1, note="mine")["note"] == "mine"


def test_overload_is_answered_with_defer_and_passes(host: Running) -> None:
    with host.client() as client, ThreadPoolExecutor(4) as pool:
        running = pool.submit(lambda: eventually(lambda: client.call("work.Slow", ms=700)))
        deferred = None
        while deferred is None:
            assert not running.done()
            try:
                client.call("work.Slow", ms=0)
            except Unavailable as error:
                deferred = error
        assert (deferred.code, deferred.retryable, deferred.retry_after) == ("middleware.deferred", True, 1.5)
        assert deferred.message == "offer `slow` is busy: 1 call is in flight"
        assert running.result(WAIT)["seen_ms"] == 700
        assert eventually(lambda: client.call("work.Slow", ms=0)["seen_ms"] == 0)


def test_a_call_that_fails_gives_its_place_back(host: Running) -> None:
    with host.client() as client:
        for _ in range(3):
            with pytest.raises(UpstreamError, match="told to fail"):
                eventually(lambda: client.call("work.Slow", ms=0, fail=True))
        assert eventually(lambda: client.call("work.Slow", ms=0)["seen_ms"] == 0)


def test_a_caller_that_leaves_gives_its_place_back(host: Running) -> None:
    with host.client() as client:
        with pytest.raises(ModrackError):
            client.call("work.Slow", ms=1500, timeout=0.2)
        began = time.monotonic()
        assert eventually(lambda: client.call("work.Slow", ms=0)["seen_ms"] == 0)
        assert time.monotonic() - began < 1.2, "it was given back by the audit, not by the lease"


def test_what_is_too_large_is_rejected_with_the_reason(host: Running) -> None:
    with host.client() as client:
        with pytest.raises(PermissionDenied, match="offer `slow` takes at most 200 bytes of input") as rejected:
            client.call("work.Slow", ms=0, note="x" * 300)
        assert (rejected.value.code, rejected.value.origin) == ("middleware.rejected", "middleware")


def eventually(attempt: Any) -> Any:
    """What an attempt gives, once it is not deferred any more."""
    deadline = time.monotonic() + WAIT
    while True:
        try:
            return attempt()
        except Unavailable as error:
            if error.code != "middleware.deferred" or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
