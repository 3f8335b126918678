"""Annotations: names in them resolved, wrappers removed, and text to show."""

import sys
from collections.abc import Mapping
from functools import partial, reduce
from inspect import Parameter, get_annotations, signature
from operator import or_
from types import NoneType, SimpleNamespace, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    ForwardRef,
    Literal,
    NewType,
    NotRequired,
    ParamSpecArgs,
    ParamSpecKwargs,
    Protocol,
    Required,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

from attrs import frozen

# Since Python 3.14 annotations are evaluated when they are read, and one that names nothing would raise.
if sys.version_info >= (3, 14):
    from annotationlib import Format
    from annotationlib import get_annotations as _get_annotations

    annotations_of = partial(_get_annotations, format=Format.FORWARDREF)
    signature_of = partial(signature, annotation_format=Format.FORWARDREF)
else:
    annotations_of = get_annotations
    signature_of = signature

_ANYTHING = (Any, object, Parameter.empty)
_WRAPPERS = (ClassVar, Final, NotRequired, Required)


@frozen
class Unresolved:
    """An annotation with a name that does not exist at run time, such as one imported under ``TYPE_CHECKING``. It means Any."""

    text: str

    def __str__(self) -> str:
        return self.text


@runtime_checkable
class Alias(Protocol):
    """An alias that the statement ``type Pair[T] = tuple[T, T]`` makes, since Python 3.12."""

    __value__: object
    __type_params__: tuple[object, ...]


def resolve(annotation: object, scope: Mapping[str, object], owner: object = None) -> object:
    """
    Return *annotation* with the names in it looked up in *scope* and among the type parameters of *owner*.

    >>> resolve("list[Order]", {"Order": int}), resolve("list[Order]", {})
    (list[int], Unresolved(text='list[Order]'))
    """
    parameters = {parameter.__name__: parameter for parameter in getattr(owner, "__type_params__", ())}
    try:
        return get_type_hints(SimpleNamespace(__annotations__={"it": annotation}), {**scope, **parameters}, include_extras=True)["it"]
    except Exception:  # evaluating an annotation may raise anything
        return Unresolved(name_of(annotation))


def module_scope(owner: type) -> Mapping[str, object]:
    """Return the names in the module of *owner*."""
    module = sys.modules.get(owner.__module__)
    return vars(module) if module else {}


def unwrap(annotation: object) -> object:
    """
    Return *annotation* without the wrappers that do not matter for conversion: Annotated, NewType, Final, aliases that do not hold themselves.

    A type variable means its bound. `object` and a missing annotation mean Any.

    >>> unwrap(Annotated[NewType("UserId", int), "positive"])
    <class 'int'>
    """
    origin = get_origin(annotation)
    if annotation is None:
        return NoneType
    if annotation in _ANYTHING or isinstance(annotation, ParamSpecArgs | ParamSpecKwargs):
        return Any
    if isinstance(annotation, ForwardRef):
        return Unresolved(name_of(annotation))
    if isinstance(annotation, TypeVar):
        return unwrap(annotation.__bound__ or (reduce(or_, annotation.__constraints__) if annotation.__constraints__ else Any))
    inside = get_args(annotation)[0] if origin is Annotated else without_names(annotation)
    return annotation if inside is annotation else unwrap(inside)


def without_names(annotation: object) -> object:
    """
    Return *annotation* without the wrappers around it, down to the type, or to an Annotated, whose metadata may matter.

    >>> without_names(NewType("UserId", Annotated[int, "positive"]))
    typing.Annotated[int, 'positive']
    """
    origin = get_origin(annotation)
    if isinstance(annotation, NewType):
        return without_names(annotation.__supertype__)
    if origin in _WRAPPERS or str(origin).endswith(".ReadOnly"):
        return without_names(get_args(annotation)[0])
    alias = origin if isinstance(origin, Alias) else annotation
    return without_names(expand_alias(annotation)) if isinstance(alias, Alias) and not _holds(alias, alias) else annotation


def expand_alias(alias: object) -> object:
    """Return the annotation that *alias*, with or without type arguments, stands for."""
    origin = get_origin(alias) or alias
    if not isinstance(origin, Alias):
        return alias
    try:
        return substitute(origin.__value__, dict(zip(origin.__type_params__, get_args(alias), strict=False)))
    except NameError:  # it is evaluated here, and may have a name that does not exist at run time
        return Unresolved(name_of(alias))


def _holds(annotation: object, alias: object, seen: frozenset[object] = frozenset()) -> bool:
    """Does *alias* occur inside of *annotation*?"""
    inside = (expand_alias(annotation),) if isinstance(annotation, Alias) else (get_origin(annotation), *get_args(annotation))
    later = [part for part in inside if part is not None and part is not Ellipsis and id(part) not in seen]
    return any(part is alias or _holds(part, alias, seen | {id(part)}) for part in later if not isinstance(part, type | str))


def substitute(annotation: object, bound: Mapping[object, object]) -> object:
    """
    Return *annotation* with its type variables replaced as *bound* says.

    >>> T = TypeVar("T")
    >>> substitute(dict[str, T], {T: int})
    dict[str, int]
    """
    if isinstance(annotation, TypeVar):
        return bound.get(annotation, annotation)
    variables: tuple[object, ...] = getattr(annotation, "__parameters__", ()) if get_origin(annotation) else ()
    return annotation[tuple(bound.get(each, each) for each in variables)] if variables else annotation  # type: ignore[index]  # a generic


def name_of(annotation: object) -> str:
    """
    Return *annotation* as a person would write it.

    >>> name_of(dict[str, Union[int, None]]), name_of(Literal["a", 1])
    ('dict[str, int | None]', "Literal['a', 1]")
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return name_of(args[0])
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    if origin in (Union, UnionType):
        return " | ".join(map(name_of, args))
    if isinstance(annotation, list):  # the parameters of a Callable
        return f"[{', '.join(map(name_of, annotation))}]"
    return f"{_word_for(origin)}[{', '.join(map(name_of, args))}]" if args else _word_for(annotation)


def _word_for(annotation: object) -> str:
    if annotation is NoneType:
        return "None"
    if annotation is Ellipsis:
        return "..."
    if isinstance(annotation, ForwardRef):
        return annotation.__forward_arg__
    return getattr(annotation, "__name__", "") or str(annotation).removeprefix("typing.")
