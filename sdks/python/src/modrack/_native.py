"""How a record meets the Python class that an author declared. Derives nothing: `_annotations.py` fills it in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Native:
    """The Python side of a record.

    `cls` is the class whose instances carry the fields as attributes; `None` where a plain `dict` does. `make` turns
    decoded fields into the author's object. `omit` names the fields that `make` shall not see when they are absent,
    because a default stands in; any other absent option is given as `None`. `attributes` names the attribute of each field
    that is not called like its field.
    """

    cls: type | None
    make: Callable[[dict[str, Any]], Any]
    omit: frozenset[str]
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])


def same(fields: dict[str, Any]) -> dict[str, Any]:
    """The `make` of a plain `dict`."""
    return fields
