"""Serves a component of the kind `command_stdio`: one message on standard input, its answer on standard output, one process each.
Keeps what the init said in the component's data directory, where the next process finds it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from modrack.middleware._engine import Engine
from modrack.middleware._fault import Fault, malformed

INIT = "middleware-init"
INVOKE = "middleware-invoke"

_DIRECTORY = "MODRACK_COMPONENT_DATA"
_FILE = "middleware-init.json"


def answer(engine: Engine, command: str, max_body_bytes: int) -> int:
    """Answers the one message. The exit code: 0, or 1 with `{"error": {"code", "message"}}` on standard output."""
    out = sys.stdout
    # What a handler prints is for the log; standard output belongs to the answer.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            said = asyncio.run(_answer(engine, command, max_body_bytes))
            code = 0
        except Fault as fault:
            said = fault.to_json()
            code = 1
    json.dump(said, out, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    out.write("\n")
    out.flush()
    return code


async def _answer(engine: Engine, command: str, max_body_bytes: int) -> Any:
    value = _read(max_body_bytes)
    if command == INIT:
        report = await engine.initialise(value)
        _keep(value)
        return report
    init = _kept()
    if init is None:
        raise Fault(409, "module.init.missing", f"`{engine.name}` was asked before its init")
    await engine.initialise(init)
    decision = await engine.invoke(value)
    return {} if decision is None else decision


def _read(max_body_bytes: int) -> Any:
    text = sys.stdin.buffer.read(max_body_bytes + 1)
    if len(text) > max_body_bytes:
        raise Fault(413, "module.request.too_large", f"a message has at most {max_body_bytes} bytes")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as cause:
        raise malformed(f"the message is no JSON: {cause}") from cause


def _keep(init: Any) -> None:
    directory = os.environ.get(_DIRECTORY, "")
    if not directory:
        raise Fault(500, "module.failed", f"{_DIRECTORY} names no directory to keep the init in")
    # Renamed into place: an invocation beside it reads the old one or the new one, nothing between.
    path = Path(directory) / _FILE
    fresh = path.with_suffix(f".{os.getpid()}")
    try:
        fresh.write_text(json.dumps(init), encoding="utf-8")
        fresh.replace(path)
    except OSError as cause:
        raise Fault(500, "module.failed", f"the init cannot be kept: {cause}") from cause


def _kept() -> Any:
    directory = os.environ.get(_DIRECTORY, "")
    try:
        return json.loads((Path(directory) / _FILE).read_text(encoding="utf-8")) if directory else None
    except (OSError, ValueError):
        return None
