"""
`Scoreboard`: a page of memory that a child process shares with its supervisor, which can read what runs there while an actor holds the child's GIL.

Mutable shell. Each thread that runs actors has a slot. The child writes and the supervisor reads, without a lock: the reader reads each slot twice.
"""

import mmap
import os
from struct import Struct
from time import monotonic

from attrs import frozen

from fq.runtime.anonymous_file import anonymous_file

_HEADER = Struct("<dQ")  # last heartbeat, finished
_SLOT = Struct("<ddH110s")  # deadline, started, length of the message id, the message id
_LENGTH = Struct("<H")
_LENGTH_AT = 16
_COUNT = Struct("<H")  # how many slots there are; 0 if a version of fq made the scoreboard that did not say so
_COUNT_AT = 16
_SLOT_BYTES = 128
_MAX_ID_BYTES = 110
_MAX_STACK_BYTES = 1_000_000


@frozen
class RunningMessage:
    """A message that runs in a child; *started* and *deadline* are seconds on the machine's monotonic clock."""

    message_id: str
    started: float
    deadline: float


@frozen
class Snapshot:
    """What a scoreboard says at one moment: the time of the child's last heartbeat (0.0: none yet), how many messages it has finished, and what runs."""

    last_heartbeat: float
    finished: int
    running: tuple[RunningMessage, ...]


class ScoreboardSlot:
    """The part of a scoreboard that one thread writes."""

    def __init__(self, memory: mmap.mmap, offset: int) -> None:
        self._memory: mmap.mmap | bytearray = memory
        self._offset = offset

    def set_running(self, message_id: str, started: float, deadline: float) -> None:
        """Write that *message_id* runs."""
        encoded = message_id.encode("utf-8", "surrogatepass")[:_MAX_ID_BYTES]
        _SLOT.pack_into(self._memory, self._offset, deadline, started, len(encoded), encoded)

    def clear(self) -> None:
        """Write that nothing runs."""
        _LENGTH.pack_into(self._memory, self._offset + _LENGTH_AT, 0)

    def detach(self) -> None:
        """Write into private memory from now on."""
        self._memory = bytearray(self._offset + _SLOT_BYTES)


class Scoreboard:
    """The scoreboard of one child, with *slots* slots. *descriptor* is the file behind it, by which a program finds it again after an exec."""

    def __init__(self, slots: int, descriptor: int | None = None) -> None:
        size = _SLOT_BYTES * (slots + 1)
        self.descriptor = anonymous_file("fq-scoreboard", size) if descriptor is None else descriptor
        self._size = size
        self._memory = mmap.mmap(self.descriptor, size)
        _COUNT.pack_into(self._memory, _COUNT_AT, slots)
        self._slots = [ScoreboardSlot(self._memory, _SLOT_BYTES * (number + 1)) for number in range(slots)]
        self._count = slots
        self._free = list(self._slots)

    @classmethod
    def reopen(cls, descriptor: int) -> "Scoreboard":
        """Return the scoreboard behind *descriptor*, with as many slots as it has."""
        (slots,) = _COUNT.unpack(os.pread(descriptor, _COUNT.size, _COUNT_AT))
        return cls(slots or os.fstat(descriptor).st_size // _SLOT_BYTES - 1, descriptor)

    def slot(self) -> ScoreboardSlot:
        """Return a slot that is not in use."""
        return self._free.pop()

    def heartbeat(self, finished: int) -> None:
        """Write that the child is alive, and has *finished* this many messages."""
        _HEADER.pack_into(self._memory, 0, monotonic(), finished)

    def read(self) -> Snapshot:
        """Return what the scoreboard says now."""
        last_heartbeat, finished = _HEADER.unpack_from(self._memory, 0)
        running = (self._read_slot(number) for number in range(self._count))
        return Snapshot(last_heartbeat, finished, tuple(message for message in running if message is not None))

    def detach(self) -> None:
        """Stop writing to shared memory: this process is a fork."""
        for slot in self._slots:
            slot.detach()

    # Behind the slots, the file has what a child says of its stacks: first what Python's faulthandler writes, then its own account.

    def clear_stacks(self) -> None:
        """Forget the stacks, and let the next ones be written in their place."""
        os.ftruncate(self.descriptor, self._size)
        os.lseek(self.descriptor, self._size, os.SEEK_SET)

    def write_stacks(self, text: str) -> None:
        """Write the child's own account of its stacks."""
        data = memoryview(b"\0" + text.replace("\0", "").encode("utf-8", "replace") + b"\0")
        while data:
            data = data[os.write(self.descriptor, data) :]

    def read_stacks(self) -> tuple[str, str]:
        """Return what faulthandler has written, and the child's own account, if that is complete."""
        data = os.pread(self.descriptor, _MAX_STACK_BYTES, self._size)
        dumped, _, told = data.partition(b"\0")
        return dumped.decode("utf-8", "replace"), told[:-1].decode("utf-8", "replace") if told.endswith(b"\0") else ""

    def close(self) -> None:
        """Release the memory and the file."""
        self._memory.close()
        os.close(self.descriptor)

    def _read_slot(self, number: int) -> RunningMessage | None:
        offset = _SLOT_BYTES * (number + 1)
        first = _SLOT.unpack_from(self._memory, offset)
        if first != _SLOT.unpack_from(self._memory, offset):  # the child is writing: the message before has just ended
            return None
        deadline, started, length, encoded = first
        return RunningMessage(encoded[:length].decode("utf-8", "replace"), started, deadline) if length else None
