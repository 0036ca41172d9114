"""Reads objects of JSON member by member and gathers what is wrong with them. Knows nothing of workflows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from modrack_arca.references import Json, escaped


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong; `pointer` (RFC 6901) says where."""

    pointer: str
    message: str


class Reader:
    """One object of a configuration. What is wrong goes to the list of faults, and a value that fits stands in for it."""

    def __init__(self, members: Mapping[str, Json], pointer: str, faults: list[Fault]) -> None:
        self.members = members
        self._pointer = pointer
        self._faults = faults
        self._seen: set[str] = set()

    def fault(self, name: str, message: str) -> None:
        """Something is wrong with a member, or with the object itself where `name` is empty."""
        self.fault_at(self.pointer_of(name) if name else self._pointer, message)

    def fault_at(self, pointer: str, message: str) -> None:
        """Something is wrong at a place."""
        self._faults.append(Fault(pointer, message))

    def pointer_of(self, name: str) -> str:
        """Where a member stands."""
        return f"{self._pointer}/{escaped(name)}"

    def end(self) -> None:
        """Members that nobody read are faults."""
        for name in self.members:
            if name not in self._seen:
                self.fault(name, "is not known")

    def has(self, name: str) -> bool:
        """Whether the member is there."""
        return name in self.members

    def value(self, name: str) -> Json:
        """A member that has to be there, whatever it is."""
        self._seen.add(name)
        if name not in self.members:
            self.fault(name, "is missing")
        return self.members.get(name)

    def text(self, name: str, form: re.Pattern[str], meant: str) -> str:
        """A text of that form."""
        value = self.value(name)
        if isinstance(value, str) and form.fullmatch(value) is not None:
            return value
        if name in self.members:
            self.fault(name, f"is {meant}")
        return ""

    def optional_text(self, name: str) -> str | None:
        """A text that is not empty, or nothing."""
        self._seen.add(name)
        value = self.members.get(name)
        if value is None and name not in self.members:
            return None
        if isinstance(value, str) and value.strip():
            return value
        self.fault(name, "is a text, and not empty")
        return ""

    def texts(self, name: str) -> list[tuple[str, str]]:
        """A list of texts, each with where it stands; empty where there is none."""
        self._seen.add(name)
        found: list[tuple[str, str]] = []
        for index, one in enumerate(self._list(name)):
            pointer = f"{self.pointer_of(name)}/{index}"
            if isinstance(one, str):
                found.append((pointer, one))
            else:
                self.fault_at(pointer, "is a text")
        return found

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """A number within bounds."""
        self._seen.add(name)
        value = self.members.get(name, default)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.fault(name, f"is a whole number from {least} to {most}")
        return default

    def boolean(self, name: str, default: bool) -> bool:
        """True or false."""
        self._seen.add(name)
        value = self.members.get(name, default)
        if isinstance(value, bool):
            return value
        self.fault(name, "is true or false")
        return default

    def choice(self, name: str, default: str, choices: Sequence[str]) -> str:
        """One of some texts."""
        self._seen.add(name)
        value = self.members.get(name, default)
        if isinstance(value, str) and value in choices:
            return value
        self.fault(name, f"is one of {', '.join(f'`{choice}`' for choice in choices)}")
        return default

    def object(self, name: str) -> Reader:
        """An object; empty where it is left out."""
        self._seen.add(name)
        value = self.members.get(name, {})
        if not isinstance(value, dict):
            self.fault(name, "is an object")
            value = {}
        return Reader(value, self.pointer_of(name), self._faults)

    def objects(self, name: str, most: int, at_least: int = 0) -> list[Reader]:
        """A list of objects; empty where it is left out."""
        self._seen.add(name)
        entries = self._list(name)
        if not at_least <= len(entries) <= most:
            self.fault(name, f"has {at_least} to {most} entries")
        readers: list[Reader] = []
        for index, one in enumerate(entries[:most]):
            pointer = f"{self.pointer_of(name)}/{index}"
            if isinstance(one, dict):
                readers.append(Reader(one, pointer, self._faults))
            else:
                self.fault_at(pointer, "is an object")
        return readers

    def _list(self, name: str) -> list[Json]:
        value = self.members.get(name, cast("list[Json]", []))
        if isinstance(value, list):
            return value
        self.fault(name, "is a list")
        return []
