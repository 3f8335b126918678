"""Every broker: what workers have run is counted by minute and hour, queue and actor, and a broker that does not count harms no message."""

import asyncio
from collections.abc import Sequence

import pytest

from fq import App, OptionError, RetryAfter, RunCounts, Snooze
from fq.brokers.counters import Count
from fq.brokers.memory import MemoryBroker
from fq.errors import BrokerUnavailable
from fq.worker.tally import Tally
from fq.worker.turn_clock import TurnClock
from tests.brokers.harness import Harness
from tests.wait_until import wait_until


class Counted:
    def __init__(self, app: App) -> None:
        self.app = app
        self.errors: list[Exception] = []

        @app.actor(max_retries=2, queue="work")
        def act() -> None:
            if self.errors:
                raise self.errors.pop()

        @app.actor
        async def other() -> None: ...

        self.act, self.other = act, other


@pytest.fixture
def counted(harness: Harness) -> Counted:
    return Counted(App(broker=harness.broker()))


def totals(app: App, **wanted: str) -> dict[str, tuple[int, int, int, int]]:
    found: dict[str, tuple[int, int, int, int]] = {}
    for row in app.counters(hours=3, **wanted):  # type: ignore[arg-type]
        before = found.get(row.actor, (0, 0, 0, 0))
        found[row.actor] = (before[0] + row.processed, before[1] + row.failed, before[2] + row.retried, before[3] + row.dead)
    return found


def test_each_end_of_a_run_is_counted(counted: Counted) -> None:
    counted.errors = [ValueError("final"), RetryAfter(0), RetryAfter(0), Snooze(0)]
    counted.act.send()
    counted.other.send()
    counted.app.run_until_idle()

    assert totals(counted.app) == {"act": (3, 3, 2, 1), "other": (1, 0, 0, 0)}
    assert totals(counted.app, queue="work") == {"act": (3, 3, 2, 1)}
    assert totals(counted.app, actor="other") == {"other": (1, 0, 0, 0)}


def test_a_worker_counts_what_it_ran(counted: Counted) -> None:
    counted.app.send_many(counted.act.call() for _ in range(30))
    counted.app.send_many(counted.other.call() for _ in range(20))
    with counted.app.worker(threads=2):
        wait_until(lambda: not any(queue.ready + queue.in_flight for queue in counted.app.broker.queues()))

    assert totals(counted.app) == {"act": (30, 0, 0, 0), "other": (20, 0, 0, 0)}


def test_an_idle_worker_passes_on_the_last_runs_without_being_stopped(counted: Counted) -> None:
    with counted.app.worker(threads=1):
        for expected in (1, 2):
            counted.act.send()
            wait_until(lambda expected=expected: totals(counted.app).get("act", (0,))[0] == expected)  # type: ignore[misc]


def test_minutes_and_hours_are_counted_apart(harness: Harness, counted: Counted) -> None:
    counted.act.send()
    counted.app.run_until_idle()
    harness.advance(61 * 60_000)
    counted.act.send()
    counted.app.run_until_idle()

    assert [row.processed for row in counted.app.counters(minutes=90)] == [1, 1]
    assert [row.processed for row in counted.app.counters()] == [1]
    assert sum(row.processed for row in counted.app.counters(hours=216)) == 2
    assert all(row.at % 60_000 == 0 for row in counted.app.counters(minutes=180))

    harness.advance(3 * 3_600_000)

    assert counted.app.counters(minutes=180) == ()
    assert sum(row.processed for row in counted.app.counters(hours=216)) == 2


def test_async_callers_read_the_same(counted: Counted) -> None:
    counted.act.send()
    counted.app.run_until_idle()

    assert asyncio.run(counted.app.acounters(minutes=5)) == counted.app.counters(minutes=5) != ()


@pytest.mark.parametrize("span", [{"minutes": 0}, {"minutes": 181}, {"hours": 217}, {"minutes": 5, "hours": 5}, {"minutes": 1.5}], ids=str)
def test_a_time_for_which_nothing_is_kept_is_refused(span: dict[str, int]) -> None:
    with pytest.raises(OptionError, match=r"found .*, expected"):
        App("memory://").counters(**span)  # type: ignore[arg-type]


class Refusing(MemoryBroker):
    """A broker that takes no counts for a while."""

    refuses = True

    def count(self, counts: Sequence[Count]) -> None:
        if self.refuses:
            raise BrokerUnavailable("not now")
        super().count(counts)


def test_a_broker_that_takes_no_counts_harms_no_message() -> None:
    counted = Counted(App(broker=Refusing()))
    counted.act.send()

    assert counted.app.run_until_idle() == 1
    assert counted.app.counters() == ()


def test_counts_that_were_refused_are_passed_on_with_the_next() -> None:
    broker = Refusing()
    counted = Counted(App(broker=broker))
    with counted.app.worker(threads=1):
        counted.act.send()
        wait_until(lambda: not any(queue.ready + queue.in_flight for queue in broker.queues()))
        broker.refuses = False
        counted.act.send()
        wait_until(lambda: totals(counted.app) == {"act": (2, 0, 0, 0)})


def test_nothing_is_sent_where_nothing_ran() -> None:
    Tally(TurnClock(), lambda: pytest.fail("called")).flush()


def test_the_time_of_runs_is_added_up() -> None:
    app = App("memory://")

    @app.actor
    def slow() -> None:
        app.broker.wait_result("none", 30)

    slow.send()
    slow.send()
    app.run_until_idle()
    (row,) = app.counters(minutes=2)[:1]

    assert sum(row.took for row in app.counters(minutes=2)) >= 59
    assert isinstance(row, RunCounts)
