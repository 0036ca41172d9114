"""Serves the modules that the golden bindings are made of: every type, and every name that is hard in some language."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

from modrack import Provider
from modrack.codec import parse_type

EVERYTHING = (
    "{text: String, int: Int, float: Float, flag: Bool, data: Bytes, any: Any, list: List<String>, "
    "map: Map<Int, String>, option: Option<Int>, union: String | Int, lists: List<Int> | List<String>, "
    "inner: {class: String, content-type: Option<String>, rows: List<{id: Int, name: String}>}, "
    "choice: {id: Int, name: String} | {left: Float} | Map<String, Float>}"
)
WORDS = (
    "{class: String, self: Int, timeout: Float, idempotency_key: String, content-type: String, camelCase: Int, camel_case: Int, "
    "type: Option<String>, str: String, list: List<String>, __private: Int, __proto__: Int, constructor: Int, _: Int}"
)

text = Provider("golden.text")
words = Provider("golden-words")


@text.module(
    input=parse_type(EVERYTHING), output=parse_type(EVERYTHING), idempotent=True
)
def Everything(value: Any) -> Any:
    """Answer with the input.

    Nothing here ends a comment: \"\"\", */, \\u0041 and ``` are text, and so is `ünïcode` 🦀.
    """
    return value


@text.module(idempotent=True)
def Replace(text: str, find: str, replace: str, count: int | None = None) -> str:
    """Replace `find` in a text, at most `count` times."""
    return text.replace(find, replace, -1 if count is None else count)


@text.module(input=parse_type("List<Int>"), output=parse_type("Int"))
def Sum(value: list[int]) -> int:
    """Add numbers."""
    return sum(value)


@text.module
def Now() -> int:
    """Take nothing."""
    return 1


@text.module
async def Count(to: int) -> AsyncIterator[int]:
    """Count, as a stream."""
    for number in range(to):
        yield number


@words.module(input=parse_type(WORDS), output=parse_type(WORDS))
def Echo(value: Any) -> Any:
    """Answer with the input, whose fields have hard names."""
    return value


@words.module(input=parse_type("{}"), output=parse_type("{}"))
def constructor(value: Any) -> Any:
    """A name that every object of JavaScript has."""
    return value


@words.module(input=parse_type("Option<String>"), output=parse_type("Option<String>"))
def list_(value: str | None) -> str | None:
    """A scalar that may be missing."""
    return value


# Names that no function of Python has.
words.module(name="import", input=parse_type("String"), output=parse_type("String"))(
    lambda value: value
)
words.module(name="do-it", input=parse_type("Int"), output=parse_type("Int"))(
    lambda value: value
)
words.module(name="do_it", input=parse_type("Int"), output=parse_type("Int"))(
    lambda value: value
)


async def main() -> None:
    """Serves both namespaces until SIGTERM."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(
        signal.SIGTERM, lambda: [provider.stop() for provider in (text, words)]
    )
    await asyncio.gather(text.serve(), words.serve())


if __name__ == "__main__":
    asyncio.run(main())
