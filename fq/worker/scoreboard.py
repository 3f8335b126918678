"""
`Board`: a page of memory that a child process shares with its supervisor, which can read what runs there while an actor holds the child's GIL.

Mutable shell. Each thread that runs actors has a slot. A child writes, the supervisor reads; there is no lock, since a reader looks twice.
"""

import mmap
import os
import tempfile
from struct import Struct
from time import monotonic

from attrs import frozen

_HEADER = Struct("<dQ")  # pulse, finished
_SLOT = Struct("<ddH110s")  # deadline, started, length of the message id, the message id
_LENGTH = Struct("<H")
_LENGTH_AT = 16
_SLOT_SIZE = 128
_LONGEST_ID = 110


@frozen
class Running:
    """What a slot says: *deadline* and *started* are on the machine's monotonic clock, in seconds."""

    message_id: str
    started: float
    deadline: float


@frozen
class Reading:
    """What a board says: when the child's pump last gave a sign of life (0.0: not yet), how many messages it has finished, and what runs."""

    pulse: float
    finished: int
    running: tuple[Running, ...]


class Slot:
    """The place of one thread on a board."""

    def __init__(self, memory: mmap.mmap, offset: int) -> None:
        self._memory: mmap.mmap | bytearray = memory
        self._offset = offset

    def enter(self, message_id: str, started: float, deadline: float) -> None:
        """Say that *message_id* runs."""
        encoded = message_id.encode("utf-8", "surrogatepass")[:_LONGEST_ID]
        _SLOT.pack_into(self._memory, self._offset, deadline, started, len(encoded), encoded)

    def leave(self) -> None:
        """Say that nothing runs."""
        _LENGTH.pack_into(self._memory, self._offset + _LENGTH_AT, 0)

    def detach(self) -> None:
        """Write into memory of one's own from now on."""
        self._memory = bytearray(self._offset + _SLOT_SIZE)


class Board:
    """The board of one child with *slots* threads. *descriptor*: of the file behind it, to find it again after an exec."""

    def __init__(self, slots: int, descriptor: int | None = None) -> None:
        size = _SLOT_SIZE * (slots + 1)
        self.descriptor = _fresh_file(size) if descriptor is None else descriptor
        self._memory = mmap.mmap(self.descriptor, size)
        self._slots = [Slot(self._memory, _SLOT_SIZE * (number + 1)) for number in range(slots)]
        self._count = slots
        self._free = list(self._slots)

    def slot(self) -> Slot:
        """Return a slot that nobody has."""
        return self._free.pop()

    def beat(self, finished: int) -> None:
        """Give a sign of life."""
        _HEADER.pack_into(self._memory, 0, monotonic(), finished)

    def read(self) -> Reading:
        """Return what the board says now."""
        pulse, finished = _HEADER.unpack_from(self._memory, 0)
        running = (self._read_slot(number) for number in range(self._count))
        return Reading(pulse, finished, tuple(slot for slot in running if slot is not None))

    def detach(self) -> None:
        """Write to no shared memory any more: this process is a fork."""
        for slot in self._slots:
            slot.detach()

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()
        os.close(self.descriptor)

    def _read_slot(self, number: int) -> Running | None:
        offset = _SLOT_SIZE * (number + 1)
        first = _SLOT.unpack_from(self._memory, offset)
        if first != _SLOT.unpack_from(self._memory, offset):  # it is being written: what was there has just changed
            return None
        deadline, started, length, encoded = first
        return Running(encoded[:length].decode("utf-8", "replace"), started, deadline) if length else None


def _fresh_file(size: int) -> int:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("fq-board")
    else:
        descriptor, path = tempfile.mkstemp()
        os.unlink(path)  # noqa: PTH108  # a descriptor is all that is wanted
    os.ftruncate(descriptor, size)
    return descriptor
