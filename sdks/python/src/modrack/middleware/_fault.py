"""What this side answers when it does not answer with a report or a decision. Knows no transport but the numbers of HTTP."""

from __future__ import annotations

from typing import Any


class Fault(Exception):
    """A refusal or failure with a stable code. The message is for the operator, who reads it in the state of the component."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def to_json(self) -> dict[str, Any]:
        """As it is sent."""
        return {"error": {"code": self.code, "message": self.message}}


def malformed(message: str) -> Fault:
    """The request is not what the contract says."""
    return Fault(400, "module.request.invalid", message)
