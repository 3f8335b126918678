"""What fq keeps on the server, read and written: records of messages, delivery notes, dead letters, what is remembered of a worker. Pure."""

import json

from attrs import frozen

from fq.brokers.records import DeadLetter, Mark
from fq.core.fault import Fault

SEQUENCE_DIGITS = 16
"""Every record begins with its sequence, its place in the order of arrival, of this many digits."""


AWAY = 2**53 - 1
"""When a message falls due that is put aside for a unique key."""


@frozen
class WorkerMemory:
    """What is remembered of a worker: the number of its latest *turn*, and the *queues* that it has claimed from."""

    turn: str = ""
    queues: tuple[str, ...] = ()


def read_memory(text: bytes | None) -> WorkerMemory:
    """Return what is remembered of a worker in *text*; ``lua/turn/memory.lua`` says in which form that is."""
    if not text:
        return WorkerMemory()
    if text.startswith(b"{"):
        found = json.loads(text.partition(b"\0")[0].decode("utf-8", "replace"))
        return WorkerMemory(found["turn"], tuple(found["queues"]))
    parts = text.decode().split("\0")  # of fq before JSON; it is not needed after the next release
    queues = parts[5 + int(parts[3]) + int(parts[4]) :] if len(parts) > 5 else []
    return WorkerMemory(parts[0], tuple(name for name in queues if name))


def fault_text(fault: Fault | None) -> bytes:
    """Return *fault* as it is kept: its type, which scripts look for, then all of it as JSON."""
    if fault is None:
        return b""
    return fault.type.replace("\0", "").encode("utf-8", "replace") + b"\0" + json.dumps(fault.as_json()).encode()


def read_fault(text: bytes) -> Fault | None:
    """Return the fault that *text*, which is JSON, stands for."""
    return Fault.from_json(json.loads(text)) if text else None


def read_note(note: bytes) -> tuple[int, str]:
    """Return how often a message was claimed before, and why it was cut short; 0 and nothing where *note* is none of fq's."""
    try:
        deliveries, interrupted, _ = note.split(b"\0", 2)
        return int(deliveries), interrupted.decode()
    except ValueError:
        return 0, ""


def read_record(record: bytes) -> tuple[str, str, bytes]:
    """Return queue, actor and body of a record; neither of the first two where it is none of fq's."""
    parts = record[SEQUENCE_DIGITS:].split(b"\0", 3)
    if len(parts) < 4:
        return "", "", record
    return parts[1].decode("utf-8", "backslashreplace"), parts[2].decode("utf-8", "backslashreplace"), parts[3]


def read_priority(record: bytes) -> int:
    """Return the priority in a record; 0 where it is none of fq's."""
    priority = record[SEQUENCE_DIGITS:].partition(b"\0")[0]
    return int(priority) if priority.removeprefix(b"-").isdigit() else 0


def read_mark(key: str, text: bytes) -> Mark:
    """Return the mark that is kept as *text*."""
    until, index, order, body = text.split(b"\0", 3)
    return Mark(key, body, int(until), index.decode(), int(order))


def record_of_letter(letter: bytes) -> bytes:
    """Return the record in a dead letter."""
    return letter.split(b"\0", 3)[3]


def read_letter(message_id: bytes, letter: bytes) -> DeadLetter:
    """Return the dead letter that is kept as *letter*."""
    died_at, _, fault, record = letter.split(b"\0", 3)
    queue, actor, body = read_record(record)
    return DeadLetter(message_id.decode(), queue, actor, body, read_fault(fault) or Fault("", ""), int(died_at))
