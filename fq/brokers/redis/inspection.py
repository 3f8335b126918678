"""
Looks at a namespace and changes it by hand: states, queues, workers, dead letters.

However large the namespace is, each step on the server is small and atomic.
"""

from collections.abc import Iterator, Sequence
from typing import cast

from fq.brokers.operations import finished_key
from fq.brokers.parts import parts
from fq.brokers.records import OPEN_GROUP_TTL_MS, ClaimedMessage, QueueStats, Status, WorkerStats
from fq.brokers.redis.namespace import Namespace
from fq.brokers.redis.script_arguments import Argument
from fq.brokers.redis.stored_records import AWAY, read_fault, read_memory, read_record, record_of_letter
from fq.errors import BrokerError, BrokerUnavailable

MAX_MESSAGES = 200
"""One script changes this many messages at most."""

MAX_KEYS = 500
"""One script looks at about this many keys of queues."""

MAX_LOOKS = 100
"""A message that is somewhere else each time it is looked for, this many times, is an error of fq's."""


def status(namespace: Namespace, message_id: str) -> Status:
    """Return where a message is."""
    state, *rest = locate(namespace, message_id)
    name = cast(bytes, state).decode()
    if len(rest) < 2:
        return Status(message_id, name, arrived=cast(int, rest[0]) if rest else 0)
    record, deliveries, due, worker, fault, since = cast(tuple[bytes, int, int, bytes, bytes, bytes], rest)
    queue, actor, _ = read_record(record)
    due, token = 0 if due == AWAY else due, int(since) if name == "running" else 0
    return Status(message_id, name, queue, actor, deliveries, due, worker.decode(), read_fault(fault), token=token)


def locate(namespace: Namespace, message_id: str) -> list[bytes | int]:
    """
    Return what ``lua/status.lua`` says of a message.

    Raises:
        BrokerError: it is lost: its record is there, but no queue and no worker has it.
    """
    found = look_for(namespace, message_id, MAX_LOOKS)
    if found is None:
        raise message_lost(namespace, message_id)
    return found


def look_for(namespace: Namespace, message_id: str, looks: int) -> list[bytes | int] | None:
    """`locate`, or None if *looks* do not find it. Its queue is found first; should it move meanwhile, the script says so."""
    record = _find_record(namespace, message_id)
    for _ in range(looks):
        names = [] if record is None else [read_record(record)[0]]
        workers_ = [] if record is None else worker_names(namespace)
        call = namespace.arguments(names)
        call.extra_keys += [namespace.keys.result(message_id), namespace.keys.group(message_id)]
        call.extra_keys += [namespace.keys.claimed(names[0], worker) for worker in workers_]
        reply = cast(list[bytes | int], namespace.run("status", call, (message_id, finished_key(message_id), *workers_)))
        if reply[0] != b"moved":
            return reply
        record = cast(bytes, reply[1])
    return None


def cancel(namespace: Namespace, message_ids: Sequence[str], groups: Sequence[str]) -> int:
    """Cancel messages that wait or run, and the follow-ups of *groups*; return how many of the messages there are."""
    for names in parts(groups, MAX_MESSAGES):
        call = namespace.arguments()
        call.extra_keys += map(namespace.keys.group, names)
        namespace.run("cancel_followups", call, (OPEN_GROUP_TTL_MS,))
    return sum(_cancel(namespace, part) for part in parts(message_ids, MAX_MESSAGES))


def _cancel(namespace: Namespace, message_ids: Sequence[str]) -> int:
    """Cancel *message_ids*, queue by queue; one that moves to another queue meanwhile, or that a new worker claims, is looked for again."""
    remaining, total = list(message_ids), 0
    for _ in range(MAX_LOOKS):
        found = by_queue(namespace, remaining)
        remaining, workers_ = [], worker_names(namespace) if found else []
        for queue, ids in found.items():
            call = namespace.arguments([queue])
            call.extra_keys += [namespace.keys.claimed(queue, worker) for worker in workers_]
            arguments: tuple[Argument, ...] = (namespace.keys.wake_channel(""), len(workers_), *workers_, *ids)
            count, moved_ids = cast(tuple[int, list[bytes]], namespace.run("cancel", call, arguments))
            total += count
            remaining += map(bytes.decode, moved_ids)
        if not remaining:
            return total
    raise message_lost(namespace, remaining[0])


def by_queue(namespace: Namespace, message_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return those of *message_ids* that wait or run, by the queue that they were in a moment ago."""
    found: dict[str, list[str]] = {}
    queues_ = cast(list[bytes | None], namespace.run_for("queues_of_messages", (), *message_ids))
    for queue, message_id in zip(queues_, message_ids, strict=True):
        if queue is not None:
            found.setdefault(queue.decode(), []).append(message_id)
    return found


def _find_record(namespace: Namespace, message_id: str) -> bytes | None:
    """Return the record of a message, or of its dead letter."""
    record = cast(bytes | None, namespace.client.command("HGET", namespace.keys.messages, message_id))
    if record is None:
        letter = cast(bytes | None, namespace.client.command("HGET", namespace.keys.letters, message_id))
        return record_of_letter(letter) if letter else None
    return record


def message_lost(namespace: Namespace, message_id: str) -> BrokerError:
    """Return the error for a message that is somewhere else each time it is looked for."""
    found = f"message {message_id}: found it in no queue, worker or list of dead letters in {MAX_LOOKS} tries"
    return BrokerError(f"{found}, expected it where its record says; check whether another program writes to {namespace.keys.prefix}*")


def worker_names(namespace: Namespace) -> list[str]:
    """Return the names of all workers with a lease, the one that expires next first."""
    return [name.decode() for name in cast(list[bytes], namespace.client.command("ZRANGE", namespace.keys.leases, 0, -1))]


def queues_of(namespace: Namespace, worker: str) -> tuple[str, ...]:
    """Return the queues that *worker* has claimed from."""
    return read_memory(cast(bytes | None, namespace.client.command("HGET", namespace.keys.workers, worker))).queues


def claimed_by(namespace: Namespace, worker: str, limit: int) -> tuple[ClaimedMessage, ...]:
    """Return up to *limit* of the messages that *worker* has claimed, the earliest claims first."""
    reply = namespace.run_for("claimed_by", queues_of(namespace, worker), limit, worker=worker)
    found: list[ClaimedMessage] = []
    for message_id, record, token in cast(list[tuple[bytes, bytes, bytes]], reply):
        queue, actor, _ = read_record(record)
        found.append(ClaimedMessage(message_id.decode(), queue, actor, worker, int(token) // 1_000))
    return tuple(found)


def queues(namespace: Namespace) -> tuple[QueueStats, ...]:
    """Return all queues, by name."""
    workers_, names = worker_names(namespace), queue_names(namespace)
    found: list[QueueStats] = []
    while len(found) < len(names):
        size = max(1, MAX_KEYS // (len(workers_) + 4))
        page = tuple(_queues(namespace, names[len(found) : len(found) + size], workers_))
        known, workers_ = workers_, worker_names(namespace)
        if set(workers_) <= set(known):  # else a new worker may hold claims that this page did not count
            found += page
    return tuple(found)


def _queues(namespace: Namespace, names: Sequence[str], workers_: Sequence[str]) -> Iterator[QueueStats]:
    """Yield the first of the queues *names*, as many as one script looks at."""
    call = namespace.arguments(names)
    call.extra_keys += [namespace.keys.claimed(name, worker) for name in names for worker in workers_]
    for name, row in zip(names, cast(list[list[int]], namespace.run("queue_stats", call)), strict=False):
        ready, delayed, in_flight, dead, oldest, paused = row
        yield QueueStats(name, ready, delayed, in_flight, dead, oldest, bool(paused))


def workers(namespace: Namespace) -> tuple[WorkerStats, ...]:
    """Return all workers with a lease, by name."""
    found: list[WorkerStats] = []
    for name in sorted(worker_names(namespace)):
        queues_ = queues_of(namespace, name)
        row = cast(list[int] | None, namespace.run_for("worker_stats", queues_, name, worker=name))
        if row is not None:
            lease_left, in_flight = row
            found.append(WorkerStats(name, lease_left, in_flight, tuple(sorted(queues_))))
    return tuple(found)


def queue_names(namespace: Namespace) -> list[str]:
    """Return the names of all queues, in order."""
    return sorted(name.decode() for name in cast(list[bytes], namespace.client.command("SMEMBERS", namespace.keys.queue_names)))


def discard(namespace: Namespace, message_ids: Sequence[str]) -> int:
    """Delete dead letters and waiting messages; return how many there were."""
    return sum(_discard(namespace, part, letters=letters) for part in parts(message_ids, MAX_MESSAGES) for letters in (True, False))


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
