"""Modules for the offers of `dator-http.json`: a print shop with one press, which takes its time, and its list of offers.

Namespace `shop`. Run it with `MODRACK_HOST` set; without, it says what it is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from modrack import Provider

provider = Provider("shop")
_SECONDS_PER_COPY = 0.2


@dataclass
class Job:
    """What the shop did."""

    copies: int
    note: str


@provider.module(version="1.0.0")
def Print(title: str, copies: int, contact: str) -> Job:
    """Print a title some times."""
    time.sleep(_SECONDS_PER_COPY * copies)
    return Job(copies, f"{copies} × {title!r}, for {contact}")


@dataclass
class Price:
    """`per` is `call`, or the name of the unit that `field` of the request is counted in."""

    amount: str
    currency: str
    per: str
    field: str | None = None


@dataclass
class Limits:
    """How much is accepted at once and in a minute."""

    max_in_flight: int
    max_queued: int
    max_wait_ms: int
    max_payload_bytes: int
    calls_per_minute: int | None = None


@dataclass
class Offer:
    """A module, or several of one pattern, under a price."""

    id: str
    module: str
    description: str
    price: Price
    limits: Limits


@provider.module(idempotent=True, version="1.0.0")
def Offers(module: str | None = None) -> list[Offer]:
    """What is offered here: all, or what concerns one module or pattern. Where dator does not answer, nothing is."""
    return []


if __name__ == "__main__":
    provider.run()
