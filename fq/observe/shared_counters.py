"""
`Table`: counters in memory that the processes of a worker share. Mutable shell.

Each process writes into a part of its own, so there is nothing to lock between them; a reader adds the parts up. The memory has no
name: it goes away with the last process that has it, and nothing is left of a process that was killed but what it has counted.
"""

import fcntl
import mmap
import os
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import TypeAlias
from zlib import crc32

Labels: TypeAlias = tuple[str, str]
"""Queue and actor."""

Cells: TypeAlias = "memoryview[float]"
"""The numbers of one row."""

ROWS = 1_024
"""How many pairs of queue and actor are told apart; the rest is counted under two empty labels."""

NOTE = 1 << 20
"""Room for the note of one process, bytes. It is taken only as far as it is written."""

LABEL = 256
HEADER = 8  # how many rows there are
ELSEWHERE: Labels = ("", "")

_COUNT = struct.Struct("<q")
_LENGTH = struct.Struct("<H")
_NOTE = struct.Struct("<QQ")  # length and checksum
_TRIES = 20


class Table:
    """
    Room for *parts* processes, and in each for a row of *width* numbers for every pair of queue and actor.

    *descriptor*: of the file behind a table that another process has made.
    """

    def __init__(self, parts: int, width: int, descriptor: int | None = None) -> None:
        self.parts = parts
        self.width = width
        self._row_size = LABEL + 8 * width
        self._part_size = _part_size(width)
        self._notes = parts * self._part_size
        size = self._notes + parts * NOTE
        self.descriptor = _fresh_file(size) if descriptor is None else descriptor
        if os.fstat(self.descriptor).st_size < size:
            os.ftruncate(self.descriptor, size)  # the release before made it, without notes, and then this one was reloaded
        self._memory = mmap.mmap(self.descriptor, size)

    @staticmethod
    def is_behind(descriptor: int, parts: int, width: int) -> bool:
        """Is *descriptor* open on the file behind such a table?"""
        try:
            size = parts * _part_size(width)
            return os.fstat(descriptor).st_size in (size, size + parts * NOTE)  # the release before had no notes
        except OSError:
            return False

    def claim(self) -> "Part | None":
        """
        Return a part that no living process has, None if there is none; this process has it until it ends.

        What the process that had it before has counted stays, and is counted on.
        """
        for number in range(self.parts):
            try:
                fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            except OSError:
                continue
            return Part(self, number)
        return None

    def claimed(self, own: "Part | None") -> frozenset[int]:
        """Return the numbers of the parts that living processes have; *own* is that of this process, which must not ask itself."""
        mine = frozenset() if own is None else frozenset((own.number,))
        return mine | {number for number in range(self.parts) if number not in mine and self._is_locked(number)}

    def read(self, number: int) -> dict[Labels, Cells]:
        """Return the rows of a part."""
        return {self._labels(number, row): self.cells(number, row) for row in range(self.count(number))}

    def count(self, number: int) -> int:
        """Return how many rows a part has."""
        count: int = _COUNT.unpack_from(self._memory, number * self._part_size)[0]
        return count

    def append(self, number: int, labels: Labels) -> Cells:
        """Add a row to a part, and return it."""
        row = self.count(number)
        encoded = "\n".join(labels).encode("utf-8", "replace")[: LABEL - _LENGTH.size]
        offset = self._offset(number, row)
        self._memory[offset : offset + _LENGTH.size + len(encoded)] = _LENGTH.pack(len(encoded)) + encoded
        _COUNT.pack_into(self._memory, number * self._part_size, row + 1)  # last, so that who reads finds the row complete
        return self.cells(number, row)

    def cells(self, number: int, row: int) -> Cells:
        """Return the numbers of a row."""
        start = self._offset(number, row) + LABEL
        return memoryview(self._memory)[start : start + 8 * self.width].cast("d")

    def write_note(self, number: int, data: bytes) -> bool:
        """Let *data* be the note of a part, and return True; return False if there is no room for it."""
        if len(data) > NOTE - _NOTE.size:
            return False
        start = self._notes + number * NOTE
        _NOTE.pack_into(self._memory, start, 0, 1)  # which is no note: who reads tries again
        self._memory[start + _NOTE.size : start + _NOTE.size + len(data)] = data
        _NOTE.pack_into(self._memory, start, len(data), crc32(data))
        return True

    def note(self, number: int) -> bytes:
        """Return the note of a part: bytes that its process has written for all to read; ``b""`` if there is none."""
        start = self._notes + number * NOTE
        for _ in range(_TRIES):
            header = _NOTE.unpack_from(self._memory, start)
            data = self._memory[start + _NOTE.size : start + _NOTE.size + min(header[0], NOTE)]
            if crc32(data) == header[1] and _NOTE.unpack_from(self._memory, start) == header:
                return data
            time.sleep(0.001)  # it is being written
        return b""

    def _offset(self, number: int, row: int) -> int:
        return number * self._part_size + HEADER + row * self._row_size

    def _labels(self, number: int, row: int) -> Labels:
        offset = self._offset(number, row)
        (length,) = _LENGTH.unpack_from(self._memory, offset)
        text = self._memory[offset + _LENGTH.size : offset + _LENGTH.size + length].decode("utf-8", "replace")
        queue, _, actor = text.partition("\n")
        return queue, actor

    def _is_locked(self, number: int) -> bool:
        """Does another process hold the lock? Asking takes a shared lock for a moment; who claims just then takes the next part."""
        try:
            fcntl.lockf(self.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, number)
        except OSError:
            return True
        fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, number)
        return False


class Part:
    """The part of one process: its threads add to the rows under a lock."""

    def __init__(self, table: Table, number: int) -> None:
        self.number = number
        self._table = table
        self._rows: dict[Labels, Cells] = dict(table.read(number))
        self._lock = threading.Lock()
        self._elsewhere = self.row(*ELSEWHERE)

    def rows(self) -> Iterator[Cells]:
        """Return all rows."""
        return iter(self._rows.values())

    def row(self, queue: str, actor: str) -> Cells:
        """Return the row of *actor* in *queue*, or, when the table is full, that of everything else."""
        row = self._rows.get((queue, actor))
        if row is not None:
            return row
        with self._lock:
            if (queue, actor) not in self._rows:
                full = self._table.count(self.number) >= ROWS
                self._rows[queue, actor] = self._elsewhere if full else self._table.append(self.number, (queue, actor))
            return self._rows[queue, actor]

    def add(self, row: Cells, index: int, value: float, *once_more: int) -> None:
        """Add *value* to one number of *row*, and 1 to each of those at *once_more*."""
        with self._lock:
            row[index] += value
            for other in once_more:
                row[other] += 1


def _part_size(width: int) -> int:
    return HEADER + ROWS * (LABEL + 8 * width)


def _fresh_file(size: int) -> int:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("fq-metrics")
    else:
        descriptor, path = tempfile.mkstemp()
        os.unlink(path)  # noqa: PTH108  # a descriptor is all that is wanted
    os.ftruncate(descriptor, size)
    return descriptor
