"""
Looks at a namespace and changes it by hand: states, queues, workers, dead letters.

However large the namespace is, each step on the server is small and atomic.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar, cast

from fq.brokers.records import OPEN_GROUP_TTL_MS, ClaimedMessage, DeadLetter, QueueStats, Status, WorkerStats
from fq.brokers.redis.namespace import Namespace
from fq.brokers.redis.script_arguments import Argument
from fq.brokers.redis.stored_records import read_fault, read_letter, read_memory, read_record, record_of_letter
from fq.errors import BrokerError, BrokerUnavailable

T = TypeVar("T")

MAX_MESSAGES = 500
"""One script looks at this many messages at most."""

MAX_LOOKS = 100
"""A message that is somewhere else each time it is looked for, this many times, is an error of fq's."""


def status(namespace: Namespace, message_id: str) -> Status:
    """Return where a message is. Its queue is found first; should it move meanwhile, the script says so."""
    record = _find_record(namespace, message_id)
    for _ in range(MAX_LOOKS):
        queue_names = [] if record is None else [read_record(record)[0]]
        worker_names = [] if record is None else _worker_names(namespace)
        call = namespace.arguments(queue_names)
        call.add_key(namespace.keys.result(message_id))
        call.extra_keys += [namespace.keys.claimed(queue_names[0], worker) for worker in worker_names]
        state, *rest = cast(list[bytes | int], namespace.run("status", call, (message_id, *worker_names)))
        if state != b"moved":
            return _read_status(message_id, cast(bytes, state).decode(), rest)
        record = cast(bytes, rest[0])
    raise _lost(namespace, message_id)


def cancel(namespace: Namespace, message_ids: Sequence[str], groups: Sequence[str]) -> int:
    """Cancel messages that wait or run, and the follow-ups of *groups*; return how many of the messages there are."""
    for names in _parts(groups, MAX_MESSAGES):
        call = namespace.arguments()
        call.extra_keys += map(namespace.keys.group, names)
        namespace.run("cancel_followups", call, (OPEN_GROUP_TTL_MS,))
    return sum(_cancel(namespace, part) for part in _parts(list(dict.fromkeys(message_ids)), MAX_MESSAGES))


def _cancel(namespace: Namespace, message_ids: Sequence[str]) -> int:
    """Cancel *message_ids*, queue by queue; one that moves to another queue meanwhile, or that a new worker claims, is looked for again."""
    remaining, total = list(message_ids), 0
    for _ in range(MAX_LOOKS):
        queues_ = cast(list[bytes | None], namespace.run_for("queues_of_messages", (), *remaining))
        found = [(queue.decode(), message_id) for queue, message_id in zip(queues_, remaining, strict=True) if queue is not None]
        remaining, worker_names = [], _worker_names(namespace) if found else []
        for queue in dict.fromkeys(queue for queue, _ in found):
            call = namespace.arguments([queue])
            call.extra_keys += [namespace.keys.claimed(queue, worker) for worker in worker_names]
            ids = [message_id for name, message_id in found if name == queue]
            arguments: tuple[Argument, ...] = (namespace.keys.wake_channel(""), len(worker_names), *worker_names, *ids)
            count, moved_ids = cast(tuple[int, list[bytes]], namespace.run("cancel", call, arguments))
            total += count
            remaining += map(bytes.decode, moved_ids)
        if not remaining:
            return total
    raise _lost(namespace, remaining[0])


def _find_record(namespace: Namespace, message_id: str) -> bytes | None:
    """Return the record of a message, or of its dead letter."""
    record = cast(bytes | None, namespace.client.command("HGET", namespace.keys.messages, message_id))
    if record is None:
        letter = cast(bytes | None, namespace.client.command("HGET", namespace.keys.letters, message_id))
        return record_of_letter(letter) if letter else None
    return record


def _lost(namespace: Namespace, message_id: str) -> BrokerError:
    found = f"message {message_id}: found it in no queue, worker or list of dead letters in {MAX_LOOKS} tries"
    return BrokerError(f"{found}, expected it where its record says; check whether another program writes to {namespace.keys.prefix}*")


def _read_status(message_id: str, state: str, rest: Sequence[bytes | int]) -> Status:
    if not rest:
        return Status(message_id, state)
    record, deliveries, due, worker, fault = cast(tuple[bytes, int, int, bytes, bytes], rest)
    queue, actor, _ = read_record(record)
    return Status(message_id, state, queue, actor, deliveries, due, worker.decode(), read_fault(fault))


def _worker_names(namespace: Namespace) -> list[str]:
    return [name.decode() for name in cast(list[bytes], namespace.client.command("ZRANGE", namespace.keys.leases, 0, -1))]


def _queues_of(namespace: Namespace, worker: str) -> tuple[str, ...]:
    return read_memory(cast(bytes | None, namespace.client.command("HGET", namespace.keys.workers, worker))).queues


def claimed_by(namespace: Namespace, worker: str, limit: int) -> tuple[ClaimedMessage, ...]:
    """Return up to *limit* of the messages that *worker* has claimed, the earliest claims first."""
    reply = namespace.run_for("claimed_by", _queues_of(namespace, worker), limit, worker=worker)
    found: list[ClaimedMessage] = []
    for message_id, record, token in cast(list[tuple[bytes, bytes, bytes]], reply):
        queue, actor, _ = read_record(record)
        found.append(ClaimedMessage(message_id.decode(), queue, actor, worker, int(token) // 1_000))
    return tuple(found)


def queues(namespace: Namespace) -> tuple[QueueStats, ...]:
    """Return all queues, by name."""
    worker_names = _worker_names(namespace)
    size = max(1, MAX_MESSAGES // (len(worker_names) + 4))
    return tuple(stats for part in _parts(_queue_names(namespace), size) for stats in _queues(namespace, part, worker_names))


def _queues(namespace: Namespace, names: Sequence[str], worker_names: Sequence[str]) -> Iterator[QueueStats]:
    call = namespace.arguments(names)
    call.extra_keys += [namespace.keys.claimed(name, worker) for name in names for worker in worker_names]
    for name, row in zip(names, cast(list[list[int]], namespace.run("queue_stats", call)), strict=True):
        ready, delayed, in_flight, dead, oldest, paused = row
        yield QueueStats(name, ready, delayed, in_flight, dead, oldest, bool(paused))


def workers(namespace: Namespace) -> tuple[WorkerStats, ...]:
    """Return all workers with a lease, by name."""
    found: list[WorkerStats] = []
    for name in sorted(_worker_names(namespace)):
        queues_ = _queues_of(namespace, name)
        row = cast(list[int] | None, namespace.run_for("worker_stats", queues_, name, worker=name))
        if row is not None:
            lease_left, in_flight = row
            found.append(WorkerStats(name, lease_left, in_flight, tuple(sorted(queues_))))
    return tuple(found)


def dead_letters(
    namespace: Namespace, queue: str | None, actor: str | None, error: str | None, limit: int, until: int | None
) -> tuple[DeadLetter, ...]:
    """Return up to *limit* dead letters that match, the latest first."""
    names = [queue] if queue is not None else _queue_names(namespace)
    found = [row for name in names for row in _dead_letters_of(namespace, name, actor or "", error or "", limit, until)]
    return tuple(read_letter(id_, letter) for id_, letter, _ in sorted(found, key=lambda row: -int(row[2]))[:limit])


def _queue_names(namespace: Namespace) -> list[str]:
    return sorted(name.decode() for name in cast(list[bytes], namespace.client.command("SMEMBERS", namespace.keys.queue_names)))


def _dead_letters_of(
    namespace: Namespace, queue: str, actor: str, error: str, limit: int, until: int | None
) -> list[tuple[bytes, bytes, bytes]]:
    found: list[tuple[bytes, bytes, bytes]] = []
    start, looked_at = 0, MAX_MESSAGES
    while len(found) < limit and looked_at == MAX_MESSAGES:
        arguments = (start, MAX_MESSAGES, actor, error, limit - len(found), "" if until is None else until)
        reply = namespace.run_for("dead_letters", (queue,), *arguments)
        looked_at, rows = cast(tuple[int, list[tuple[bytes, bytes, bytes]]], reply)
        found += rows
        start += looked_at
    return found


def discard(namespace: Namespace, message_ids: Sequence[str]) -> int:
    """Delete dead letters and waiting messages; return how many there were."""
    distinct = list(dict.fromkeys(message_ids))
    return sum(_discard(namespace, part, letters=letters) for part in _parts(distinct, MAX_MESSAGES) for letters in (True, False))


def _discard(namespace: Namespace, message_ids: Sequence[str], *, letters: bool) -> int:
    """Delete messages, or else dead letters, each from the queue that its record names."""
    key = namespace.keys.letters if letters else namespace.keys.messages
    call = namespace.arguments()
    arguments: list[Argument] = []
    for id_, found in zip(message_ids, cast(list[bytes | None], namespace.client.command("HMGET", key, *message_ids)), strict=True):
        if found is not None:
            queue, _, _ = read_record(record_of_letter(found) if letters else found)
            arguments += (call.queue_number(queue), id_)
    return cast(int, namespace.run("discard", call, arguments)) if arguments else 0


def purge(namespace: Namespace, queue: str) -> int:
    """Delete what waits in *queue*, no more than what was there at first; return how many messages that was."""
    ready, delayed, _, _ = namespace.keys.queue(queue)
    waiting = sum(cast(int, namespace.client.command("ZCARD", key)) for key in (ready, delayed))
    total = 0
    while total < waiting:
        deleted = cast(int, namespace.run_for("purge", (queue,)))
        if not deleted:
            break
        total += deleted
    return total


def info(namespace: Namespace) -> dict[str, str]:
    """Return what the server says of itself."""
    lines = cast(bytes, namespace.client.command("INFO")).decode().splitlines()
    return {name: value for name, mark, value in (line.partition(":") for line in lines) if mark}


def settings(namespace: Namespace) -> dict[str, str]:
    """Return the server's settings; nothing where it does not let fq ask."""
    try:
        words = [word.decode() for word in cast(list[bytes], namespace.client.command("CONFIG", "GET", "*"))]
    except BrokerUnavailable:
        raise
    except BrokerError:
        return {}
    return dict(zip(words[::2], words[1::2], strict=True))


def _parts(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (values[i : i + size] for i in range(0, len(values), size))
