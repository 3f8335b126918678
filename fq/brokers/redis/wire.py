"""
What is said to the server, and heard: commits become the flat arguments of ``lua/turn.lua``, its reply becomes deliveries.

Pure, but for a cache.
"""

import json
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from attrs import Factory, define

from fq.brokers.records import Ack, Bury, Change, Commit, Delivery, Join, Keep, Post, Release, Replace
from fq.brokers.redis.keys import Keys
from fq.fault import Fault

Argument: TypeAlias = str | bytes | int | float
Claim: TypeAlias = tuple[int, list[bytes], list[bytes | None], list[bytes | None]]

PLACE = 14
"""Every record begins with its place in the order of arrival, so many hexadecimal digits."""


class Heads:
    """What precedes the body in a record: priority, queue and actor. Mutable: remembers them, since they are few."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str, str], bytes] = {}

    def of(self, post: Post) -> bytes:
        """Return the head of the record of *post*."""
        key = (post.priority, post.queue_name, post.actor_name)
        head = self._known.get(key)
        if head is None:
            if len(self._known) > 10_000:
                self._known.clear()
            head = self._known[key] = f"{post.priority}\0{post.queue_name}\0{post.actor_name}\0".encode()
        return head


@define
class Sheet:
    """The keys and arguments of one call, as they are put together. Mutable."""

    keys: Keys
    heads: Heads
    queues: dict[str, int] = Factory(dict)
    extra: list[str] = Factory(list)

    def queue(self, name: str) -> int:
        """Return the number of the queue *name* in this call."""
        found = self.queues.get(name)
        if found is None:
            found = self.queues[name] = len(self.queues) + 1
        return found

    def written(self, worker: str, offset: int, arguments: Iterable[Argument]) -> tuple[list[str], list[Argument]]:
        """Return all keys and all arguments of the call. Positions in `extra` become positions among all keys."""
        return [*self.keys.fixed, *self.keys.queues(self.queues, worker), *self.extra], [offset, len(self.queues), *self.queues, *arguments]

    def post(self, post: Post) -> tuple[Argument, ...]:
        """Return the arguments of a post up to its id."""
        return (self.queue(post.queue_name), post.priority, post.delay, self.heads.of(post))


def posts_written(sheet: Sheet, posts: Sequence[Post]) -> list[Argument]:
    """Return the arguments of *posts*, those that differ only in id and body in one group."""
    arguments: list[Argument] = []
    append = arguments.append
    last: tuple[str, str, int, int] | None = None
    count_at = 0
    for post in posts:
        kind = (post.queue_name, post.actor_name, post.priority, post.delay)
        if kind != last:
            last = kind
            arguments += sheet.post(post)
            count_at = len(arguments)
            append(0)
        arguments[count_at] += 1  # type: ignore[operator]  # put there as a number just above
        append(post.message_id)
        append(post.body)
    return arguments


def fault_text(fault: Fault | None) -> bytes:
    """Return *fault* as it is kept: its type, which scripts look for, then all of it as JSON."""
    if fault is None:
        return b""
    return fault.type.replace("\0", "").encode("utf-8", "replace") + b"\0" + json.dumps(fault.as_json()).encode()


def read_fault(text: bytes) -> Fault | None:
    """Return the fault that *text* stands for."""
    return Fault.from_json(json.loads(text.partition(b"\0")[2])) if text else None


@define
class Group:
    """Commits of one queue: of messages that are *gone* afterwards (done, or replaced), and of those *left* (buried, handed back). Mutable."""

    gone: list[str] = Factory(list)
    gone_tokens: list[int] = Factory(list)
    left: list[str] = Factory(list)
    left_tokens: list[int] = Factory(list)


def commits_written(sheet: Sheet, commits: Sequence[Commit]) -> list[Argument]:
    """Return the arguments of *commits*, of which no two are about the same message."""
    groups: dict[str, Group] = {}
    more: list[tuple[str, int, list[Argument]]] = []
    for commit in commits:
        group = groups.get(commit.queue_name)
        if group is None:
            group = groups[commit.queue_name] = Group()
        disposition = commit.disposition
        if type(disposition) is Ack or type(disposition) is Replace:
            group.gone.append(commit.message_id)
            group.gone_tokens.append(commit.token)
            if commit.changes or type(disposition) is Replace:
                more.append((commit.queue_name, len(group.gone), _verdict(sheet, commit)))
        else:
            group.left.append(commit.message_id)
            group.left_tokens.append(commit.token)
            more.append((commit.queue_name, -len(group.left), _verdict(sheet, commit)))
    arguments: list[Argument] = [len(groups)]
    number: dict[str, int] = {}
    for queue, group in groups.items():
        number[queue] = len(number) + 1
        arguments += (sheet.queue(queue), len(group.gone) + len(group.left), len(group.gone))
        arguments += group.gone + group.left
        arguments += group.gone_tokens + group.left_tokens
    arguments.append(len(more))
    for queue, index, rest in more:
        arguments += (len(rest) + 3, number[queue], index)
        arguments += rest
    return arguments


def _verdict(sheet: Sheet, commit: Commit) -> list[Argument]:
    disposition = commit.disposition
    arguments: list[Argument]
    match disposition:
        case Ack():
            arguments = ["A"]
        case Replace(post, fault):
            arguments = ["P", fault_text(fault), *sheet.post(post), post.body]
        case Bury(fault):
            arguments = ["B", fault_text(fault)]
        case Release(counted, interrupted):
            arguments = ["R", int(counted), interrupted.replace("\0", "")]
    for change in commit.changes:
        arguments += _change(sheet, change)
    return arguments


def _change(sheet: Sheet, change: Change) -> tuple[Argument, ...]:
    match change:
        case Keep(message_id, body, ttl):
            sheet.extra.append(sheet.keys.result(message_id))
            return ("K", len(sheet.extra), max(1, ttl), message_id, body)
        case Post():
            return ("P", *sheet.post(change), change.message_id, change.body)
        case Join(group, member, size, value, then, ttl):
            sheet.extra.append(sheet.keys.group(group))
            posts = [argument for it in then for argument in (*sheet.post(it.post), it.post.message_id, it.head, it.tail)]
            return ("J", len(sheet.extra), member, size, value, ttl, len(then), *posts)


def deliveries_read(claims: Sequence[Claim], queues: Sequence[str], token: int, now: int) -> list[Delivery]:
    """Return what was claimed of *queues*, in the order of the reply."""
    deliveries: list[Delivery] = []
    for queue, members, records, notes in claims:
        name = queues[queue - 1]
        if not notes:
            deliveries += [
                Delivery(member[PLACE:].decode(), name, record.split(b"\0", 3)[3], token, 1, now)
                for member, record in zip(members, records, strict=True)
                if record is not None
            ]
            continue
        for member, record, note in zip(members, records, notes, strict=True):
            if record is not None:
                before, interrupted = _note(note)
                deliveries.append(Delivery(member[PLACE:].decode(), name, record.split(b"\0", 3)[3], token, before + 1, now, interrupted))
    return deliveries


def _note(note: bytes | None) -> tuple[int, str]:
    """Return how often a message was claimed before, and why it was cut short, from what is kept of it."""
    if note is None:
        return 0, ""
    deliveries, interrupted, _ = note.split(b"\0", 2)
    return int(deliveries), interrupted.decode()


__all__ = [
    "PLACE",
    "Argument",
    "Claim",
    "Heads",
    "Sheet",
    "commits_written",
    "deliveries_read",
    "fault_text",
    "posts_written",
    "read_fault",
]
