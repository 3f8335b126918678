"""
`Routing`: which shard each thing belongs to, by a hash of its name that never changes. Pure.

A name that ends in braces, such as ``order-12{customer-7}``, is hashed by what is in the braces alone: so names with the same tag share a shard. The id of a
follow-up has the tag of its parent (see ``fq.core.derived_ids``), so a workflow whose root has a tag stays in one shard.
"""

from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache
from typing import TypeVar
from zlib import crc32

from attrs import frozen
from redis.crc import key_slot

from fq.brokers.operations import ArriveOp, EnqueueOp, Operation, SetMarkOp, StoreResultOp, finished_key
from fq.core.derived_ids import tag_of
from fq.core.uniqueness import id_key

T = TypeVar("T")

CLUSTER_SLOTS = 16_384

ABOUT_MESSAGES = ("finished", "progress", "stream")
"""Kinds of marks about a message, which are in its shard: see `fq.brokers.operations.message_key`."""

MAX_SHORT_NAME = 250
"""The keys of marks about a message with a longer id than this many characters may have a hash in its place."""


def hash_of(name: str) -> int:
    """
    Return the hash that says to which shard *name* belongs.

    >>> hash_of("order-12{customer-7}") == hash_of("order-13{customer-7}") == hash_of("customer-7")
    True
    """
    return crc32((tag_of(name) or name).encode("utf-8", "surrogatepass"))


@lru_cache(4_096)
def shard_names(namespace: str, count: int) -> tuple[str, ...]:
    """
    Return the namespaces of *count* shards. Each has its part of the slots of a cluster, so nodes that share the slots evenly share the shards evenly.

    >>> shard_names("fq", 3)
    ('fq.0-...', 'fq.1-...', 'fq.2-...')
    """
    return tuple(_name_in_part(f"{namespace}.{number}", number, count) for number in range(count))


def _name_in_part(stem: str, number: int, count: int) -> str:
    attempt = 0
    while key_slot(f"{{{stem}-{attempt}}}".encode()) * count // CLUSTER_SLOTS != number:
        attempt += 1
    return f"{stem}-{attempt}"


@frozen
class Routing:
    """Says which of *count* shards things belong to, by number."""

    count: int

    def of_name(self, name: str) -> int:
        """Return the shard of a group, a unique key, a bucket of counters, a limit."""
        return hash_of(name) % self.count

    def of_message(self, message_id: str) -> int:
        """Return the shard of a message without a unique key, and of the result and the record of any message."""
        if len(message_id) > MAX_SHORT_NAME:
            message_id = finished_key(message_id).partition(":")[2]
        return self.of_name(message_id)

    def of_mark(self, key: str) -> int:
        """Return the shard of a mark: that of its message, if it is about one."""
        kind, _, rest = key.partition(":")
        if kind not in ABOUT_MESSAGES or not rest:
            return self.of_name(key)
        if kind == "stream" and rest.count(":") >= 2:  # token and number come last
            rest = rest.rsplit(":", 2)[0]
        return self.of_message(rest)

    def of_post(self, op: EnqueueOp) -> int:
        """Return the shard of a new message: that of its unique key, if it has one; an id that its sender chose is such a key."""
        if op.unique is None or op.unique.key == id_key(op.message_id):
            return self.of_message(op.message_id)
        return self.of_name(op.unique.key)

    def of_operation(self, operation: Operation) -> int:
        """Return the shard in which *operation* is carried out."""
        match operation:
            case EnqueueOp():
                return self.of_post(operation)
            case StoreResultOp(message_id):
                return self.of_message(message_id)
            case ArriveOp(group):
                return self.of_name(group)
            case SetMarkOp(key):
                return self.of_mark(key)


K = TypeVar("K", bound=Hashable)


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """
    Return *items* by their *key*, in order.

    >>> grouped([1, 2, 3], lambda number: number % 2)
    {1: [1, 3], 0: [2]}
    """
    found: dict[K, list[T]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return found
