"""JSON pointers (RFC 6901) with `*` for any member or index: read, and followed through a payload. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast


def parse(pointer: str) -> tuple[str, ...]:
    """The segments. Raises `ValueError` for a text that is no pointer.

    >>> parse("/rows/*/e~1mail")
    ('rows', '*', 'e/mail')
    """
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"`{pointer}` is no JSON pointer: it is empty or begins with `/`")
    return tuple(each.replace("~1", "/").replace("~0", "~") for each in pointer.split("/")[1:])


def escape(segment: str) -> str:
    """A segment as it stands in a pointer."""
    return segment.replace("~", "~0").replace("/", "~1")


def find(payload: Any, segments: tuple[str, ...]) -> list[Any]:
    """What is there; several where a segment is `*`, nothing where a part of the way is missing."""
    found = [payload]
    for segment in segments:
        found = [below for each in found for below in _below(each, segment)]
    return found


def replaced(payload: Any, segments: tuple[str, ...], change: Callable[[Any], Any]) -> Any:
    """The payload with what is there changed. What is not changed is shared with the original, which stays as it is."""
    if not segments:
        return change(payload)
    first, rest = segments[0], segments[1:]
    if isinstance(payload, dict):
        members = cast("dict[str, Any]", payload)
        return {name: replaced(each, rest, change) if first in ("*", name) else each for name, each in members.items()}
    if isinstance(payload, list):
        items = cast("list[Any]", payload)
        return [replaced(each, rest, change) if first in ("*", str(i)) else each for i, each in enumerate(items)]
    return payload


def _below(value: Any, segment: str) -> list[Any]:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        if segment == "*":
            return list(members.values())
        return [members[segment]] if segment in members else []
    if isinstance(value, list):
        items = cast("list[Any]", value)
        if segment == "*":
            return items
        return [each for i, each in enumerate(items) if str(i) == segment]
    return []
