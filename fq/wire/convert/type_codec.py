"""`TypeCodec`: how values of one annotation become JSON and come back."""

from types import NoneType

from attrs import frozen

from fq.wire.convert.conversion_error import Convert

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
    """

    name: str
    encode: Convert
    decode: Convert
    json_types: frozenset[type] = JSON
    is_identity: bool = False
    identity_types: frozenset[type] = NO_TYPES

    @property
    def is_scalar(self) -> bool:
        """Is it a scalar of JSON, whose type alone is checked?"""
        return len(self.identity_types) == 1
