"""The table of keys in docs/redis.md is true: what the code makes is in it, with the type that it says, and what is in it is made."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import redis

from fq.brokers.limits.policy import Refused, Slots
from fq.brokers.records import ACK, ArriveOp, ClaimRequest, Commit, DeferredEnqueue, StoreResultOp
from fq.brokers.redis import RedisBroker
from fq.limits import Barrier, ConcurrentRateLimiter
from fq.limits.backend import limiter_backend
from tests.brokers.builders import enqueue_op
from tests.brokers.redis.test_faults import OPERATIONS, prepare

DOCS = Path(__file__).parents[3] / "docs" / "redis.md"

TYPES = {"sorted set": "zset"}
"""What the docs call a type that Redis calls otherwise."""


def table() -> dict[str, tuple[str, str]]:
    """Return the rows of the table: by key, what matches its name, and its type."""
    section = DOCS.read_text(encoding="utf-8").partition("\n## Keys\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| ([a-z ]+) \|.*\|$", section, re.MULTILINE)
    return {key: (re.sub(r"<[a-z]+>", ".+", key), TYPES.get(kind, kind)) for key, kind in rows}


def seen(client: redis.Redis) -> Iterator[tuple[str, str]]:
    for key in client.scan_iter(count=1_000):
        kind = client.type(key).decode()
        if kind != "none":  # gone since
            yield key.decode().removeprefix("{fq}:"), kind


def begin_a_workflow(broker: RedisBroker) -> None:
    """Let the first member of a group end: something comes after the group, and its result waits for the end of the workflow."""
    broker.enqueue([enqueue_op("first", "workflow")])
    request = ClaimRequest("w", ("workflow",), 1)
    (delivery,) = broker.turn((), request).deliveries
    operations = (
        StoreResultOp("first", b"1", 1_000, "over"),
        ArriveOp("members", 0, 2, b"1", (DeferredEnqueue(enqueue_op("then", "workflow"), b"", b""),), 60_000),
    )
    broker.turn((Commit("first", "workflow", delivery.token, ACK, operations),), request)


def everything(broker: RedisBroker, client: redis.Redis) -> set[tuple[str, str]]:
    """Do all that a broker, limits and barriers can do; return the keys that there were in between, with their types."""
    found: set[tuple[str, str]] = set()
    for operation in OPERATIONS.values():
        client.flushdb()
        prepare(broker)
        operation(broker)
        found |= set(seen(client))
    begin_a_workflow(broker)
    broker.pause("q")
    broker.wait_result("m", 1)
    broker.cancel("m1")
    broker.wait(ClaimRequest("idle", ("q",), 1), 0)
    limits = limiter_backend(broker)
    with ConcurrentRateLimiter(broker, "mutex").acquire():
        assert isinstance(limits.take_in_turn("mutex", Slots(1, 60_000), "waits"), Refused)
        found |= set(seen(client))
    barrier = Barrier(broker, "all")
    barrier.create(1)
    barrier.wait(block=False)
    return found | set(seen(client))


def test_the_table_of_keys_in_the_docs_is_that_of_the_code(connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    rows, broker = table(), connect()
    broker.enqueue([enqueue_op("m")])
    found = everything(broker, client)
    client.flushdb()
    known = {
        (row, kind) for name, kind in found for row, (pattern, expected) in rows.items() if re.fullmatch(pattern, name) and kind == expected
    }

    unknown = {
        name for name, kind in found if not any(re.fullmatch(pattern, name) and kind == expected for pattern, expected in rows.values())
    }
    assert not unknown, "they are not in the table"
    assert rows.keys() - {row for row, _ in known} == set(), "nothing makes them"
