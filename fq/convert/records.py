"""Classes with named fields, written as JSON objects: attrs classes, dataclasses, NamedTuples and TypedDicts."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from inspect import Parameter
from typing import NotRequired, Required, TypeAlias, cast, get_args, get_origin, is_typeddict

import attrs

from fq.convert.coder import Coder
from fq.convert.hints import annotations_of, module_scope, name_of, resolve, signature_of, substitute
from fq.convert.misfit import Misfit, absent, misfit

CodeOf: TypeAlias = Callable[[object], Coder]


@attrs.frozen
class Field:
    """One field of a record: *alias* is its name in the initialiser, *hint* its annotation, names resolved."""

    name: str
    alias: str
    hint: object
    required: bool


@attrs.frozen(slots=False, eq=False)
class Record:
    """
    How one class with named fields is converted.

    Its fields are looked at when the first value comes: by then every name in an annotation exists, and a class may hold itself.
    """

    kind: object
    code_of: CodeOf

    @cached_property
    def cls(self) -> type:
        """The class, without type arguments."""
        return cast("type", get_origin(self.kind) or self.kind)

    @cached_property
    def fields(self) -> tuple[tuple[Field, Coder], ...]:
        """Its fields, each with the coder of its annotation."""
        fields = tuple(_fields(self.cls))
        if fault := _fault(self.cls, {field.alias for field in fields}):
            raise Misfit(fault)
        bindings = _bindings(self.kind, {})
        resolved = (_resolved(self.cls, field, bindings) for field in fields)
        return tuple((field, self.code_of(field.hint)) for field in resolved)

    def encode(self, value: object) -> object:
        """Return the JSON object of *value*; an instance of a subclass is refused, since it would not arrive as one."""
        if type(value) is not self.cls:
            raise misfit(name_of(self.kind), value)
        return {field.name: _within(field, coder.encode, getattr(value, field.name)) for field, coder in self.fields}

    def decode(self, tree: object, _: object = None) -> object:
        """Return the instance that *tree* describes; a key that is no field is one of tomorrow's version, and ignored."""
        if not isinstance(tree, Mapping):
            raise misfit(name_of(self.kind), tree)
        given = {}
        for field, coder in self.fields:
            if field.name in tree:
                given[field.alias] = _within(field, coder.decode, tree[field.name])
            elif field.required:
                raise absent(coder.name).under(f".{field.name}")
        return self.cls(**given)


class Typed(Record):
    """How one TypedDict is converted."""

    def encode(self, value: object) -> object:
        """Return the JSON object of *value*; a key that is no field is refused, since it would not arrive."""
        if not isinstance(value, dict):
            raise misfit(name_of(self.kind), value)
        tree = {}
        for field, coder in self.fields:
            if field.name in value:
                tree[field.name] = _within(field, coder.encode, value[field.name])
            elif field.required:
                raise absent(coder.name).under(f".{field.name}")
        if unknown := [key for key in value if key not in tree]:
            raise misfit(f"only keys of {name_of(self.kind)}", unknown[0])
        return tree


def is_record(annotation: object) -> bool:
    """Whether *annotation* is a class whose fields have names."""
    cls = get_origin(annotation) or annotation
    return isinstance(cls, type) and (
        attrs.has(cls)
        or dataclasses.is_dataclass(cls)
        or is_typeddict(cls)
        or (issubclass(cls, tuple) and hasattr(cls, "_fields"))
    )


def record(annotation: object, code_of: CodeOf) -> Record:
    """Return how the record *annotation* is converted; *code_of* gives the coders of its fields."""
    return (Typed if is_typeddict(get_origin(annotation) or annotation) else Record)(annotation, code_of)


def _within(field: Field, convert: Callable[[object], object], value: object) -> object:
    try:
        return convert(value)
    except Misfit as error:
        raise error.under(f".{field.name}") from None


def _fields(cls: type) -> Iterator[Field]:
    """Return the fields that the initialiser of *cls* takes, with annotations as they are written."""
    if is_typeddict(cls):
        for name, hint in annotations_of(cls).items():
            yield Field(name, name, hint, name in cls.__required_keys__)
    elif attrs.has(cls):
        for a in attrs.fields(cls):
            if a.init:
                yield Field(a.name, a.alias, a.type or object, a.default is attrs.NOTHING)
    elif dataclasses.is_dataclass(cls):
        for f in dataclasses.fields(cls):
            if f.init:
                required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
                yield Field(f.name, f.name, f.type, required)
    else:
        for name in cls._fields:
            yield Field(name, name, annotations_of(cls).get(name, object), name not in cls._field_defaults)


def _resolved(cls: type, field: Field, bindings: Mapping[object, Mapping[object, object]]) -> Field:
    """Return *field* with the names in its annotation looked up where they were written, and type variables bound."""
    owner = next((base for base in cls.__mro__ if field.name in annotations_of(base)), cls)
    scope = {**vars(owner), **module_scope(owner), owner.__name__: owner}
    hint = substitute(resolve(field.hint, scope, owner), bindings.get(owner, {}))
    marked = {Required: True, NotRequired: False}
    return attrs.evolve(field, hint=hint, required=marked.get(get_origin(hint), field.required))


def _bindings(kind: object, outer: Mapping[object, object]) -> Mapping[object, Mapping[object, object]]:
    """Return, for the class *kind* and each generic base of it, what its type variables stand for."""
    cls = get_origin(kind) or kind
    own = dict(zip(getattr(cls, "__parameters__", ()), (substitute(arg, outer) for arg in get_args(kind)), strict=False))
    bases = getattr(cls, "__orig_bases__", ())
    return {key: value for base in bases for key, value in _bindings(base, own).items()} | {cls: own}


def _fault(cls: type, given: set[str]) -> str:
    """Return what stands in the way of making a *cls* from its fields, ``""`` if nothing does."""
    if is_typeddict(cls):
        return ""
    parameters = signature_of(cls).parameters.values()
    needed = {p.name for p in parameters if p.default is Parameter.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    taken = given if any(p.kind is p.VAR_KEYWORD for p in parameters) else {p.name for p in parameters}
    odd = sorted((needed - given) | (given - taken))
    return f": cannot convert {cls.__name__}: its __init__ and its fields differ in {', '.join(odd)}" if odd else ""
