"""Uses every module of the golden provider through generated bindings; ends with 0 when each answers as it should."""

from __future__ import annotations

import asyncio
import math

from bindings.golden_text import (
    BlockingGoldenText,
    EverythingInputInner,
    EverythingInputInnerRows,
    EverythingOutput,
    GoldenText,
)
from bindings.golden_words import EchoOutput, GoldenWords
from bindings.pipeline import Pipeline, RowsOfOutput, RowsOfOutputRows
from modrack import AsyncClient, Client, Variant


async def main() -> None:
    async with AsyncClient() as client:
        await text(GoldenText(client))
        await words(GoldenWords(client))
        await pipelines(client)
    with Client() as client:
        blocking = BlockingGoldenText(client)
        assert blocking.Replace("banana", "a", "o") == "bonono"
        assert list(blocking.Count(3)) == [0, 1, 2]


async def text(modules: GoldenText) -> None:
    replaced: str = await modules.Replace("banana", find="a", replace="o", count=2)
    assert replaced == "bonona"
    assert await modules.Sum([1, 2, 3], timeout=5.0, idempotency_key="k") == 6
    assert await modules.Now() == 1
    counted = [number async for number in modules.Count(to=4)]
    assert counted == [0, 1, 2, 3]
    inner = EverythingInputInner(
        class_="c", rows=[EverythingInputInnerRows(id=1, name="ü")]
    )
    everything: EverythingOutput = await modules.Everything(
        text="🦀",
        int=-(2**63),
        float=math.inf,
        flag=True,
        data=b"\x00\xff",
        any={"a": [1, None]},
        list=["x"],
        map={3: "c", 1: "a"},
        union=7,
        lists=Variant(1, []),
        inner=inner,
        choice=EverythingInputInnerRows(id=2, name="n"),
    )
    assert everything.inner == inner
    assert everything.inner.content_type is None
    assert everything.option is None
    assert everything.union == 7
    assert everything.lists == Variant(1, [])
    assert everything.choice == EverythingInputInnerRows(id=2, name="n")
    assert (everything.int_, everything.float_, everything.data) == (
        -(2**63),
        math.inf,
        b"\x00\xff",
    )
    assert everything.map == {1: "a", 3: "c"}


async def words(modules: GoldenWords) -> None:
    echoed = await modules.Echo(
        class_="c",
        self_=1,
        timeout_=2.5,
        idempotency_key_="i",
        content_type="t",
        camelCase=3,
        camel_case=4,
        str="s",
        list=["l"],
        private_=5,
        proto_=6,
        constructor=7,
        _=8,
    )
    assert echoed == EchoOutput(
        class_="c",
        self=1,
        timeout=2.5,
        idempotency_key="i",
        content_type="t",
        camelCase=3,
        camel_case=4,
        str_="s",
        list_=["l"],
        private_=5,
        proto_=6,
        constructor=7,
        _=8,
    )
    await modules.constructor()
    assert await modules.list_(None) is None
    assert await modules.import_("x") == "x"
    assert (await modules.do_it(1), await modules.do_it_2(2)) == (1, 2)


async def pipelines(client: AsyncClient) -> None:
    rows = [RowsOfOutputRows(id=6, name="word bonono")]
    expected = RowsOfOutput(rows=rows, total=6)
    assert await Pipeline(client).rows_of("banana", class_="word") == expected
    run = await client.run_pipeline("rows-of", text="banana", returns=RowsOfOutput)
    assert run.outputs == expected
    assert {node.node.module for node in run.record.nodes} == {
        "golden.text.Replace",
        "golden.text.Sum",
    }


if __name__ == "__main__":
    asyncio.run(main())
