"""
Arrays as PostgreSQL reads them in its binary format: in one pass over a list, which takes a tenth of what psycopg's own dumpers take.

A parameter of such a class is sent as it is. See "Array" in the source of PostgreSQL, ``array_recv``.
"""

from collections.abc import Iterable, Sequence
from struct import Struct, pack
from typing import ClassVar

from psycopg.abc import AdaptContext
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER = Struct("!iiIii")
"""How many dimensions, whether there are NULLs, the type of the elements, how many elements, the number of the first."""

_LENGTH = Struct("!i").pack

TEXT, BYTEA, SMALLINT, INTEGER, BIGINT = 25, 17, 21, 23, 20
"""The types of elements, as ``pg_type`` numbers them."""


class Packed(bytes):
    """An array in PostgreSQL's binary format."""


class TextArray(Packed):
    """``text[]``."""


class ByteaArray(Packed):
    """``bytea[]``."""


class SmallintArray(Packed):
    """``smallint[]``."""


class IntegerArray(Packed):
    """``integer[]``."""


class BigintArray(Packed):
    """``bigint[]``."""


class _PackedDumper(Dumper):
    format = Format.BINARY
    oids: ClassVar[dict[type, int]] = {TextArray: 1009, ByteaArray: 1001, SmallintArray: 1005, IntegerArray: 1007, BigintArray: 1016}

    def __init__(self, cls: type, context: AdaptContext | None = None) -> None:
        super().__init__(cls, context)
        self.oid = self.oids[cls]

    def dump(self, obj: bytes) -> bytes:
        return obj


def register(context: AdaptContext) -> None:
    """Let the connection *context* take these arrays as parameters."""
    for cls in _PackedDumper.oids:
        context.adapters.register_dumper(cls, _PackedDumper)


def texts(values: Iterable[str]) -> TextArray:
    """
    Return *values* as ``text[]``.

    >>> texts(["ab"]).hex(" ", -4)
    '00000001 00000000 00000019 00000001 00000001 00000002 6162'
    """
    return TextArray(_of_bytes(TEXT, [value.encode() for value in values]))


def byteas(values: Sequence[bytes]) -> ByteaArray:
    """Return *values* as ``bytea[]``."""
    return ByteaArray(_of_bytes(BYTEA, values))


def smallints(values: Sequence[int]) -> SmallintArray:
    """Return *values* as ``smallint[]``."""
    return SmallintArray(_of_numbers(SMALLINT, "ih", 2, values))


def integers(values: Sequence[int]) -> IntegerArray:
    """Return *values* as ``integer[]``."""
    return IntegerArray(_of_numbers(INTEGER, "ii", 4, values))


def bigints(values: Sequence[int]) -> BigintArray:
    """
    Return *values* as ``bigint[]``.

    >>> bigints([1, -1]).hex(" ", -4)[36:]
    '00000001 00000008 00000000 00000001 00000008 ffffffff ffffffff'
    """
    return BigintArray(_of_numbers(BIGINT, "iq", 8, values))


def _of_bytes(element: int, values: Sequence[bytes]) -> bytes:
    if not values:
        return _HEADER.pack(0, 0, element, 0, 0)[:12]
    parts = [_HEADER.pack(1, 0, element, len(values), 1)]
    for value in values:
        parts += (_LENGTH(len(value)), value)
    return b"".join(parts)


def _of_numbers(element: int, layout: str, size: int, values: Sequence[int]) -> bytes:
    if not values:
        return _HEADER.pack(0, 0, element, 0, 0)[:12]
    return _HEADER.pack(1, 0, element, len(values), 1) + pack(
        "!" + layout * len(values), *(part for value in values for part in (size, value))
    )
