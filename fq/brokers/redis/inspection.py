"""
Looking at what a namespace holds and changing it by hand: states, queues, workers, dead letters.

However much there is, each step on the server is small, and whole.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar, cast

from fq.brokers.records import OPEN_GROUP_TTL_MS, ClaimedMessage, DeadLetter, QueueStats, Status, WorkerStats
from fq.brokers.redis.namespace import Server
from fq.brokers.redis.script_protocol import Argument, letter_read, queues_remembered, read_fault, record_read
from fq.errors import BrokerError, BrokerUnavailable

T = TypeVar("T")

AT_ONCE = 500
"""So many messages are looked at by one script."""

MOVES = 100
"""A message that moves on so many times while it is looked at is a fault of ours."""


def status(server: Server, message_id: str) -> Status:
    """Return where a message is. Its queue is found first; should it move on meanwhile, the script says so."""
    record = _found(server, message_id)
    for _ in range(MOVES):
        queues_ = [] if record is None else [record_read(record)[0]]
        workers_ = [] if record is None else _workers(server)
        sheet = server.sheet(queues_)
        sheet.extra += [server.keys.result(message_id), *(server.keys.claimed(queues_[0], worker) for worker in workers_)]
        state, *rest = cast(list[bytes | int], server.run("status", sheet, (message_id, *workers_)))
        if state != b"moved":
            return _status(message_id, cast(bytes, state).decode(), rest)
        record = cast(bytes, rest[0])
    raise _lost(server, message_id)


def cancel(server: Server, message_ids: Sequence[str], groups: Sequence[str]) -> int:
    """Cancel messages that wait or are held, and what comes after *groups*; return how many of the messages there are."""
    for names in _parts(groups, AT_ONCE):
        sheet = server.sheet()
        sheet.extra += map(server.keys.group, names)
        server.run("cancel_groups", sheet, (OPEN_GROUP_TTL_MS,))
    return sum(_cancel(server, part) for part in _parts(list(dict.fromkeys(message_ids)), AT_ONCE))


def _cancel(server: Server, message_ids: Sequence[str]) -> int:
    """Cancel *message_ids*, queue by queue; should one move to another queue meanwhile, or be claimed by a new worker, it is looked for again."""
    left, total = list(message_ids), 0
    for _ in range(MOVES):
        places = cast(list[bytes | None], server.run_for("where", (), *left))
        there = [(queue.decode(), message_id) for queue, message_id in zip(places, left, strict=True) if queue is not None]
        left, workers_ = [], _workers(server) if there else []
        for queue in dict.fromkeys(queue for queue, _ in there):
            sheet = server.sheet([queue])
            sheet.extra += [server.keys.claimed(queue, worker) for worker in workers_]
            chosen = [message_id for found, message_id in there if found == queue]
            count, moved = cast(
                tuple[int, list[bytes]], server.run("cancel", sheet, (server.keys.bell(""), len(workers_), *workers_, *chosen))
            )
            total += count
            left += map(bytes.decode, moved)
        if not left:
            return total
    raise _lost(server, left[0])


def _found(server: Server, message_id: str) -> bytes | None:
    """Return the record of a message, or of its dead letter."""
    record = cast(bytes | None, server.line.command("HGET", server.keys.messages, message_id))
    if record is None:
        letter = cast(bytes | None, server.line.command("HGET", server.keys.letters, message_id))
        return letter.split(b"\0", 3)[3] if letter else None
    return record


def _lost(server: Server, message_id: str) -> BrokerError:
    found = f"message {message_id} was {MOVES} times not where it was said to be"
    return BrokerError(f"{found}, expected it to stay for a moment; see if something else writes to {server.keys.prefix}*")


def _status(message_id: str, state: str, rest: Sequence[bytes | int]) -> Status:
    if not rest:
        return Status(message_id, state)
    record, deliveries, due, worker, fault = cast(tuple[bytes, int, int, bytes, bytes], rest)
    queue, actor, _ = record_read(record)
    return Status(message_id, state, queue, actor, deliveries, due, worker.decode(), read_fault(fault))


def _workers(server: Server) -> list[str]:
    return [name.decode() for name in cast(list[bytes], server.line.command("ZRANGE", server.keys.leases, 0, -1))]


def _queues_of(server: Server, worker: str) -> list[str]:
    return queues_remembered(cast(bytes | None, server.line.command("HGET", server.keys.workers, worker)))


def claimed_by(server: Server, worker: str, limit: int) -> tuple[ClaimedMessage, ...]:
    """Return up to *limit* of the messages that *worker* holds, those claimed first first."""
    rows = cast(list[tuple[bytes, bytes, bytes]], server.run_for("held", _queues_of(server, worker), limit, worker=worker))
    found: list[ClaimedMessage] = []
    for message_id, record, token in rows:
        queue, actor, _ = record_read(record)
        found.append(ClaimedMessage(message_id.decode(), queue, actor, worker, int(token) // 1_000))
    return tuple(found)


def queues(server: Server) -> tuple[QueueStats, ...]:
    """Return all queues, by name."""
    workers_ = _workers(server)
    at_once = max(1, AT_ONCE // (len(workers_) + 4))
    return tuple(stats for part in _parts(_queue_names(server), at_once) for stats in _queues(server, part, workers_))


def _queues(server: Server, names: Sequence[str], workers_: Sequence[str]) -> Iterator[QueueStats]:
    sheet = server.sheet(names)
    sheet.extra += [server.keys.claimed(name, worker) for name in names for worker in workers_]
    for name, row in zip(names, cast(list[list[int]], server.run("stats", sheet)), strict=True):
        ready, delayed, in_flight, dead, oldest, paused = row
        yield QueueStats(name, ready, delayed, in_flight, dead, oldest, bool(paused))


def workers(server: Server) -> tuple[WorkerStats, ...]:
    """Return all workers with a lease, by name."""
    found: list[WorkerStats] = []
    for name in sorted(_workers(server)):
        queues_ = _queues_of(server, name)
        row = cast(list[int] | None, server.run_for("worker", queues_, name, worker=name))
        if row is not None:
            lease_left, in_flight = row
            found.append(WorkerStats(name, lease_left, in_flight, tuple(sorted(queues_))))
    return tuple(found)


def dead_letters(
    server: Server, queue: str | None, actor: str | None, error: str | None, limit: int, until: int | None
) -> tuple[DeadLetter, ...]:
    """Return up to *limit* dead letters that match, the latest first."""
    names = [queue] if queue is not None else _queue_names(server)
    found = [row for name in names for row in _dead_of(server, name, actor or "", error or "", limit, until)]
    return tuple(letter_read(id_, letter) for id_, letter, _ in sorted(found, key=lambda row: -int(row[2]))[:limit])


def _queue_names(server: Server) -> list[str]:
    return sorted(name.decode() for name in cast(list[bytes], server.line.command("SMEMBERS", server.keys.queue_names)))


def _dead_of(server: Server, queue: str, actor: str, error: str, limit: int, until: int | None) -> list[tuple[bytes, bytes, bytes]]:
    found: list[tuple[bytes, bytes, bytes]] = []
    start, looked = 0, AT_ONCE
    while len(found) < limit and looked == AT_ONCE:
        reply = server.run_for("letters", (queue,), start, AT_ONCE, actor, error, limit - len(found), "" if until is None else until)
        looked, rows = cast(tuple[int, list[tuple[bytes, bytes, bytes]]], reply)
        found += rows
        start += looked
    return found


def discard(server: Server, message_ids: Sequence[str]) -> int:
    """Delete dead letters and waiting messages; return how many there were."""
    distinct = list(dict.fromkeys(message_ids))
    return sum(_by_queue(server, "discard", part, letters=letters) for part in _parts(distinct, AT_ONCE) for letters in (True, False))


def _by_queue(server: Server, script: str, message_ids: Sequence[str], *, letters: bool) -> int:
    """Run *script* on messages, or dead letters, each with the queue that it was found in."""
    key = server.keys.letters if letters else server.keys.messages
    sheet = server.sheet()
    arguments: list[Argument] = []
    for id_, found in zip(message_ids, cast(list[bytes | None], server.line.command("HMGET", key, *message_ids)), strict=True):
        if found is not None:
            record = found.split(b"\0", 3)[3] if letters else found
            arguments += (sheet.queue(record_read(record)[0]), id_)
    return cast(int, server.run(script, sheet, arguments)) if arguments else 0


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


def info(server: Server) -> dict[str, str]:
    """Return what the server says of itself."""
    lines = cast(bytes, server.line.command("INFO")).decode().splitlines()
    return {name: value for name, mark, value in (line.partition(":") for line in lines) if mark}


def settings(server: Server) -> dict[str, str]:
    """Return how the server is set up; nothing where it is not for us to ask."""
    try:
        words = [word.decode() for word in cast(list[bytes], server.line.command("CONFIG", "GET", "*"))]
    except BrokerUnavailable:
        raise
    except BrokerError:
        return {}
    return dict(zip(words[::2], words[1::2], strict=True))


def _parts(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (values[i : i + size] for i in range(0, len(values), size))
