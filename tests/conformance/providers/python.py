"""The conformance provider in Python: the modules that `tests/conformance/scenarios` call. The same exist in the other languages."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypedDict, cast

from modrack import Context, ModuleError, Provider
from modrack.errors import Category

provider = Provider(os.environ.get("MODRACK_NAMESPACE", "conformance"))
cancelled: Counter[str] = Counter()
produced: Counter[str] = Counter()
started: Counter[str] = Counter()
batches: dict[str, list[int]] = {}

# The functional form: the names of the fields are those of Python's own types.
Everything = TypedDict(  # noqa: UP013
    "Everything",
    {
        "text": str,
        "int": int,
        "float": float,
        "flag": bool,
        "bytes": bytes,
        "list": list[list[int]],
        "map": dict[int, str],
        "option": str | None,
        "union": str | int,
        "any": Any,
    },
)


class Element(TypedDict):
    """An input of `Square`."""

    key: str
    n: int


@dataclass
class Inspection:
    """What a handler sees of its call and its process."""

    pid: int
    attempt: int
    has_deadline: bool


@dataclass
class Measures:
    """A text and how long it is."""

    text: str
    code_points: int
    utf8_bytes: int


@provider.module(input=Everything, output=Everything, idempotent=True)
def Echo(value: Everything) -> Everything:
    """Answer with the input."""
    return value


@provider.module
def Fail(category: str, code: str, message: str, retryable: bool) -> str:
    """Fail with an error of the caller's choice."""
    raise ModuleError(code, message, category=cast(Category, category), retryable=retryable)


@provider.module
def Raise(message: str) -> str:
    """Raise an ordinary exception."""
    raise RuntimeError(message)


@provider.module
async def Sleep(key: str, ms: int) -> int:
    """Wait, and count under the key when the wait is cancelled."""
    started[key] += 1
    try:
        await asyncio.sleep(ms / 1000)
    except asyncio.CancelledError:
        cancelled[key] += 1
        raise
    return ms


@provider.module
async def Cancelled(key: str) -> int:
    """Tell how many calls and streams of the key were cancelled."""
    return cancelled[key]


@provider.module
async def Started(key: str) -> int:
    """Tell how many calls of `Sleep` began under the key."""
    return started[key]


@provider.module
async def Inspect(ctx: Context) -> Inspection:
    """Tell what the handler sees of its call."""
    return Inspection(pid=os.getpid(), attempt=ctx.attempt, has_deadline=ctx.deadline is not None)


@provider.module
def Crash() -> int:
    """End the process in the middle of the call."""
    os._exit(3)


@provider.module
def Measure(text: str) -> Measures:
    """Give a text back, and how long it is."""
    return Measures(text=text, code_points=len(text), utf8_bytes=len(text.encode()))


@provider.module
def Size(data: bytes) -> int:
    """Tell how many bytes came."""
    return len(data)


@provider.module
def Big(size: int) -> bytes:
    """Answer with that many zero bytes."""
    return bytes(size)


@provider.module
async def Count(to: int) -> AsyncIterator[int]:
    """Stream the numbers from 1."""
    for n in range(1, to + 1):
        yield n


@provider.module
async def CountAndFail(to: int) -> AsyncIterator[int]:
    """Stream the numbers from 1, then fail."""
    for n in range(1, to + 1):
        yield n
    raise ModuleError("module.stopped", f"stopped after {to}", category="CONFLICT")


@provider.module
async def Produce(key: str, items: int, size: int) -> AsyncIterator[bytes]:
    """Stream items of that many zero bytes, counting them under the key; a stream that is left counts as cancelled."""
    try:
        for _ in range(items):
            produced[key] += 1
            yield bytes(size)
    except (asyncio.CancelledError, GeneratorExit):
        cancelled[key] += 1
        raise


@provider.module
async def Produced(key: str) -> int:
    """Tell how many items `Produce` gave out under the key."""
    return produced[key]


@provider.module
def Double(n: int) -> int:
    """Twice the number. Takes no batches itself."""
    if n < 0:
        raise ModuleError("module.negative", f"{n} is negative", category="INVALID_ARGUMENT")
    return 2 * n


@provider.batch
def Square(inputs: list[Element]) -> list[int | Exception]:
    """The squares of the numbers, all at once."""
    batches.setdefault(inputs[0]["key"], []).append(len(inputs))

    def square(n: int) -> int | Exception:
        if n < 0:
            return ModuleError("module.negative", f"{n} is negative", category="INVALID_ARGUMENT")
        return n * n

    return [square(element["n"]) for element in inputs]


@provider.module
async def Batches(key: str) -> list[int]:
    """Tell how many inputs each call of `Square` had under the key."""
    return batches.get(key, [])


@provider.module
async def Nest(module: str, input: Any, ctx: Context) -> Any:
    """Call another module as part of this call."""
    return await ctx.client.call(module, input)


@provider.module
async def NestStream(module: str, input: Any, ctx: Context) -> list[Any]:
    """Collect the stream of another module as part of this call."""
    return [item async for item in ctx.client.stream(module, input)]


@provider.module
async def NestError(module: str, input: Any, ctx: Context) -> str:
    """Tell the code with which a nested call fails."""
    try:
        await ctx.client.call(module, input)
    except Exception as error:
        return getattr(error, "code", repr(error))
    return ""


if __name__ == "__main__":
    provider.run()
