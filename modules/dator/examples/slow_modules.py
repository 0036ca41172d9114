"""A module that takes as long as it is told to, says what reached it, and fails on request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from modrack import ModuleError, Provider

provider = Provider("work")


@dataclass
class Done:
    """`seen_ms` is what reached the module."""

    seen_ms: int
    note: str
    contact: str


@provider.module
async def Slow(ms: int, note: str | None = None, fail: bool = False) -> Done:
    """Take so many milliseconds."""
    await asyncio.sleep(ms / 1000)
    if fail:
        raise ModuleError("work.failed", "it was told to fail")
    return Done(ms, note or "", "ada@example.org")


if __name__ == "__main__":
    provider.run()
