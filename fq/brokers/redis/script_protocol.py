"""
What is said to the server, and heard: commits become the flat arguments of ``lua/turn.lua``, its reply becomes deliveries.

Pure, but for a cache.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import TypeAlias

from attrs import Factory, define, frozen

from fq.brokers.records import (
    OPEN_GROUP_TTL_MS,
    Ack,
    ArriveOp,
    Bury,
    Commit,
    DeadLetter,
    DeferredEnqueue,
    Delivery,
    EnqueueOp,
    Operation,
    Release,
    Reschedule,
    StoreResultOp,
    new_delivery,
)
from fq.brokers.redis.foreign_entries import Stray
from fq.brokers.redis.keys import Keys
from fq.brokers.validation import group_ttl
from fq.core.fault import Fault

Argument: TypeAlias = str | bytes | int | float
Claim: TypeAlias = tuple[int, list[bytes], list[bytes | None], list[bytes | None]]

PLACE = 16
"""Every record begins with its place in the order of arrival, so many digits."""

_text: Callable[[bytes], str] = lru_cache(4_096)(bytes.decode)  # names of actors, which are few


class Heads:
    """What precedes the body in a record: priority, queue and actor. Mutable: remembers them, since they are few."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str, str], bytes] = {}

    def of(self, op: EnqueueOp) -> bytes:
        """Return the head of the record of *op*."""
        key = (op.priority, op.queue_name, op.actor_name)
        head = self._known.get(key)
        if head is None:
            if len(self._known) > 10_000:
                self._known.clear()
            head = self._known[key] = f"{op.priority}\0{op.queue_name}\0{op.actor_name}\0".encode()
        return head


@define
class Sheet:
    """The keys and arguments of one call, as they are put together. Mutable."""

    keys: Keys
    heads: Heads
    queues: dict[str, int] = Factory(dict)
    extra: list[str] = Factory(list)
    joined: dict[str, int] = Factory(dict)

    def queue(self, name: str) -> int:
        """Return the number of the queue *name* in this call."""
        found = self.queues.get(name)
        if found is None:
            found = self.queues[name] = len(self.queues) + 1
        return found

    def key(self, name: str) -> int:
        """Return the number of one more key, *name*, among the call's `extra` ones."""
        self.extra.append(name)
        return len(self.extra)

    def group(self, name: str) -> int:
        """Return the number of the first of the three keys of the group *name*."""
        if name not in self.joined:
            self.joined[name] = len(self.extra) + 1
            self.extra += self.keys.of_group(name)
        return self.joined[name]

    def written(self, worker: str, offset: int, arguments: Iterable[Argument]) -> tuple[list[str], list[Argument]]:
        """Return all keys and all arguments of the call."""
        return [*self.keys.fixed, *self.keys.queues(self.queues, worker), *self.extra], [offset, len(self.queues), *self.queues, *arguments]

    def post(self, op: EnqueueOp) -> tuple[Argument, ...]:
        """Return the arguments of a post up to its id."""
        return (self.queue(op.queue_name), op.priority, op.delay, self.heads.of(op))

    def splice(self, it: DeferredEnqueue) -> tuple[Argument, ...]:
        """Return the arguments of a splice."""
        return (*self.post(it.op), it.op.message_id, it.head, it.tail, it.rest)


def posts_written(sheet: Sheet, ops: Sequence[EnqueueOp]) -> list[Argument]:
    """Return the arguments of *ops*, those that differ only in id and body in one group."""
    arguments: list[Argument] = []
    append = arguments.append
    last: tuple[str, str, int, int] | None = None
    count_at = 0
    for op in ops:
        kind = (op.queue_name, op.actor_name, op.priority, op.delay)
        if kind != last:
            last = kind
            arguments += sheet.post(op)
            count_at = len(arguments)
            append(0)
        arguments[count_at] += 1  # type: ignore[operator]  # put there as a number just above
        append(op.message_id)
        append(op.body)
    return arguments


def fault_text(fault: Fault | None) -> bytes:
    """Return *fault* as it is kept: its type, which scripts look for, then all of it as JSON."""
    if fault is None:
        return b""
    return fault.type.replace("\0", "").encode("utf-8", "replace") + b"\0" + json.dumps(fault.as_json()).encode()


def read_fault(text: bytes) -> Fault | None:
    """Return the fault that *text*, which is JSON, stands for."""
    return Fault.from_json(json.loads(text)) if text else None


@define
class Group:
    """
    Commits of one queue, number *at* of the call's groups. Mutable.

    Messages that are done come first, then those that are replaced, then those that are left (buried, handed back), with tokens in the same
    order. *results* are, by ttl, of messages that are done with nothing but a result: index, key, body.
    """

    at: int
    ids: tuple[list[str], list[str], list[str]] = Factory(lambda: ([], [], []))
    tokens: tuple[list[int], list[int], list[int]] = Factory(lambda: ([], [], []))
    results: dict[int, list[Argument]] = Factory(dict)

    def add(self, sheet: Sheet, commit: Commit, more: "list[More]") -> None:
        """Add *commit* to the group, and what else it has to say to *more*."""
        kind, operations = type(commit.disposition), commit.operations
        part = 0 if kind is Ack else 1 if kind is Reschedule else 2
        self.ids[part].append(commit.message_id)
        self.tokens[part].append(commit.token)
        if (
            part == 0
            and len(operations) == 1
            and type(store_op := operations[0]) is StoreResultOp
            and store_op.message_id == commit.message_id
            and not store_op.hold
        ):
            run = self.results.setdefault(max(1, store_op.ttl), [])
            run += (len(self.ids[0]), sheet.key(sheet.keys.result(store_op.message_id)), store_op.body)
        elif operations or part:
            more.append(More(self, part, len(self.ids[part]), _verdict(sheet, commit)))

    def position(self, part: int, index: int) -> int:
        """Return the position in the group of number *index* of one of its parts."""
        return sum(len(ids) for ids in self.ids[:part]) + index


@frozen
class More:
    """What a commit has to say beyond its id and token, and where these are: *part* and *index* of a group."""

    group: Group
    part: int
    index: int
    arguments: list[Argument]


def commits_written(sheet: Sheet, commits: Sequence[Commit]) -> list[Argument]:
    """Return the arguments of *commits*, which are one batch."""
    groups: dict[str, Group] = {}
    more: list[More] = []
    for commit in commits:
        group = groups.get(commit.queue_name)
        if group is None:
            group = groups[commit.queue_name] = Group(len(groups) + 1)
        group.add(sheet, commit, more)
    return [*_fences(sheet, groups), *_results(groups), *_more(more), *sheet.joined.values()]


def _fences(sheet: Sheet, groups: Mapping[str, Group]) -> Iterator[Argument]:
    yield len(groups)
    for queue, group in groups.items():
        done, replaced, left = map(len, group.ids)
        yield from (sheet.queue(queue), done + replaced + left, done, done + replaced)
        yield from chain(*group.ids, *group.tokens)


def _results(groups: Mapping[str, Group]) -> Iterator[Argument]:
    yield sum(len(group.results) for group in groups.values())
    for group in groups.values():
        for ttl, run in group.results.items():
            yield from (group.at, ttl, len(run) // 3)
            yield from run


def _more(more: Sequence[More]) -> Iterator[Argument]:
    yield len(more)
    for each in more:
        yield from (len(each.arguments) + 3, each.group.at, each.group.position(each.part, each.index))
        yield from each.arguments


def _verdict(sheet: Sheet, commit: Commit) -> list[Argument]:
    disposition = commit.disposition
    arguments: list[Argument]
    match disposition:
        case Ack():
            arguments = ["A"]
        case Reschedule(op, fault):
            arguments = ["P", fault_text(fault), *sheet.post(op), op.body]
        case Bury(fault):
            arguments = ["B", fault_text(fault)]
        case Release(counted, interrupted):
            arguments = ["R", int(counted), interrupted.replace("\0", "")]
    for operation in commit.operations:
        arguments += _operation(sheet, operation)
    return arguments


def _operation(sheet: Sheet, operation: Operation) -> tuple[Argument, ...]:
    match operation:
        case StoreResultOp(message_id, body, ttl, hold):
            kept = (sheet.key(sheet.keys.result(message_id)), max(1, ttl), message_id, body)
            return ("H", *kept, OPEN_GROUP_TTL_MS, sheet.group(hold)) if hold else ("K", *kept)
        case EnqueueOp():
            return ("C" if operation.continues else "P", *sheet.post(operation), operation.message_id, operation.body)
        case ArriveOp(group, member, size, value, then, ttl):
            ops = [argument for it in then for argument in sheet.splice(it)]
            return ("J", sheet.group(group), member, size, value, ttl, group_ttl(operation, True), len(then), *ops)


def deliveries_read(claims: Sequence[Claim], queues: Sequence[str], token: int, now: int) -> tuple[list[Delivery], list[Stray]]:
    """Return what was claimed of *queues*, in the order of the reply, and what of it cannot be read: each record is read by itself."""
    deliveries: list[Delivery] = []
    strays: list[Stray] = []
    for queue, members, records, notes in claims:
        name = queues[queue - 1]
        for member, record, note in zip(members, records, notes or repeat(None), strict=False):
            try:
                _, _, actor, body = record.split(b"\0", 3)  # type: ignore[union-attr]  # None is dealt with below
                before, interrupted = _note(note) if note else (0, "")
                deliveries.append(new_delivery(member[PLACE:].decode(), name, _text(actor), body, token, before + 1, now, interrupted))
            except (AttributeError, ValueError):
                strays.append(Stray(name, member[PLACE:], token, record))
    return deliveries, strays


def _note(note: bytes) -> tuple[int, str]:
    """Return how often a message was claimed before, and why it was cut short, from what is kept of it; nothing of that if it cannot be read."""
    try:
        deliveries, interrupted, _ = note.split(b"\0", 2)
        return int(deliveries), interrupted.decode()
    except ValueError:
        return 0, ""


def strays_written(sheet: Sheet, strays: Iterable[Stray]) -> list[Argument]:
    """Return the arguments of *strays*, as ``lua/strays.lua`` wants them."""
    arguments: list[Argument] = []
    for stray in strays:
        fault = fault_text(Fault("DecodeError", str(stray)))
        arguments += (sheet.queue(stray.queue), stray.message_id, stray.token, stray.name, fault)
    return arguments


def record_read(record: bytes) -> tuple[str, str, bytes]:
    """Return queue, actor and body of a record; neither of the first two where it is none of fq's."""
    parts = record[PLACE:].split(b"\0", 3)
    if len(parts) < 4:
        return "", "", record
    return parts[1].decode("utf-8", "backslashreplace"), parts[2].decode("utf-8", "backslashreplace"), parts[3]


def letter_read(message_id: bytes, letter: bytes) -> DeadLetter:
    """Return the dead letter that is kept as *letter*."""
    died_at, _, fault, record = letter.split(b"\0", 3)
    queue, actor, body = record_read(record)
    return DeadLetter(message_id.decode(), queue, actor, body, read_fault(fault) or Fault("", ""), int(died_at))


def queues_remembered(memory: bytes | None) -> list[str]:
    """Return the queues in what is remembered of a worker; ``lua/turn.lua`` says in which form that is."""
    parts = (memory or b"").decode().split("\0")
    return [name for name in parts[5 + int(parts[3]) + int(parts[4]) :] if name] if len(parts) > 5 else []
