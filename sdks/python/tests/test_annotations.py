"""Types from annotations, and values to and from the classes that they name."""

from __future__ import annotations

import collections.abc
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, NotRequired, Optional, TypedDict, Union

import pydantic
import pytest

from modrack import Context, Provider, SchemaError
from modrack._annotations import signature_of
from modrack.codec import Codec, CodecError, Variant, type_of


@dataclass
class Point:
    x: int
    y: int = 7
    tags: list[str] = field(default_factory=lambda: ["new"])
    note: str | None = None


class Movie(TypedDict):
    title: str
    year: NotRequired[int]
    score: Optional[float]  # noqa: UP045


class Reading(NamedTuple):
    at: int
    value: float = 0.5


class Account(pydantic.BaseModel):
    name: Annotated[str, pydantic.Field(min_length=2)]
    balance: float = 1.5
    home: Point | None = None


@dataclass
class Cat:
    name: str


@dataclass
class Dog:
    name: str
    good: bool


@dataclass
class Later:
    point: Point


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (str, "String"),
        (int, "Int"),
        (float, "Float"),
        (bool, "Bool"),
        (bytes, "Bytes"),
        (Any, "Any"),
        (list[int], "List<Int>"),
        (collections.abc.Sequence[str], "List<String>"),
        (dict[str, list[int]], "Map<String, List<Int>>"),
        (dict[bool, int], "Map<Bool, Int>"),
        (Optional[int], "Option<Int>"),  # noqa: UP045
        (int | None, "Option<Int>"),
        (Union[int, str, None], "Option<Int | String>"),  # noqa: UP007
        (Annotated[int, "a note"], "Int"),
        ("list[Point]", "List<{x: Int, y: Option<Int>, tags: Option<List<String>>, note: Option<String>}>"),
        (Movie, "{title: String, year: Option<Int>, score: Option<Float>}"),
        (Reading, "{at: Int, value: Option<Float>}"),
        (Cat | Dog, "{name: String} | {name: String, good: Bool}"),
    ],
)
def test_an_annotation_has_a_type(annotation: Any, text: str) -> None:
    assert str(type_of(annotation, globals())) == text


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (set[int], "`set[int]` has no type here; use `list[T]` at `items` [type.unsupported]"),
        (list, "`list` has no type here; say what it holds: `list[T]` at `items` [type.unsupported]"),
        (dict[str, tuple[int, int]], "at `items{}` [type.unsupported]"),
        (dict[float, int], "a map key is String, Int or Bool, not `Float` at `.items{key}` [type.map.key]"),
        ("Missing", "does not resolve: name 'Missing' is not defined [type.unsupported]"),
    ],
)
def test_an_annotation_without_a_type_is_refused_with_the_parameter(annotation: Any, message: str) -> None:
    def Module(items: Any) -> int:
        return 0

    Module.__annotations__["items"] = annotation
    with pytest.raises(SchemaError) as refusal:
        Provider("text").add(Module)
    assert str(refusal.value).startswith("module `Module`: ")
    assert str(refusal.value).endswith(message)


def test_a_class_that_contains_itself_is_refused() -> None:
    @dataclass
    class Tree:
        children: list[Tree]

    with pytest.raises(SchemaError, match=r"`Tree` contains itself; types are finite trees at `\.children\[\]`"):
        type_of(Tree, locals())


def test_parameters_with_defaults_are_options_that_the_default_fills() -> None:
    def Module(a: int, b: str | None, c: int = 3, *, d: list[int] | None = None) -> int:
        return c

    signature = signature_of(Module)
    assert str(signature.input) == "{a: Int, b: Option<String>, c: Option<Int>, d: Option<List<Int>>}"
    assert Codec(signature.input).decode(Codec(signature.input).encode({"a": 1})) == {"a": 1, "b": None}


def test_one_record_parameter_is_one_field_and_the_context_is_none() -> None:
    def Module(point: Point, ctx: Context) -> int:
        return point.x

    signature = signature_of(Module)
    assert str(signature.input).startswith("{point: {x: Int")
    assert signature.context == "ctx"


def test_names_of_a_function_resolve_in_its_annotations() -> None:
    @dataclass
    class Local:
        text: str

    provider = Provider("text")

    @provider.module
    def Module(local: Local) -> Local:
        return local

    assert str(provider.modules["Module"].input.type) == "{local: {text: String}}"


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Point, Point(1)),
        (Point, Point(1, 2, [], "note")),
        (list[Point], [Point(1), Point(2)]),
        (Movie, {"title": "M", "score": None}),
        (Movie, {"title": "M", "year": 1931, "score": 8.3}),
        (Reading, Reading(1, 2.5)),
        (Account, Account(name="Ada", home=Point(3))),
        (Cat | Dog, Dog("Rex", True)),
        (Cat | Dog | str, "neither"),
        (dict[int, Cat], {-1: Cat("a"), 300: Cat("b")}),
        (int | float, 2),
        (int | float, 2.0),
        (list[int] | list[str], ["a"]),
        (int | None | str, None),
        (Later, Later(Point(1))),
    ],
)
def test_a_value_of_a_class_comes_back_as_that_class(annotation: Any, value: Any) -> None:
    codec = Codec(type_of(annotation))
    for back in (codec.decode(codec.encode(value)), codec.loads(codec.dumps(value))):
        assert back == value
        assert type(back) is type(value)


def test_absent_fields_take_the_defaults_of_the_class() -> None:
    assert Codec(type_of(Point)).decode(bytes.fromhex("81a17801")) == Point(1, 7, ["new"], None)
    assert Codec(type_of(Reading)).decode(bytes.fromhex("81a2617401")) == Reading(1, 0.5)
    account = Codec(type_of(Account)).loads('{"name": "Ada"}')
    assert account == Account(name="Ada", balance=1.5)
    with pytest.raises(pydantic.ValidationError):
        Codec(type_of(Account)).loads('{"name": "A"}')


def test_a_union_says_when_nothing_or_too_much_fits() -> None:
    codec = Codec(type_of(list[int] | list[str]))
    with pytest.raises(CodecError) as refusal:
        codec.encode([])
    assert refusal.value.code == "codec.ambiguous_union"
    assert codec.encode(Variant(1, [])).hex() == "920190"
    assert codec.decode(bytes.fromhex("920190")) == Variant(1, [])
    with pytest.raises(CodecError) as refusal:
        codec.encode({"a": 1})
    assert refusal.value.code == "codec.no_variant"
    for index in (-1, 2):
        with pytest.raises(CodecError) as refusal:
            codec.encode(Variant(index, []))
        assert refusal.value.code == "codec.union_variant"


@pytest.mark.parametrize(
    ("annotation", "value", "code", "path"),
    [
        (int, True, "codec.type_mismatch", ""),
        (int, 2**63, "codec.int_range", ""),
        (bool, 1, "codec.type_mismatch", ""),
        (str, b"a", "codec.type_mismatch", ""),
        (str, "\ud800", "codec.utf8", ""),
        (float, "1", "codec.type_mismatch", ""),
        (float, 2**53 + 1, "codec.float_inexact", ""),
        (list[int], [1, "a"], "codec.type_mismatch", "[1]"),
        (dict[str, int], {"a": "b"}, "codec.type_mismatch", '{"a"}'),
        (dict[int, int], {"a": 1}, "codec.type_mismatch", ""),
        (Movie, {"year": 1931}, "codec.missing_field", ".title"),
        (Movie, {"title": "M", "year": "1931"}, "codec.type_mismatch", ".year"),
        (Point, object(), "codec.type_mismatch", ""),
        (Any, {1: 2, "a": 3}, "codec.type_mismatch", ""),
        (Any, {1.5: 2}, "codec.type_mismatch", ""),
        (Any, [object()], "codec.type_mismatch", "[0]"),
        (Any, 2**64, "codec.int_range", ""),
    ],
)
def test_a_value_of_another_type_is_refused_with_code_and_path(
    annotation: Any, value: Any, code: str, path: str
) -> None:
    with pytest.raises(CodecError) as refusal:
        Codec(type_of(annotation)).encode(value)
    assert (refusal.value.code, refusal.value.path) == (code, path)


def test_a_value_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(CodecError) as refusal:
        Codec(type_of(Any)).encode(endless)
    assert refusal.value.code == "codec.depth"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"a": 1', "codec.json_syntax"),
        ("NaN", "codec.json_syntax"),
        ("1e999", "codec.json_syntax"),
        ("9" * 5000, "codec.json_syntax"),
        ("[" * 100_000, "codec.depth"),
        ('{"a": 1, "a": 2}', "codec.duplicate_key"),
    ],
)
def test_a_json_text_is_refused_with_a_code(text: str, code: str) -> None:
    with pytest.raises(CodecError) as refusal:
        Codec(type_of(Any)).loads(text)
    assert refusal.value.code == code


def test_subclasses_of_builtins_are_written_as_what_they_are() -> None:
    import enum

    class Level(enum.IntEnum):
        LOW = 1

    class Colour(enum.StrEnum):
        RED = "red"

    assert Codec(type_of(int)).encode(Level.LOW).hex() == "01"
    assert Codec(type_of(str)).encode(Colour.RED).hex() == "a3726564"
    assert Codec(type_of(bytes)).encode(bytearray(b"a")).hex() == "c40161"
    assert Codec(type_of(list[int])).encode((1, 2)).hex() == "920102"
    assert Codec(type_of(float)).encode(3).hex() == "cb4008000000000000"
