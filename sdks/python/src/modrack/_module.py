"""One module of a provider: an author's function with its types, compiled. Runs it, but decides neither where nor when."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from modrack._annotations import signature_of
from modrack.codec import Codec
from modrack.context import Context
from modrack.errors import CodecError, InvalidArgument, ModrackError, SchemaError, UpstreamError

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
    handler: Callable[..., Any]
    is_async: bool
    spread: bool
    context: str | None
    input: Codec
    output: Codec
    examples: tuple[tuple[bytes, bytes], ...]
    blocks: bool = False

    def begin(self, data: bytes, ctx: Context) -> Any:
        """Calls the handler: what it returns, which is a coroutine when it is async.

        # Errors
        `InvalidArgument` for bytes that are no input; whatever the handler raises.
        """
        try:
            value = self.input.decode(data)
        except CodecError as cause:
            raise InvalidArgument(
                "executor.input.invalid",
                f"the input of `{self.name}` is no {self.input.type}: {cause.message}",
                details={"codec_code": cause.code, "path": cause.path},
            ) from cause
        except ModrackError:
            raise
        except (TypeError, ValueError) as cause:
            # The author's class refused its fields, e.g. a pydantic constraint.
            raise InvalidArgument("module.input_refused", str(cause), origin="module") from cause
        if self.spread:
            return self.handler(**value, **({self.context: ctx} if self.context else {}))
        return self.handler(value, **({self.context: ctx} if self.context else {}))

    def finish(self, value: Any) -> bytes:
        """The bytes of what the handler returned.

        # Errors
        `UpstreamError` with `executor.output.invalid` when it is not of the declared type.
        """
        try:
            return self.output.encode(value)
        except CodecError as cause:
            raise UpstreamError(
                "executor.output.invalid",
                f"the output of `{self.name}` is no {self.output.type}: {cause.message}",
                origin="module",
                details={"codec_code": cause.code, "path": cause.path},
            ) from cause

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
    if inspect.isasyncgenfunction(handler) or inspect.isgeneratorfunction(handler):
        raise SchemaError("type.unsupported", f"`{label}` is a generator; a module returns one value")
    try:
        signature = signature_of(handler, input=input, output=output, localns=localns)
    except SchemaError as cause:
        raise SchemaError(cause.code, f"module `{label}`: {cause.message}", cause.path) from cause
    input_codec, output_codec = Codec(signature.input), Codec(signature.output)
    return Module(
        name=label,
        description=description if description is not None else inspect.getdoc(handler) or "",
        version=version,
        idempotent=idempotent,
        handler=handler,
        is_async=_is_async(handler),
        spread=signature.spread,
        context=signature.context,
        input=input_codec,
        output=output_codec,
        examples=tuple(_example(label, input_codec, output_codec, pair) for pair in examples),
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
