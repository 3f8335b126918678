"""
Looking at what a namespace holds and changing it by hand: states, queues, workers, dead letters.

However much there is, each step on the server is small, and whole.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar, cast

from fq.brokers.records import DeadLetter, QueueStats, Status, WorkerStats
from fq.brokers.redis.server import Server
from fq.brokers.redis.wire import PLACE, read_fault
from fq.errors import BrokerError
from fq.fault import Fault

T = TypeVar("T")

AT_ONCE = 500
"""So many messages are looked at by one script."""

MOVES = 100
"""A message that moves on so many times while it is looked at is a fault of ours."""


def status(server: Server, message_id: str) -> Status:
    """Return where a message is. Its queue is found first; should it move on meanwhile, the script says so."""
    record = cast(bytes | None, server.line.command("HGET", server.keys.messages, message_id))
    for _ in range(MOVES):
        queues = [] if record is None else [_head(record)[0]]
        workers = [] if record is None else _workers(server)
        sheet = server.sheet(queues)
        sheet.extra += [server.keys.result(message_id), *(server.keys.claimed(queues[0], worker) for worker in workers)]
        state, *rest = cast(list[bytes | int], server.run("status", sheet, (message_id, *workers)))
        if state == b"moved":
            record = cast(bytes, rest[0])
            continue
        return _status(message_id, cast(bytes, state).decode(), rest)
    raise BrokerError(f"message {message_id} was never found where it was said to be; is something else writing to {server.keys.prefix}*?")


def _status(message_id: str, state: str, rest: Sequence[bytes | int]) -> Status:
    if not rest:
        return Status(message_id, state)
    record, deliveries, due, worker, fault = cast(tuple[bytes, int, int, bytes, bytes], rest)
    queue, actor, _ = _head(record)
    return Status(message_id, state, queue, actor, deliveries, due, worker.decode(), read_fault(fault))


def _head(record: bytes) -> tuple[str, str, bytes]:
    """Return queue, actor and body of a record."""
    _, queue, actor, body = record[PLACE:].split(b"\0", 3)
    return queue.decode(), actor.decode(), body


def _workers(server: Server) -> list[str]:
    return [name.decode() for name in cast(list[bytes], server.line.command("ZRANGE", server.keys.leases, 0, -1))]


def queues(server: Server) -> tuple[QueueStats, ...]:
    """Return all queues, by name."""
    names = sorted(name.decode() for name in cast(list[bytes], server.line.command("SMEMBERS", server.keys.queue_names)))
    workers = _workers(server)
    return tuple(stats for part in _parts(names, max(1, AT_ONCE // (len(workers) + 4))) for stats in _queues(server, part, workers))


def _queues(server: Server, names: Sequence[str], workers: Sequence[str]) -> Iterator[QueueStats]:
    sheet = server.sheet(names)
    sheet.extra += [server.keys.claimed(name, worker) for name in names for worker in workers]
    for name, row in zip(names, cast(list[list[int]], server.run("stats", sheet)), strict=True):
        ready, delayed, in_flight, dead, oldest, paused = row
        yield QueueStats(name, ready, delayed, in_flight, dead, oldest, bool(paused))


def workers(server: Server) -> tuple[WorkerStats, ...]:
    """Return all workers with a lease, by name."""
    names = _workers(server)
    if not names:
        return ()
    memories = cast(list[bytes | None], server.line.command("HMGET", server.keys.workers, *names))
    rows: list[WorkerStats] = []
    for name, memory in zip(names, memories, strict=True):
        queues_ = server.queues_of(memory or b"")
        row = cast(list[int] | None, server.run_for("worker", queues_, name, worker=name))
        if row is not None:
            rows.append(WorkerStats(name, row[0], row[1]))
    return tuple(sorted(rows, key=lambda row: row.worker))


def dead(server: Server, queue: str | None, actor: str | None, error: str | None, limit: int) -> tuple[DeadLetter, ...]:
    """Return up to *limit* dead letters that match, the latest first."""
    prefix = server.keys.prefix
    names = (
        [queue]
        if queue is not None
        else [name.decode() for name in cast(list[bytes], server.line.command("SMEMBERS", server.keys.queue_names))]
    )
    found = [letter for name in names for letter in _dead_of(server, name, actor or "", error or "", limit)]
    return tuple(sorted(found, key=lambda letter: -letter.died_at)[:limit])


def _dead_of(server: Server, queue: str, actor: str, error: str, limit: int) -> list[DeadLetter]:
    found: list[DeadLetter] = []
    start = 0
    while len(found) < limit:
        reply = server.run_for("letters", (queue,), start, AT_ONCE, actor, error, limit - len(found))
        looked, rows = cast(tuple[int, list[tuple[bytes, bytes, bytes]]], reply)
        found += [_letter(*row) for row in rows]
        start += looked
        if looked < AT_ONCE:
            break
    return found


def _letter(message_id: bytes, record: bytes, letter: bytes) -> DeadLetter:
    queue, actor, body = _head(record)
    died_at, _, fault = letter.partition(b"\0")
    return DeadLetter(message_id.decode(), queue, actor, body, read_fault(fault) or Fault("", ""), int(died_at))


def by_id(server: Server, name: str, message_ids: Sequence[str]) -> int:
    """Run the script *name* (``requeue`` or ``discard``) on messages and return how many it changed."""
    total = 0
    for part in _parts(list(dict.fromkeys(message_ids)), AT_ONCE):
        records = cast(list[bytes | None], server.line.command("HMGET", server.keys.messages, *part))
        sheet = server.sheet()
        pairs = [(sheet.queue(_head(record)[0]), id_) for id_, record in zip(part, records, strict=True) if record is not None]
        if pairs:
            total += cast(int, server.run(name, sheet, [argument for pair in pairs for argument in pair]))
    return total


def purge(server: Server, queue: str) -> int:
    """Delete what waits in *queue*, no more than what was there at first; return how many messages that was."""
    ready, delayed, _, _ = server.keys.queue(queue)
    there = sum(cast(int, server.line.command("ZCARD", key)) for key in (ready, delayed))
    total = 0
    while total < there:
        deleted = cast(int, server.run_for("purge", (queue,)))
        if not deleted:
            break
        total += deleted
    return total


def _parts(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (values[i : i + size] for i in range(0, len(values), size))
