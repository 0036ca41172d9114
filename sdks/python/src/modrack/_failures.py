"""What a caller learns of an exception. Sends nothing, and keeps the stack for the local log."""

from __future__ import annotations

import asyncio
import logging
import os
import traceback
from typing import cast

from modrack._called import came_from_a_call
from modrack.errors import Cancelled, DeadlineExceeded, ModrackError, ModuleError, UpstreamError

log = logging.getLogger("modrack")

_OWN = frozenset(("executor.input.invalid", "executor.output.invalid", "module.input_refused", "module.batch_mismatch"))
"""Raised around a handler by this package; the same codes from a client inside a handler are the failure of a nested call."""


def envelope(error: BaseException, name: str) -> ModrackError:
    """The failure of a call of module `name`: codes of this package as they are, of any other exception its type and text.

    Of a nested call that failed, also its code and category as details; where it ran out of time or was cancelled, the call has
    that code of the host's. The stack goes to the local log, and into the details only where `MODRACK_DEBUG` is 1.
    """
    if isinstance(error, ModuleError):
        return error
    nested = _nested(error)
    if nested is not None and nested.category in ("DEADLINE_EXCEEDED", "CANCELLED"):
        log.warning("module %s: %s", name, nested)
        # As the host ends this very call, whose time is over at the same moment: the caller hears the same of either.
        if nested.category == "CANCELLED":
            return Cancelled("executor.call.cancelled", _told(nested), details=_details(nested))
        return DeadlineExceeded("executor.deadline.exceeded", _told(nested), retryable=True, details=_details(nested))
    if nested is None and isinstance(error, ModrackError) and error.code in _OWN:
        log.warning("module %s: %s", name, error)
        return error
    if isinstance(error, asyncio.CancelledError):
        return Cancelled("module.cancelled", f"`{name}` cancelled itself", origin="module")
    log.error("module %s failed", name, exc_info=error)
    details = {} if nested is None else _details(nested)
    if os.environ.get("MODRACK_DEBUG", "") == "1":
        details["stack"] = "".join(traceback.format_exception(error))[-8000:]
    return UpstreamError("module.failed", _told(nested or error), origin="module", details=details)


def _nested(error: BaseException) -> ModrackError | None:
    """The failure of a nested call that an exception is; of a group of nothing else, e.g. of an `asyncio.TaskGroup`, the first."""
    if isinstance(error, BaseExceptionGroup):
        found = [_nested(each) for each in cast("BaseExceptionGroup[BaseException]", error).exceptions]
        return found[0] if all(found) else None
    return error if isinstance(error, ModrackError) and came_from_a_call(error) else None


def _details(nested: ModrackError) -> dict[str, str]:
    return {"nested_code": nested.code, "nested_category": nested.category}


def _told(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an author's `__str__` may fail as well
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
