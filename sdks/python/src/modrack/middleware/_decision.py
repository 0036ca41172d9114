"""What a component may answer, a function for each of the eight decisions, and the rules that a decision keeps. The host checks
again, with the types of the payload at hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

from modrack.middleware._envelope import Hook

DecisionKind = Literal["allow", "annotate", "rewrite", "route", "return", "drop", "defer", "reject"]
"""What is to happen."""

PatchStrategy = Literal["merge", "json_patch"]
"""How a patch is written: RFC 7396 or RFC 6902."""

# The bounds are the host's: `docs/middleware.md`.
_REASON_BYTES = 1024
_ROUTE_BYTES = 512
_DEPTH = 32
_OPERATIONS = 1000
_STEP_BYTES = 1024
_ANNOTATIONS_BYTES = 16 * 1024
_ANNOTATIONS = 64
_DIAGNOSTICS_BYTES = 16 * 1024
_RETRY_AFTER_MS = 3_600_000

_ONLY_BEFORE: dict[DecisionKind, tuple[Hook, ...]] = {
    "route": ("pre_invoke",),
    "defer": ("pre_run", "pre_invoke"),
}


class DecisionError(ValueError):
    """A decision breaks the contract; the text says which rule."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer of a component. Made by `allow`, `annotate`, `rewrite`, `route`, `return_`, `drop`, `defer` and `reject`."""

    decision: DecisionKind
    reason: str
    annotations: Mapping[str, Any] | None = None
    patch: Any = None
    patch_strategy: PatchStrategy | None = None
    route: str | None = None
    retry_after_ms: int | None = None
    next_step: str | None = None
    diagnostics: Any = None

    def to_json(self) -> dict[str, Any]:
        """As it is sent: without what is not said."""
        pairs = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {name: value for name, value in pairs if value is not None}

    def check(self, hook: Hook) -> None:
        """Raises `DecisionError` when the host would refuse the decision at that hook whatever the payload."""
        kind = self.decision
        _require(hook in _ONLY_BEFORE.get(kind, (hook,)), f"`{kind}` is no answer at `{hook}`")
        _require(bool(self.reason.strip()), f"`{kind}` needs a reason")
        _require(_size(self.reason) <= _REASON_BYTES, f"a reason has at most {_REASON_BYTES} bytes")
        _require(kind != "annotate" or bool(self.annotations), "`annotate` needs annotations")
        _require(kind != "rewrite" or self.patch is not None, "`rewrite` needs a patch")
        _require((self.patch is None) == (self.patch_strategy is None), "a patch and its strategy belong together")
        _require(kind in ("rewrite", "return") or self.patch is None, f"`{kind}` has no patch")
        if self.patch_strategy == "json_patch":
            operations: Any = self.patch
            _require(isinstance(operations, list), "a JSON patch is a list of operations")
            _require(len(operations) <= _OPERATIONS, f"a JSON patch has at most {_OPERATIONS} operations")
        _require((kind == "route") == bool(self.route), "`route` names a module, and nothing else does")
        _require(_size(self.route or "") <= _ROUTE_BYTES, f"the name of a module has at most {_ROUTE_BYTES} bytes")
        _require(kind == "defer" or self.retry_after_ms is None, f"`{kind}` says no time to come back")
        after = self.retry_after_ms
        _require(after is None or 1 <= after <= _RETRY_AFTER_MS, f"`retry_after_ms` is 1 to {_RETRY_AFTER_MS}")
        if self.annotations is not None:
            _require(len(self.annotations) <= _ANNOTATIONS, f"there are at most {_ANNOTATIONS} annotations")
            _require_json(self.annotations, _ANNOTATIONS_BYTES, "the annotations")
            _require(_depth(self.annotations) <= _DEPTH + 1, f"an annotation is nested deeper than {_DEPTH}")
        if self.next_step is not None:
            _require(_size(self.next_step) <= _STEP_BYTES, f"`next_step` has at most {_STEP_BYTES} bytes")
        if self.diagnostics is not None:
            _require_json(self.diagnostics, _DIAGNOSTICS_BYTES, "the diagnostics")
            _require(_depth(self.diagnostics) <= _DEPTH, f"the diagnostics are nested deeper than {_DEPTH}")


def allow(
    reason: str, *, annotations: Mapping[str, Any] | None = None, next_step: str | None = None, diagnostics: Any = None
) -> Decision:
    """Done; go on."""
    return Decision("allow", reason, annotations, next_step=next_step, diagnostics=diagnostics)


def annotate(
    reason: str, annotations: Mapping[str, Any], *, next_step: str | None = None, diagnostics: Any = None
) -> Decision:
    """Go on, with these annotations for those who follow."""
    return Decision("annotate", reason, annotations, next_step=next_step, diagnostics=diagnostics)


def rewrite(
    reason: str,
    *,
    merge: Any = None,
    json_patch: Sequence[Mapping[str, Any]] | None = None,
    annotations: Mapping[str, Any] | None = None,
    next_step: str | None = None,
    diagnostics: Any = None,
) -> Decision:
    """Go on with the patched payload: `merge` is an RFC 7396 patch, `json_patch` the operations of RFC 6902. One of both."""
    patch, strategy = _patch(merge, json_patch)
    return Decision("rewrite", reason, annotations, patch, strategy, next_step=next_step, diagnostics=diagnostics)


def route(
    reason: str,
    to: str,
    *,
    annotations: Mapping[str, Any] | None = None,
    next_step: str | None = None,
    diagnostics: Any = None,
) -> Decision:
    """Go on with another module, `to`; only at `pre_invoke`."""
    return Decision("route", reason, annotations, route=to, next_step=next_step, diagnostics=diagnostics)


_UNSAID: Any = object()


def return_(
    reason: str,
    *,
    payload: Any = _UNSAID,
    merge: Any = None,
    json_patch: Sequence[Mapping[str, Any]] | None = None,
    annotations: Mapping[str, Any] | None = None,
    next_step: str | None = None,
    diagnostics: Any = None,
) -> Decision:
    """Answer at once, with the payload as it is, patched, or replaced by `payload`; who follows and the module are not asked."""
    if payload is not _UNSAID:
        if merge is not None or json_patch is not None:
            raise DecisionError("a payload is replaced or patched, not both")
        json_patch = [{"op": "replace", "path": "", "value": payload}]
    patch, strategy = _patch(merge, json_patch)
    return Decision("return", reason, annotations, patch, strategy, next_step=next_step, diagnostics=diagnostics)


def drop(
    reason: str, *, annotations: Mapping[str, Any] | None = None, next_step: str | None = None, diagnostics: Any = None
) -> Decision:
    """End it; the caller sees CANCELLED with the reason."""
    return Decision("drop", reason, annotations, next_step=next_step, diagnostics=diagnostics)


def defer(
    reason: str,
    retry_after: float = 1.0,
    *,
    annotations: Mapping[str, Any] | None = None,
    next_step: str | None = None,
    diagnostics: Any = None,
) -> Decision:
    """End it; the caller sees UNAVAILABLE with the reason, and may come back after `retry_after` seconds. Only before the call or
    run."""
    after = max(1, round(retry_after * 1000))
    return Decision("defer", reason, annotations, retry_after_ms=after, next_step=next_step, diagnostics=diagnostics)


def reject(
    reason: str, *, annotations: Mapping[str, Any] | None = None, next_step: str | None = None, diagnostics: Any = None
) -> Decision:
    """End it; the caller sees PERMISSION_DENIED with the reason."""
    return Decision("reject", reason, annotations, next_step=next_step, diagnostics=diagnostics)


def _patch(merge: Any, json_patch: Sequence[Mapping[str, Any]] | None) -> tuple[Any, PatchStrategy | None]:
    if merge is not None and json_patch is not None:
        raise DecisionError("a patch is written as `merge` or as `json_patch`, not both")
    if json_patch is not None:
        return list(json_patch), "json_patch"
    return merge, None if merge is None else "merge"


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise DecisionError(otherwise)


def _require_json(value: Any, limit: int, what: str) -> None:
    try:
        size = _size(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
    except (TypeError, ValueError) as cause:
        raise DecisionError(f"{what} are no JSON: {cause}") from cause
    _require(size <= limit, f"{what} have at most {limit} bytes as JSON, not {size}")


def _depth(value: Any) -> int:
    if isinstance(value, Mapping):
        inner: Iterable[Any] = cast("Mapping[str, Any]", value).values()
    elif isinstance(value, (list, tuple)):
        inner = cast("Sequence[Any]", value)
    else:
        return 0
    return 1 + max(map(_depth, inner), default=0)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
