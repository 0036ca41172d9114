"""The Python codec for the differential tests: speaks as `tests/differential/src/peer.rs` says. Judges nothing."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator
from functools import partial

from modrack.codec import Codec, CodecError, SchemaError, parse_type

COUNT = struct.Struct(">I")


class Request:
    """A place in a request."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def count(self) -> int:
        self.at += 4
        return COUNT.unpack_from(self.data, self.at - 4)[0]

    def bytes(self) -> bytes:
        size = self.count()
        self.at += size
        return self.data[self.at - size : self.at]


def answer(run: Callable[[], tuple[bytes, str]]) -> Iterator[bytes]:
    """The answer that a codec gives, as it is sent."""
    try:
        first, second = run()
        status, texts = b"\x01", (first, second.encode())
    except (CodecError, SchemaError) as refusal:
        status, texts = b"\x00", (refusal.code.encode(), refusal.path.encode())
    except Exception as fault:
        # Whatever it is, it is no answer that a codec may give: the harness shows it.
        status, texts = b"\x02", (repr(fault).encode("utf-8", "replace"), b"")
    yield status
    for text in texts:
        yield COUNT.pack(len(text))
        yield text


def ask(codec: Codec, kind: int, data: bytes) -> tuple[bytes, str]:
    """One question: `d` decode and encode, `j` the same and JSON, `r` read JSON and encode."""
    if kind == ord("r"):
        return codec.encode(codec.loads(data)), ""
    value = codec.decode(data)
    return codec.encode(value), codec.dumps(value) if kind == ord("j") else ""


def parse(text: str, accepted: list[Codec]) -> tuple[bytes, str]:
    """The printed form of a type; its codec goes to `accepted`."""
    codec = Codec(parse_type(text))
    accepted.append(codec)
    return str(codec.type).encode(), ""


def reply(request: Request) -> Iterator[bytes]:
    """The answers to a whole request."""
    for _ in range(request.count()):
        text = request.bytes().decode()
        codecs: list[Codec] = []
        yield from answer(partial(parse, text, codecs))
        for _ in range(request.count()):
            kind, data = request.byte(), request.bytes()
            for codec in codecs:
                yield from answer(partial(ask, codec, kind, data))


def main() -> None:
    """Answers requests until the input ends."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while head := source.read(COUNT.size):
        message = b"".join(reply(Request(source.read(COUNT.unpack(head)[0]))))
        sink.write(COUNT.pack(len(message)) + message)
        sink.flush()


if __name__ == "__main__":
    main()
