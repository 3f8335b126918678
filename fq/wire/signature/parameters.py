"""`Parameters`: which argument of a call goes to which parameter of a function, and what is wrong if one goes to none."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from inspect import Parameter as Declared
from inspect import Signature as Inspected
from itertools import product
from math import prod
from typing import Never, TypeAlias, Unpack, get_args, get_origin

from attrs import frozen

from fq.wire.convert import TypeCodec, at_path, codec_for
from fq.wire.convert.records import record

Args: TypeAlias = tuple[object, ...]
Kwargs: TypeAlias = Mapping[str, object]

_POSITIONAL = (Declared.POSITIONAL_ONLY, Declared.POSITIONAL_OR_KEYWORD)
_NAMED = (Declared.POSITIONAL_OR_KEYWORD, Declared.KEYWORD_ONLY)
_STARS = (Declared.VAR_POSITIONAL, Declared.VAR_KEYWORD)
_MAX_COMBINATIONS = 256


@frozen(slots=False, eq=False)
class Parameter:
    """One parameter. *hint* is its annotation, for which the codec is built when the first value comes."""

    name: str
    kind: int
    hint: object
    is_required: bool = False

    @cached_property
    def codec(self) -> TypeCodec:
        """How its values are converted."""
        return codec_for(self.hint)

    @cached_property
    def identity_types(self) -> frozenset[type]:
        """Values of exactly these types need no conversion."""
        return self.codec.identity_types

    def encode(self, value: object, path: str) -> object:
        """Return the JSON of *value*, which errors call *path*."""
        return at_path(path, self.codec.encode, value)

    def decode(self, tree: object, path: str) -> object:
        """Return what the function gets for *tree*, which errors call *path*."""
        return at_path(path, self.codec.decode, tree)


Conversion: TypeAlias = Callable[[Parameter, object, str], object]
_NO_PARAMETER = Parameter("", Declared.VAR_POSITIONAL, Never)


@frozen(slots=False, eq=False)
class Parameters:
    """The parameters of a function, in order."""

    all: tuple[Parameter, ...]

    @classmethod
    def of(cls, declared: Inspected, resolve: Callable[[object], object]) -> "Parameters":
        """Return the parameters in *declared*; *resolve* looks up the names in an annotation."""
        return cls(tuple(each for parameter in declared.parameters.values() for each in _parameters(parameter, resolve)))

    @cached_property
    def identity_types(self) -> frozenset[tuple[type, ...]]:
        """The types of positional arguments that need no conversion, in each combination that makes a complete call."""
        if any(p.is_required and p.kind == Declared.KEYWORD_ONLY for p in self.all):
            return frozenset()
        least = sum(p.is_required for p in self._positional)
        calls = [[p.identity_types for p in self._positional[:n]] for n in range(least, len(self._positional) + 1)]
        few = (call for call in calls if prod(map(len, call)) <= _MAX_COMBINATIONS)
        return frozenset(types for call in few for types in product(*call))

    def convert(self, convert_one: Conversion, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
        """
        Return the arguments of a call, which has no `arity_error`, each converted by *convert_one*.

        Raises:
            ConversionError: an argument that does not fit; its path begins with the name of the parameter.
        """
        pairs = zip(self._positional, args, strict=False)
        positional = [value if type(value) in p.identity_types else convert_one(p, value, p.name) for p, value in pairs]
        if rest := args[len(positional) :]:
            positional += [convert_one(self._var_positional, value, f"{self._var_positional.name}[{at}]") for at, value in enumerate(rest)]
        named = {}
        for name, value in kwargs.items():
            p = self._named.get(name, self._var_keyword)
            named[name] = value if type(value) in p.identity_types else convert_one(p, value, name)
        return tuple(positional), named

    def arity_error(self, args: Args, kwargs: Kwargs, *, partial: bool = False) -> str:
        """
        Return what is wrong with the number or the names of the arguments, as Python words it; ``""`` if nothing is.

        A *partial* call may lack arguments.
        """
        if len(args) > len(self._positional) and self._var_positional is _NO_PARAMETER:
            return f"takes {self._count_text} but {len(args)} {'was' if len(args) == 1 else 'were'} given"
        needed, free = self._required_and_free[min(len(args), len(self._positional))]
        if not kwargs.keys() <= free and (said := self._misnamed(kwargs, free)):
            return said
        missing = needed - (kwargs.keys() & free)
        if partial or not missing:
            return ""
        return f"missing a required argument: {next(p.name for p in self.all if p.name in missing)!r}"

    def _misnamed(self, kwargs: Kwargs, free: frozenset[str]) -> str:
        for name in (name for name in kwargs if name not in free):
            if name in self._named:
                return f"got multiple values for argument {name!r}"
            if self._var_keyword is _NO_PARAMETER:
                return f"got an unexpected keyword argument {name!r}"
        return ""

    @cached_property
    def _positional(self) -> tuple[Parameter, ...]:
        return tuple(p for p in self.all if p.kind in _POSITIONAL)

    @cached_property
    def _named(self) -> Mapping[str, Parameter]:
        return {p.name: p for p in self.all if p.kind in _NAMED}

    @cached_property
    def _var_positional(self) -> Parameter:
        """The parameter for ``*args``."""
        return next((p for p in self.all if p.kind == Declared.VAR_POSITIONAL), _NO_PARAMETER)

    @cached_property
    def _var_keyword(self) -> Parameter:
        """The parameter for ``**kwargs``."""
        return next((p for p in self.all if p.kind == Declared.VAR_KEYWORD), _NO_PARAMETER)

    @cached_property
    def _required_and_free(self) -> tuple[tuple[frozenset[str], frozenset[str]], ...]:
        """By the number of positional arguments: the names that are still required, and those that are still free."""
        required, named = frozenset(p.name for p in self.all if p.is_required), frozenset(self._named)
        taken = [frozenset(p.name for p in self._positional[:n]) for n in range(len(self._positional) + 1)]
        return tuple((required - names, named - names) for names in taken)

    @property
    def _count_text(self) -> str:
        most, least = len(self._positional), sum(p.is_required for p in self._positional)
        return f"{most if least == most else f'from {least} to {most}'} positional argument{'' if most == 1 else 's'}"


def _parameters(declared: Declared, resolve: Callable[[object], object]) -> Iterator[Parameter]:
    """Yield the *declared* parameter; for ``**options: Unpack[Options]``, one for each key of the TypedDict."""
    hint = resolve(declared.annotation)
    if declared.kind == Declared.VAR_KEYWORD and get_origin(hint) is Unpack:
        for field, _ in record(get_args(hint)[0], codec_for).fields:
            yield Parameter(field.name, Declared.KEYWORD_ONLY, field.hint, field.is_required)
    else:
        is_required = declared.default is Declared.empty and declared.kind not in _STARS
        yield Parameter(declared.name, declared.kind, hint, is_required)
