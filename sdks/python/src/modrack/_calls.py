"""The messages of a client's calls: values to requests, answers to values, by the types that either side knows. Sends nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from modrack._annotations import type_of
from modrack._called import called
from modrack._generated.host.v1 import host_pb as pb
from modrack._types import CType
from modrack._wire_errors import from_wire
from modrack._wire_types import from_schema
from modrack.bindings import TypedModule
from modrack.codec import Codec
from modrack.errors import CodecError, ModrackError

DEFAULT_TIMEOUT = 30.0
"""Seconds that a wait takes at most where the caller says nothing."""

SCHEMA_CHANGED = "registry.schema.changed"


class Shape:
    """What is known of a module's types, and the fingerprint that says which types those are."""

    __slots__ = ("_readers", "fingerprint", "input", "output")

    def __init__(self, fingerprint: str, input: Codec, output: Codec) -> None:
        self.fingerprint = fingerprint
        self.input = input
        self.output = output
        self._readers: dict[int, tuple[Any, Callable[[bytes], Any]]] = {}

    def reader(self, returns: Any) -> Callable[[bytes], Any]:
        """From the bytes of an output to values of the caller's type; without one, records are `dict`s."""
        if returns is None:
            return self.output.decode
        kept = self._readers.get(id(returns))
        if kept is None or kept[0] is not returns:
            kept = self._readers[id(returns)] = (returns, self._reader(codec_of(returns)))
            if len(self._readers) > 64:
                self._readers.clear()
        return kept[1]

    def _reader(self, codec: Codec) -> Callable[[bytes], Any]:
        if codec.type == self.output.type:
            return codec.decode
        output = self.output

        def transcode(data: bytes) -> Any:
            # The module gives more, or the same in other words (a T where a T | U is wanted): the value decides.
            return codec.decode(codec.encode(output.decode(data)))

        return transcode


@dataclass(frozen=True, slots=True)
class Target:
    """The module that a call is for, and what its caller says of it; `shape` is set where that is everything."""

    name: str
    returns: Any = None
    fingerprint: str = ""
    shape: Shape | None = None

    @classmethod
    def by_name(cls, name: str, returns: Any, fingerprint: str) -> Self:
        """A module whose types the host is asked for."""
        return cls(name, returns, fingerprint)

    @classmethod
    def of(cls, module: TypedModule[Any]) -> Self:
        """A module whose types the caller brings."""
        return cls(module.name, None, module.fingerprint, Shape(module.fingerprint, module.input, module.output))

    def may_repeat(self, error: ModrackError) -> bool:
        """Whether a call failed before anything ran because the kept schema is old; one that the caller fixed stays."""
        return error.code == SCHEMA_CHANGED and not self.fingerprint


def codec_of(annotation: Any) -> Codec:
    """The codec of an annotation or of a `CType`; made once.

    # Errors
    `SchemaError` for an annotation without a type.
    """
    try:
        return _codec_of(annotation)
    except TypeError:  # an annotation that is not hashable
        return _codec_of.__wrapped__(annotation)


@functools.lru_cache(maxsize=1024)
def _codec_of(annotation: Any) -> Codec:
    return Codec(annotation if isinstance(annotation, CType) else type_of(annotation))


def shape_of(module: pb.Module) -> Shape:
    """What the host says of a module."""
    return Shape(module.schema_fingerprint, Codec(from_schema(module.input)), Codec(from_schema(module.output)))


def call_request(target: Target, shape: Shape, value: Any, idempotency_key: str) -> pb.CallRequest:
    """The request of a call or of a stream."""
    return pb.CallRequest(
        module=target.name,
        input_data=shape.input.encode(value),
        schema_fingerprint=target.fingerprint or shape.fingerprint,
        idempotency_key=idempotency_key,
    )


def batch_request(
    target: Target, shape: Shape, values: Sequence[Any], idempotency_keys: Sequence[str]
) -> pb.CallBatchRequest:
    """The request of a batch.

    # Errors
    `CodecError` whose path begins with the position of the input; `ValueError` for keys that are not as many.
    """
    if idempotency_keys and len(idempotency_keys) != len(values):
        raise ValueError("a batch has one idempotency key per input, or none")
    inputs: list[pb.BatchInput] = []
    for i, value in enumerate(values):
        try:
            data = shape.input.encode({} if value is None else value)
        except CodecError as cause:
            raise CodecError(cause.code, cause.message, f"[{i}]{cause.path}") from None
        inputs.append(pb.BatchInput(input_data=data, idempotency_key=idempotency_keys[i] if idempotency_keys else ""))
    return pb.CallBatchRequest(
        module=target.name, inputs=inputs, schema_fingerprint=target.fingerprint or shape.fingerprint
    )


def batch_outputs(answer: pb.CallBatchResponse, read: Callable[[bytes], Any]) -> list[Any]:
    """One output or error per input, in their order."""
    return [
        called(from_wire(output.error)) if output.WhichOneof("result") == "error" else read(output.output_data)
        for output in answer.outputs
    ]
