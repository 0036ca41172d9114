"""A middleware with every behaviour that the tests of the process need; run by them, and served by `Middleware.run`."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from dataclasses import dataclass

from modrack.errors import ModuleError
from modrack.middleware import Decision, Envelope, Init, Middleware, allow, annotate, reject, rewrite


@dataclass
class Settings:
    longest: int = 10
    fail_start: bool = False


probe = Middleware(
    "probe",
    description="Does what its tests ask of it.",
    version="1.2.3",
    config=Settings,
    threads=2,
    max_requests=4,
    max_body_bytes=10_000,
    grace=1.0,
)
probe.capability("probe/length", "Rejects what is too long.")
probe.capability("probe/publication", output_contract="urn:probe:1")


@probe.on_init
def start(init: Init) -> None:
    print("init of", init.executor_id)
    if probe.config.fail_start:
        raise ValueError("it was told to")


@probe.pre_invoke
async def check(envelope: Envelope) -> Decision:
    text = envelope.payload["text"]
    if text == "sleep":
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            print("cancelled")
            raise
    if text == "code":
        raise ModuleError("probe.custom", "with a code of its own")
    if text == "nothing":
        return None  # type: ignore[return-value]
    return reject("too long") if len(text) > probe.config.longest else allow("short enough")


@probe.post_invoke
def block(envelope: Envelope) -> Decision:
    if envelope.payload == "pause":
        print("pausing")
        time.sleep(0.5)
    if envelope.payload == "hang":
        print("hanging")
        time.sleep(60)
    if envelope.payload == "raise":
        raise RuntimeError("boom")
    if envelope.payload == "exit":
        sys.exit(3)
    return annotate("seen", {"thread": threading.current_thread().name, "pid": os.getpid()})


@probe.post_run
def shout(envelope: Envelope) -> Decision:
    return rewrite("louder", merge={"text": envelope.payload["text"].upper()})


@probe.audit
def note(envelope: Envelope) -> None:
    assert envelope.outcome is not None
    print("audit", envelope.subject.name, envelope.outcome.ok)


@probe.on_stop
def stop() -> None:
    print("stopped")


if __name__ == "__main__":
    probe.run()
