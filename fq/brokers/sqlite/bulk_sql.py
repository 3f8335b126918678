"""
Many rows in one statement: `pack_rows` on the way in, `split_bodies` on the way out.

Python's sqlite3 releases the GIL at every step of a statement: for each row that is read, and each round of ``executemany``. While actors keep the
processor busy, it takes up to 5 ms to get the GIL back, and other processes wait for the database all that time. Measured on two cores with one busy
thread, 1,000 inserted rows take 0.5 to 3 s with ``executemany`` and 0.04 s in one statement. So a turn has a fixed number of steps, however many
messages it moves. Fields travel as JSON; bodies, which JSON cannot carry unchanged, as one long blob.
Only to insert hundreds of messages, a few statements have a parameter for each value: SQLite reads these in less than half the time.
"""

import json
from collections.abc import Iterable, Iterator
from typing import TypeAlias

Field: TypeAlias = int | str | None

to_json = json.JSONEncoder(separators=(",", ":")).encode
from_json = json.JSONDecoder().decode

MAX_ROWS_PER_STATEMENT = 5_000
MAX_BYTES_PER_STATEMENT = 2**26
"""How many rows, and bytes of bodies, one statement takes: SQLite takes no value of more than a billion bytes."""

LARGE_BODY_BYTES = 2**16
"""A larger body is read by a statement of its own."""

BODY = "coalesce(substr(?2, json_extract(value, '$[0]'), json_extract(value, '$[1]')), x'')"
"""The SQL of a row's body, in a statement over ``json_each(?1)`` with the parameters of `pack_rows`; SQLite makes NULL of an empty part."""


def sql_field(number: int) -> str:
    """Return the SQL of field *number* of a row, from 0, beside `BODY`."""
    return f"json_extract(value, '$[{number + 2}]')"


def pack_rows(rows: Iterable[tuple[bytes, tuple[Field, ...]]]) -> Iterator[tuple[str, bytes]]:
    """
    Return *rows*, each a body and its fields, as the parameters of few statements: the places of the bodies with the fields, and all bodies joined.

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
    Return *bodies* cut into pieces of *sizes*.

    >>> list(split_bodies(b"onethree", [3, 5]))
    [b'one', b'three']
    """
    position = 0
    for size in sizes:
        yield bodies[position : position + size]
        position += size
