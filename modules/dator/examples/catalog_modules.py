"""The module that dator answers for: `catalog.Offers`. Where dator does not, nothing is offered."""

from __future__ import annotations

from dataclasses import dataclass

from modrack import Provider

provider = Provider("catalog")


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


@provider.module(idempotent=True)
def Offers(module: str | None = None) -> list[Offer]:
    """What is offered here: all, or what concerns one module or pattern."""
    return []


if __name__ == "__main__":
    provider.run()
