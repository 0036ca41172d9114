"""Errors to and from `modrack.error.v1.Error` and the gRPC trailer. Invents codes only where the other side sent none."""

from __future__ import annotations

import itertools
from typing import Any, cast

import grpc
from google.protobuf.message import DecodeError

from modrack._generated.error.v1 import error_pb as pb
from modrack.errors import CATEGORIES, Category, ModrackError, Origin, error_of

TRAILER = "grpc-status-details-bin"

# An error must always get through, so what a handler puts into one is bounded far below the largest message.
_MOST_TEXT = 8192
_MOST_DETAILS = 32

_ORIGINS: dict[Origin, pb.Origin] = {
    "module": pb.ORIGIN_MODULE,
    "core": pb.ORIGIN_CORE,
    "middleware": pb.ORIGIN_MIDDLEWARE,
    "upstream": pb.ORIGIN_UPSTREAM,
}
_ORIGIN_NAMES: dict[int, Origin] = {number: name for name, number in _ORIGINS.items()}

# What a gRPC failure without our details means: who sent it does not speak the protocol, or nobody answered at all.
_BARE: dict[grpc.StatusCode, tuple[Category, str, bool]] = {
    grpc.StatusCode.UNAVAILABLE: ("UNAVAILABLE", "client.host.unreachable", True),
    grpc.StatusCode.DEADLINE_EXCEEDED: ("DEADLINE_EXCEEDED", "client.deadline.exceeded", True),
    grpc.StatusCode.CANCELLED: ("CANCELLED", "client.call.cancelled", False),
    grpc.StatusCode.UNIMPLEMENTED: ("UNSUPPORTED", "client.method.unsupported", False),
    grpc.StatusCode.RESOURCE_EXHAUSTED: ("RATE_LIMITED", "client.message.refused", False),
    grpc.StatusCode.UNAUTHENTICATED: ("UNAUTHENTICATED", "client.credential.refused", False),
    grpc.StatusCode.PERMISSION_DENIED: ("PERMISSION_DENIED", "client.permission.denied", False),
    grpc.StatusCode.INVALID_ARGUMENT: ("INVALID_ARGUMENT", "client.request.refused", False),
    grpc.StatusCode.NOT_FOUND: ("NOT_FOUND", "client.target.unknown", False),
}

_STATUS: dict[Category, grpc.StatusCode] = {
    "INVALID_ARGUMENT": grpc.StatusCode.INVALID_ARGUMENT,
    "UNAUTHENTICATED": grpc.StatusCode.UNAUTHENTICATED,
    "PERMISSION_DENIED": grpc.StatusCode.PERMISSION_DENIED,
    "NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "CONFLICT": grpc.StatusCode.ABORTED,
    "FAILED_PRECONDITION": grpc.StatusCode.FAILED_PRECONDITION,
    "RATE_LIMITED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "UNSUPPORTED": grpc.StatusCode.UNIMPLEMENTED,
    "UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "DEADLINE_EXCEEDED": grpc.StatusCode.DEADLINE_EXCEEDED,
    "CANCELLED": grpc.StatusCode.CANCELLED,
    "UPSTREAM_ERROR": grpc.StatusCode.UNKNOWN,
    "INTERNAL": grpc.StatusCode.INTERNAL,
}


def to_wire(error: ModrackError) -> pb.Error:
    """The envelope of an exception."""
    return pb.Error(
        category=cast(pb.Category, CATEGORIES.index(error.category) + 1),
        code=printable(error.code, _MOST_TEXT),
        message=printable(error.message, _MOST_TEXT),
        origin=_ORIGINS[error.origin],
        retryable=error.retryable,
        trace_id=error.trace_id,
        retry_after_ms=round((error.retry_after or 0) * 1000),
        details={
            printable(key, _MOST_TEXT): printable(value, _MOST_TEXT)
            for key, value in itertools.islice(error.details.items(), _MOST_DETAILS)
        },
    )


def from_wire(error: pb.Error) -> ModrackError:
    """The exception of an envelope; an unknown category is INTERNAL, an unknown origin core."""
    if not error.code:
        return error_of("INTERNAL", "client.answer.invalid", error.message or "a failure without an error")
    known = 1 <= error.category <= len(CATEGORIES)
    return error_of(
        CATEGORIES[error.category - 1] if known else "INTERNAL",
        error.code,
        error.message,
        origin=_ORIGIN_NAMES.get(error.origin, "core"),
        retryable=error.retryable,
        trace_id=error.trace_id,
        retry_after=error.retry_after_ms / 1000 if error.retry_after_ms else None,
        details=error.details,
    )


def from_rpc(error: grpc.RpcError) -> ModrackError:
    """The exception of a failed gRPC call: what the trailer says, else what the bare status means."""
    call = cast(Any, error)
    details = _from_trailer(call.trailing_metadata() or ())
    if details is not None:
        return from_wire(details)
    status: grpc.StatusCode = call.code()
    category, code, retryable = _BARE.get(status, ("INTERNAL", "client.rpc.failed", False))
    return error_of(category, code, call.details() or status.name, retryable=retryable, details={"grpc": status.name})


def to_rpc(error: ModrackError) -> tuple[grpc.StatusCode, tuple[tuple[str, bytes], ...]]:
    """The status and the trailer by which a gRPC call fails with an exception."""
    wire = to_wire(error)
    details = pb.StatusDetails(code=_STATUS[error.category].value[0], message=wire.message)
    details.details.add().Pack(wire)
    return _STATUS[error.category], ((TRAILER, details.SerializeToString()),)


def printable(text: object, most: int) -> str:
    """The text without lone surrogates, which protobuf refuses, cut to `most` characters."""
    plain = str(text)
    cut = plain if len(plain) <= most else plain[: most - 1] + "…"
    return cut.encode(errors="replace").decode()


def _from_trailer(metadata: Any) -> pb.Error | None:
    for key, value in metadata:
        if key != TRAILER:
            continue
        try:
            for detail in pb.StatusDetails.FromString(value).details:
                error = pb.Error()
                if detail.Unpack(error):
                    return error
        except DecodeError:
            return None
    return None
