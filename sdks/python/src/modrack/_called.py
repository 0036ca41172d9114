"""Tells the errors that a client gave to whoever called from all others. Makes no errors, and knows no handler."""

from __future__ import annotations

from typing import TypeVar

from modrack.errors import ModrackError

Failure = TypeVar("Failure", bound=ModrackError)

_MARK = "_came_from_a_call"


def called(error: Failure) -> Failure:
    """Marks what a client fails with."""
    error.__dict__[_MARK] = True
    return error


def came_from_a_call(error: ModrackError) -> bool:
    """Whether an error is what a client gave to whoever called, and nothing that was made of it."""
    return _MARK in error.__dict__
