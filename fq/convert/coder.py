"""`Coder`: how values of one annotation become JSON and come back."""

from types import NoneType

from attrs import frozen

from fq.convert.misfit import Convert

SCALARS = frozenset((str, int, float, bool, NoneType))
JSON = SCALARS | {list, dict}


@frozen
class Coder:
    """
    How values of one annotation become JSON, and come back.

    Attributes:
        name: the annotation, for people.

        encode: from the value to a new JSON tree; raises `Misfit`.

        decode: from a JSON tree to the value, which shares nothing with the tree; raises `Misfit`.

        wire: which JSON types it writes.

        is_plain: whether what it writes equals the value, as is the case for an int, but not for a datetime.

        passing: values of exactly these types are what they become; nothing need be called.
    """

    name: str
    encode: Convert
    decode: Convert
    wire: frozenset[type] = JSON
    is_plain: bool = False
    passing: frozenset[type] = frozenset()

    @property
    def scalar(self) -> type | None:
        """The only type whose values pass as they are, None if there is no such type or several."""
        return next(iter(self.passing)) if len(self.passing) == 1 else None
