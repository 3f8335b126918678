"""Memory: no table grows with what has been, only with what is there."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from fq.brokers import MemoryBroker
from fq.brokers.clock import ManualClock
from fq.brokers.records import SetMarkOp
from tests.brokers.builders import claim_one, commit, enqueue_op, unique_op


def tick(broker: MemoryBroker, number: int) -> None:
    """A schedule ticks: the mark goes on for ever."""
    broker.set_marks([SetMarkOp("schedule", b"%d" % number, index="due", order=number)])


def tell(broker: MemoryBroker, number: int) -> None:
    """An actor tells its progress."""
    broker.set_marks([SetMarkOp("progress", b"%d" % number, 10_000_000)])


def end_and_keep(broker: MemoryBroker, number: int) -> None:
    """A message has told its progress, and ends; a few records are kept."""
    broker.set_marks([SetMarkOp(f"progress{number}", b"1", 10_000_000)])
    broker.set_marks([SetMarkOp(f"progress{number}", None), SetMarkOp(f"f{number}", b"1", 10_000_000, index="f", order=number, most=5)])


def stream(broker: MemoryBroker, number: int) -> None:
    """An actor emits a value, which is deleted."""
    broker.set_marks([SetMarkOp(f"chunk{number}", b"1", index=f"stream{number}")])
    broker.set_marks([SetMarkOp(f"chunk{number}", None)])


def run(broker: MemoryBroker, number: int) -> None:
    """A message with a key comes and goes."""
    broker.place([unique_op(f"m{number}")])
    commit(broker, claim_one(broker))


def run_another(broker: MemoryBroker, number: int) -> None:
    """A message with a key of its own comes and goes."""
    broker.place([unique_op(f"m{number}", f"k{number}")])
    commit(broker, claim_one(broker))


USES: dict[str, Callable[[MemoryBroker, int], None]] = {
    "ticks": tick,
    "progress": tell,
    "records": end_and_keep,
    "streams": stream,
    "one key": run,
    "many keys": run_another,
}


@pytest.fixture
def used() -> Iterator[Callable[[], int]]:
    """Return how many bytes Python's objects take."""

    def measure() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    yield measure
    tracemalloc.stop()


@pytest.mark.parametrize("use", USES)
def test_nothing_is_left_of_what_has_been(use: str, used: Callable[[], int]) -> None:
    clock = ManualClock()
    broker = MemoryBroker(clock=clock)
    broker.enqueue([enqueue_op("waits", "elsewhere")])
    bytes_used = []
    for first in range(0, 1_500, 500):
        for number in range(first, first + 500):
            clock.advance(1)
            USES[use](broker, number)
        bytes_used.append(used())

    assert bytes_used[2] - bytes_used[1] < 20_000, (bytes_used, "five hundred uses more leave nothing")
