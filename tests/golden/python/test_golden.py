"""The Python stubs of `tests/golden/proto`: every kind of field through bytes, every kind of call over a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent import futures
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.struct_pb2 import Struct

from golden_stubs.golden.shared.v1 import shared_pb
from golden_stubs.golden.v1 import golden_grpc, golden_pb

BYTES = bytes.fromhex((Path(__file__).parent.parent / "everything.hex").read_text())


def everything() -> golden_pb.Everything:
    """The message whose bytes all three languages agree on."""
    return golden_pb.Everything(
        text="täxt 𝄞",
        payload=b"\x00\xff",
        flag=True,
        ratio=-0.5,
        small=-1,
        large=2**64 - 1,
        maybe="",
        mood="MOOD_GOOD",
        numbers=[1, -(2**63)],
        nested=[{"deeper": {"depth": -3}}, golden_pb.Everything.Nested()],
        colors=[shared_pb.COLOR_RED, shared_pb.COLOR_UNSPECIFIED],
        counts={"a": 1},
        by_number={-7: golden_pb.Everything.Nested()},
        by_flag={True: golden_pb.Everything.MOOD_GOOD},
        stamp=shared_pb.Stamp(text="s"),
        at=datetime.fromtimestamp(1, UTC),
        takes=timedelta(milliseconds=1500),
        wrapped={"value": "w"},
        free=free(),
        count={"value": 5},
        yes=False,
    )


def free() -> Struct:
    """An object of one field."""
    struct = Struct()
    struct.update({"k": [True, None]})
    return struct


def test_every_kind_of_field_has_the_bytes_of_the_other_languages() -> None:
    assert everything().SerializeToString(deterministic=True) == BYTES
    assert golden_pb.Everything.FromString(BYTES) == everything()


def test_presence_is_told() -> None:
    message = golden_pb.Everything(maybe="")
    assert message.HasField("maybe")
    assert not message.HasField("mood")
    assert not golden_pb.Everything().HasField("stamp")


def test_a_oneof_holds_the_last_that_was_set() -> None:
    message = golden_pb.Everything(word="w")
    assert message.WhichOneof("choice") == "word"
    message.inner.SetInParent()
    assert message.WhichOneof("choice") == "inner"
    assert message.word == ""
    assert message.WhichOneof("other_choice") is None


def test_field_numbers_are_constants() -> None:
    assert golden_pb.Everything.YES_FIELD_NUMBER == 23


def test_enums_know_their_names() -> None:
    assert golden_pb.Everything.Mood.Name(golden_pb.Everything.MOOD_GOOD) == "MOOD_GOOD"
    assert shared_pb.Color.Value("COLOR_RED") == shared_pb.COLOR_RED


def test_words_of_python_are_reached_by_name() -> None:
    reserved: dict[str, Any] = {"class": "c", "from": "f"}
    words = golden_pb.Words(self="s", int=1, **reserved)
    assert (words.self, words.int, getattr(words, "class"), getattr(words, "from")) == ("s", 1, "c", "f")
    assert golden_pb.Words.FromString(words.SerializeToString()) == words


def test_doc_text_comes_through_as_it_was_written() -> None:
    text = (Path(__file__).parent / "golden_stubs/golden/v1/golden_pb.pyi").read_text()
    module = compile(text, "golden_pb.pyi", "exec")
    assert module.co_consts[0].startswith(
        'Everything that a proto can say, once. Neither """ nor */ nor a \\ at the end may end a comment: \\\n'
    )


Piece = golden_pb.Piece


class Threads(golden_grpc.ExchangeServicer):
    """Answers from threads; leaves `Close` unimplemented."""

    def Once(self, request: golden_pb.Everything, context: grpc.ServicerContext) -> golden_pb.Everything:
        return request

    def Down(self, request: golden_pb.Piece, context: grpc.ServicerContext) -> Iterator[golden_pb.Piece]:
        yield from (Piece(number=number) for number in range(request.number))

    def Up(self, request_iterator: Iterator[golden_pb.Piece], context: grpc.ServicerContext) -> golden_pb.Piece:
        return Piece(number=sum(piece.number for piece in request_iterator))

    def Both(
        self, request_iterator: Iterator[golden_pb.Piece], context: grpc.ServicerContext
    ) -> Iterator[golden_pb.Piece]:
        for piece in request_iterator:
            yield Piece(number=-piece.number)

    def import_(self, request: golden_pb.Words, context: grpc.ServicerContext) -> golden_pb.Words:
        return golden_pb.Words(type=request.type)


class Loop(golden_grpc.ExchangeAsyncServicer):
    """Answers from an event loop; leaves `Close` and `import` unimplemented."""

    async def Once(
        self, request: golden_pb.Everything, context: grpc.aio.ServicerContext[Any, Any]
    ) -> golden_pb.Everything:
        return request

    async def Down(
        self, request: golden_pb.Piece, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[golden_pb.Piece]:
        for number in range(request.number):
            yield Piece(number=number)

    async def Up(
        self, request_iterator: AsyncIterator[golden_pb.Piece], context: grpc.aio.ServicerContext[Any, Any]
    ) -> golden_pb.Piece:
        return Piece(number=sum([piece.number async for piece in request_iterator]))

    async def Both(
        self, request_iterator: AsyncIterator[golden_pb.Piece], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[golden_pb.Piece]:
        async for piece in request_iterator:
            yield Piece(number=-piece.number)


def test_calls_of_every_shape_between_threads() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    golden_grpc.add_ExchangeServicer_to_server(Threads(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = golden_grpc.ExchangeStub(channel)
            assert stub.Once(everything()) == everything()
            assert [piece.number for piece in stub.Down(Piece(number=3))] == [0, 1, 2]
            assert stub.Up(iter([Piece(number=1), Piece(number=2)])).number == 3
            assert [piece.number for piece in stub.Both(iter([Piece(number=1), Piece(number=2)]))] == [-1, -2]
            assert stub.import_(golden_pb.Words(type="t")).type == "t"
            with pytest.raises(grpc.RpcError) as caught:
                stub.Close(Piece())
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    finally:
        server.stop(None).wait()


async def test_calls_of_every_shape_on_an_event_loop() -> None:
    server = grpc.aio.server()
    golden_grpc.add_ExchangeServicer_to_server(Loop(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with asyncio.timeout(30), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = golden_grpc.ExchangeAsyncStub(channel)
            assert await stub.Once(everything()) == everything()
            assert [piece.number async for piece in stub.Down(Piece(number=3))] == [0, 1, 2]
            assert (await stub.Up(iter([Piece(number=1), Piece(number=2)]))).number == 3
            assert [piece.number async for piece in stub.Both(iter([Piece(number=1)]))] == [-1]
            for call in (stub.Close(Piece()), stub.import_(golden_pb.Words())):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call
                assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    finally:
        await server.stop(None)
