"""What an operator offers: modules under a price, within limits, in a shape. Read and checked here; serves nobody.

The classes are the `config` of the component, member by member; `README.md` has the table of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any, Literal

from modrack_dator.pointers import parse

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?")
_MODULE = re.compile(r"[A-Za-z0-9_.*]{1,256}")

LONGEST_WAIT_MS = 10_000
"""The longest that a call may wait for a place: less than the host waits for a decision."""


@dataclass(frozen=True)
class Price:
    """What a call costs. With `per` `unit`, what `unit_field` (a JSON pointer into the request) holds is counted: the characters of a
    text, the items of a list, the members of an object, a whole number itself."""

    amount: str
    currency: str
    per: Literal["call", "unit"] = "call"
    unit: str | None = None
    unit_field: str | None = None

    def __post_init__(self) -> None:
        if not _AMOUNT.fullmatch(self.amount):
            raise ValueError("has an `amount` that is no decimal number like `0.002`")
        if not _CURRENCY.fullmatch(self.currency):
            raise ValueError("has a `currency` that is no code of three capitals like `EUR`")
        if (self.per == "unit") != (self.unit is not None and self.unit_field is not None):
            raise ValueError("has `unit` and `unit_field` with `per` `unit`, and not without")
        parse(self.unit_field or "")

    @cached_property
    def decimal(self) -> Decimal:
        """The amount."""
        try:
            return Decimal(self.amount)
        except InvalidOperation as cause:
            raise AssertionError("the pattern lets decimal numbers in alone") from cause

    def said(self) -> str:
        """For people: `0.002 EUR per call`."""
        return f"{self.amount} {self.currency} per {self.unit if self.per == 'unit' else 'call'}"


@dataclass(frozen=True)
class Limits:
    """How much is accepted. What finds no place waits, at most `max_queued` calls for at most `max_wait_ms`; what is over that, or over
    `calls_per_minute`, is deferred. `retry_after_ms` is what a caller is told when nothing better is known."""

    max_in_flight: int = 16
    max_queued: int = 0
    max_wait_ms: int = 0
    max_payload_bytes: int = 1024 * 1024
    calls_per_minute: int | None = None
    retry_after_ms: int = 1000

    def __post_init__(self) -> None:
        if self.max_in_flight < 1 or self.max_payload_bytes < 1:
            raise ValueError("has `max_in_flight` and `max_payload_bytes` above 0")
        if self.max_queued < 0 or not 0 <= self.max_wait_ms <= LONGEST_WAIT_MS:
            raise ValueError(f"has `max_queued` from 0, and `max_wait_ms` from 0 to {LONGEST_WAIT_MS}")
        if (self.max_queued == 0) != (self.max_wait_ms == 0):
            raise ValueError("has `max_queued` and `max_wait_ms` together or not at all: who queues has to wait")
        if self.calls_per_minute is not None and self.calls_per_minute < 1:
            raise ValueError("has `calls_per_minute` above 0")
        if not 1 <= self.retry_after_ms <= 3_600_000:
            raise ValueError("has `retry_after_ms` from 1 to 3600000")


@dataclass(frozen=True)
class RequestShape:
    """What becomes of a request: of the fields those in `select` (all without it), with `defaults` for those that are absent or null,
    and numbers no larger than `at_most` says."""

    select: list[str] | None = None
    defaults: dict[str, Any] = field(default_factory=dict[str, Any])
    at_most: dict[str, int | float] = field(default_factory=dict[str, int | float])


@dataclass(frozen=True)
class Redaction:
    """What is hidden: in what `at` points to, matches of `pattern`, or without one everything: texts become `mask`, numbers 0, true false.
    In `at`, a segment `*` is any member or index."""

    at: str = ""
    pattern: str | None = None
    mask: str = "***"

    def __post_init__(self) -> None:
        parse(self.at)
        if not self.at and self.pattern is None:
            raise ValueError("says `at`, `pattern` or both")
        try:
            re.compile(self.pattern or "")
        except re.error as cause:
            raise ValueError(f"has a `pattern` that is no regular expression: {cause}") from cause

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """Of `at`."""
        return parse(self.at)

    @cached_property
    def expression(self) -> re.Pattern[str] | None:
        """`pattern`, compiled."""
        return None if self.pattern is None else re.compile(self.pattern)


@dataclass(frozen=True)
class ResponseShape:
    """What becomes of an answer: of the fields those in `select` (all without it), redacted. In a list of records, each is shaped."""

    select: list[str] | None = None
    redact: list[Redaction] = field(default_factory=list[Redaction])


@dataclass(frozen=True)
class Offer:
    """One offer. `module` is the name of a module or stored pipeline, or a pattern like `text.*`. A call holds its place until its
    answer, or with `until` `end`, which streams need, until all is over."""

    id: str
    module: str
    price: Price
    description: str = ""
    limits: Limits = field(default_factory=Limits)
    request: RequestShape = field(default_factory=RequestShape)
    response: ResponseShape = field(default_factory=ResponseShape)
    until: Literal["answer", "end"] = "answer"

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError(f"has an id, `{self.id}`, that is not lower-case letters, digits, `.`, `_` and `-`")
        if not _MODULE.fullmatch(self.module):
            raise ValueError(f"has a module, `{self.module}`, that is neither a name nor a pattern")

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return pattern_of(self.module)

    def covers(self, name: str) -> bool:
        """Whether it is about that module or stored pipeline."""
        return self._pattern.fullmatch(name) is not None

    def published(self) -> dict[str, Any]:
        """What users see of it: an `Offer` of `offer.schema.json`."""
        price, limits = self.price, self.limits
        return {
            "id": self.id,
            "module": self.module,
            "description": self.description,
            "price": {
                "amount": price.amount,
                "currency": price.currency,
                "per": price.unit if price.per == "unit" else "call",
                **({"field": price.unit_field} if price.per == "unit" else {}),
            },
            "limits": {
                "max_in_flight": limits.max_in_flight,
                "max_queued": limits.max_queued,
                "max_wait_ms": limits.max_wait_ms,
                "max_payload_bytes": limits.max_payload_bytes,
                **({"calls_per_minute": limits.calls_per_minute} if limits.calls_per_minute is not None else {}),
            },
        }


@dataclass(frozen=True)
class Config:
    """The component's configuration. The first offer that covers a call is the one that holds. `strict` rejects what none covers.
    `offers_module` is the module whose calls dator answers with the list of offers."""

    offers: list[Offer] = field(default_factory=list[Offer])
    strict: bool = False
    offers_module: str | None = None

    def __post_init__(self) -> None:
        ids = [offer.id for offer in self.offers]
        twice = next((each for i, each in enumerate(ids) if each in ids[:i]), None)
        if twice is not None:
            raise ValueError(f"has two offers with the id `{twice}`")

    def offer_for(self, name: str) -> Offer | None:
        """The offer that holds for a module or stored pipeline."""
        return next((offer for offer in self.offers if offer.covers(name)), None)

    def published(self, pattern: str = "") -> list[dict[str, Any]]:
        """The offers in their order: all, or those whose `module` is or matches the pattern."""
        wanted = pattern_of(pattern or "*")
        return [
            offer.published() for offer in self.offers if wanted.fullmatch(offer.module) or offer.covers(pattern or "*")
        ]


def pattern_of(pattern: str) -> re.Pattern[str]:
    """A pattern over names as the host has it: `*` stands for any run of characters, everything else for itself."""
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)
