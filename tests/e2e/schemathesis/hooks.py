"""What schemathesis has to know that a JSON Schema cannot say. Cases that are right by the schema alone are not sent:

* with a key twice in an array of pairs, which carries `x-unique-keys`;
* with an integral number beyond 2^53 that is written with fraction or exponent, which does not say which integer is meant."""

from __future__ import annotations

from typing import Any

import schemathesis


def key_of(key: Any) -> Any:
    """What a key stands for: a mark, a decimal string and an integral number are one Int."""
    if isinstance(key, dict) and set(key) == {"$int"}:
        key = key["$int"]
    if isinstance(key, bool):
        return ("bool", key)
    if isinstance(key, float) and key.is_integer():
        return ("int", int(key))
    if isinstance(key, str):
        try:
            return ("int", int(key)) if len(key) >= 16 else key
        except ValueError:
            return key
    return ("int", key) if isinstance(key, int) else repr(key)


def repeats(value: Any) -> bool:
    """Whether an array of pairs with a repeated key is in there."""
    if isinstance(value, list):
        keys = [key_of(item[0]) for item in value if isinstance(item, list) and len(item) == 2]
        return len(set(keys)) < len(keys) or any(repeats(item) for item in value)
    if isinstance(value, dict):
        return any(repeats(item) for item in value.values())
    return False


def blurs(value: Any) -> bool:
    """Whether a float is in there that is integral and too large to be exact."""
    if isinstance(value, float):
        return abs(value) > 2**53 - 1
    if isinstance(value, list):
        return any(blurs(item) for item in value)
    return isinstance(value, dict) and any(blurs(item) for item in value.values())


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    return not repeats(case.body) and not blurs(case.body)
