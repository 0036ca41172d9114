"""Providers as processes: what they print, how they end, and how long they take to start."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from fake_host import WAIT, FakeHost

from modrack import FailedPrecondition

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "text_modules.py"
FIXTURE = ROOT.parents[1] / "tests" / "fixtures" / "python" / "provider.py"


def environment(**variables: str) -> dict[str, str]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith("MODRACK_")}
    return {**plain, **variables}


async def start(script: Path, **variables: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, str(script), env=environment(**variables), stderr=asyncio.subprocess.PIPE
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str]:
    _, stderr = await asyncio.wait_for(process.communicate(), WAIT)
    return process.returncode or 0, stderr.decode()


def test_without_a_host_it_says_what_it_is_and_what_to_set() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)], env=environment(), capture_output=True, text=True, timeout=WAIT
    )
    assert done.returncode == 2
    assert "provider text, 7 modules:" in done.stderr
    assert "  text.Replace: {text: String, find: String, replace: String} -> String" in done.stderr
    assert "Set MODRACK_HOST to serve it" in done.stderr


async def test_sigterm_finishes_what_runs_and_ends_with_0() -> None:
    async with FakeHost() as host:
        process = await start(FIXTURE, MODRACK_HOST=host.url)
        await host.ready()
        running = asyncio.create_task(host.call("Block", ms=300))
        await asyncio.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert await running == 300
        code, stderr = await ended(process)
        assert code == 0
        assert host.unregistered == ["token-1"]
        assert re.search(
            rf"^modrack: provider fixture ready: \d+ modules over link at {re.escape(host.url)}$", stderr, re.M
        )


async def test_a_second_signal_ends_it_at_once() -> None:
    async with FakeHost() as host:
        process = await start(FIXTURE, MODRACK_HOST=host.url)
        await host.ready()
        asyncio.create_task(host.call("Block", ms=8000)).add_done_callback(
            lambda task: task.cancelled() or task.exception()
        )
        await asyncio.sleep(0.1)
        process.send_signal(signal.SIGINT)
        await host.until(lambda: bool(host.unregistered))
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        code, _ = await ended(process)
        assert code == 128 + signal.SIGINT
        assert time.monotonic() - began < 2


async def test_a_refused_registration_ends_with_1_the_code_and_a_hint() -> None:
    async with FakeHost() as host:
        host.refuse.append(FailedPrecondition("registry.schema.incompatible", "input `text.Trim` is narrower"))
        code, stderr = await ended(await start(EXAMPLE, MODRACK_HOST=host.url))
        assert code == 1
        assert "modrack: provider text refused: input `text.Trim` is narrower [registry.schema.incompatible]" in stderr
        assert "hint: keep the old types callable" in stderr
        assert "Traceback" not in stderr


async def test_a_value_of_the_environment_that_means_nothing_ends_with_1() -> None:
    code, stderr = await ended(await start(EXAMPLE, MODRACK_HOST="http://127.0.0.1:1", MODRACK_PLANE="pigeon"))
    assert code == 1
    assert "MODRACK_PLANE is link, attach or unary, not `pigeon`" in stderr


async def test_the_environment_says_who_the_provider_is(tmp_path: Path) -> None:
    secret = tmp_path / "credential"
    secret.write_text("s3cret\n")
    async with FakeHost() as host:
        process = await start(
            EXAMPLE,
            MODRACK_HOST=host.url,
            MODRACK_PLANE="attach",
            MODRACK_SERVICE_ID="text-1",
            MODRACK_GROUP_ID="texts",
            MODRACK_CREDENTIAL_FILE=str(secret),
        )
        await host.ready()
        request = host.registrations[-1]
        assert (request.service_id, request.group_id, request.credential) == ("text-1", "texts", "s3cret")
        assert (request.info.language, request.info.pid) == ("python", process.pid)
        assert host.plane == "attach"
        process.send_signal(signal.SIGTERM)
        code, stderr = await ended(process)
        assert code == 0
        assert "s3cret" not in stderr


async def test_the_fixture_shows_every_behaviour() -> None:
    everything = {
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
    async with FakeHost() as host:
        process = await start(FIXTURE, MODRACK_HOST=host.url, MODRACK_NAMESPACE="fixture.python")
        await host.ready()
        assert host.registrations[-1].namespace == "fixture.python"
        assert await host.call("Echo", everything) == everything
        failed = await host.call("Fail", category="CONFLICT", code="fixture.taken", message="m", retryable=True)
        assert (failed.code, failed.retryable) == ("fixture.taken", True)
        assert (await host.call("Raise", message="boom")).message == "RuntimeError: boom"
        assert await host.call("Sleep", ms=1) == 1
        assert await host.call("Cancelled") == 0
        seen = await host.call("Inspect")
        assert seen == {
            "execution_id": "run-1",
            "attempt": 2,
            "has_deadline": True,
            "pid": process.pid,
            "language": "python",
        }
        assert await host.call("Grow") is True
        assert await host.call("Extra", text="a") == "a"
        assert await host.call("Big", size=1000) == bytes(1000)
        crash = asyncio.create_task(host.call("Crash"))
        assert (await ended(process))[0] == 3
        crash.cancel()


def test_importing_the_package_and_starting_a_provider_is_quick() -> None:
    script = "import modrack.provider; modrack.provider.Provider('a')"
    lines = f"import sys; {script}; assert 'grpc' not in sys.modules; assert 'pydantic' not in sys.modules"
    subprocess.run([sys.executable, "-c", lines], env=environment(), check=True, timeout=WAIT)
