"""The input of a call from the arguments of a Python call. Encodes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast


def input_of(value: Any, fields: Mapping[str, Any]) -> Any:
    """The input of a call from its positional value and its keyword fields."""
    if not fields and value is not None:
        return value
    if value is None:
        return dict(fields)
    if isinstance(value, Mapping):
        return {**cast(Mapping[str, Any], value), **fields}
    raise TypeError("an input is a mapping, keyword fields, or one value without fields")
