"""The one error envelope as Python exceptions; knows neither gRPC nor protobuf.

Every failure that this package reports is a `ModrackError` with a category, a stable code and a message that is
safe to show. `except NotFound` catches by category, `error.code` tells precisely:

>>> error = error_of("NOT_FOUND", "registry.module.unknown", "module `text.Upper` is not registered")
>>> type(error).__name__, error.code, error.retryable
('NotFound', 'registry.module.unknown', False)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, get_args

Category = Literal[
    "INVALID_ARGUMENT",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "NOT_FOUND",
    "CONFLICT",
    "FAILED_PRECONDITION",
    "RATE_LIMITED",
    "UNSUPPORTED",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "CANCELLED",
    "UPSTREAM_ERROR",
    "INTERNAL",
]
"""What kind of failure it is; decides the gRPC and the HTTP status."""

CATEGORIES: tuple[Category, ...] = get_args(Category)
"""All categories, in the order of `modrack.error.v1.Category`; the first has the number 1."""

Origin = Literal["module", "core", "middleware", "upstream"]
"""Which part failed: the function of a module, the host or an SDK, a middleware, a dependency."""


class ModrackError(Exception):
    """A failure with a stable code. Raised by clients, providers and the codec; subclassed by category.

    `retry_after` is in seconds and `None` where nothing is known. `trace_id` finds the entry in the host's log.
    """

    default_category: ClassVar[Category] = "INTERNAL"

    def __init__(
        self,
        code: str,
        message: str,
        *,
        category: Category | None = None,
        origin: Origin = "core",
        retryable: bool = False,
        trace_id: str = "",
        retry_after: float | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.category: Category = category or self.default_category
        self.origin: Origin = origin
        self.retryable = retryable
        self.trace_id = trace_id
        self.retry_after = retry_after
        self.details: dict[str, str] = dict(details or {})

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"


class InvalidArgument(ModrackError):
    """The request is wrong whatever the state of the host."""

    default_category = "INVALID_ARGUMENT"


class Unauthenticated(ModrackError):
    """Who asks is not known."""

    default_category = "UNAUTHENTICATED"


class PermissionDenied(ModrackError):
    """Who asks is known and may not."""

    default_category = "PERMISSION_DENIED"


class NotFound(ModrackError):
    """The thing named does not exist."""

    default_category = "NOT_FOUND"


class Conflict(ModrackError):
    """Somebody else has it, or it changed in the meantime."""

    default_category = "CONFLICT"


class FailedPrecondition(ModrackError):
    """The request is right, the state is not."""

    default_category = "FAILED_PRECONDITION"


class RateLimited(ModrackError):
    """Too much at once; `retry_after` says when to come back."""

    default_category = "RATE_LIMITED"


class Unsupported(ModrackError):
    """The receiver does not offer this."""

    default_category = "UNSUPPORTED"


class Unavailable(ModrackError):
    """Nobody is there to answer, which may pass."""

    default_category = "UNAVAILABLE"


class DeadlineExceeded(ModrackError):
    """The deadline passed first."""

    default_category = "DEADLINE_EXCEEDED"


class Cancelled(ModrackError):
    """The caller gave up."""

    default_category = "CANCELLED"


class UpstreamError(ModrackError):
    """A module, or what it depends on, failed or broke its contract."""

    default_category = "UPSTREAM_ERROR"


class InternalError(ModrackError):
    """A fault of the host itself."""

    default_category = "INTERNAL"


class ModuleError(ModrackError):
    """What a handler raises to answer with a code of its own.

    Codes that a module chooses begin with its namespace or with `module.`; code, category, message, `retryable`
    and details reach the caller as they are.

    >>> raise ModuleError("text.too_long", "at most 10 characters", category="INVALID_ARGUMENT")
    Traceback (most recent call last):
        ...
    modrack.errors.ModuleError: at most 10 characters [text.too_long]
    """

    default_category = "UPSTREAM_ERROR"

    def __init__(
        self,
        code: str,
        message: str,
        *,
        category: Category = "UPSTREAM_ERROR",
        retryable: bool = False,
        details: Mapping[str, str] | None = None,
    ) -> None:
        if category not in CATEGORIES:
            raise ValueError(f"`{category}` is no category; one of {', '.join(CATEGORIES)}")
        super().__init__(
            code,
            message,
            category=category,
            origin="module",
            retryable=retryable,
            details=details,
        )


class CodecError(InvalidArgument):
    """A value or its bytes do not have the declared type. `path` leads to the fault, e.g. `.rows[3]|1`."""

    def __init__(self, code: str, message: str, path: str = "") -> None:
        super().__init__(code, message, details={"path": path})
        self.path = path

    def __str__(self) -> str:
        return f"{self.message} at `{self.path}` [{self.code}]" if self.path else super().__str__()


class SchemaError(InvalidArgument):
    """A type is refused: its text, its tree, or the annotation that it was to be derived from."""

    def __init__(self, code: str, message: str, path: str = "") -> None:
        super().__init__(code, message, details={"path": path})
        self.path = path

    def __str__(self) -> str:
        return f"{self.message} at `{self.path}` [{self.code}]" if self.path else super().__str__()


_BY_CATEGORY: dict[Category, type[ModrackError]] = {
    cls.default_category: cls
    for cls in (
        InvalidArgument,
        Unauthenticated,
        PermissionDenied,
        NotFound,
        Conflict,
        FailedPrecondition,
        RateLimited,
        Unsupported,
        Unavailable,
        DeadlineExceeded,
        Cancelled,
        UpstreamError,
        InternalError,
    )
}


def error_of(
    category: Category,
    code: str,
    message: str,
    *,
    origin: Origin = "core",
    retryable: bool = False,
    trace_id: str = "",
    retry_after: float | None = None,
    details: Mapping[str, str] | None = None,
) -> ModrackError:
    """The exception of the subclass that belongs to the category."""
    return _BY_CATEGORY[category](
        code,
        message,
        origin=origin,
        retryable=retryable,
        trace_id=trace_id,
        retry_after=retry_after,
        details=details,
    )
