"""Derives types from Python annotations. Reads annotations only: it never looks at a value."""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Union, cast, get_args, get_origin

import typing_extensions

from modrack._native import Native, same
from modrack._types import (
    PRIMITIVES,
    CType,
    Field,
    ListType,
    MapType,
    OptionType,
    RecordType,
    UnionType,
    check_type,
)
from modrack.context import Context
from modrack.errors import SchemaError

_PRIMITIVES: dict[object, CType] = {
    str: PRIMITIVES["String"],
    int: PRIMITIVES["Int"],
    float: PRIMITIVES["Float"],
    bool: PRIMITIVES["Bool"],
    bytes: PRIMITIVES["Bytes"],
    Any: PRIMITIVES["Any"],
    object: PRIMITIVES["Any"],
}
_MARKS = (typing_extensions.Required, typing_extensions.NotRequired, typing_extensions.ReadOnly)
_LISTS = (list, collections.abc.Sequence)
_MAPS = (dict, collections.abc.Mapping)
_ASYNC_STREAMS = (collections.abc.AsyncIterator, collections.abc.AsyncGenerator)
_STREAMS = (*_ASYNC_STREAMS, collections.abc.Iterator, collections.abc.Generator)
_HINTS: dict[object, str] = {
    list: "say what it holds: `list[T]`",
    dict: "say what it holds: `dict[K, V]`",
    tuple: "use `list[T]`, a dataclass or a NamedTuple",
    set: "use `list[T]`",
    frozenset: "use `list[T]`",
    bytearray: "use `bytes`",
    complex: "use a record of two floats",
    None: "a module has an output; return `bool` where there is nothing to say",
    type(None): "a module has an output; return `bool` where there is nothing to say",
}


def type_of(annotation: object, localns: Mapping[str, Any] | None = None) -> CType:
    """The type of an annotation, e.g. of `list[int]` or of a dataclass.

    `localns` resolves names in annotations that are text and belong to no module.

    # Errors
    `SchemaError`: `type.unsupported` with the path to the annotation, or a rule of `docs/codec.md`.

    >>> str(type_of(dict[str, int | None]))
    'Map<String, Option<Int>>'
    """
    return check_type(_Deriver(dict(localns or {})).derive(annotation, ""))


@dataclasses.dataclass(frozen=True, slots=True)
class Signature:
    """What the annotations of a handler say: its types, and how to call it.

    `spread` is set where the fields of the input are the parameters; otherwise the input is the single parameter.
    `context` is the name of the parameter that takes the `Context`. A handler that streams has the type of an item as its
    output; `asynchronous` says of it that the items come by `async for`. A handler of batches has the types of one element.
    """

    input: CType
    output: CType
    spread: bool
    context: str | None
    stream: bool = False
    asynchronous: bool = False


def signature_of(
    handler: Callable[..., Any],
    *,
    input: object = None,
    output: object = None,
    batch: bool = False,
    localns: Mapping[str, Any] | None = None,
) -> Signature:
    """The signature of a handler; `input` and `output` (an annotation or a `CType`) replace what it says itself.

    With `batch` it takes a list of inputs and returns a list of outputs; `input` and `output` are those of one element.

    # Errors
    `SchemaError` whose path begins with the parameter, or is `return`.
    """
    names = dict(localns or {})
    deriver = _Deriver(names)
    hints = _hints_of(handler, names)
    parameters = inspect.signature(handler).parameters.values()
    context = next((p.name for p in parameters if hints.get(p.name) is Context), None)
    plain = [p for p in parameters if p.name != context]
    for parameter in plain:
        nameless = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if nameless or (input is None and parameter.kind is parameter.POSITIONAL_ONLY):
            raise SchemaError("type.unsupported", f"parameter `{parameter}` has no name of its own", parameter.name)
    if batch:
        return _batch_signature(deriver, plain, hints, context, input, output)
    if input is not None:
        if len(plain) != 1:
            raise SchemaError("type.unsupported", "with `input=` a handler takes exactly that one value")
        input_type = deriver.declared(input, "input")
    else:
        input_type = deriver.parameters(plain, hints)
    if output is None and "return" not in hints:
        raise SchemaError("type.unsupported", "the return type is not annotated", "return")
    returned = hints.get("return")
    origin = get_origin(returned)
    generates = inspect.isasyncgenfunction(handler) or inspect.isgeneratorfunction(handler)
    stream = generates or origin in _STREAMS
    if stream and output is None:
        if origin not in (*_STREAMS, collections.abc.Iterable, collections.abc.AsyncIterable):
            why = "a generator is annotated with what it yields: `AsyncIterator[T]` or `Iterator[T]`"
            raise SchemaError("type.unsupported", why, "return")
        returned = get_args(returned)[0]
    output_type = deriver.declared(returned if output is None else output, "return")
    return Signature(
        check_type(input_type),
        check_type(output_type),
        spread=input is None,
        context=context,
        stream=stream,
        asynchronous=inspect.isasyncgenfunction(handler) or origin in _ASYNC_STREAMS,
    )


def _batch_signature(
    deriver: _Deriver,
    plain: list[inspect.Parameter],
    hints: Mapping[str, Any],
    context: str | None,
    input: object,
    output: object,
) -> Signature:
    if len(plain) != 1:
        raise SchemaError("type.unsupported", "a handler of batches takes one list of inputs")
    name = plain[0].name
    given, returned = hints.get(name), hints.get("return")
    if input is None:
        if get_origin(given) not in _LISTS or len(get_args(given)) != 1:
            raise SchemaError("type.unsupported", "a handler of batches takes a `list[T]`", name)
        given = get_args(given)[0]
    if output is None:
        if get_origin(returned) not in _LISTS or len(get_args(returned)) != 1:
            raise SchemaError("type.unsupported", "a handler of batches returns a `list[T]`", "return")
        returned = _without_exceptions(get_args(returned)[0])
    input_type = deriver.declared(given if input is None else input, f"{name}[]")
    output_type = deriver.declared(returned if output is None else output, "return[]")
    return Signature(check_type(input_type), check_type(output_type), spread=False, context=context)


def _without_exceptions(annotation: Any) -> Any:
    """The outputs among `Vector | ModuleError`: exceptions stand for the elements that failed."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation
    kept: list[Any] = []
    for argument in get_args(annotation):
        if not (isinstance(argument, type) and issubclass(argument, BaseException)):
            kept.append(argument)
    return cast(Any, Union)[tuple(kept)] if kept else annotation


def _hints_of(owner: Any, localns: dict[str, Any]) -> dict[str, Any]:
    try:
        return typing_extensions.get_type_hints(owner, localns=localns or None, include_extras=True)
    except NameError as cause:
        name = getattr(owner, "__qualname__", repr(owner))
        raise SchemaError("type.unsupported", f"an annotation of `{name}` does not resolve: {cause}") from cause


class _Deriver:
    def __init__(self, localns: dict[str, Any]) -> None:
        self._localns = localns
        self._open: list[type] = []

    def declared(self, annotation: object, path: str) -> CType:
        return annotation if isinstance(annotation, CType) else self.derive(annotation, path)

    def derive(self, annotation: object, path: str) -> CType:
        if isinstance(annotation, str | typing.ForwardRef):
            annotation = self._resolve(annotation, path)
        if type(annotation).__name__ == "TypeAliasType":  # of `typing` or of `typing_extensions`
            annotation = cast(Any, annotation).__value__
        try:
            primitive = _PRIMITIVES.get(annotation)
        except TypeError:  # an annotation that is not hashable
            primitive = None
        if primitive is not None:
            return primitive
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is typing.Annotated or origin in _MARKS:
            return self.derive(arguments[0], path)
        if isinstance(annotation, typing.NewType):
            return self.derive(annotation.__supertype__, path)
        if origin in (Union, types.UnionType):
            return self._union(arguments, path)
        if origin in _LISTS and len(arguments) == 1:
            return ListType(self.derive(arguments[0], path + "[]"))
        if origin in _MAPS and len(arguments) == 2:
            return MapType(self.derive(arguments[0], path + "{key}"), self.derive(arguments[1], path + "{}"))
        if isinstance(annotation, type) and origin is None:
            record = self._record(annotation, path)
            if record is not None:
                return record
        hint = _HINTS.get(origin or annotation) if isinstance(origin or annotation, type) else None
        name = annotation.__name__ if isinstance(annotation, type) and origin is None else str(annotation)
        raise SchemaError("type.unsupported", f"`{name}` has no type here" + (f"; {hint}" if hint else ""), path)

    def parameters(self, parameters: list[inspect.Parameter], hints: dict[str, Any]) -> CType:
        fields: list[Field] = []
        omit: set[str] = set()
        for parameter in parameters:
            if parameter.name not in hints:
                raise SchemaError("type.unsupported", "the parameter is not annotated", parameter.name)
            ctype = self.derive(hints[parameter.name], parameter.name)
            if parameter.default is not parameter.empty:
                ctype = _optional(ctype)
                omit.add(parameter.name)
            fields.append(Field(parameter.name, ctype))
        return RecordType(tuple(fields), Native(None, same, frozenset(omit)))

    def _resolve(self, annotation: str | typing.ForwardRef, path: str) -> object:
        def probe() -> None: ...

        probe.__annotations__ = {"it": annotation}
        try:
            return typing_extensions.get_type_hints(probe, localns=self._localns, include_extras=True)["it"]
        except NameError as cause:
            raise SchemaError("type.unsupported", f"the annotation does not resolve: {cause}", path) from cause

    def _union(self, arguments: tuple[Any, ...], path: str) -> CType:
        present = [a for a in arguments if a is not type(None)]
        inner: list[CType] = []
        for i, argument in enumerate(present):
            variant = self.derive(argument, path if len(present) == 1 else f"{path}|{i}")
            # Aliases may hide a union inside a union; Python means the flat one.
            inner.extend(variant.variants if isinstance(variant, UnionType) else (variant,))
        ctype = inner[0] if len(inner) == 1 else UnionType(tuple(inner))
        return _optional(ctype) if len(present) < len(arguments) else ctype

    def _record(self, cls: Any, path: str) -> CType | None:
        if cls in self._open:
            raise SchemaError("type.unsupported", f"`{cls.__name__}` contains itself; types are finite trees", path)
        self._open.append(cls)
        try:
            if hasattr(cls, "__dataclass_fields__"):
                return self._dataclass(cls, path)
            if typing_extensions.is_typeddict(cls):
                return self._typed_dict(cls, path)
            if hasattr(cls, "model_fields") and hasattr(cls, "model_validate"):
                return self._model(cls, path)
            if hasattr(cls, "_field_defaults"):
                return self._named_tuple(cls, path)
        finally:
            self._open.pop()
        return None

    def _dataclass(self, cls: type, path: str) -> CType:
        hints = _hints_of(cls, self._localns)
        fields: list[Field] = []
        omit: set[str] = set()
        for f in dataclasses.fields(cls):
            if not f.init:
                continue
            ctype = self.derive(hints[f.name], f"{path}.{f.name}")
            if f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING:
                ctype = _optional(ctype)
                omit.add(f.name)
            fields.append(Field(f.name, ctype))
        return RecordType(tuple(fields), Native(cls, lambda values: cls(**values), frozenset(omit)))

    def _typed_dict(self, cls: Any, path: str) -> CType:
        fields: list[Field] = []
        omit: set[str] = set()
        for name, hint in _hints_of(cls, self._localns).items():
            ctype = self.derive(hint, f"{path}.{name}")
            if _may_lack(hint, name in cls.__optional_keys__):
                ctype = _optional(ctype)
                omit.add(name)
            fields.append(Field(name, ctype))
        return RecordType(tuple(fields), Native(None, same, frozenset(omit)))

    def _named_tuple(self, cls: Any, path: str) -> CType:
        hints = _hints_of(cls, self._localns)
        fields: list[Field] = []
        for name in cls._fields:
            if name not in hints:
                raise SchemaError("type.unsupported", "the field is not annotated", f"{path}.{name}")
            ctype = self.derive(hints[name], f"{path}.{name}")
            fields.append(Field(name, _optional(ctype) if name in cls._field_defaults else ctype))
        return RecordType(tuple(fields), Native(cls, lambda values: cls(**values), frozenset(cls._field_defaults)))

    def _model(self, cls: Any, path: str) -> CType:
        fields: list[Field] = []
        omit: set[str] = set()
        for name, info in cls.model_fields.items():
            ctype = self.derive(info.annotation, f"{path}.{name}")
            if not info.is_required():
                ctype = _optional(ctype)
                omit.add(name)
            fields.append(Field(name, ctype))

        def make(values: dict[str, Any]) -> Any:
            return cls.model_validate(values, by_alias=False, by_name=True)

        return RecordType(tuple(fields), Native(cls, make, frozenset(omit)))


def _may_lack(hint: Any, by_class: bool) -> bool:
    """Whether a key may be absent. Annotations that were text hide their marks from the class itself."""
    while (origin := get_origin(hint)) in (*_MARKS, typing.Annotated):
        if origin is typing_extensions.NotRequired:
            return True
        if origin is typing_extensions.Required:
            return False
        hint = get_args(hint)[0]
    return by_class


def _optional(ctype: CType) -> CType:
    return ctype if isinstance(ctype, OptionType) else OptionType(ctype)
