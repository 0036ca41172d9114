"""The examples, through the in-memory test client: each declared pair holds."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from modrack import CodecError, Context, NotFound, Provider, UpstreamError
from modrack.testing import TestClient


def load(name: str) -> Any:
    path = Path(__file__).resolve().parents[1] / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where annotations of dataclasses are looked up.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


TEXT: Provider = load("text_modules").provider


@pytest.mark.parametrize("name", list(TEXT.modules))
def test_the_examples_of_a_text_module_hold(name: str) -> None:
    module = TEXT.modules[name]
    assert module.idempotent
    assert module.examples
    for given, expected in module.examples:
        assert TestClient(TEXT).call(f"text.{name}", module.input.decode(given)) == module.output.decode(expected)


def test_an_empty_find_replaces_nothing() -> None:
    assert TestClient(TEXT).call("Replace", text="ab", find="", replace="-") == "ab"


def test_the_test_client_checks_input_and_output_like_a_host() -> None:
    provider = Provider("text")

    @provider.module
    def Lie(text: str) -> int:
        return text  # type: ignore[return-value]

    client = TestClient(provider)
    with pytest.raises(CodecError):
        client.call("Lie", text=1)
    with pytest.raises(UpstreamError) as refusal:
        client.call("Lie", text="a")
    assert refusal.value.code == "executor.output.invalid"
    with pytest.raises(NotFound):
        client.call("Nope")


async def test_the_test_client_runs_async_handlers_and_gives_them_a_context() -> None:
    provider = Provider("text")

    @provider.module
    async def Left(ctx: Context) -> float:
        return ctx.time_left or 0.0

    assert 0 < await TestClient(provider).acall("Left", timeout=3) <= 3


def test_an_example_that_does_not_fit_is_refused_where_it_is_declared() -> None:
    provider = Provider("text")
    with pytest.raises(Exception, match="an example of module `Trim`") as refusal:

        @provider.module(examples=[({"text": 1}, "a")])
        def Trim(text: str) -> str:
            return text

    assert getattr(refusal.value, "code", None) == "registry.example.invalid"
