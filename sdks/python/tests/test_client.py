"""Both clients against a host in a test's event loop, with a real provider behind it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from fake_host import WAIT, FakeHost

from modrack import AsyncClient, Client, CodecError, ModuleError, NotFound, Provider, RateLimited, Unavailable
from modrack._wire_errors import from_rpc
from modrack.bindings import TypedModule
from modrack.errors import DeadlineExceeded, FailedPrecondition, SchemaError


@dataclass
class Pair:
    first: int
    second: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A record whose attributes have names of their own."""

    one: int
    class_: int | None = None


@contextlib.asynccontextmanager
async def host_with_modules() -> AsyncIterator[FakeHost]:
    async with FakeHost() as host:
        provider = Provider("text", host=host.url, grace=0.2)

        @provider.module(idempotent=True)
        async def Uppercase(text: str) -> str:
            """Upper-case a text."""
            return text.upper()

        @provider.module
        async def Swap(pair: Pair) -> Pair:
            return Pair(pair.second or 0, pair.first)

        @provider.module(input=list[int])
        async def Sum(numbers: list[int]) -> int:
            return sum(numbers)

        @provider.module
        async def Refuse() -> int:
            raise ModuleError(
                "text.no", "not today", category="RATE_LIMITED", retryable=True, details={"day": "Monday"}
            )

        @provider.module
        async def Hang() -> int:
            await asyncio.sleep(WAIT)
            return 0

        task = asyncio.create_task(provider.serve())
        await host.ready()
        try:
            yield host
        finally:
            provider.stop()
            await asyncio.wait_for(task, WAIT)


class Both:
    """Calls a method of either client in one way: the sync one in a thread, as its users do."""

    def __init__(self, client: Client | AsyncClient) -> None:
        self._client = client

    async def __call__(self, method: str, *args: Any, **options: Any) -> Any:
        function = getattr(self._client, method)
        if isinstance(self._client, AsyncClient):
            return await function(*args, **options)
        return await asyncio.to_thread(function, *args, **options)


@contextlib.asynccontextmanager
async def connected(kind: str, url: str) -> AsyncIterator[Both]:
    if kind == "async":
        async with AsyncClient(url) as client:
            yield Both(client)
    else:
        with Client(url) as client:
            yield Both(client)


both = pytest.mark.parametrize("kind", ["sync", "async"])


@both
async def test_a_call_takes_fields_a_mapping_an_object_or_one_value(kind: str) -> None:
    async with host_with_modules() as host, connected(kind, host.url) as do:
        assert await do("call", "text.Uppercase", text="straße") == "STRASSE"
        assert await do("call", "text.Uppercase", {"text": "a"}) == "A"
        assert await do("call", "text.Swap", pair=Pair(1, 2)) == {"first": 2, "second": 1}
        assert await do("call", "text.Swap", pair={"first": 1}) == {"first": 0, "second": 1}
        assert await do("call", "text.Sum", [1, 2, 3]) == 6


@both
async def test_the_schema_is_sent_along_and_fetched_anew_once_when_it_changed(kind: str) -> None:
    async with host_with_modules() as host, connected(kind, host.url) as do:
        assert await do("call", "text.Uppercase", text="a", idempotency_key="k") == "A"
        host.revision = 2
        assert await do("call", "text.Uppercase", text="b") == "B"
        sent = [(c.schema_fingerprint.count("+"), c.idempotency_key) for c in host.calls]
        assert sent == [(0, "k"), (0, ""), (1, "")]


@both
async def test_an_error_keeps_everything_that_the_module_said(kind: str) -> None:
    async with host_with_modules() as host, connected(kind, host.url) as do:
        with pytest.raises(RateLimited) as refusal:
            await do("call", "text.Refuse")
        error = refusal.value
        assert (error.code, error.message, error.origin, error.retryable) == ("text.no", "not today", "module", True)
        assert error.details == {"day": "Monday"}


@both
async def test_wrong_input_unknown_modules_and_late_answers_are_coded_errors(kind: str) -> None:
    async with host_with_modules() as host, connected(kind, host.url) as do:
        with pytest.raises(CodecError) as refusal:
            await do("call", "text.Uppercase", text=3)
        assert (refusal.value.code, refusal.value.path) == ("codec.type_mismatch", ".text")
        with pytest.raises(CodecError) as refusal:
            await do("call", "text.Uppercase")
        assert (refusal.value.code, refusal.value.path) == ("codec.missing_field", ".text")
        with pytest.raises(NotFound) as unknown:
            await do("call", "text.Nope")
        assert unknown.value.code == "registry.module.unknown"
        with pytest.raises(DeadlineExceeded) as late:
            await do("call", "text.Hang", timeout=0.2)
        assert late.value.code == "client.deadline.exceeded"


@both
async def test_modules_are_listed_over_all_pages_and_shown(kind: str) -> None:
    async with host_with_modules() as host, connected(kind, host.url) as do:
        names = [m.name for m in await do("list_modules")]
        assert names == ["text.Hang", "text.Refuse", "text.Sum", "text.Swap", "text.Uppercase"]
        info = await do("get_module", "text.Uppercase")
        assert (str(info.input), str(info.output), info.description) == (
            "{text: String}",
            "String",
            "Upper-case a text.",
        )
        assert info.idempotent
        (endpoint,) = info.endpoints
        assert (endpoint.plane, endpoint.state, endpoint.language) == ("link", "ready", "python")


@both
async def test_watch_tells_the_present_and_then_the_changes(kind: str) -> None:
    def watch(client: Client) -> list[Any]:
        events = client.watch()
        return [next(events) for _ in range(7)]

    async with host_with_modules() as host:
        if kind == "sync":
            with Client(host.url) as client:
                events = await asyncio.to_thread(watch, client)
        else:
            async with AsyncClient(host.url) as client:
                events = []
                async for event in client.watch():
                    events.append(event)
                    if len(events) == 7:
                        break
        assert [e.kind for e in events] == ["added"] * 5 + ["synced", "removed"]
        assert events[0].module is not None
        assert (events[6].name, events[6].reason) == ("text.Gone", "link_lost")


@both
async def test_a_host_that_is_not_there_is_unavailable(kind: str) -> None:
    async with connected(kind, "http://127.0.0.1:1") as do:
        with pytest.raises(Unavailable) as refusal:
            await do("call", "text.Uppercase", text="a", timeout=2)
        assert refusal.value.code == "client.host.unreachable"


@pytest.mark.parametrize(
    "text", ["", "somewhere", "http://", "http://a", "unix:relative", "ftp://a:1", "http://a:1/path"]
)
def test_a_host_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODRACK_HOST", text)
    code = "client.host.invalid" if text else "client.host.unset"
    with pytest.raises((FailedPrecondition, Exception)) as refusal:
        Client()
    assert getattr(refusal.value, "code", None) == code


def test_a_trailer_that_is_garbage_leaves_the_bare_status() -> None:
    class Failure(grpc.RpcError):
        def trailing_metadata(self) -> Any:
            return (("grpc-status-details-bin", b"\xff\xff"),)

        def code(self) -> grpc.StatusCode:
            return grpc.StatusCode.UNIMPLEMENTED

        def details(self) -> str:
            return "no such method"

    error = from_rpc(Failure())
    assert (error.category, error.code, error.message) == ("UNSUPPORTED", "client.method.unsupported", "no such method")


SWAP = TypedModule[Row](
    "text.Swap",
    "{pair: {first: Int, second: Option<Int>}}",
    "{first: Int, second: Option<Int>}",
    {"{first: Int, second: Option<Int>}": Row},
)


async def test_a_typed_call_sends_the_types_of_its_caller_and_gives_its_classes() -> None:
    async with host_with_modules() as host, AsyncClient(host.url) as client:
        assert await client.call_typed(SWAP, {"pair": Row(one=1, class_=2)}) == Row(one=2, class_=1)
        assert await client.call_typed(SWAP, {"pair": Row(one=1)}, idempotency_key="k") == Row(one=0, class_=1)
        assert [call.idempotency_key for call in host.calls] == ["", "k"]
        assert {call.schema_fingerprint for call in host.calls} == {SWAP.fingerprint}
        with Client(host.url) as blocking:
            called = await asyncio.to_thread(blocking.call_typed, SWAP, {"pair": Row(one=3, class_=4)})
        assert called == Row(one=4, class_=3)


async def test_a_typed_call_of_a_module_with_other_types_fails_and_is_not_sent_again() -> None:
    other = TypedModule[int]("text.Swap", "{pair: Int}", "Int")
    async with host_with_modules() as host, AsyncClient(host.url) as client:
        with pytest.raises(FailedPrecondition) as caught:
            await client.call_typed(other, {"pair": 1})
        assert caught.value.code == "registry.schema.changed"
        assert len(host.calls) == 1


@dataclass
class Wide:
    """As `Pair`, but its first field may be a text as well: what comes is decoded by its own type and fitted into this one."""

    first: int | str
    second: int | None


@both
async def test_returns_says_what_the_output_shall_be(kind: str) -> None:
    async with host_with_modules() as host, connected(kind, host.url) as do:
        assert await do("call", "text.Swap", pair=Pair(1, 2), returns=Pair) == Pair(2, 1)
        assert await do("call", "text.Swap", pair=Pair(1, 2), returns=Wide) == Wide(2, 1)
        assert await do("call", "text.Swap", pair=Pair(1), returns=dict[str, int]) == {"first": 0, "second": 1}
        assert await do("call", "text.Sum", [1, 2], returns=int | None) == 3
        with pytest.raises(CodecError) as refusal:
            await do("call", "text.Swap", pair=Pair(1, 2), returns=str)
        assert refusal.value.code == "codec.type_mismatch"
        with pytest.raises(SchemaError):
            await do("call", "text.Sum", [1, 2], returns=set[int])


@both
async def test_a_fixed_fingerprint_is_sent_and_its_refusal_is_final(kind: str) -> None:
    async with host_with_modules() as host, connected(kind, host.url) as do:
        fixed = (await do("get_module", "text.Uppercase")).fingerprint
        assert await do("call", "text.Uppercase", text="a", schema_fingerprint=fixed) == "A"
        host.revision = 2
        with pytest.raises(FailedPrecondition) as refusal:
            await do("call", "text.Uppercase", text="a", schema_fingerprint=fixed)
        assert refusal.value.code == "registry.schema.changed"
        assert [call.schema_fingerprint for call in host.calls] == [fixed, fixed]
