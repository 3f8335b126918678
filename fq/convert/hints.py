"""Annotations as they are written, and what they mean: names resolved, wrappers taken off, and how to show one to a person."""

import sys
from collections.abc import Callable, Mapping
from inspect import Parameter, Signature, get_annotations, signature
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
    Required,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from attrs import frozen

ANYTHING = (Any, object, Parameter.empty)
# From Python 3.14 on annotations are evaluated when asked for, and one that names nothing would raise there.
if sys.version_info >= (3, 14):
    from annotationlib import Format, get_annotations

    _UNEVALUATED = {"format": Format.FORWARDREF}
else:
    _UNEVALUATED: dict[str, object] = {}
_TRANSPARENT = (Annotated, ClassVar, Final, NotRequired, Required)


@frozen
class Unresolved:
    """An annotation that names what does not exist at run time, as those imported under ``TYPE_CHECKING`` do. Means Any."""

    text: str


def resolve(annotation: object, scope: Mapping[str, object], owner: object = None) -> object:
    """
    Return *annotation* with the names in it looked up in *scope*, in *owner* (for type parameters) and in its own module.

    >>> resolve("list[Order]", {"Order": int}), resolve("list[Order]", {})
    (list[int], Unresolved(text='list[Order]'))
    """
    holder = SimpleNamespace(
        __annotations__={"it": annotation},
        __type_params__=getattr(owner, "__type_params__", ()),
    )
    try:
        return get_type_hints(holder, dict(scope), include_extras=True)["it"]
    except Exception:  # evaluating what somebody wrote may raise anything
        return Unresolved(annotation if isinstance(annotation, str) else name_of(annotation))


def module_scope(owner: object) -> Mapping[str, object]:
    """Return the names of the module that *owner*, a class or a function, was written in."""
    return getattr(sys.modules.get(getattr(owner, "__module__", None) or ""), "__dict__", {})


def annotations_of(owner: object) -> Mapping[str, object]:
    """Return the annotations of *owner* itself, not of its bases, as they are written."""
    return get_annotations(owner, **_UNEVALUATED)


def signature_of(function: Callable[..., object]) -> Signature:
    """
    Return the signature of *function*, its annotations as they are written.

    Raises:
        ValueError: *function* is built in and does not say.
    """
    return signature(function, **{f"annotation_{key}": value for key, value in _UNEVALUATED.items()})


def bare(annotation: object) -> object:
    """
    Return *annotation* without what says nothing about conversion: Annotated, NewType, aliases, Final and the like.

    A type variable means its bound; object, nothing and what does not resolve mean Any.

    >>> bare(Annotated[NewType("UserId", int), "positive"])
    <class 'int'>
    """
    if annotation is None:
        return NoneType
    if annotation in ANYTHING or isinstance(annotation, ForwardRef | ParamSpecArgs | ParamSpecKwargs):
        return Any
    if isinstance(annotation, NewType):
        return bare(annotation.__supertype__)
    if isinstance(annotation, TypeVar):
        return bare(annotation.__bound__ or (Union[annotation.__constraints__] if annotation.__constraints__ else Any))
    origin = get_origin(annotation)
    if origin in _TRANSPARENT or origin is not None and str(origin).endswith(".ReadOnly"):
        return bare(get_args(annotation)[0])
    if hasattr(origin, "__value__"):
        return bare(substitute(origin.__value__, dict(zip(origin.__type_params__, get_args(annotation), strict=True))))
    return bare(annotation.__value__) if type(annotation).__name__ == "TypeAliasType" else annotation


def substitute(annotation: object, bound: Mapping[object, object]) -> object:
    """
    Return *annotation* with type variables replaced by what *bound* says.

    >>> T = TypeVar("T")
    >>> substitute(dict[str, T], {T: int})
    dict[str, int]
    """
    if isinstance(annotation, TypeVar):
        return bound.get(annotation, annotation)
    if parameters := getattr(annotation, "__parameters__", ()) if get_origin(annotation) else ():
        return annotation[tuple(bound.get(p, p) for p in parameters)]
    return annotation


def name_of(annotation: object) -> str:
    """
    Return *annotation* as a person would write it.

    >>> name_of(dict[str, Union[int, None]]), name_of(Literal["a", 1])
    ('dict[str, int | None]', "Literal['a', 1]")
    """
    if annotation is NoneType:
        return "None"
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return name_of(args[0])
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    if origin in (Union, UnionType):
        return " | ".join(map(name_of, args))
    if isinstance(annotation, Unresolved):
        return annotation.text
    if isinstance(annotation, list):
        return f"[{', '.join(map(name_of, annotation))}]"
    name = getattr(origin or annotation, "__name__", None) or str(annotation).removeprefix("typing.")
    return f"{name}[{', '.join(map(name_of, args))}]" if args else "..." if annotation is ... else name
