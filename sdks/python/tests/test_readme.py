"""The Python of the README, run from top to bottom, and what it shows of a terminal."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from fake_host import FakeHost
from fake_pipelines import FakePipeline

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def run() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "readme"}
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec", dont_inherit=True), names)
    return names


def test_the_first_module_has_at_most_ten_lines_and_is_described_as_shown() -> None:
    first = [line for line in BLOCKS[0].splitlines() if line.strip()]
    assert len(first) <= 10
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(BLOCKS[0], "README.md", "exec", dont_inherit=True), names)
    assert names["provider"].describe() in README


async def test_every_block_runs_and_the_modules_answer(monkeypatch: Any) -> None:
    names = await asyncio.to_thread(run)
    provider = names["provider"]
    assert list(provider.modules) == [
        "WordCount",
        "Find",
        "Words",
        "Lengths",
        "Crunch",
        "CountShouted",
        "CountTwice",
        "First",
    ]
    async with FakeHost() as host:
        monkeypatch.setenv("MODRACK_HOST", host.url)
        task = asyncio.create_task(provider.serve())
        await host.ready()
        assert await asyncio.to_thread(names["words"], "to be") == 2
        assert await host.call("Crunch", rounds=3) == 3
        assert (await host.call("First", items=[])).code == "text.empty"
        assert await names["report"]("ab cb") == "b at 1, 2 words of 4 letters"
        assert await host.call("CountShouted", text="to be") == 2
        assert await host.call("CountTwice", text="to be") == 4
        host.pipelines[names["SHOUT"]] = FakePipeline(
            "{text: String}", "{shouted: String}", lambda inputs: {"shouted": inputs["text"].upper()}
        )
        host.pipelines["shout"] = host.pipelines[names["SHOUT"]]
        assert await asyncio.to_thread(names["shout"], "to be") == "TO BE"
        assert await names["watch_shouting"]("to be") == "TO BE"
        assert await host.call("Find", text="ab", find="b") == [{"position": 1, "text": "b"}]
        provider.stop()
        await task


def test_the_first_middleware_has_at_most_ten_lines() -> None:
    first = next(block for block in BLOCKS if "Middleware(" in block)
    assert len([line for line in first.splitlines() if line.strip()]) <= 10
