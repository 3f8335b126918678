"""Sending many messages: the next batch is made while the broker takes one, and after an error no batch is left under way."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from fq import App, BrokerUnavailable
from fq.app.bulk_send import MAX_BATCH_MESSAGES
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import EnqueueOp


class OverlappingBroker(MemoryBroker):
    """Takes batches ahead, and records what happens. Waiting for batch number *fails_at* fails."""

    def __init__(self, fails_at: int = 0) -> None:
        super().__init__()
        self.fails_at = fails_at
        self.begun = 0
        self.events: list[str] = []

    def begin_enqueue(self, ops: Sequence[EnqueueOp]) -> Callable[[], None]:
        self.begun += 1
        number = self.begun
        self.events.append(f"begin {number}")

        def finish() -> None:
            self.events.append(f"finish {number}")
            if number == self.fails_at:
                raise BrokerUnavailable("gone")
            self.enqueue(ops)

        return finish


def sender(broker: OverlappingBroker) -> Callable[[Iterator[int] | range], list[object]]:
    app = App(broker=broker)

    @app.actor
    def add(n: int) -> int:
        return n

    return lambda numbers: list(app.send_many(add.call(n) for n in numbers))


def ready(broker: OverlappingBroker) -> int:
    return sum(queue.ready for queue in broker.queues())


def test_a_batch_is_under_way_while_the_next_is_made_and_never_two() -> None:
    broker = OverlappingBroker()
    handles = sender(broker)(range(2 * MAX_BATCH_MESSAGES + 5))

    assert broker.events == ["begin 1", "finish 1", "begin 2", "finish 2", "begin 3", "finish 3"]
    assert len(handles) == ready(broker) == 2 * MAX_BATCH_MESSAGES + 5


def test_the_next_is_made_before_the_one_before_it_is_waited_for() -> None:
    broker, made = OverlappingBroker(), list[str]()

    def numbers() -> Iterator[int]:
        for n in range(2 * MAX_BATCH_MESSAGES):
            if n == MAX_BATCH_MESSAGES + 1:
                made.extend(broker.events)
            yield n

    sender(broker)(numbers())

    assert made == ["begin 1"]


def test_after_an_error_of_the_broker_nothing_more_is_begun_nor_waited_for_twice() -> None:
    broker = OverlappingBroker(fails_at=1)
    with pytest.raises(BrokerUnavailable):
        sender(broker)(range(3 * MAX_BATCH_MESSAGES))

    assert broker.events == ["begin 1", "finish 1"]
    assert ready(broker) == 0


def test_after_an_error_of_the_caller_the_batches_that_were_begun_are_sent() -> None:
    def numbers() -> Iterator[int]:
        yield from range(MAX_BATCH_MESSAGES + 10)
        raise LookupError("no more")

    broker = OverlappingBroker()
    with pytest.raises(LookupError):
        sender(broker)(numbers())

    assert broker.events == ["begin 1", "finish 1"]
    assert ready(broker) == MAX_BATCH_MESSAGES


def test_a_batch_ends_when_it_is_large_too() -> None:
    broker = OverlappingBroker()
    app = App(broker=broker)

    @app.actor
    def say(text: str) -> None: ...

    app.send_many(say.call(6_000_000 * "x") for _ in range(4))

    assert broker.events == ["begin 1", "finish 1", "begin 2", "finish 2"], "three of them come to more than 16 MB"
