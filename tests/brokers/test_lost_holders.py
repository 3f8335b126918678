"""Every broker: `diagnose` names the unique keys whose holders are not there any more, and what to do about them."""

from collections.abc import Iterator

import pytest

from fq.brokers import MemoryBroker, SqliteBroker
from fq.brokers.findings import MAX_NAMED_KEYS, Finding
from fq.brokers.postgres import PostgresBroker
from fq.brokers.protocol import Broker
from fq.brokers.redis import RedisBroker
from fq.brokers.redis.shards import ShardedRedisBroker
from tests.brokers.builders import claim, commit, placed, unique_op


def lose(broker: Broker, message_id: str) -> None:
    """Delete a message as nothing of fq's does."""
    match broker:
        case MemoryBroker():
            del broker._state._items[message_id]
        case SqliteBroker():
            with broker._writer.writing() as connection:
                connection.execute("DELETE FROM messages WHERE message_id = ?", (message_id,))
        case RedisBroker():
            broker._namespace.client.command("HDEL", broker._namespace.keys.messages, message_id)
        case ShardedRedisBroker():
            for shard in broker.shards:
                shard.namespace.client.command("HDEL", shard.namespace.keys.messages, message_id)
        case PostgresBroker():
            broker._writer.single(lambda tx: tx.run("DELETE FROM fq.messages WHERE message_id = %s", message_id))
        case _:
            raise NotImplementedError


@pytest.fixture(autouse=True)
def _swept(broker: Broker) -> Iterator[None]:
    """The harness of Redis, too, finds what is lost, so nothing may be left."""
    yield
    if isinstance(broker, RedisBroker | ShardedRedisBroker):
        namespace = broker._namespace if isinstance(broker, RedisBroker) else broker._root.namespace
        namespace.client.command("FLUSHALL")


def found(broker: Broker) -> list[Finding]:
    return [finding for finding in broker.diagnose() if finding.what == "unique keys"]


def test_without_unique_keys_there_is_nothing_to_find(broker: Broker) -> None:
    assert found(broker) == [Finding("unique keys", "good", "none held")]


def test_a_key_whose_holder_waits_or_runs_is_well(broker: Broker) -> None:
    broker.place([unique_op("a", "1"), unique_op("b", "2"), unique_op("c", "3", delay=60_000), unique_op("d", "4", window=60_000)])
    for delivery in claim(broker, limit=2):
        if delivery.message_id == "a":
            commit(broker, delivery)

    assert found(broker) == [Finding("unique keys", "good", "3 keys held")]


def test_a_key_that_only_its_window_holds_needs_no_holder(broker: Broker) -> None:
    broker.place([unique_op("a", window=60_000)])
    commit(broker, *claim(broker))

    assert found(broker) == [Finding("unique keys", "good", "none held")]


def test_a_key_whose_holder_is_gone_is_found_with_the_cure(broker: Broker, other: Broker) -> None:
    broker.place([unique_op("a", "greeting of 7"), unique_op("b", "2")])
    lose(broker, "a")
    (finding,) = found(other)

    assert finding.level == "warn"
    assert finding.found == "1 of 2 keys held by a message that is gone: 'greeting of 7' by a"
    assert "send these calls again" in finding.advice


def test_the_cure_cures(broker: Broker) -> None:
    if isinstance(broker, MemoryBroker):
        pytest.skip("keeps its keys and its messages together: nothing can lose a message")
    broker.place([unique_op("a"), unique_op("b", "2")])
    lose(broker, "a")

    assert placed(broker, unique_op("c")) == ("c", True)
    assert found(broker) == [Finding("unique keys", "good", "2 keys held")]
    lose(broker, "c")  # and again, with the same id
    assert placed(broker, unique_op("a")) == ("a", True)


def test_of_many_keys_the_first_are_named(broker: Broker) -> None:
    count = MAX_NAMED_KEYS + 3
    broker.place([unique_op(f"m{number}", f"k{number}") for number in range(count)])
    for number in range(count):
        lose(broker, f"m{number}")
    (finding,) = found(broker)

    assert finding.found.startswith(f"{count} of {count} keys held by a message that is gone: ")
    assert finding.found.count(" by m") == MAX_NAMED_KEYS
    assert finding.found.endswith(" and 3 more")
