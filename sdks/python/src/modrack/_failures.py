"""What a caller learns of an exception. Sends nothing, and keeps the stack for the local log."""

from __future__ import annotations

import asyncio
import logging
import os
import traceback

from modrack.errors import Cancelled, ModrackError, ModuleError, UpstreamError

log = logging.getLogger("modrack")

_OWN = frozenset(("executor.input.invalid", "executor.output.invalid", "module.input_refused", "module.batch_mismatch"))
"""Raised around a handler by this package; a client's error inside a handler is an ordinary exception of that handler."""


def envelope(error: BaseException, name: str) -> ModrackError:
    """The failure of a call of module `name`: codes of this package as they are, of any other exception its type and text.

    The stack goes to the local log, and into the details only where `MODRACK_DEBUG` is 1.
    """
    if isinstance(error, ModuleError):
        return error
    if isinstance(error, ModrackError) and error.code in _OWN:
        log.warning("module %s: %s", name, error)
        return error
    if isinstance(error, asyncio.CancelledError):
        return Cancelled("module.cancelled", f"`{name}` cancelled itself", origin="module")
    log.error("module %s failed", name, exc_info=error)
    details: dict[str, str] = {}
    if os.environ.get("MODRACK_DEBUG", "") == "1":
        details["stack"] = "".join(traceback.format_exception(error))[-8000:]
    return UpstreamError("module.failed", _told(error), origin="module", details=details)


def _told(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an author's `__str__` may fail as well
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
