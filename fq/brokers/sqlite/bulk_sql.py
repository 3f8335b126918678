"""
Many rows in one statement: `pack_rows` on the way in, `split_bodies` on the way out.

Python's sqlite3 lets go of the GIL for every step of a statement, a step being a row that is read or one round of ``executemany``. Where actors keep
the processor busy, getting it back takes up to 5 ms, and all that time other processes wait for the database: measured on two cores with one busy
thread, 1,000 inserted rows take 0.5 to 3 s with ``executemany`` and 0.04 s in one statement. So a turn has a fixed number of steps, however many
messages it moves. What varies goes in and comes out as JSON; bodies, which no JSON could carry as they are, as one long blob.
"""

import json
from collections.abc import Iterable, Iterator
from typing import TypeAlias

Field: TypeAlias = int | str | None

to_json = json.JSONEncoder(separators=(",", ":")).encode
from_json = json.JSONDecoder().decode

MAX_ROWS_PER_STATEMENT = 5_000
MAX_BYTES_PER_STATEMENT = 2**26
"""So many rows, or bytes of bodies, go into one statement: SQLite takes no value beyond a billion bytes."""

LARGE_BODY_BYTES = 2**16
"""A body of more bytes than this travels by itself."""

BODY = "coalesce(substr(?2, json_extract(value, '$[0]'), json_extract(value, '$[1]')), x'')"
"""The SQL of a row's body, in a statement over ``json_each(?1)`` whose two parameters come from `pack`; of no bytes at all SQLite makes NULL."""


def sql_field(number: int) -> str:
    """Return the SQL of field number *number* of a row, 0 being the first, beside `BODY`."""
    return f"json_extract(value, '$[{number + 2}]')"


def pack_rows(rows: Iterable[tuple[bytes, tuple[Field, ...]]]) -> Iterator[tuple[str, bytes]]:
    """
    Return *rows*, each a body and its fields, as parameters of as few statements as possible: where each body is, with the fields, and all bodies.

    >>> list(pack_rows([(b"one", ("m1", 5)), (b"three", ("m2", 7))]))
    [('[[1,3,"m1",5],[4,5,"m2",7]]', b'onethree')]
    """
    places: list[tuple[Field, ...]] = []
    bodies: list[bytes] = []
    position = 1
    for body, fields in rows:
        size = len(body)
        if places and (position + size > MAX_BYTES_PER_STATEMENT or len(places) == MAX_ROWS_PER_STATEMENT):
            yield to_json(places), b"".join(bodies)
            places, bodies, position = [], [], 1
        places.append((position, size, *fields))
        bodies.append(body)
        position += size
    if places:
        yield to_json(places), b"".join(bodies)


def split_bodies(bodies: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """
    Return *bodies* cut up into pieces of *sizes*.

    >>> list(split_bodies(b"onethree", [3, 5]))
    [b'one', b'three']
    """
    position = 0
    for size in sizes:
        yield bodies[position : position + size]
        position += size
