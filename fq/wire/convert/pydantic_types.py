"""
Pydantic models, and all annotations that pydantic gives a meaning: converted by pydantic, with the errors of fq.

Nothing is imported: an application that uses pydantic has imported it before its first annotation.
"""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args, get_origin

from fq.wire.convert.annotations import name_of
from fq.wire.convert.conversion_error import ConversionError, misfit, mismatch, unshown
from fq.wire.convert.type_codec import JSON, TypeCodec

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

SCHEMA = "__get_pydantic_core_schema__"
"""The method by which a class or a piece of metadata tells pydantic how to validate it."""


def pydantic_codec(annotation: object) -> TypeCodec | None:
    """Return the codec of *annotation*, if pydantic gives it a meaning: a model, a dataclass of pydantic, a type with constraints; else None."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is None or not _is_of_pydantic(annotation):
        return None
    return _Adapted(annotation, pydantic.TypeAdapter(annotation)).codec


def _is_of_pydantic(annotation: object) -> bool:
    kind = get_origin(annotation) or annotation
    if kind is Annotated or get_origin(annotation) is Annotated:
        return any(hasattr(each, SCHEMA) or _module_of(each) in ("pydantic", "annotated_types") for each in get_args(annotation)[1:])
    return isinstance(kind, type) and (hasattr(kind, SCHEMA) or hasattr(kind, "__pydantic_validator__"))


def _module_of(value: object) -> str:
    return type(value).__module__.partition(".")[0]


class _Adapted:
    """How values of *annotation* are converted by *adapter*."""

    def __init__(self, annotation: object, adapter: "TypeAdapter[Any]") -> None:
        self.name = name_of(annotation)
        self.kind = _class_of(annotation)
        self.adapter = adapter
        self.holds_secrets = "Secret" in repr(adapter.core_schema)
        self.codec = TypeCodec(self.name, self.encode, self.decode, json_types=JSON, holds_secrets=self.holds_secrets)

    def encode(self, value: object) -> object:
        """Return the JSON of *value*, an instance of the annotated class, as the model writes it."""
        if self.kind is not None and not self._is_exactly(value):
            raise self._mismatch(value)
        try:
            if self.kind is None:
                self.adapter.validate_python(value)
            tree: object = self.adapter.dump_python(value, mode="json", round_trip=True)
        except Exception as error:
            raise self._error_of(error, value) from None
        if self.holds_secrets:
            self._check_secrets(value, tree)
        return tree

    def decode(self, tree: object) -> object:
        """Return the value that pydantic validates from *tree*."""
        try:
            return self.adapter.validate_json(json.dumps(tree), by_alias=True, by_name=True)
        except Exception as error:
            raise self._error_of(error, tree) from None

    def _is_exactly(self, value: object) -> bool:
        """Is *value* no instance of a subclass, whose fields would be lost? A generic model with its parameters is one of pydantic's subclasses."""
        parameters = getattr(type(value), "__pydantic_generic_metadata__", None) or {}
        return type(value) is self.kind or parameters.get("origin") is self.kind

    def _check_secrets(self, value: object, tree: object) -> None:
        """Refuse a value whose secrets pydantic has masked: another one would arrive."""
        if self.decode(tree) != value:
            raise ConversionError(
                f": {self.name} has a secret that pydantic masks when it is written, so another value would arrive: send a reference to the secret, "
                "or give the field a serializer, such as @field_serializer('password', when_used='json')"
            )

    def _mismatch(self, value: object) -> ConversionError:
        return unshown(self.name, value) if self.holds_secrets else mismatch(self.name, value)

    def _error_of(self, error: Exception, value: object) -> ConversionError:
        pydantic = sys.modules["pydantic"]
        if not isinstance(error, pydantic.ValidationError):
            return self._mismatch(value).because(error)
        return _first_error(cast("ValidationError", error), hide_input=self.holds_secrets)


def _class_of(annotation: object) -> type | None:
    """
    Return the class whose instances the values of *annotation* are; None if it is none, but a type with constraints.

    Some classes, such as `pydantic.AwareDatetime` and `pydantic.EmailStr`, are only names of such types: nothing makes instances of them.
    """
    kind = get_origin(annotation) or annotation
    if not isinstance(kind, type) or get_origin(annotation) is Annotated:
        return None
    own = {name for each in kind.__mro__[:-1] for name in vars(each)}
    return kind if own & {"__init__", "__new__"} else None


def _first_error(error: "ValidationError", *, hide_input: bool) -> ConversionError:
    """Return the first of the errors in *error*, with the path in it."""
    details, *others = error.errors(include_url=False, include_context=False)
    path = path_of(details["loc"])
    text = details["msg"][:1].lower() + details["msg"][1:]
    more = f" (and {len(others)} more)" if others else ""
    if hide_input or details["type"] == "missing":
        return ConversionError(f"{path}: {text}{more}")
    return ConversionError(f"{path}: {misfit(text, details['input'])}{more}")


def path_of(parts: Sequence[object]) -> str:
    """
    Return *parts* as the path of an error.

    >>> path_of(["lines", 0, "price"])
    '.lines[0].price'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
