"""Scripts touch no key but those that they were given, and say so in advance; that is what makes them fit for a cluster."""

import re
import threading
from collections.abc import Callable

import pytest
import redis

from fq.brokers.redis import RedisBroker
from fq.brokers.redis.keys import Keys
from tests.brokers.builders import PATIENCE_SECONDS, enqueue_op
from tests.brokers.redis.builders import drain
from tests.brokers.redis.servers import Server
from tests.brokers.redis.test_faults import OPERATIONS, prepare


def monitored(client: redis.Redis, call: Callable[[], object]) -> list[str]:
    """Return what the server did while *call* ran, a line each."""
    lines: list[str] = []
    begun = threading.Event()

    def watch() -> None:
        with client.monitor() as monitor:
            begun.set()
            for command in monitor.listen():
                lines.append(f"{command['client_type']} {command['command']}")
                if "the-end" in command["command"]:
                    return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    assert begun.wait(PATIENCE_SECONDS)
    call()
    client.get("the-end")
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    return lines


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_script_touches_only_keys_that_it_was_given(
    connect: Callable[..., RedisBroker], client: redis.Redis, valkey: Server, name: str
) -> None:
    broker = connect()
    prepare(broker)
    given: set[str] = set()
    seen = 0
    for line in monitored(client, lambda: OPERATIONS[name](broker)):
        keys = set(re.findall(r"\{fq\}:[^ ]*", line))
        if line.startswith("lua"):
            touched = line.split(" ")[2] if len(line.split(" ")) > 2 else ""
            assert not touched.startswith("{fq}:") or touched in given or line.startswith("lua PUBLISH"), line
            seen += touched in given
        elif "EVAL" in line:
            given = keys

    assert seen > 0


def test_names_of_queues_cannot_be_mistaken_for_other_keys() -> None:
    keys = Keys("fq")
    names = ["a", "a:b", "a%3Ab", "ü", "a b", "a/b"]
    workers = ["w", "b:w"]

    assert len({key for name in names for worker in workers for key in keys.queue(name, worker)}) == len(names) * (3 + len(workers))


@pytest.mark.parametrize("name", ["a:b", "a%3Ab", "mail ☃", "{x}", "q\1", "*"])
def test_a_queue_may_have_any_name(broker: RedisBroker, name: str) -> None:
    broker.enqueue([enqueue_op("m", name), enqueue_op("n", name, delay=60_000)])
    broker.enqueue([enqueue_op("o", name)])

    assert [stats.queue_name for stats in broker.queues()] == [name]
    assert drain(broker, name) == ["m", "o"]
    assert broker.purge(name) == 1


def test_a_worker_may_have_any_name(broker: RedisBroker) -> None:
    broker.enqueue([enqueue_op("m")])
    drain(broker, worker="host:1/ü {x}")

    assert [worker.worker for worker in broker.workers()] == ["host:1/ü {x}"]
