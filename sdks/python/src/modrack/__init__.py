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

if TYPE_CHECKING:
    from modrack.client import AsyncClient, Client
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

# Where a name is, unless it is in `errors`. What is imported when it is used costs nobody else: gRPC is more than everything else
# here together, and a middleware needs neither it nor the codec.
_HOMES = {
    "AsyncClient": "modrack.client",
    "Client": "modrack.client",
    "Context": "modrack.context",
    "Provider": "modrack.provider",
    "Variant": "modrack.codec",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module `modrack` has no attribute `{name}`")
    from importlib import import_module

    value = getattr(import_module(_HOMES.get(name, "modrack.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
