"""Batches on every plane: order, partial failures, mismatches."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from fake_host import WAIT, FakeHost

from modrack import AsyncClient, Client, CodecError, Conflict, Context, ModuleError, Provider, SchemaError
from modrack.bindings import TypedModule
from modrack.errors import ModrackError
from modrack.testing import TestClient

PLANES = ("link", "attach", "unary")


@dataclass
class Text:
    text: str
    weight: int = 1


def modules(provider: Provider, sizes: list[int]) -> None:
    @provider.batch
    async def Lengths(texts: list[Text], ctx: Context) -> list[int | ModuleError]:
        """The lengths of texts."""
        sizes.append(len(texts))
        if any(t.text == "wait" for t in texts):
            await asyncio.sleep(0)
        return [
            len(t.text) * t.weight if t.text else ModuleError("text.empty", "empty", category="CONFLICT") for t in texts
        ]

    @provider.batch
    def InThread(texts: list[Text]) -> list[str | Exception]:
        return [t.text.upper() if t.text != "fail" else KeyError("no") for t in texts]

    @provider.batch(input=int)
    def Short(numbers: list[int]) -> list[int]:
        return numbers[1:]

    @provider.batch
    async def Fall(texts: list[Text]) -> list[int]:
        raise ModuleError("text.no", "not today", category="CONFLICT")

    @provider.module
    async def One(text: str) -> str:
        return text


@contextlib.asynccontextmanager
async def serving(plane: str = "link") -> AsyncIterator[tuple[FakeHost, list[int]]]:
    async with FakeHost() as host:
        provider = Provider("text", host=host.url, plane=plane, grace=2.0)
        sizes: list[int] = []
        modules(provider, sizes)
        task = asyncio.create_task(provider.serve())
        try:
            await host.ready()
            yield host, sizes
        finally:
            provider.stop()
            await asyncio.wait_for(task, WAIT)


@pytest.mark.parametrize("plane", PLANES)
async def test_each_plane_answers_every_element_in_its_place(plane: str) -> None:
    async with serving(plane) as (host, sizes):
        assert {m.name for m in host.registrations[-1].modules if m.capabilities.batch} == {
            "Lengths",
            "InThread",
            "Short",
            "Fall",
        }
        for word in ("a", "wait"):
            first, second, third, last = await host.batch(
                "Lengths", [{"text": word}, {"text": ""}, b"\xc1", {"text": "abc", "weight": 2}]
            )
            assert (first, last) == (len(word), 6)
            assert (second.code, second.message) == ("text.empty", "empty")
            assert third.code == "executor.input.invalid"
        assert sizes == [3, 3]
        upper, failed = await host.batch("InThread", [{"text": "a"}, {"text": "fail"}])
        assert (upper, failed.code, failed.message) == ("A", "module.failed", "KeyError: 'no'")
        assert [e.code for e in await host.batch("Lengths", [b"", b"\xc1"])] == ["executor.input.invalid"] * 2
        assert len(sizes) == 2


@pytest.mark.parametrize("plane", PLANES)
async def test_a_failure_of_the_handler_and_a_wrong_count_fail_all(plane: str) -> None:
    async with serving(plane) as (host, _):
        assert (await host.batch("Fall", [{"text": "a"}])).code == "text.no"
        wrong = await host.batch("Short", [1, 2])
        assert (wrong.code, wrong.message) == ("module.batch_mismatch", "`Short` returned 1 outputs for 2 inputs")
        assert (await host.batch("One", [{"text": "a"}])).code == "executor.batch.unsupported"
        assert (await host.batch("Nope", [b""])).code == "registry.module.unknown"


@pytest.mark.parametrize("plane", PLANES)
async def test_a_single_call_is_a_batch_of_one(plane: str) -> None:
    async with serving(plane) as (host, sizes):
        assert await host.call("Lengths", text="abc") == 3
        assert await host.call("Lengths", text="wait") == 4
        assert (await host.call("Lengths", text="")).code == "text.empty"
        assert (await host.call("InThread", text="fail")).message == "KeyError: 'no'"
        assert (await host.call("Short", 5)).code == "module.batch_mismatch"
        assert sizes == [1, 1, 1]


async def test_what_does_not_fit_the_message_fails_by_itself() -> None:
    async with FakeHost() as host:
        provider = Provider("text", host=host.url, grace=2.0)

        @provider.batch(input=int)
        async def Zeros(sizes: list[int]) -> list[bytes]:
            return [bytes(size) for size in sizes]

        task = asyncio.create_task(provider.serve())
        await host.ready()
        small, big, second, third = await host.batch("Zeros", [10, 2 << 20, 700_000, 700_000])
        assert (len(small), len(second)) == (10, 700_000)
        assert (big.code, third.code) == ("module.output_too_large", "module.output_too_large")
        provider.stop()
        await asyncio.wait_for(task, WAIT)


async def test_both_clients_call_batches() -> None:
    inputs = [{"text": "a"}, Text(""), {"text": "abc", "weight": 2}]

    def use(url: str) -> list[int | Exception]:
        with Client(url) as client:
            return client.call_batch("text.Lengths", inputs, returns=int)  # type: ignore[return-value]

    async with serving() as (host, _), AsyncClient(host.url) as client:
        for first, second, third in (
            await client.call_batch("text.Lengths", inputs, returns=int),
            await asyncio.to_thread(use, host.url),
        ):
            assert (first, third) == (1, 6)
            assert isinstance(second, Conflict)
            assert second.code == "text.empty"
        with pytest.raises(CodecError) as wrong:
            await client.call_batch("text.Lengths", [{"text": "a"}, {"text": 1}])
        assert wrong.value.path == "[1].text"
        with pytest.raises(Conflict):
            await client.call_batch("text.Fall", [{"text": "a"}])
        await client.call_batch("text.InThread", [{"text": "a"}], idempotency_keys=["k"])
        assert host.calls[-1].inputs[0].idempotency_key == "k"
        with pytest.raises(ValueError, match="one idempotency key per input"):
            await client.call_batch("text.InThread", [{"text": "a"}], idempotency_keys=["k", "l"])


async def test_the_test_client_calls_batches() -> None:
    provider = Provider("text")
    modules(provider, [])
    client = TestClient(provider)
    first, second = await client.acall_batch("Lengths", [{"text": "ab"}, {"text": ""}])
    assert first == 2
    assert isinstance(second, ModuleError)
    assert client.call_batch("InThread", [{"text": "a"}, Text("b")]) == ["A", "B"]
    assert client.call("InThread", text="a") == "A"


@pytest.mark.parametrize(
    ("annotations", "why"),
    [
        ({"texts": Text, "return": list[int]}, r"takes a `list\[T\]` at `texts`"),
        ({"texts": list[Text], "return": int}, r"returns a `list\[T\]` at `return`"),
    ],
)
def test_a_handler_of_batches_takes_and_returns_lists(annotations: dict[str, object], why: str) -> None:
    def Handler(texts):  # type: ignore[no-untyped-def]
        return texts

    Handler.__annotations__ = annotations
    with pytest.raises(SchemaError, match=why):
        Provider("text").add(Handler, batch=True)


LENGTHS = TypedModule[int]("text.Lengths", "{text: String, weight: Option<Int>}", "Int")


async def test_a_typed_batch_needs_no_schema_of_the_host() -> None:
    def use(url: str) -> list[int | ModrackError]:
        with Client(url) as client:
            return client.call_batch_typed(LENGTHS, [{"text": "abc"}])

    async with serving() as (host, _), AsyncClient(host.url) as client:
        assert await client.call_batch_typed(LENGTHS, [{"text": "ab"}, {"text": "c", "weight": 5}]) == [2, 5]
        assert await asyncio.to_thread(use, host.url) == [3]
        assert {call.schema_fingerprint for call in host.calls} == {LENGTHS.fingerprint}
