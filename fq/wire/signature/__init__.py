"""
`Signature`: how the arguments and the result of one function become JSON and come back.

Which argument goes to which parameter is the business of ``fq.wire.signature.parameters``, single values that of ``fq.wire.convert``.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from inspect import Parameter as Declared
from inspect import Signature as Inspected
from inspect import iscoroutinefunction
from types import NoneType
from typing import Any, Never, NoReturn, TypeAlias, get_args, get_origin

from attrs import frozen
from returns.result import Result

from fq.errors import InvalidArguments, InvalidResult
from fq.wire.convert import Coder, Convert, Misfit, at_path, coder
from fq.wire.convert.annotations import name_of, resolve
from fq.wire.signature.command_line import Typed, read_text
from fq.wire.signature.parameters import Args, Kwargs, Parameter, Parameters, Side
from fq.wire.signature.wrapped import declared

Function: TypeAlias = Callable[..., object]

_AWAITABLE = (Awaitable, Coroutine)
_STARS: Mapping[int, str] = {Declared.VAR_POSITIONAL: "*", Declared.VAR_KEYWORD: "**"}
_BY_POSITION = (Declared.POSITIONAL_ONLY, Declared.POSITIONAL_OR_KEYWORD, Declared.VAR_POSITIONAL)
_RESULT = object()  # stands for the result of the step before
_UNKNOWN = Inspected([Declared("args", Declared.VAR_POSITIONAL), Declared("kwargs", Declared.VAR_KEYWORD)])
_ANY = Parameters.of(_UNKNOWN, lambda _: Any)


@frozen(slots=False)
class Signature:
    """
    What *function*, anything that can be called, takes and returns.

    Annotations are looked at when the first value comes, not before: a module may declare a class after the function that names it.

    >>> def add(a: int, b: int) -> int: ...
    >>> Signature.of(add).bind((1, 2), {})
    ((1, 2), {})
    >>> Signature.of(add).bind((1, "x"), {})
    Traceback (most recent call last):
    ...
    fq.errors.InvalidArguments: add(a, b): b: expected int, found 'x'
    """

    function: Function

    @classmethod
    def of(cls, function: Function) -> "Signature":
        """Return the signature of *function*."""
        return cls(function)

    def bind(self, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
        """
        Return what the function is called with for the JSON values *args* and *kwargs* of a message; defaults are left to it.

        Raises:
            InvalidArguments: missing, too many or unknown ones, or one that does not fit its annotation, with its path.
        """
        if not kwargs and (tuple(map(type, args)) if args else args) in self._passing:
            return args, kwargs
        return self._converted(Parameter.decode, args, kwargs)

    def dump(self, args: Args, kwargs: Kwargs, *, partial: bool = False) -> tuple[Args, Kwargs]:
        """
        Return the JSON values for a message that calls the function with *args* and *kwargs*; `bind` will take them.

        A *partial* call may lack arguments: the next step of a pipeline gets its last ones from the step before it.

        Raises:
            InvalidArguments: missing, too many or unknown ones, or one that does not fit its annotation, with its path.
        """
        if not kwargs and tuple(map(type, args)) in self._passing:
            return args, kwargs
        return self._converted(Parameter.encode, args, kwargs, partial=partial)

    def dump_step(self, args: Args, kwargs: Kwargs, *, first: bool) -> tuple[Args, Kwargs]:
        """
        Return the JSON values for a step of a pipeline: the result of the step before goes ahead of *args* if *first*, else after them.

        Raises:
            InvalidArguments: missing, too many or unknown ones, or one that does not fit its annotation, with its path.
        """
        whole = (_RESULT, *args) if first else (*args, _RESULT)
        dumped, named = self._converted(_around_result, whole, kwargs)
        return tuple(value for value in dumped if value is not _RESULT), named

    def dump_result(self, value: object) -> object:
        """
        Return *value*, which the function returned, as JSON. Of a `Result`, that is what a `Success` holds.

        Raises:
            InvalidResult: it does not fit the return annotation, or is not JSON and not annotated; with the path.
        """
        return value if type(value) in self._returns.passing else _result(self._returns.encode, value)

    def load_result(self, tree: object) -> object:
        """
        Return the value that `dump_result` made *tree* of.

        Raises:
            InvalidResult: *tree* does not fit the return annotation; with the path.
        """
        return tree if type(tree) in self._returns.passing else _result(self._returns.decode, tree)

    def read(self, texts: Sequence[str], kwargs: Kwargs) -> tuple[Args, Kwargs]:
        """
        Return what the function is called with for positional *texts*, as typed: each is JSON where that fits the annotation, or else text.

        >>> def greet(code: str, times: int) -> None: ...
        >>> Signature.of(greet).read(["12345", "2"], {})
        (('12345', 2), {})

        Raises:
            InvalidArguments: see `bind`.
        """
        return self._converted(read_text, tuple(map(Typed, texts)), kwargs)

    @property
    def returns_nothing(self) -> bool:
        """Whether the function is annotated to return None, or not to return."""
        return self._returned() in (None, NoneType, NoReturn, Never)

    @property
    def is_untyped_first(self) -> bool:
        """Whether the first parameter that may be given by position has no annotation."""
        first = next(iter(self._declared.parameters.values()), None)
        return first is not None and first.kind in _BY_POSITION and first.annotation is Declared.empty

    @property
    def is_async(self) -> bool:
        """Whether what the function returns must be awaited."""
        whole = _without_partial(self.function)
        is_coroutine = iscoroutinefunction(whole) or iscoroutinefunction(type(whole).__call__)
        return is_coroutine or get_origin(self._resolved(self._declared.return_annotation)) in _AWAITABLE

    def __str__(self) -> str:
        """Return the head of the function as one would write it: ``add(a: int, b: int) -> int``."""
        parameters = [p.replace(annotation=self._shown(p.annotation)) for p in self._declared.parameters.values()]
        returned = self._shown(self._declared.return_annotation)
        return f"{self._name}{self._declared.replace(parameters=parameters, return_annotation=returned)}"

    def _converted(self, side: Side, args: Args, kwargs: Kwargs, *, partial: bool = False) -> tuple[Args, Kwargs]:
        if fault := self._parameters.fault(args, kwargs, partial=partial or self._is_open):
            raise InvalidArguments(f"{self._name}() {fault}")
        try:
            return self._parameters.convert(side, args, kwargs)
        except Misfit as error:
            if self._is_open and self._parameters.fault(args, kwargs):  # a wrapper may add arguments ahead of these
                with suppress(Misfit):
                    return _ANY.convert(side, args, kwargs)
            names = ", ".join(_STARS.get(p.kind, "") + p.name for p in self._declared.parameters.values())
            raise InvalidArguments(f"{self._name}({names}): {error}") from None

    @cached_property
    def _passing(self) -> frozenset[tuple[type, ...]]:
        return self._parameters.passing

    @cached_property
    def _parameters(self) -> Parameters:
        return Parameters.of(self._declared, self._resolved)

    @cached_property
    def _returns(self) -> Coder:
        return coder(self._returned())

    @property
    def _declared(self) -> Inspected:
        return self._found[0]

    @property
    def _is_open(self) -> bool:
        return self._found[1]

    @cached_property
    def _found(self) -> tuple[Inspected, bool]:
        try:
            return declared(self.function)
        except ValueError:  # built in, and does not say
            return _UNKNOWN, False

    @cached_property
    def _name(self) -> str:
        whole = _without_partial(self.function)
        return str(getattr(whole, "__name__", type(whole).__name__))

    def _returned(self) -> object:
        """Return the annotation of what is stored: of ``Result[R, E]``, and of what is awaited, R."""
        hint = self._resolved(self._declared.return_annotation)
        while (origin := get_origin(hint)) in _AWAITABLE or _is_result(origin):
            hint = get_args(hint)[-1 if origin in _AWAITABLE else 0]
        return Any if _is_result(hint) else hint

    def _resolved(self, annotation: object) -> object:
        inside = _inside(self.function)
        return resolve(annotation, getattr(inside, "__globals__", {}), inside)

    def _shown(self, annotation: object) -> object:
        return annotation if annotation is Declared.empty else _Shown(name_of(self._resolved(annotation)))


def _around_result(parameter: Parameter, value: object, path: str) -> object:
    return value if value is _RESULT else parameter.encode(value, path)


class _Shown(str):
    """Text that `inspect` shows without quotes, as it does an annotation."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _result(convert: Convert, value: object) -> object:
    try:
        return at_path("result", convert, value)
    except Misfit as error:
        raise InvalidResult(str(error)) from None


def _is_result(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Result)


def _without_partial(function: object) -> object:
    return _without_partial(function.func) if isinstance(function, partial) else function


def _inside(function: object) -> object:
    """Return what Python runs in the end when *function* is called: of a partial, a wrapper, a method or an object, the function inside."""
    whole = _without_partial(function)
    wrapped = getattr(whole, "__wrapped__", getattr(whole, "__func__", None))
    if wrapped is not None:
        return _inside(wrapped)
    call = type(whole).__call__
    return whole if hasattr(whole, "__globals__") or not hasattr(call, "__globals__") else call
