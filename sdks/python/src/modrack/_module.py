"""One module of a provider: an author's function with its types, compiled. Runs it, but decides neither where nor when."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from modrack import _batches, _handling
from modrack._annotations import signature_of
from modrack._batches import BatchCall
from modrack.codec import Codec
from modrack.context import Context
from modrack.errors import CodecError, SchemaError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}", re.ASCII)
Example = tuple[Any, Any]
"""An input, as a mapping of the parameters or as the single value, and the output that comes out."""


@dataclass(eq=False, slots=True)
class Module:
    """A compiled module. `blocks` is what the last run in a thread showed; it steers how many threads are woken."""

    name: str
    description: str
    version: str
    idempotent: bool
    is_async: bool
    takes_context: bool
    stream: bool
    input: Codec
    output: Codec
    examples: tuple[tuple[bytes, bytes], ...]
    begin: Callable[[bytes, Context | None], Any]
    """Calls the handler on the bytes of an input: what it returns, which is a coroutine when it is async and an iterator when it
    streams. The context may be absent where the handler takes none.

    # Errors
    `InvalidArgument` for bytes that are no input; whatever the handler raises.
    """
    finish: Callable[[Any], bytes]
    """The bytes of what the handler returned, or of one item.

    # Errors
    `UpstreamError` with `executor.output.invalid` when it is not of the declared type.
    """
    many: Callable[[list[bytes]], BatchCall] | None
    """Prepares a call of several inputs; `None` for a module that takes no batches."""
    blocks: bool = False

    def describe(self) -> str:
        """One line for people: the name with its types."""
        return f"{self.name}: {self.input.type} -> {self.output.type}"


def compile_module(
    handler: Callable[..., Any],
    *,
    name: str | None = None,
    description: str | None = None,
    version: str = "",
    idempotent: bool = False,
    examples: Iterable[Example] = (),
    input: Any = None,
    output: Any = None,
    batch: bool = False,
    localns: Mapping[str, Any] | None = None,
) -> Module:
    """The module of a function.

    # Errors
    `SchemaError` whose message names the function: an annotation without a type, a name that is none, an example that
    does not fit.
    """
    label = name or getattr(handler, "__name__", "")
    if not NAME.fullmatch(label):
        raise SchemaError("registry.name.invalid", f"`{label}` is no module name; pass `name=`")
    try:
        signature = signature_of(handler, input=input, output=output, batch=batch, localns=localns)
    except SchemaError as cause:
        raise SchemaError(cause.code, f"module `{label}`: {cause.message}", cause.path) from cause
    if signature.stream and examples:
        raise SchemaError(
            "registry.example.invalid", f"module `{label}` streams; examples are of modules with one output"
        )
    input_codec, output_codec = Codec(signature.input), Codec(signature.output)
    begin, finish = _handling.beginner(label, handler, signature, input_codec), _handling.finisher(label, output_codec)
    many: Callable[[list[bytes]], BatchCall] | None = None
    if batch:
        many = _batches.preparer(label, handler, signature.context, input_codec, finish)
        begin, finish = _batches.of_one(many, is_async=_is_async(handler))
    return Module(
        name=label,
        description=description if description is not None else inspect.getdoc(handler) or "",
        version=version,
        idempotent=idempotent,
        is_async=signature.asynchronous or _is_async(handler),
        takes_context=signature.context is not None,
        stream=signature.stream,
        input=input_codec,
        output=output_codec,
        examples=tuple(_example(label, input_codec, output_codec, pair) for pair in examples),
        begin=begin,
        finish=finish,
        many=many,
    )


def _is_async(handler: Callable[..., Any]) -> bool:
    call = getattr(type(handler), "__call__", None)  # noqa: B004 - an object with an async `__call__` is a handler too
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call)


def _example(label: str, input_codec: Codec, output_codec: Codec, pair: Example) -> tuple[bytes, bytes]:
    given, expected = pair
    try:
        return input_codec.encode(given), output_codec.encode(expected)
    except CodecError as cause:
        raise SchemaError("registry.example.invalid", f"an example of module `{label}`: {cause}") from cause
