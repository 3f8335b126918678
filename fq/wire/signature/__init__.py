"""
`Signature`: how the arguments and the result of one function become JSON and come back.

``fq.wire.signature.parameters`` assigns arguments to parameters, ``fq.wire.convert`` converts single values.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from inspect import Parameter as Declared
from inspect import Signature as Inspected
from inspect import iscoroutinefunction
from types import NoneType
from typing import Any, Never, NoReturn, TypeAlias, get_args, get_origin

from attrs import evolve, frozen
from returns.result import Result

from fq.errors import InvalidArguments
from fq.wire.convert import ConversionError, TypeCodec, codec_for, unsupported_part
from fq.wire.convert.annotations import name_of, resolve
from fq.wire.signature.command_line import Typed, read_text
from fq.wire.signature.injected import InjectedParameter, without_injected
from fq.wire.signature.parameters import Args, Conversion, Kwargs, Parameter, Parameters
from fq.wire.signature.results import convert_result
from fq.wire.signature.wrapped import declared, innermost, without_partial

Function: TypeAlias = Callable[..., object]

_AWAITABLE = (Awaitable, Coroutine)
_STARS: Mapping[int, str] = {Declared.VAR_POSITIONAL: "*", Declared.VAR_KEYWORD: "**"}
_POSITIONAL = (Declared.POSITIONAL_ONLY, Declared.POSITIONAL_OR_KEYWORD)
_BY_POSITION = (*_POSITIONAL, Declared.VAR_POSITIONAL)
_PREVIOUS_RESULT = object()  # the place of the result of the step before
_UNKNOWN = Inspected([Declared("args", Declared.VAR_POSITIONAL), Declared("kwargs", Declared.VAR_KEYWORD)])
_ANY = Parameters.of(_UNKNOWN, lambda _: Any)


@frozen(slots=False)
class Signature:
    """
    The parameters and the result of *function*, which is any callable.

    Annotations are resolved when the first value comes: a module may declare a class after the function that names it.

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

    @cached_property
    def positional_names(self) -> tuple[str, ...]:
        """The names of the parameters that take arguments by position."""
        return tuple(p.name for p in self._parameters.all if p.kind in _BY_POSITION)

    @classmethod
    def returning(cls, annotation: object) -> "Signature":
        """Return the signature of a function of which only the type of the result is known."""

        def message(*args: object, **kwargs: object) -> None: ...

        message.__annotations__ = {"return": annotation}
        return cls(message)

    @property
    def result_annotation(self) -> object:
        """The annotation of the result."""
        return self._result_annotation()

    def bind(self, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
        """
        Return the arguments for the function that the JSON values *args* and *kwargs* of a message stand for; it fills in its own defaults.

        Raises:
            InvalidArguments: missing, too many or unknown ones, or one that does not fit its annotation, with its path.
        """
        if not kwargs and (tuple(map(type, args)) if args else args) in self._identity_types:
            return args, kwargs
        return self._converted(Parameter.decode, args, kwargs)

    def dump(self, args: Args, kwargs: Kwargs, *, partial: bool = False) -> tuple[Args, Kwargs]:
        """
        Return the JSON values for a message that calls the function with *args* and *kwargs*; `bind` will take them.

        A *partial* call may lack arguments: a later step of a pipeline gets one from the step before.

        Raises:
            InvalidArguments: missing, too many or unknown ones, or one that does not fit its annotation, with its path.
        """
        if not kwargs and tuple(map(type, args)) in self._identity_types:
            return args, kwargs
        return self._converted(Parameter.encode, args, kwargs, partial=partial)

    def dump_step(self, args: Args, kwargs: Kwargs, *, first: bool) -> tuple[Args, Kwargs]:
        """
        Return the JSON values for a step of a pipeline: the result of the step before goes ahead of *args* if *first*, else after them.

        Raises:
            InvalidArguments: missing, too many or unknown ones, or one that does not fit its annotation, with its path.
        """
        whole = (_PREVIOUS_RESULT, *args) if first else (*args, _PREVIOUS_RESULT)
        dumped, named = self._converted(_encode_around_result, whole, kwargs)
        return tuple(value for value in dumped if value is not _PREVIOUS_RESULT), named

    def dump_result(self, value: object) -> object:
        """
        Return *value*, the result of the function, as JSON. For a `Result`, give what the `Success` holds.

        Raises:
            InvalidResult: it does not fit the return annotation, or is not JSON and not annotated; with the path.
        """
        return value if type(value) in self._result_codec.identity_types else convert_result(self._result_codec.encode, value)

    @property
    def unsupported_result(self) -> str:
        """The name of a type in the annotation of the result whose values cannot be stored; ``""`` if there is none."""
        return unsupported_part(self._result_annotation())

    def load_result(self, tree: object) -> object:
        """
        Return the value that `dump_result` encoded as *tree*.

        Raises:
            InvalidResult: *tree* does not fit the return annotation; with the path.
        """
        return tree if type(tree) in self._result_codec.identity_types else convert_result(self._result_codec.decode, tree)

    def read(self, texts: Sequence[str], kwargs: Kwargs) -> tuple[Args, Kwargs]:
        """
        Return the arguments for the function that a person typed as positional *texts*: each is JSON where that fits the annotation, else text.

        >>> def greet(code: str, times: int) -> None: ...
        >>> Signature.of(greet).read(["12345", "2"], {})
        (('12345', 2), {})

        Raises:
            InvalidArguments: see `bind`.
        """
        return self._converted(read_text, tuple(map(Typed, texts)), kwargs)

    def by_name(self, args: Args, kwargs: Kwargs) -> dict[str, object]:
        """
        Return the JSON values *args* and *kwargs* of a message by the names of the parameters; defaults, as JSON, stand for missing ones.

        >>> def add(a: int, b: int = 2) -> int: ...
        >>> Signature.of(add).by_name((1,), {})
        {'b': 2, 'a': 1}
        """
        positional = [name for name, kind in self.parameter_kinds.items() if kind in _POSITIONAL]
        rest = {"*": args[len(positional) :]} if len(args) > len(positional) else {}
        return {**self._dumped_defaults, **dict(zip(positional, args, strict=False)), **rest, **kwargs}

    @property
    def parameter_kinds(self) -> Mapping[str, int]:
        """The parameters that have a name for their argument, with their kinds; not ``*args`` and ``**kwargs``."""
        return {name: p.kind for name, p in self._declared.parameters.items() if p.kind not in _STARS}

    @property
    def required_names(self) -> tuple[str, ...]:
        """The parameters that every call must fill."""
        return tuple(p.name for p in self._parameters.all if p.is_required)

    @property
    def takes_any_name(self) -> bool:
        """May a call have named arguments beside those?"""
        return self._is_open or any(p.kind == Declared.VAR_KEYWORD for p in self._declared.parameters.values())

    @cached_property
    def _dumped_defaults(self) -> dict[str, object]:
        """The defaults of the parameters, as JSON; one that cannot be JSON is left out."""
        dumped: dict[str, object] = {}
        for name, default in ((p.name, p.default) for p in self._declared.parameters.values() if p.default is not Declared.empty):
            with suppress(InvalidArguments):
                dumped[name] = self.dump((), {name: default}, partial=True)[1][name]
        return dumped

    @property
    def returns_nothing(self) -> bool:
        """Is the function annotated to return None, or never to return?"""
        return self._result_annotation() in (None, NoneType, NoReturn, Never)

    @property
    def is_untyped_first(self) -> bool:
        """Is the first parameter positional and without an annotation?"""
        first = next(iter(self._declared.parameters.values()), None)
        return first is not None and first.kind in _BY_POSITION and first.annotation is Declared.empty

    @property
    def is_async(self) -> bool:
        """Must the result of the function be awaited?"""
        whole = without_partial(self.function)
        is_coroutine = iscoroutinefunction(whole) or iscoroutinefunction(type(whole).__call__)
        return is_coroutine or get_origin(self._resolved(self._declared.return_annotation)) in _AWAITABLE

    def __str__(self) -> str:
        """Return the function with its annotations: ``add(a: int, b: int) -> int``."""
        parameters = [p.replace(annotation=self._with_text(p.annotation)) for p in self._declared.parameters.values()]
        returned = self._with_text(self._declared.return_annotation)
        return f"{self._name}{self._declared.replace(parameters=parameters, return_annotation=returned)}"

    def _converted(self, convert_one: Conversion, args: Args, kwargs: Kwargs, *, partial: bool = False) -> tuple[Args, Kwargs]:
        if self.injected and (name := next((name for name in kwargs if name in self.injected), "")):
            raise InvalidArguments(f"{self._name}() got an argument for {name!r}, which the worker injects: leave it out of the call")
        if fault := self._parameters.arity_error(args, kwargs, partial=partial or self._is_open):
            raise InvalidArguments(f"{self._name}() {fault}")
        try:
            return self._parameters.convert(convert_one, args, kwargs)
        except ConversionError as error:
            if self._is_open and self._parameters.arity_error(args, kwargs):  # a wrapper may add arguments ahead of these
                with suppress(ConversionError):
                    return _ANY.convert(convert_one, args, kwargs)
            names = ", ".join(_STARS.get(p.kind, "") + p.name for p in self._declared.parameters.values())
            raise InvalidArguments(f"{self._name}({names}): {error}") from None

    @cached_property
    def _identity_types(self) -> frozenset[tuple[type, ...]]:
        return self._parameters.identity_types

    @cached_property
    def _parameters(self) -> Parameters:
        return Parameters.of(self._declared, self._resolved)

    @cached_property
    def _result_codec(self) -> TypeCodec:
        return codec_for(self._result_annotation())

    @cached_property
    def _declared(self) -> Inspected:
        return without_injected(self._inspected[0])[0]

    @cached_property
    def injected(self) -> Mapping[str, InjectedParameter]:
        """The parameters that a worker fills with resources, by name, their annotations resolved. No call passes them."""
        found = without_injected(self._inspected[0])[1]
        return {name: evolve(each, annotation=self._resolved(each.annotation)) for name, each in found.items()}

    @property
    def _is_open(self) -> bool:
        return self._inspected[1]

    @cached_property
    def _inspected(self) -> tuple[Inspected, bool]:
        try:
            return declared(self.function)
        except ValueError:  # a built-in that has no signature
            return _UNKNOWN, False

    @cached_property
    def _name(self) -> str:
        whole = without_partial(self.function)
        return str(getattr(whole, "__name__", type(whole).__name__))

    def _result_annotation(self) -> object:
        """Return the annotation of the stored result: R of ``Result[R, E]``, and of an awaitable R."""
        hint = self._resolved(self._declared.return_annotation)
        while (origin := get_origin(hint)) in _AWAITABLE or _is_result(origin):
            hint = get_args(hint)[-1 if origin in _AWAITABLE else 0]
        return Any if _is_result(hint) else hint

    def _resolved(self, annotation: object) -> object:
        inside = innermost(self.function)
        return resolve(annotation, getattr(inside, "__globals__", {}), inside)

    def _with_text(self, annotation: object) -> object:
        return annotation if annotation is Declared.empty else _AnnotationText(name_of(self._resolved(annotation)))


def _encode_around_result(parameter: Parameter, value: object, path: str) -> object:
    return value if value is _PREVIOUS_RESULT else parameter.encode(value, path)


class _AnnotationText(str):
    """Text that `inspect` shows without quotes, like an annotation."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _is_result(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Result)
