"""Classes with named fields, written as JSON objects: attrs classes, dataclasses, NamedTuples and TypedDicts."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from inspect import Parameter
from typing import NamedTuple, NotRequired, Required, TypeAlias, cast, get_args, get_origin, is_typeddict

import attrs

from fq.wire.convert.annotations import annotations_of, module_scope, name_of, resolve, signature_of, substitute
from fq.wire.convert.conversion_error import ConversionError, at_key, mismatch, missing, unshown
from fq.wire.convert.type_codec import TypeCodec

CodecFor: TypeAlias = Callable[[object], TypeCodec]
Bindings: TypeAlias = Mapping[object, Mapping[object, object]]


@attrs.frozen
class Field:
    """One field of a record: *alias* is its name in the initialiser, *hint* its annotation."""

    name: str
    alias: str
    hint: object
    is_required: bool


@attrs.frozen(slots=False, eq=False)
class Record:
    """
    How a class with named fields is converted.

    The fields are read when the first value comes: by then the names in annotations exist, and a class may hold itself.
    """

    annotation: object
    codec_for: CodecFor

    @cached_property
    def kind(self) -> type:
        """The class, without type arguments."""
        return cast("type", get_origin(self.annotation) or self.annotation)

    @cached_property
    def fields(self) -> tuple[tuple[Field, TypeCodec], ...]:
        """Its fields, with resolved annotations, each with its codec."""
        fields = tuple(_fields(self.kind))
        _check_initialiser(self.kind, frozenset(field.alias for field in fields))
        bindings = _bindings(self.annotation, {})
        resolved = (_resolved(self.kind, field, bindings) for field in fields)
        return tuple((field, self.codec_for(field.hint)) for field in resolved)

    def encode(self, value: object) -> object:
        """Return the JSON object of *value*. An instance of a subclass is refused, since it would be decoded as the base class."""
        if type(value) is not self.kind:
            raise self._mismatch(value)
        return {field.name: at_key(field.name, codec.encode, getattr(value, field.name)) for field, codec in self.fields}

    def decode(self, tree: object, _: object = None) -> object:
        """Return the instance that *tree* describes. An unknown key may come from a later version, and is ignored."""
        if not isinstance(tree, Mapping):
            raise self._mismatch(tree)
        return self.kind(**{field.alias: at_key(field.name, codec.decode, tree[field.name]) for field, codec in self._present(tree)})

    def _mismatch(self, value: object) -> ConversionError:
        has_secret = any(codec.holds_secrets for _, codec in self.fields)
        return (unshown if has_secret else mismatch)(name_of(self.annotation), value)

    def _present(self, values: Mapping[str, object]) -> Iterator[tuple[Field, TypeCodec]]:
        """Return the fields that *values* has; a required one must be there."""
        for field, codec in self.fields:
            if field.name in values:
                yield field, codec
            elif field.is_required:
                raise missing(codec.name).at(f".{field.name}")


class DictRecord(Record):
    """How a TypedDict is converted."""

    def encode(self, value: object) -> object:
        """Return the JSON object of *value*. An unknown key is refused, since it would be lost."""
        if not isinstance(value, dict):
            raise self._mismatch(value)
        tree = {field.name: at_key(field.name, codec.encode, value[field.name]) for field, codec in self._present(value)}
        if unknown := [key for key in value if key not in tree]:
            raise mismatch(f"a key of {name_of(self.annotation)}", unknown[0])
        return tree


def is_record(annotation: object) -> bool:
    """Is *annotation* a class with named fields?"""
    kind = get_origin(annotation) or annotation
    if not isinstance(kind, type):
        return False
    return attrs.has(kind) or dataclasses.is_dataclass(kind) or is_typeddict(kind) or (issubclass(kind, tuple) and hasattr(kind, "_fields"))


def record(annotation: object, codec_for: CodecFor) -> Record:
    """Return how the record *annotation* is converted; *codec_for* makes the codecs of its fields."""
    return (DictRecord if is_typeddict(get_origin(annotation) or annotation) else Record)(annotation, codec_for)


def _fields(kind: type) -> Iterator[Field]:
    """Return the fields that the initialiser of *kind* takes, with their annotations unresolved."""
    if is_typeddict(kind):
        return (Field(name, name, hint, name in vars(kind)["__required_keys__"]) for name, hint in annotations_of(kind).items())
    if attrs.has(kind):
        return (Field(a.name, a.alias, a.type or object, a.default is attrs.NOTHING) for a in attrs.fields(kind) if a.init)
    if dataclasses.is_dataclass(kind):
        defaults = ((f, f.default, f.default_factory) for f in dataclasses.fields(kind) if f.init)
        return (Field(f.name, f.name, f.type, set(default) == {dataclasses.MISSING}) for f, *default in defaults)
    named = cast("type[NamedTuple]", kind)
    hints = annotations_of(kind)
    return (Field(name, name, hints.get(name, object), name not in named._field_defaults) for name in named._fields)


def _check_initialiser(kind: type, given: frozenset[str]) -> None:
    """
    Check that the arguments *given* suffice to make a *kind*.

    Raises:
        ConversionError: its initialiser needs others, or does not take these.
    """
    if is_typeddict(kind):
        return
    parameters = signature_of(kind).parameters.values()
    named = {p.name: p.default for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    lacking = {name for name, default in named.items() if default is Parameter.empty} - given
    refused = given - named.keys() if not any(p.kind is p.VAR_KEYWORD for p in parameters) else frozenset()
    if odd := sorted(lacking | refused):
        raise ConversionError(
            f": {kind.__name__} cannot be converted: its fields and the parameters of __init__ differ in {', '.join(odd)}"
        )


def _resolved(kind: type, field: Field, bindings: Bindings) -> Field:
    """Return *field* with its annotation resolved in the module that declares it, and its type variables bound."""
    owner = next((base for base in kind.__mro__ if field.name in annotations_of(base)), kind)
    scope = {**vars(owner), **module_scope(owner), owner.__name__: owner}
    hint = substitute(resolve(field.hint, scope, owner), bindings.get(owner, {}))
    marked: Mapping[object, bool] = {Required: True, NotRequired: False}
    return attrs.evolve(field, hint=hint, is_required=marked.get(get_origin(hint), field.is_required))


def _bindings(annotation: object, outer: Mapping[object, object]) -> Bindings:
    """Return what the type variables of the class *annotation*, and of each of its generic bases, stand for."""
    kind = get_origin(annotation) or annotation
    own: dict[object, object] = dict(
        zip(getattr(kind, "__parameters__", ()), (substitute(arg, outer) for arg in get_args(annotation)), strict=False)
    )
    bases: tuple[object, ...] = getattr(kind, "__orig_bases__", ())
    inherited: dict[object, Mapping[object, object]] = {key: value for base in bases for key, value in _bindings(base, own).items()}
    return {**inherited, kind: own}
