"""The measured provider in Python: `Echo` gives its record back. The namespace is the first argument; the plane is `MODRACK_PLANE`'s."""

import sys
from dataclasses import dataclass

from modrack import Provider


@dataclass(slots=True)
class Row:
    id: int
    name: str
    score: float
    ok: bool
    tags: list[str]
    text: str


provider = Provider(sys.argv[1])


@provider.module(idempotent=True)
async def Echo(
    id: int, name: str, score: float, ok: bool, tags: list[str], text: str
) -> Row:
    """Give the record back."""
    return Row(id, name, score, ok, tags, text)


if __name__ == "__main__":
    provider.run()
