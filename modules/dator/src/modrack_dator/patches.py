"""The JSON patch (RFC 6902) that makes one payload of another. Knows no decision."""

from __future__ import annotations

from typing import Any, cast

from modrack_dator.pointers import escape

MOST = 1000
"""Most operations that a host takes."""


def difference(before: Any, after: Any) -> list[dict[str, Any]]:
    """The operations that make `after` of `before`; none when they are equal. It touches what differs and nothing else, but for a
    patch that would have more than `MOST` operations: that one replaces the whole.

    >>> difference({"a": 1, "b": [1, 2]}, {"b": [1, 3], "c": None})
    [{'op': 'remove', 'path': '/a'}, {'op': 'replace', 'path': '/b/1', 'value': 3}, {'op': 'add', 'path': '/c', 'value': None}]
    """
    operations: list[dict[str, Any]] = []
    _compare(before, after, "", operations)
    return operations if len(operations) <= MOST else [{"op": "replace", "path": "", "value": after}]


def _compare(before: Any, after: Any, at: str, operations: list[dict[str, Any]]) -> None:
    if isinstance(before, dict) and isinstance(after, dict):
        old, new = cast("dict[str, Any]", before), cast("dict[str, Any]", after)
        operations.extend({"op": "remove", "path": f"{at}/{escape(name)}"} for name in old if name not in new)
        for name, value in new.items():
            path = f"{at}/{escape(name)}"
            if name in old:
                _compare(old[name], value, path, operations)
            else:
                operations.append({"op": "add", "path": path, "value": value})
        return
    if isinstance(before, list) and isinstance(after, list):
        items, others = cast("list[Any]", before), cast("list[Any]", after)
        if len(items) == len(others):
            for i, (old_item, new_item) in enumerate(zip(items, others, strict=True)):
                _compare(old_item, new_item, f"{at}/{i}", operations)
            return
    # `1`, `1.0` and `true` are equal in Python and differ in JSON.
    old_value, new_value = cast("object", before), cast("object", after)
    if type(old_value) is not type(new_value) or old_value != new_value:
        operations.append({"op": "replace", "path": at, "value": after})
