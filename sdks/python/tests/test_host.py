"""The fixture provider and both clients against the real host, where its binary is built."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modrack import (
    AsyncClient,
    Client,
    Conflict,
    DeadlineExceeded,
    InvalidArgument,
    ModrackError,
    Unavailable,
    Unsupported,
    UpstreamError,
)

ROOT = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("MODRACK_BIN") or ROOT / "target" / "debug" / "modrack")
FIXTURE = ROOT / "tests" / "fixtures" / "python" / "provider.py"
CONFORMANCE = ROOT / "tests" / "conformance" / "providers" / "python.py"
WAIT = 20.0

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason="the host is not built: `cargo build -p cli`")


class Processes:
    """A host and the providers of one test; all end with it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._started: list[subprocess.Popen[bytes]] = []
        self._listen = "127.0.0.1:0"
        self.start_host()

    def start_host(self) -> None:
        # A restart keeps the address, as a host with a configuration would.
        socket = str(self._directory / "h.sock")
        self.unix = f"unix:{socket}"
        command = [
            str(BINARY),
            "serve",
            "--listen",
            self._listen,
            "--socket",
            socket,
            "--data-dir",
            str(self._directory),
        ]
        host = subprocess.Popen(
            [*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self._environment()
        )
        self._started.append(host)
        self.host = host
        assert host.stdout is not None
        self.url: str = json.loads(host.stdout.readline())["listen"]
        self._listen = self.url.removeprefix("http://")

    def start_provider(
        self, plane: str, namespace: str = "fixture", script: Path = FIXTURE, host: str = ""
    ) -> subprocess.Popen[bytes]:
        variables = {"MODRACK_HOST": host or self.url, "MODRACK_PLANE": plane, "MODRACK_NAMESPACE": namespace}
        provider = subprocess.Popen(
            [sys.executable, str(script)], env=self._environment(**variables), stderr=subprocess.DEVNULL
        )
        self._started.append(provider)
        self.until_ready(f"{namespace}.Echo")
        return provider

    def until_ready(self, name: str) -> None:
        """Waits for the registry to say that a module is callable."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            try:
                with Client(self.url) as client:
                    for event in client.watch(name, timeout=end - time.monotonic()):
                        if event.module and event.module.endpoints[0].state == "ready":
                            return
            except Unavailable:
                continue
        raise TimeoutError(f"{name} is not ready")

    def end(self) -> None:
        for process in reversed(self._started):
            process.kill()
            process.wait(WAIT)
            if process.stdout:
                process.stdout.close()

    @staticmethod
    def _environment(**variables: str) -> dict[str, str]:
        return {**{k: v for k, v in os.environ.items() if not k.startswith("MODRACK_")}, **variables}


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    try:
        yield started
    finally:
        started.end()


EVERYTHING = {
    "text": "naïve 🦆",
    "int": -(2**63),
    "float": -0.0,
    "flag": True,
    "bytes": b"\x00\xff",
    "list": ["a", ""],
    "map": {"b": 1, "a": 2},
    "option": None,
    "union": 5,
    "any": {"deep": [1, 2.5, None]},
}


@pytest.mark.parametrize("plane", ["link", "attach", "unary"])
def test_the_fixture_answers_through_the_host(processes: Processes, plane: str) -> None:
    provider = processes.start_provider(plane)
    with Client(processes.url) as client:
        (endpoint,) = client.get_module("fixture.Echo").endpoints
        assert (endpoint.plane, endpoint.pid) == (plane, provider.pid)
        assert client.call("fixture.Echo", EVERYTHING) == EVERYTHING
        with pytest.raises(Conflict) as failed:
            client.call("fixture.Fail", category="CONFLICT", code="fixture.taken", message="m", retryable=True)
        assert (failed.value.code, failed.value.origin, failed.value.retryable) == ("fixture.taken", "module", True)
        with pytest.raises(UpstreamError, match=r"RuntimeError: boom \[module\.failed\]"):
            client.call("fixture.Raise", message="boom")
        assert client.call("fixture.Grow") is True
        assert client.call("fixture.Extra", text="a") == "a"
        with pytest.raises(Unavailable) as lost:
            client.call("fixture.Crash")
        assert lost.value.retryable
    assert provider.wait(WAIT) == 3


@pytest.mark.parametrize("plane", ["link", "attach", "unary"])
async def test_providers_and_clients_find_a_host_at_its_unix_socket(processes: Processes, plane: str) -> None:
    provider = processes.start_provider(plane, host=processes.unix)
    with Client(processes.unix) as client:
        (endpoint,) = client.get_module("fixture.Echo").endpoints
        assert (endpoint.plane, endpoint.pid) == (plane, provider.pid)
        assert client.call("fixture.Echo", EVERYTHING) == EVERYTHING
    async with AsyncClient(processes.unix) as client:
        assert await client.call("fixture.Echo", EVERYTHING) == EVERYTHING


@pytest.mark.parametrize("plane", ["link", "attach", "unary"])
def test_a_deadline_cancels_the_handler_and_nothing_else(processes: Processes, plane: str) -> None:
    processes.start_provider(plane)
    with Client(processes.url) as client:
        with pytest.raises(DeadlineExceeded):
            client.call("fixture.Sleep", ms=5000, timeout=0.3)
        end = time.monotonic() + WAIT
        while client.call("fixture.Cancelled") != 1:
            assert time.monotonic() < end


@pytest.mark.parametrize("plane", ["link", "attach", "unary"])
def test_providers_come_back_to_a_host_that_was_killed(processes: Processes, plane: str) -> None:
    processes.start_provider(plane)
    processes.host.kill()
    processes.host.wait(WAIT)
    processes.start_host()
    processes.until_ready("fixture.Echo")
    with Client(processes.url) as client:
        assert client.call("fixture.Echo", EVERYTHING) == EVERYTHING


@pytest.mark.parametrize("plane", ["link", "attach", "unary"])
def test_a_provider_that_is_told_to_end_finishes_and_takes_its_names_along(processes: Processes, plane: str) -> None:
    provider = processes.start_provider(plane)
    with Client(processes.url) as client:
        assert client.call("fixture.Block", ms=10) == 10
        provider.send_signal(signal.SIGTERM)
        assert provider.wait(WAIT) == 0
        with pytest.raises(ModrackError) as gone:
            client.call("fixture.Echo", EVERYTHING)
        assert gone.value.code == "registry.module.unknown"


@pytest.mark.parametrize("plane", ["link", "attach", "unary"])
def test_streams_batches_and_nested_calls_go_through_the_host(processes: Processes, plane: str) -> None:
    processes.start_provider(plane, "conformance", CONFORMANCE)
    with Client(processes.url) as client:
        assert list(client.stream("conformance.Count", to=100, returns=int)) == list(range(1, 101))
        failing = client.stream("conformance.CountAndFail", to=2)
        assert [next(failing), next(failing)] == [1, 2]
        with pytest.raises(Conflict):
            next(failing)
        squares = client.call_batch("conformance.Square", [{"key": "a", "n": 3}, {"key": "a", "n": -1}], returns=int)
        assert squares[0] == 9
        assert isinstance(squares[1], InvalidArgument)
        assert client.call("conformance.Batches", key="a") == [2]
        # A module that takes no batches is called for each element.
        assert client.call_batch("conformance.Double", [{"n": 3}, {"n": 4}]) == [6, 8]
        assert client.call("conformance.Nest", module="conformance.Double", input={"n": 4}) == 8
        assert client.call("conformance.NestStream", module="conformance.Count", input={"to": 3}) == [1, 2, 3]
        with pytest.raises(Unsupported) as wrong:
            client.call("conformance.Count", to=1)
        assert wrong.value.code == "executor.stream.required"
        left = client.stream("conformance.Produce", key="k", items=1_000_000, size=1000)
        next(left)
        left.close()
        end = time.monotonic() + WAIT
        while client.call("conformance.Cancelled", key="k") != 1:
            assert time.monotonic() < end
        assert client.call("conformance.Produced", key="k") < 10_000
