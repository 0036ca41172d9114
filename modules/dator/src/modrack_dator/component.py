"""dator as a component: its hooks, and what they answer. Shapes and counts by the modules beside it."""

from __future__ import annotations

import json
from typing import Any, cast

from modrack.middleware import Decision, Envelope, Init, Middleware, allow, annotate, defer, reject, return_, rewrite

from modrack_dator import shaping
from modrack_dator._version import VERSION
from modrack_dator.desk import Desk, Key, Refused
from modrack_dator.offers import Config, Offer
from modrack_dator.patches import difference

PUBLICATION = "dator/exchange-service-publication"
SHAPING = "dator/service-execution-shaping"

OFFERS_CONTRACT = "urn:modrack:dator:offers:1"
"""Names the contract of the list of offers: `offer.schema.json` of this package."""

ANNOTATION = "dator"
"""The annotation under which dator says what holds for a call."""

LEASE_SLACK = 1.0
"""Seconds past the deadline of a call after which its place falls back: by then the host has ended it."""

_CANCELLED = "executor.call.cancelled"


class Dator:
    """What one configured component knows: the offers and a desk for each of them."""

    def __init__(self) -> None:
        self._config = Config()
        self._desks: dict[str, Desk] = {}

    def configure(self, config: Config) -> None:
        """Takes a configuration. Calls in flight keep the places of offers that are there still."""
        desks: dict[str, Desk] = {}
        for offer in config.offers:
            known = self._desks.get(offer.id)
            desks[offer.id] = Desk(offer.id, offer.limits) if known is None else known.replace(offer.id, offer.limits)
        self._config, self._desks = config, desks

    def publication(self) -> str:
        """What there is to buy, in a line."""
        offers = self._config.offers
        if not offers:
            return "Publishes service offers: none is configured."
        said = "; ".join(f"{offer.id} ({offer.module}, {offer.price.said()})" for offer in offers[:10])
        more = f"; and {len(offers) - 10} more" if len(offers) > 10 else ""
        where = f", told by `{self._config.offers_module}`" if self._config.offers_module else ""
        return f"Publishes service offers{where}: {said}{more}."

    async def before(self, envelope: Envelope) -> Decision:
        """The decision before a call or run."""
        name = envelope.subject.name
        if name and name == self._config.offers_module:
            return self._listed(envelope.payload)
        offer = self._config.offer_for(name)
        if offer is None:
            what = f"`{name}`" if name else "a pipeline that is not stored"
            return reject(f"no offer covers {what}") if self._config.strict else allow(f"no offer covers {what}")
        size = len(json.dumps(envelope.payload, ensure_ascii=False, separators=(",", ":")).encode())
        if size > offer.limits.max_payload_bytes:
            most = offer.limits.max_payload_bytes
            return reject(f"offer `{offer.id}` takes at most {most} bytes of input, not {size}")
        # Shaped before there is a place: a fault of the shape costs none.
        shaped = shaping.request(offer.request, envelope.payload)
        patch = difference(envelope.payload, shaped)
        units = shaping.units(offer.price, shaped)
        total = shaping.total(offer.price, units)
        place = await self._desks[offer.id].take(_key(envelope), envelope.remaining_ms / 1000 + LEASE_SLACK)
        if isinstance(place, Refused):
            return defer(f"offer `{offer.id}` is busy: {place.reason}", place.retry_after)
        annotations = {
            ANNOTATION: {
                "offer": offer.id,
                "price": {**offer.published()["price"], "units": units, "total": total},
                "place": place.id,
                "waited_ms": round(place.waited * 1000),
            }
        }
        reason = f"offer `{offer.id}`: {total} {offer.price.currency} for {_counted(offer, units)}"
        return rewrite(reason, json_patch=patch, annotations=annotations) if patch else annotate(reason, annotations)

    async def after(self, envelope: Envelope) -> Decision:
        """The decision on an answer."""
        said = _said(envelope)
        offer = self._offer_of(envelope)
        if offer is None:
            return allow("no offer covers it")
        if offer.until == "answer":
            self._desks[offer.id].give_back(_place(envelope), _key(envelope))
        patch = difference(envelope.payload, shaping.response(offer.response, envelope.payload))
        reason = f"answered under offer `{offer.id}`"
        annotations = {ANNOTATION: {**said, "offer": offer.id, "answered": True, "shaped": bool(patch)}}
        return rewrite(reason, json_patch=patch, annotations=annotations) if patch else annotate(reason, annotations)

    async def told(self, envelope: Envelope) -> None:
        """Gives back what the call or run still holds, however it ended."""
        offer = self._offer_of(envelope)
        if offer is None or envelope.outcome is None:
            return
        desk, key = self._desks[offer.id], _key(envelope)
        # Of a caller who left while components were asked, the host does not know what they said.
        if not desk.give_back(_place(envelope), key) and envelope.outcome.code == _CANCELLED:
            desk.give_back_any(key)

    def _offer_of(self, envelope: Envelope) -> Offer | None:
        """The offer under which the call has its place, else the one that would hold: another component may have routed the call to
        a module of another offer, or of none, and the hooks behind it name the module that the caller asked for."""
        place, key = _place(envelope), _key(envelope)
        held = next((offer for offer in self._config.offers if self._desks[offer.id].holds(place, key)), None)
        return held or self._config.offer_for(envelope.subject.name)

    def _listed(self, payload: Any) -> Decision:
        wanted: Any = cast("dict[str, Any]", payload).get("module") if isinstance(payload, dict) else None
        offers = self._config.published(wanted if isinstance(wanted, str) else "")
        return return_(f"{len(offers)} offers", payload=offers)


def component() -> Middleware[Config]:
    """A new component, that knows no configuration yet."""
    dator = Middleware(
        "dator",
        description="Publishes service offers, shapes calls and answers, accepts no more than was offered.",
        version=VERSION,
        config=Config,
    )
    state = Dator()
    dator.capability(PUBLICATION, state.publication(), output_contract=OFFERS_CONTRACT)
    dator.capability(SHAPING, "Shapes requests and answers, redacts, queues within bounds, defers and rejects.")

    @dator.on_init
    async def configure(_: Init) -> None:
        state.configure(dator.config)
        dator.capability(PUBLICATION, state.publication(), output_contract=OFFERS_CONTRACT, replace=True)

    dator.pre_run(state.before)
    dator.pre_invoke(state.before)
    dator.post_invoke(state.after)
    dator.post_run(state.after)
    dator.audit(state.told)
    # It is reached by the init alone.
    del configure
    return dator


def _key(envelope: Envelope) -> Key:
    correlation = envelope.correlation
    return Key(correlation.execution_id, correlation.node_id, envelope.subject.kind)


def _place(envelope: Envelope) -> str:
    return str(_said(envelope).get("place", ""))


def _said(envelope: Envelope) -> dict[str, Any]:
    """What dator said of this call before. A call of a run comes with what was said of the run."""
    said: Any = envelope.annotations.get(ANNOTATION)
    return cast("dict[str, Any]", said) if isinstance(said, dict) else {}


def _counted(offer: Offer, units: int) -> str:
    unit = offer.price.unit if offer.price.per == "unit" else "call"
    return f"{units} {unit}{'' if units == 1 else 's'}"
