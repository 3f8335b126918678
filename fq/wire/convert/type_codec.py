"""`Coder`: how values of one annotation become JSON and come back."""

from types import NoneType

from attrs import frozen

from fq.wire.convert.conversion_error import Convert

SCALARS: frozenset[type] = frozenset((str, int, float, bool, NoneType))
JSON: frozenset[type] = SCALARS | {list, dict}
NONE: frozenset[type] = frozenset((NoneType,))
NO_TYPES: frozenset[type] = frozenset()


@frozen
class Coder:
    """
    How values of one annotation become JSON, and come back.

    Attributes:
        name: the annotation, for people.

        encode: from the value to a new JSON tree; raises `Misfit`.

        decode: from a JSON tree to the value, which shares no list or dict with it; raises `Misfit`.

        wire: which JSON types it writes.

        is_plain: whether what it writes equals the value, as is so for an int, but not for a datetime.

        passing: values of exactly these types are what they become; nothing need be called.
    """

    name: str
    encode: Convert
    decode: Convert
    wire: frozenset[type] = JSON
    is_plain: bool = False
    passing: frozenset[type] = NO_TYPES

    @property
    def is_scalar(self) -> bool:
        """Whether it is a scalar of JSON, whose values need only be of the right type."""
        return len(self.passing) == 1
