"""`TypeCodec`: how values of one annotation become JSON and come back."""

from collections.abc import Iterable
from types import NoneType

from attrs import evolve, frozen

from fq.wire.convert.conversion_error import ConversionError, Convert

SCALARS: frozenset[type] = frozenset((str, int, float, bool, NoneType))
JSON: frozenset[type] = SCALARS | {list, dict}
NONE: frozenset[type] = frozenset((NoneType,))
NO_TYPES: frozenset[type] = frozenset()


@frozen
class TypeCodec:
    """
    How values of one annotation become JSON, and come back.

    Attributes:
        name: the annotation, as errors show it.

        encode: from the value to a new JSON tree; raises `ConversionError`.

        decode: from a JSON tree to the value, which shares no list or dict with it; raises `ConversionError`.

        json_types: the JSON types that it writes.

        is_identity: does what it writes equal the value? So it is for an int, but not for a datetime.

        identity_types: values of exactly these types need no conversion.

        is_unsupported: is there no way to convert its values?

        holds_secrets: may errors not show its values?
    """

    name: str
    encode: Convert
    decode: Convert
    json_types: frozenset[type] = JSON
    is_identity: bool = False
    identity_types: frozenset[type] = NO_TYPES
    is_unsupported: bool = False
    holds_secrets: bool = False

    @property
    def is_scalar(self) -> bool:
        """Is it a scalar of JSON, whose type alone is checked?"""
        return len(self.identity_types) == 1


def concealing(codec: TypeCodec, parts: Iterable[TypeCodec]) -> TypeCodec:
    """Return *codec*, whose errors do not show its values if one of its *parts* has secrets."""
    if not any(part.holds_secrets for part in parts):
        return codec

    def concealed(convert: Convert) -> Convert:
        def converted(value: object) -> object:
            try:
                return convert(value)
            except ConversionError as error:
                raise error.without_value(codec.name, value) from None

        return converted

    return evolve(codec, encode=concealed(codec.encode), decode=concealed(codec.decode), holds_secrets=True)
