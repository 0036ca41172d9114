"""Typed modules for Modrack: serve Python functions to a host, call the modules of others. Importing it opens nothing.

>>> from modrack import Provider
>>> from modrack.testing import TestClient
>>> provider = Provider("text")
>>> @provider.module
... def Uppercase(text: str) -> str:
...     return text.upper()
>>> TestClient(provider).call("Uppercase", text="straße")
'STRASSE'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modrack._version import VERSION
from modrack.codec import Variant
from modrack.context import Context
from modrack.errors import (
    Cancelled,
    CodecError,
    Conflict,
    DeadlineExceeded,
    FailedPrecondition,
    InternalError,
    InvalidArgument,
    ModrackError,
    ModuleError,
    NotFound,
    PermissionDenied,
    RateLimited,
    SchemaError,
    Unauthenticated,
    Unavailable,
    Unsupported,
    UpstreamError,
)
from modrack.provider import Provider

if TYPE_CHECKING:
    from modrack.client import AsyncClient, Client

__version__ = VERSION

__all__ = [
    "AsyncClient",
    "Cancelled",
    "Client",
    "CodecError",
    "Conflict",
    "Context",
    "DeadlineExceeded",
    "FailedPrecondition",
    "InternalError",
    "InvalidArgument",
    "ModrackError",
    "ModuleError",
    "NotFound",
    "PermissionDenied",
    "Provider",
    "RateLimited",
    "SchemaError",
    "Unauthenticated",
    "Unavailable",
    "Unsupported",
    "UpstreamError",
    "Variant",
    "__version__",
]


def __getattr__(name: str) -> Any:
    # The clients need gRPC, whose import costs more than everything else here together.
    if name in ("Client", "AsyncClient"):
        from modrack import client

        return getattr(client, name)
    raise AttributeError(f"module `modrack` has no attribute `{name}`")
