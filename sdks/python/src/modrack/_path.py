"""Steps of the paths that refusals carry. Formats only."""

from __future__ import annotations

import json
import re

_SHOWN = 64
"""Longest part of a key that a path shows, in characters; keys come from the input and may be megabytes long."""

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}", re.ASCII)


def key_step(key: object) -> str:
    """The step into the value of a map's key: `{"key"}`, `{3}`, `{true}`."""
    if isinstance(key, bool):
        return "{true}" if key else "{false}"
    if isinstance(key, int):
        return f"{{{int(key)}}}"
    text = str(key)
    shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return "{" + json.dumps(shown, ensure_ascii=False) + "}"


def found_field(name: str) -> str:
    """The step to a field that the input names: `.field`, or as a key where the name is no identifier."""
    return f".{name}" if _IDENTIFIER.fullmatch(name) else key_step(name)
