"""A plain message costs no more than `bounds.BOUNDS` says: calls, statements, round trips, and memory. Nothing here takes time."""

import gc
import sys
from collections.abc import Callable, Iterator

import pytest

from fq import App, Handle
from fq.brokers.memory import MemoryBroker
from fq.brokers.redis import RedisBroker
from fq.worker.job import JobRunner
from tests.cost.bounds import BOUNDS, MEASURED_WITH, url_of
from tests.cost.counting import Cost
from tests.cost.workloads import measure

pytestmark = pytest.mark.skipif(sys.version_info[:2] != MEASURED_WITH, reason="the bounds are those of another Python")

each_bound = pytest.mark.parametrize(("broker", "what"), list(BOUNDS), ids=lambda part: part.replace(", ", "-"))
HANDLES = 400
KEPT_BLOCKS = 7
"""How many blocks of memory a message that waits in memory keeps, and its handle. A growing dict or list is one block more: a hundredth of one a message."""


@pytest.fixture(autouse=True)
def _without_other_profilers() -> Iterator[None]:
    """The counts of a thread are those of the code under test only."""
    gc.collect()
    yield
    assert sys.getprofile() is None


def excess(found: Cost, bound: Cost) -> str:
    """Return what to tell who made a message dearer; nothing if it is not."""
    if found.calls <= bound.calls and found.trips <= bound.trips:
        return ""
    calls = ", ".join(f"{name} {count}" for name, count in sorted(found.by_function.items()))
    return (
        f"a message takes {found.calls} calls and {found.trips} trips; at most {bound.calls} and {bound.trips} are allowed. Its calls: {calls}. "
        "Compare with those before your change; tests/cost/bounds.py says what to do"
    )


def found_on(broker: str, what: str) -> Cost:
    with url_of(broker) as url:
        return measure(url, what)


def with_a_call_more(function: Callable[..., object]) -> Callable[..., object]:
    """Return *function* with one more call around it, as a new feature has it."""
    return lambda *args, **options: function(*args, **options)


@each_bound
def test_a_message_costs_no_more_than_its_bound(broker: str, what: str) -> None:
    assert excess(found_on(broker, what), BOUNDS[broker, what]) == ""


@pytest.mark.parametrize("what", ["run, sync", "run, async"])
def test_one_more_call_for_each_message_in_a_worker_is_found(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = found_on("memory", what)
    monkeypatch.setattr(JobRunner, "encode", with_a_call_more(JobRunner.encode))
    after = found_on("memory", what)

    assert after.calls == before.calls + 1
    assert excess(before, before) == ""
    assert f"a message takes {after.calls} calls" in excess(after, before)


@pytest.mark.parametrize("what", ["send", "asend"])
def test_one_more_call_for_each_send_is_found(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = found_on("memory", what)
    monkeypatch.setattr(MemoryBroker, "enqueue", with_a_call_more(MemoryBroker.enqueue))
    after = found_on("memory", what)

    assert after.calls == before.calls + 1


def test_one_more_round_trip_for_each_send_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    enqueue = RedisBroker.enqueue

    def enqueue_with_a_look(broker: RedisBroker, *args: object) -> object:
        broker.queues()
        return enqueue(broker, *args)

    before = found_on("redis", "send")
    monkeypatch.setattr(RedisBroker, "enqueue", enqueue_with_a_look)
    after = found_on("redis", "send")

    assert after.trips > before.trips == 1
    assert excess(after, before)


def test_what_happens_once_a_turn_is_not_counted_as_a_cost_of_each_message() -> None:
    counts = {found_on("memory", "run, sync").calls for _ in range(3)}

    assert len(counts) == 1


def kept_blocks(count: int) -> int:
    """Return how many blocks of memory *count* sends keep, and their handles."""
    app = App("memory://")

    @app.actor
    def noop() -> None: ...

    handles: list[Handle[None]] = [noop.send() for _ in range(count)]
    before = sys.getallocatedblocks()
    handles += [noop.send() for _ in range(count)]
    after = sys.getallocatedblocks()
    app.broker.close()
    return after - before


def test_a_waiting_message_keeps_no_more_memory_than_its_bound() -> None:
    gc.collect()
    gc.disable()
    try:
        blocks = kept_blocks(HANDLES)
    finally:
        gc.enable()

    assert blocks / HANDLES <= KEPT_BLOCKS + 0.1, f"a message and its handle keep {blocks / HANDLES:.2f} blocks of memory"
