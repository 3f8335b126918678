"""The keys and arguments of one script call, as they are put together. ``docs/redis-scripts.md`` lists those of each script."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from attrs import Factory, define

from fq.brokers.records import DeferredEnqueue, EnqueueOp, SetMarkOp
from fq.brokers.redis.keys import Keys

Argument: TypeAlias = str | bytes | int | float

MAX_KNOWN_PREFIXES = 10_000


class RecordPrefixes:
    """What precedes the body in a record: priority, queue and actor. Mutable: remembers them, since they are few."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str, str], bytes] = {}

    def prefix_of(self, op: EnqueueOp) -> bytes:
        """Return what precedes the body of *op* in its record, after its sequence."""
        key = (op.priority, op.queue_name, op.actor_name)
        prefix = self._known.get(key)
        if prefix is None:
            if len(self._known) > MAX_KNOWN_PREFIXES:
                self._known.clear()
            prefix = self._known[key] = f"{op.priority}\0{op.queue_name}\0{op.actor_name}\0".encode()
        return prefix


@define
class ScriptArguments:
    """The keys of one call, and the numbers by which its arguments name them. Mutable."""

    keys: Keys
    prefixes: RecordPrefixes
    queues: dict[str, int] = Factory(dict)
    extra_keys: list[str] = Factory(list)
    groups: dict[str, int] = Factory(dict)

    def queue_number(self, name: str) -> int:
        """Return the number of the queue *name* in this call."""
        number = self.queues.get(name)
        if number is None:
            number = self.queues[name] = len(self.queues) + 1
        return number

    def add_key(self, name: str) -> int:
        """Return the number of one more key, *name*, among the `extra_keys`."""
        self.extra_keys.append(name)
        return len(self.extra_keys)

    def group_number(self, name: str) -> int:
        """Return the number of the first of the three keys of the group *name*."""
        if name not in self.groups:
            self.groups[name] = len(self.extra_keys) + 1
            self.extra_keys += self.keys.group_keys(name)
        return self.groups[name]

    def build(self, worker: str, offset: int, arguments: Iterable[Argument]) -> tuple[list[str], list[Argument]]:
        """Return all keys and all arguments of the call: those that all scripts begin with, then *arguments*."""
        keys = [*self.keys.fixed, *self.keys.queues(self.queues, worker), *self.extra_keys]
        return keys, [offset, len(self.queues), *self.queues, *arguments]

    def post(self, op: EnqueueOp) -> tuple[Argument, ...]:
        """Return the arguments of *op* up to its id."""
        return (self.queue_number(op.queue_name), op.priority, op.delay, self.prefixes.prefix_of(op))

    def unique_post(self, op: EnqueueOp) -> tuple[Argument, ...]:
        """Return the arguments of *op*, which may have a unique key."""
        unique = op.unique
        held = (
            ("", 0, 0, 0)
            if unique is None
            else (unique.key, int(unique.until == "start"), unique.window, int(unique.on_conflict == "after"))
        )
        return (*self.post(op), op.message_id, op.body, *held)

    def mark(self, op: SetMarkOp) -> list[Argument]:
        """Return the arguments of *op*."""
        expects = op.expected if isinstance(op.expected, str) else "body"
        expected = b"" if isinstance(op.expected, str) else op.expected
        arguments: list[Argument] = [
            op.key,
            int(op.body is not None),
            op.body or b"",
            op.ttl,
            expects,
            expected,
            op.index,
            op.order,
            op.most,
        ]
        arguments.append(len(op.then))
        for post in op.then:
            arguments += self.unique_post(post)
        return arguments

    def followup(self, followup: DeferredEnqueue) -> tuple[Argument, ...]:
        """Return the arguments of *followup*, which waits for a group."""
        return (*self.post(followup.op), followup.op.message_id, followup.head, followup.tail, followup.rest)


def write_posts(call: ScriptArguments, ops: Sequence[EnqueueOp]) -> list[Argument]:
    """Return the arguments of *ops*, those that differ only in id and body in one run."""
    arguments: list[Argument] = []
    append = arguments.append
    last: tuple[str, str, int, int] | None = None
    count_at = 0
    for op in ops:
        kind = (op.queue_name, op.actor_name, op.priority, op.delay)
        if kind != last:
            last = kind
            arguments += call.post(op)
            count_at = len(arguments)
            append(0)
        arguments[count_at] += 1  # type: ignore[operator]  # put there as a number just above
        append(op.message_id)
        append(op.body)
    return arguments
