"""The conformance provider in Python: the modules that `tests/conformance/scenarios` call. The same exist in the other languages."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypedDict, cast

from modrack import Context, ModuleError, Provider
from modrack.errors import Category, ModrackError
from modrack.pipelines import NodeEnded, NodeStarted, RunEnded, RunStarted

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


@dataclass
class Located:
    """Where a pipeline failed."""

    code: str
    module: str | None = None
    line: str | None = None
    column: str | None = None
    outcome: str | None = None


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


@provider.module
async def RunPipeline(pipeline: str, inputs: Any, ctx: Context) -> Any:
    """Run a pipeline, a source or a stored one, as part of this call."""
    return (await ctx.client.run_pipeline(pipeline, inputs)).outputs


@provider.module
async def StreamPipeline(pipeline: str, inputs: Any, ctx: Context) -> list[str]:
    """Tell what happens in a run, and at the end what it came to."""
    told: list[str] = []
    async for event in ctx.client.stream_pipeline(pipeline, inputs):
        match event:
            case RunStarted():
                told.append(f"started {len(event.nodes)}")
            case NodeStarted():
                told.append(f"node {event.node} started")
            case NodeEnded():
                told.append(f"node {event.node} {event.call.outcome}")
            case RunEnded():
                told.append(f"run {event.record.outcome}")
    return told


@provider.module
async def PipelineError(pipeline: str, inputs: Any, ctx: Context) -> Located:
    """Tell where and with which code a pipeline fails, and what its record says."""
    try:
        await ctx.client.run_pipeline(pipeline, inputs)
    except ModrackError as error:
        run_id = error.details.get("run_id")
        outcome = (await ctx.client.get_run(run_id)).outcome if run_id else None
        where = [error.details.get(key) for key in ("module", "line", "column")]
        return Located(error.code, *where, outcome)
    return Located("")


@provider.module
async def PutPipeline(name: str, source: str, ctx: Context) -> str:
    """Store a pipeline, and tell what it takes and gives."""
    plan = (await ctx.client.put_pipeline(name, source)).plan
    assert plan is not None
    return f"{plan.input} -> {plan.output}"


@provider.module
async def CheckPipeline(source: str, ctx: Context) -> list[str]:
    """Tell what there is to say of a source, each with its place."""
    check = await ctx.client.check_pipeline(source)
    return [f"{told.code} {told.place.line}:{told.place.column}" for told in check.diagnostics]


if __name__ == "__main__":
    provider.run()
