"""Every broker: counters add up, by bucket and name, from any number of handles, and end with their bucket."""

import pytest

from fq.brokers.counters import Count
from fq.brokers.protocol import Broker
from fq.errors import BrokerError
from tests.brokers.builders import in_thread
from tests.brokers.harness import Harness

HOUR = 3_600_000


def test_counters_add_up(broker: Broker, other: Broker) -> None:
    broker.count([Count("m:1", "sent", 2, HOUR), Count("m:1", "failed", 1, HOUR), Count("m:2", "sent", 5, HOUR)])
    other.count([Count("m:1", "sent", 40, HOUR), Count("m:1", "sent", 100, HOUR)])

    assert broker.counts(["m:1", "m:2", "m:3"]) == {"m:1": {"sent": 142, "failed": 1}, "m:2": {"sent": 5}}
    assert other.counts(["m:2"]) == {"m:2": {"sent": 5}}
    assert other.counts([]) == {}


def test_a_call_without_counts_changes_nothing(broker: Broker) -> None:
    broker.count([])

    assert broker.counts(["m:1"]) == {}


def test_a_counter_may_be_large_and_may_go_down(broker: Broker) -> None:
    broker.count([Count("b", "n", 2**53 - 10, HOUR), Count("b", "n", -7, HOUR), Count("b", "down", -3, HOUR)])

    assert broker.counts(["b"]) == {"b": {"n": 2**53 - 17, "down": -3}}


def test_a_bucket_is_kept_for_its_time(harness: Harness, broker: Broker) -> None:
    broker.count([Count("short", "n", 1, HOUR), Count("long", "n", 1, 3 * HOUR)])
    harness.advance(HOUR - 60_000)
    before = broker.counts(["short", "long"])
    harness.advance(2 * HOUR)

    assert before == {"short": {"n": 1}, "long": {"n": 1}}
    assert broker.counts(["long"]) == {"long": {"n": 1}}


def test_a_bucket_ends_though_it_was_added_to_and_may_begin_again(harness: Harness, broker: Broker) -> None:
    broker.count([Count("b", "n", 1, HOUR)])
    harness.advance(HOUR // 2)
    broker.count([Count("b", "n", 1, HOUR)])
    during = broker.counts(["b"])
    harness.advance(2 * HOUR)
    broker.count([Count("other", "n", 1, HOUR)])
    after = broker.counts(["b"])
    broker.count([Count("b", "n", 5, HOUR)])

    assert during == {"b": {"n": 2}}
    assert after == {}
    assert broker.counts(["b"]) == {"b": {"n": 5}}


def test_no_addition_of_several_is_lost(broker: Broker, other: Broker) -> None:
    def add(handle: Broker) -> None:
        for number in range(25):
            handle.count([Count("b", "n", 1, HOUR), Count("b", f"n{number}", 2, HOUR)])

    for thread in [in_thread(lambda handle=handle: add(handle)) for handle in (broker, other, broker, other)]:  # type: ignore[misc]
        thread.result(60)

    assert broker.counts(["b"]) == {"b": {"n": 100, **{f"n{number}": 8 for number in range(25)}}}


@pytest.mark.parametrize(
    "name", ["a b", "it's", '"', "a:b", "{x}", "line\nbreak", "100%", "*", "🦆", "x" * 1_024], ids=lambda name: ascii(name[:9])
)
def test_any_text_can_name_a_bucket_and_a_counter(broker: Broker, other: Broker, name: str) -> None:
    broker.count([Count(name, name, 3, HOUR)])

    assert other.counts([name]) == {name: {name: 3}}


REFUSED = {
    "no bucket": Count("", "n", 1, HOUR),
    "NUL in the bucket": Count("a\0b", "n", 1, HOUR),
    "a long bucket": Count("x" * 1_025, "n", 1, HOUR),
    "no name": Count("b", "", 1, HOUR),
    "a lone surrogate": Count("b", "\udc80", 1, HOUR),
    "a fraction": Count("b", "n", 1.5, HOUR),  # type: ignore[arg-type]
    "too much": Count("b", "n", 2**53 + 1, HOUR),
    "a negative ttl": Count("b", "n", 1, -1),
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED.keys())
def test_with_one_malformed_count_nothing_of_the_call_is_counted(broker: Broker, refused: Count) -> None:
    with pytest.raises(BrokerError, match=r"found .* expected .*nothing of this call was applied"):
        broker.count([Count("b", "n", 1, HOUR), refused])

    assert broker.counts(["b"]) == {}


@pytest.mark.parametrize("bucket", ["", "a\0b", "\udc80", None])
def test_what_can_be_no_bucket_is_not_read(broker: Broker, bucket: str) -> None:
    with pytest.raises(BrokerError, match=r"found key=.*, expected a text"):
        broker.counts(["b", bucket])
