"""Modules for the workflow of `arca-http.json`: one that is down the first time, and the module that the workflow stands in for.

Namespace `flaky`. Run it with `MODRACK_HOST` set; without, it says what it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from modrack import ModuleError, Provider

provider = Provider("flaky")
_seen: dict[str, int] = {}
_MOST_KEYS = 10_000


# Not idempotent: the host repeats no such call by itself, so that whoever asks for it decides.
@provider.module(version="1.0.0")
def Count(text: str, key: str, failures: int) -> int:
    """Count the words of a text. The first `failures` calls with a key fail: UNAVAILABLE, to be tried again."""
    calls = _seen.get(key, 0) + 1
    if len(_seen) >= _MOST_KEYS:
        _seen.clear()
    _seen[key] = calls
    if calls <= failures:
        raise ModuleError(
            "flaky.down",
            f"call {calls} of `{key}` fails, as the first {failures} do",
            category="UNAVAILABLE",
            retryable=True,
        )
    return len(text.split())


@provider.module(version="1.0.0")
def Calls(key: str) -> int:
    """How often `Count` was called with a key."""
    return _seen.get(key, 0)


@dataclass
class Report:
    """What a workflow publishes of a text."""

    text: str
    words: int
    headline: str


@provider.module(version="1.0.0")
def Summarise(text: str, key: str, failures: int) -> Report:
    """Summarise a text. It is the subject of a workflow, which answers in its place; alone it cannot."""
    raise ModuleError(
        "flaky.workflow.missing",
        f"the {len(text)} characters of `{key}` are a matter for the workflow `summary`, and no component has it",
        category="FAILED_PRECONDITION",
    )


if __name__ == "__main__":
    provider.run()
