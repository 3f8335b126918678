"""Structs of msgspec, converted by msgspec, with the errors of fq. Nothing is imported: see ``fq.wire.convert.pydantic_types``."""

import re
import sys
from typing import get_origin

from fq.wire.convert.annotations import name_of
from fq.wire.convert.conversion_error import ConversionError, misfit, mismatch
from fq.wire.convert.type_codec import JSON, TypeCodec

WHERE = re.compile(r" - at `\$(?P<path>[^`]*)`$")


def msgspec_codec(annotation: object) -> TypeCodec | None:
    """Return the codec of *annotation* if it is a struct of msgspec; else None."""
    msgspec = sys.modules.get("msgspec")
    kind = get_origin(annotation) or annotation
    if msgspec is None or not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return None
    name = name_of(annotation)

    def encode(value: object) -> object:
        if type(value) is not kind:
            raise mismatch(name, value)
        try:
            tree: object = msgspec.to_builtins(value, str_keys=True)
            msgspec.convert(tree, annotation, str_keys=True)  # msgspec checks no types when a struct is made
        except Exception as error:
            raise _error_of(name, error, value) from None
        return tree

    def decode(tree: object) -> object:
        try:
            value: object = msgspec.convert(tree, annotation, str_keys=True)
        except Exception as error:
            raise _error_of(name, error, tree) from None
        return value

    return TypeCodec(name, encode, decode, json_types=JSON)


def _error_of(name: str, error: Exception, value: object) -> ConversionError:
    text = str(error)
    if not isinstance(error, sys.modules["msgspec"].ValidationError):
        return mismatch(name, value).because(error)
    where = WHERE.search(text)
    what = (WHERE.sub("", text))[:1].lower() + (WHERE.sub("", text))[1:]
    return ConversionError(f"{where['path']}: {what}") if where else ConversionError(f": {misfit(what, value)}")
