"""The text modules in Python: namespace `text`. Run it with `MODRACK_HOST` set; without, it says what it is."""

from __future__ import annotations

from dataclasses import dataclass
from string import punctuation

from modrack import Provider

provider = Provider("text")


@provider.module(idempotent=True, version="1.0.0", examples=[({"text": "Straße"}, "STRASSE")])
def Uppercase(text: str) -> str:
    """Upper-case a text, by the full Unicode mapping."""
    return text.upper()


@provider.module(idempotent=True, version="1.0.0", examples=[({"text": "To Be"}, "to be")])
def Lowercase(text: str) -> str:
    """Lower-case a text, by the full Unicode mapping."""
    return text.lower()


@provider.module(idempotent=True, version="1.0.0", examples=[({"text": " to be\n"}, "to be")])
def Trim(text: str) -> str:
    """Remove white space from both ends of a text."""
    return text.strip()


@provider.module(
    idempotent=True,
    version="1.0.0",
    examples=[({"text": "to be", "find": "be", "replace": "see"}, "to see")],
)
def Replace(text: str, find: str, replace: str) -> str:
    """Replace every occurrence of `find`; an empty `find` changes nothing."""
    return text.replace(find, replace) if find else text


@provider.module(idempotent=True, version="1.0.0", examples=[({"text": "to be or  not\nto be"}, 6)])
def WordCount(text: str) -> int:
    """Count the words of a text: its parts between white space."""
    return len(text.split())


@provider.module(idempotent=True, version="1.0.0", examples=[({"text": "naïve 🦆"}, 7)])
def TextLength(text: str) -> int:
    """Count the Unicode scalar values of a text."""
    return len(text)


@dataclass
class Text:
    """The input of `Measure`."""

    text: str


@dataclass
class Measures:
    """What `Measure` finds; a text without words has no longest one."""

    words: int
    letters: int
    longest: str | None = None


@provider.batch(
    idempotent=True,
    version="1.0.0",
    examples=[({"text": "to be, or not"}, Measures(4, 9, "not")), ({"text": ""}, Measures(0, 0))],
)
def Measure(inputs: list[Text]) -> list[Measures]:
    """Count the words and the letters of a text, and find the first of its longest words. Takes many texts at once."""
    return [measure(each.text) for each in inputs]


def measure(text: str) -> Measures:
    """The measures of one text."""
    words = text.split()
    bare = [word.strip(punctuation) for word in words]
    return Measures(len(words), sum(map(str.isalpha, text)), max(bare, key=len, default=None))


if __name__ == "__main__":
    provider.run()
