"""
`SharedCounters`: counters in memory that the processes of a worker share. Mutable shell.

Each process writes into a slot of its own, so processes need no lock between them; a reader sums the slots. The memory has no name: it is freed
with the last process that uses it, and the counts of a killed process remain.
"""

import mmap
import os
import struct
import threading
import time
from collections.abc import Iterator
from typing import TypeAlias
from zlib import crc32

from fq.runtime.anonymous_file import anonymous_file
from fq.runtime.byte_locks import is_locked, try_lock

Labels: TypeAlias = tuple[str, str]
"""Queue and actor."""

Cells: TypeAlias = "memoryview[float]"
"""The numbers of one row."""

MAX_ROWS = 1_024
"""The number of pairs of queue and actor that are counted separately; all others are counted under two empty labels."""

BLOB_SIZE = 1 << 20
"""Space for the blob of one process, in bytes. Memory is used only as far as it is written."""

LABEL_SIZE = 256
HEADER_SIZE = 8  # the number of rows
OVERFLOW: Labels = ("", "")

_COUNT = struct.Struct("<q")
_LENGTH = struct.Struct("<H")
_BLOB_HEADER = struct.Struct("<QQ")  # length and checksum
_READ_ATTEMPTS = 20


class SharedCounters:
    """
    Slots for *slots* processes. Each slot has a row of *width* numbers for every pair of queue and actor, and a blob of bytes.

    *descriptor*: the file of counters that another process has created.
    """

    def __init__(self, slots: int, width: int, descriptor: int | None = None) -> None:
        self.slots = slots
        self.width = width
        self._row_size = LABEL_SIZE + 8 * width
        self._slot_size = _slot_size(width)
        self._blobs_offset = slots * self._slot_size
        size = self._blobs_offset + slots * BLOB_SIZE
        self.descriptor = anonymous_file("fq-metrics", size) if descriptor is None else descriptor
        if os.fstat(self.descriptor).st_size < size:
            os.ftruncate(self.descriptor, size)  # the previous release created it, without blobs, and was then reloaded
        self._memory = mmap.mmap(self.descriptor, size)

    @staticmethod
    def is_file_of(descriptor: int, slots: int, width: int) -> bool:
        """Is *descriptor* open on a file of such counters?"""
        try:
            size = slots * _slot_size(width)
            return os.fstat(descriptor).st_size in (size, size + slots * BLOB_SIZE)  # the previous release had no blobs
        except OSError:
            return False

    def claim(self) -> "ProcessCounters | None":
        """
        Return a slot that no live process has, None if there is none. This process keeps it until it ends.

        The counts of the slot's previous process stay, and counting continues from them.
        """
        for number in range(self.slots):
            if try_lock(self.descriptor, number):
                return ProcessCounters(self, number)
        return None

    def claimed(self, own: "ProcessCounters | None") -> frozenset[int]:
        """Return the numbers of the slots of live processes. *own* is the slot of this process: it cannot query its own lock."""
        mine = frozenset() if own is None else frozenset((own.number,))
        return mine | {number for number in range(self.slots) if number not in mine and is_locked(self.descriptor, number)}

    def read(self, number: int) -> dict[Labels, Cells]:
        """Return the rows of a slot."""
        return {self._labels(number, row): self.cells(number, row) for row in range(self.count(number))}

    def count(self, number: int) -> int:
        """Return the number of rows of a slot."""
        count: int = _COUNT.unpack_from(self._memory, number * self._slot_size)[0]
        return count

    def append(self, number: int, labels: Labels) -> Cells:
        """Add a row to a slot, and return it."""
        row = self.count(number)
        encoded = "\n".join(labels).encode("utf-8", "replace")[: LABEL_SIZE - _LENGTH.size]
        offset = self._offset(number, row)
        self._memory[offset : offset + _LENGTH.size + len(encoded)] = _LENGTH.pack(len(encoded)) + encoded
        _COUNT.pack_into(self._memory, number * self._slot_size, row + 1)  # last, so that a reader sees complete rows only
        return self.cells(number, row)

    def cells(self, number: int, row: int) -> Cells:
        """Return the numbers of a row."""
        start = self._offset(number, row) + LABEL_SIZE
        return memoryview(self._memory)[start : start + 8 * self.width].cast("d")

    def write_blob(self, number: int, data: bytes) -> bool:
        """Write *data* as the blob of a slot; return False if it does not fit."""
        if len(data) > BLOB_SIZE - _BLOB_HEADER.size:
            return False
        start = self._blobs_offset + number * BLOB_SIZE
        _BLOB_HEADER.pack_into(self._memory, start, 0, 1)  # an invalid checksum: readers try again
        self._memory[start + _BLOB_HEADER.size : start + _BLOB_HEADER.size + len(data)] = data
        _BLOB_HEADER.pack_into(self._memory, start, len(data), crc32(data))
        return True

    def blob(self, number: int) -> bytes:
        """Return the blob of a slot: bytes that its process has written for others to read; ``b""`` if there is none."""
        start = self._blobs_offset + number * BLOB_SIZE
        for _ in range(_READ_ATTEMPTS):
            header = _BLOB_HEADER.unpack_from(self._memory, start)
            data = self._memory[start + _BLOB_HEADER.size : start + _BLOB_HEADER.size + min(header[0], BLOB_SIZE)]
            if crc32(data) == header[1] and _BLOB_HEADER.unpack_from(self._memory, start) == header:
                return data
            time.sleep(0.001)  # it is being written
        return b""

    def _offset(self, number: int, row: int) -> int:
        return number * self._slot_size + HEADER_SIZE + row * self._row_size

    def _labels(self, number: int, row: int) -> Labels:
        offset = self._offset(number, row)
        (length,) = _LENGTH.unpack_from(self._memory, offset)
        text = self._memory[offset + _LENGTH.size : offset + _LENGTH.size + length].decode("utf-8", "replace")
        queue, _, actor = text.partition("\n")
        return queue, actor


class ProcessCounters:
    """The slot of one process: its threads add to the rows under a lock."""

    def __init__(self, shared: SharedCounters, number: int) -> None:
        self.number = number
        self._shared = shared
        self._rows: dict[Labels, Cells] = dict(shared.read(number))
        self._lock = threading.Lock()
        self._overflow = self.row(*OVERFLOW)

    def rows(self) -> Iterator[Cells]:
        """Return all rows."""
        return iter(self._rows.values())

    def row(self, queue: str, actor: str) -> Cells:
        """Return the row of *actor* in *queue*, or the overflow row if there are too many."""
        row = self._rows.get((queue, actor))
        if row is not None:
            return row
        with self._lock:
            if (queue, actor) not in self._rows:
                full = self._shared.count(self.number) >= MAX_ROWS
                self._rows[queue, actor] = self._overflow if full else self._shared.append(self.number, (queue, actor))
            return self._rows[queue, actor]

    def add(self, row: Cells, index: int, value: float, *increments: int) -> None:
        """Add *value* to the number at *index* of *row*, and 1 to the numbers at *increments*."""
        with self._lock:
            row[index] += value
            for other in increments:
                row[other] += 1


def _slot_size(width: int) -> int:
    return HEADER_SIZE + MAX_ROWS * (LABEL_SIZE + 8 * width)
