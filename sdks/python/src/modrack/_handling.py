"""From the bytes of an input to the handler's call, and from what it returns to bytes. Decides neither where nor when it runs.

Both are compiled once per module: the bytes of an ordinary input are read, checked and given to the handler as keyword
arguments by one function, without a `dict` between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ormsgpack

from modrack import _encode, _fast, _records
from modrack._types import OptionType, RecordType
from modrack.errors import CodecError, InvalidArgument, ModrackError, UpstreamError

if TYPE_CHECKING:
    from modrack._annotations import Signature
    from modrack.codec import Codec
    from modrack.context import Context

Begin = Callable[[bytes, "Context | None"], Any]


def beginner(name: str, handler: Callable[..., Any], signature: Signature, codec: Codec) -> Begin:
    """The function that calls the handler of module `name` on the bytes of an input."""
    parameter = signature.context

    def careful(data: bytes, ctx: Context | None) -> Any:
        value = read_input(name, codec, data)
        extra = {parameter: ctx} if parameter else {}
        return handler(**value, **extra) if signature.spread else handler(value, **extra)

    if not signature.spread or not isinstance(codec.type, RecordType):
        return careful
    source = _records.Source()
    option = _fast.options_of(codec.type)
    told = f", option={option}" if option else ""
    source.names.update(
        unpackb=ormsgpack.unpackb, packb=ormsgpack.packb, REFUSED=_fast.REFUSED, careful=careful, handler=handler
    )
    source.add("try:")
    source.add(f"tree = unpackb(data{told})", 2)
    source.add(f"if packb(tree{told}) != data: raise Bail", 2)
    pairs = _records.read_fields(source, codec.type, _fast.compile_decoder, 2)
    source.add("except REFUSED:")
    source.add("return careful(data, ctx)", 2)
    # Outside the `try`: what the handler raises is its own.
    omit = codec.type.native.omit if codec.type.native else frozenset[str]()
    given = [f"{f.name}={var}" for var, f in pairs if f.name not in omit]
    if parameter:
        given.append(f"{parameter}=ctx")
    if omit:
        source.add("kwargs = {}")
        for var, f in pairs:
            if f.name in omit:
                assert isinstance(f.type, OptionType)
                source.add(f"if {var} is not None: kwargs[{f.name!r}] = {var}")
        given.append("**kwargs")
    source.add(f"return handler({', '.join(given)})")
    return source.function("begin(data, ctx)")


def read_input(name: str, codec: Codec, data: bytes) -> Any:
    """The value of an input.

    # Errors
    `InvalidArgument`: `executor.input.invalid` for bytes that are none, `module.input_refused` where the author's class says no.
    """
    try:
        return codec.decode(data)
    except CodecError as cause:
        raise InvalidArgument(
            "executor.input.invalid",
            f"the input of `{name}` is no {codec.type}: {cause.message}",
            details={"codec_code": cause.code, "path": cause.path},
        ) from cause
    except ModrackError:
        raise
    except (TypeError, ValueError) as cause:
        # The author's class refused its fields, e.g. a pydantic constraint.
        raise InvalidArgument("module.input_refused", str(cause), origin="module") from cause


def finisher(name: str, codec: Codec) -> Callable[[Any], bytes]:
    """The function that encodes what the handler of module `name` returns."""

    def refused(value: Any) -> bytes:
        try:
            return _encode.encode(codec.type, value)
        except CodecError as cause:
            raise UpstreamError(
                "executor.output.invalid",
                f"the output of `{name}` is no {codec.type}: {cause.message}",
                origin="module",
                details={"codec_code": cause.code, "path": cause.path},
            ) from cause

    return _fast.packer(codec.type, refused)
