"""A unique key whose holder is in no queue, since something else has deleted that: `diagnose` finds it, and what it says to do frees the key."""

import shlex

import redis

from fq.brokers.redis import RedisBroker, lost_holders
from tests.brokers.builders import claim, enqueue_op, placed, unique_op
from tests.brokers.redis.servers import Server


def test_a_holder_that_no_queue_has_is_found_and_the_advice_frees_its_key(shared: Server, broker: RedisBroker, client: redis.Redis) -> None:
    broker.place([unique_op("a b", "greeting"), unique_op("running", "2", queue="r"), unique_op("delayed", "3", queue="s", delay=60_000)])
    claim(broker, "w1", "r")
    client.delete("{fq}:ready:q")
    good, bad = (finding for finding in broker.diagnose() if finding.what == "unique keys")

    assert (good.level, bad.level) == ("good", "bad")
    assert bad.found.endswith("so that it never runs: 'greeting' by a b")
    _, *command = shlex.split(bad.advice.partition(", ")[0])
    assert client.execute_command(*command) == 1
    assert placed(broker, unique_op("c", "greeting")) == ("c", True)
    assert [finding.found for finding in broker.diagnose() if finding.what == "unique keys"] == ["3 keys held"]


def test_a_holder_that_is_gone_leaves_nothing_once_its_key_is_taken(shared: Server, broker: RedisBroker, client: redis.Redis) -> None:
    broker.place([unique_op("a")])
    client.hdel("{fq}:messages", "a")
    client.delete("{fq}:ready:q")
    broker.place([unique_op("b")])

    assert client.hkeys("{fq}:holders") == [b"b"]


def test_few_calls_look_at_many_keys(broker: RedisBroker, client: redis.Redis) -> None:
    """Of the holders, only the first are looked for one by one."""
    most = lost_holders.MAX_LOCATED
    broker.place([unique_op(f"m{number}", f"k{number}") for number in range(3 * most)])
    broker.enqueue([enqueue_op("other")])
    client.config_resetstat()
    findings = [finding.found for finding in broker.diagnose() if finding.what == "unique keys"]
    calls = sum(stats["calls"] for name, stats in client.info("commandstats").items() if name.startswith("cmdstat_eval"))

    assert findings == [f"{3 * most} keys held"]
    assert calls <= most + 5
