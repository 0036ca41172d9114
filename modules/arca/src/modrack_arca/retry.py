"""The retry posture of a phase: whether and when a failed attempt is followed by another. Waits for nothing, and knows no clock."""

from __future__ import annotations

from dataclasses import dataclass

CATEGORIES = frozenset(
    {
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
    }
)
"""Categories of failures, as every surface of the host names them."""

RETRYABLE = "retryable"
"""In `retry_on`: whatever the failure itself says may be tried again."""

LATER = frozenset({"UNAVAILABLE", "RATE_LIMITED", "DEADLINE_EXCEEDED"})
"""Categories that may end well when the caller asks again later."""

MAX_ATTEMPTS = 10
"""The cap of all postures."""


class Failure(Exception):
    """What the host says of a run that failed, or what stands in its way. Safe to show."""

    def __init__(
        self,
        category: str,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        run_id: str = "",
    ) -> None:
        super().__init__(message)
        self.category = category
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after
        self.run_id = run_id

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"

    def may_pass(self) -> bool:
        """Whether the caller does well to ask again later."""
        return self.retryable or self.category in LATER


@dataclass(frozen=True, slots=True)
class Posture:
    """How often, when and after which failures a phase is tried again."""

    max_attempts: int = 1
    """All attempts together, the first one too; 1 to `MAX_ATTEMPTS`."""
    backoff: float = 0.1
    """Seconds before the second attempt; twice as long before each further one."""
    max_backoff: float = 5.0
    """Longest of these pauses, in seconds."""
    retry_on: frozenset[str] = frozenset({RETRYABLE})
    """Categories, or `RETRYABLE`."""

    def pause(self, attempt: int, failure: Failure) -> float | None:
        """Seconds to wait after the failure of attempt number `attempt` (from 1); None when it was the last one.

        Never shorter than what the failure asks for.
        """
        wanted = failure.category in self.retry_on or (RETRYABLE in self.retry_on and failure.retryable)
        if not wanted or attempt >= self.max_attempts:
            return None
        pause = min(self.backoff * 2 ** (attempt - 1), self.max_backoff)
        return max(pause, failure.retry_after or 0.0)
