"""Giving messages that wait another time or priority: `Handle.reschedule`, `Handle.run_now`, `Call.at`. On every broker."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from returns.result import Success

from fq import App, DeclarationError, OptionError
from fq.brokers.browsing import Entry
from fq.brokers.clock import ManualClock
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import ClaimRequest, EnqueueOp, Status
from fq.calls.reschedule import Timing, rescheduled
from fq.wire.codec import decode
from tests.brokers.harness import Harness
from tests.calls.unique_calls import Noted
from tests.wait_until import wait_until

HOUR = 3_600_000


@pytest.fixture
def noted(harness: Harness) -> Iterator[Noted]:
    made = Noted(harness)
    yield made
    made.app.broker.close()


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1_000, UTC)


def test_a_delayed_message_runs_now(noted: Noted) -> None:
    handle = noted.work.call(1).delay(HOUR).send()

    assert handle.run_now()
    assert handle.status().state == "ready"
    assert noted.run() == [1]
    assert not handle.run_now()
    assert handle.get(0) == Success(1)


def test_a_message_that_waits_for_a_retry_runs_now_and_keeps_its_retries(noted: Noted) -> None:
    app, broker = noted.app, noted.app.broker
    noted.fails = 1
    handle = noted.work.call(1).with_options(min_backoff=HOUR, max_backoff=HOUR).send()
    with app.worker(threads=1):
        wait_until(lambda: handle.status().fault is not None, what="the first failure")
    entry = broker.peek(handle.message_id)
    assert entry is not None
    assert decode(entry.body).options["retries"] == 1

    assert handle.reschedule(delay=0, priority=4)
    entry = broker.peek(handle.message_id)
    assert entry is not None
    assert (decode(entry.body).options["retries"], decode(entry.body).priority, entry.priority) == (1, 4, 4)
    assert entry.status.fault is not None
    assert noted.run() == [1, 1]


def test_a_message_gets_another_time(noted: Noted) -> None:
    handle = noted.work.call(1).delay(HOUR).send()
    now = noted.app.broker.now()

    assert handle.reschedule(delay=timedelta(minutes=5))
    assert 300_000 <= handle.status().due - now <= 300_500
    assert handle.reschedule(at=at(now + 2 * HOUR))
    assert abs(handle.status().due - now - 2 * HOUR) <= 500
    assert handle.reschedule(at=at(now - HOUR))
    assert handle.status().state == "ready"
    assert handle.reschedule(delay=HOUR)
    assert handle.status().state == "delayed"


def test_a_message_gets_another_priority_and_keeps_its_time(noted: Noted) -> None:
    handle = noted.work.call(1).delay(HOUR).send()
    due = handle.status().due
    first, second = noted.work.send(2), noted.work.send(3)

    assert handle.reschedule(priority=7)
    assert abs(handle.status().due - due) <= 500
    assert second.reschedule(priority=-1)
    assert first.status().state == second.status().state == "ready"
    deliveries = noted.app.broker.turn([], ClaimRequest("w", ("default",), 5)).deliveries
    assert [decode(delivery.body).args for delivery in deliveries] == [(3,), (2,)]


def test_a_message_that_does_not_wait_stays_as_it_is(noted: Noted) -> None:
    seen: list[bool] = []
    noted.during = lambda: seen.append(running.run_now())
    running = noted.work.send(1)
    noted.run()
    noted.during, noted.fails = lambda: None, 1
    dead = noted.work.call(2).with_options(max_retries=0).send()
    noted.run()

    assert seen == [False]
    assert not running.run_now()
    assert not dead.reschedule(delay=5)
    assert dead.status().state == "dead"
    assert not noted.app.handle("nope").run_now()


def test_one_put_aside_goes_on_waiting_for_its_key(noted: Noted) -> None:
    states: list[str] = []

    def during() -> None:
        if not states:
            aside = noted.work.call(2).unique("k", on_conflict="after").send()
            states.extend([str(aside.run_now()), aside.status().state])

    noted.during = during
    noted.work.call(1).unique("k", on_conflict="after").send()

    assert noted.run() == [1, 2]
    assert states == ["True", "delayed"]


def test_the_members_of_a_group_and_the_first_step_of_a_pipeline_move(noted: Noted) -> None:
    group = noted.app.group([noted.work.call(n) for n in range(3)]).delay(HOUR).send()
    pipeline = (noted.work.call(5).delay(HOUR) | noted.double).send()

    assert group.run_now()
    assert pipeline.run_now()
    assert sorted(noted.run()) == [0, 1, 2, 5, 5]
    assert (group.get(0), pipeline.get(0)) == (Success([0, 1, 2]), Success(10))


def test_a_call_starts_at_a_time_of_the_brokers_clock(noted: Noted) -> None:
    due = noted.app.broker.now() // 1_000 * 1_000 + HOUR
    calls = [
        noted.work.call(1).at(at(due)),
        noted.work.call(1).at(datetime.fromtimestamp(due / 1_000, timezone(timedelta(hours=5)))),
        noted.work.call(1).delay(1_000).at(at(due)),
        noted.work.call(1).at(at(due)) | noted.double,
    ]
    handles = [call.send() for call in calls]
    members = noted.app.group([noted.work.call(1), noted.work.call(2).delay(2 * HOUR)]).at(at(due)).send()
    dues = [noted.app.broker.status(handle.root_id).due - due for handle in handles]
    of_members = [part.status().due - due for part in members.parts()]

    assert all(-30_000 <= off <= 30_000 for off in dues)
    assert -30_000 <= of_members[0] <= 30_000
    assert HOUR - 30_000 <= of_members[1] <= HOUR + 30_000


def test_a_moment_that_has_passed_means_now(noted: Noted) -> None:
    handle = noted.work.call(1).at(datetime(1999, 1, 1, tzinfo=UTC)).send()

    assert handle.status().state == "ready"
    assert noted.run() == [1]


def test_a_call_at_a_time_is_sent_many_times_as_the_clock_is_then(noted: Noted) -> None:
    due = noted.app.broker.now() + HOUR
    call = noted.work.call(1).at(at(due))
    noted.harness.advance(HOUR // 2)

    (handle,) = noted.app.send_many([call])
    assert abs(handle.status().due - due) <= 1_000


@pytest.mark.parametrize("entries", [{"delay": 5, "at": at(5)}, {}, {"delay": -5}, {"priority": "high"}, {"at": 5}], ids=str)
def test_a_mistake_is_refused(entries: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        App("memory://").handle("m1").reschedule(**entries)


def test_a_step_after_the_first_has_no_time_of_its_own() -> None:
    app = App("memory://")

    @app.actor
    def work(n: int) -> int:
        return n

    with pytest.raises(DeclarationError, match="found a time for a step after the first"):
        _ = work.call(1) | work.call().at(at(5))


def test_a_message_that_changes_meanwhile_is_looked_at_again() -> None:
    class Changing(MemoryBroker):
        looks = 0

        def peek(self, message_id: str) -> Entry | None:
            entry = super().peek(message_id)
            self.looks += 1
            if self.looks == 1 and entry is not None:
                body = f'{{"message_id":"{message_id}","actor_name":"work","args":[9]}}'.encode()
                self.replace(EnqueueOp(message_id, "default", "work", 0, HOUR, body))
            return entry

    app = App(broker=Changing(clock=ManualClock()))
    ran: list[int] = []

    @app.actor
    def work(n: int) -> None:
        ran.append(n)

    assert work.call(1).delay(HOUR).send().reschedule(delay=0, priority=1)
    app.run_until_idle()
    assert ran == [9], "what another one put there meanwhile is not lost"


NOW = 10_000
BODY = b'{"message_id":"m","actor_name":"a","queue_name":"q","args":[],"kwargs":{},"options":{},"message_timestamp":0,"priority":2}'


@pytest.mark.parametrize(
    ("state", "due", "timing", "delay"),
    [
        ("delayed", NOW + 70, Timing(priority=5), 70),
        ("delayed", NOW - 70, Timing(priority=5), 0),
        ("ready", 0, Timing(priority=5), 0),
        ("delayed", NOW + 70, Timing(delay=9), 9),
        ("delayed", NOW + 70, Timing(due=NOW + 8), 8),
        ("delayed", NOW + 70, Timing(due=NOW - 8), 0),
        ("ready", 0, Timing(due=NOW + 8), 8),
    ],
)
def test_the_new_delay_counts_from_now(state: str, due: int, timing: Timing, delay: int) -> None:
    op = rescheduled(Entry(Status("m", state, "q", "a", due=due), 2, 0, BODY), timing, NOW)

    assert (op.delay, op.priority) == (delay, 2 if timing.priority is None else 5)
    assert op.body == (BODY if timing.priority is None else BODY.replace(b'"priority":2', b'"priority":5'))


def test_bytes_that_are_no_message_stay_as_they_are() -> None:
    op = rescheduled(Entry(Status("m", "ready", "q", "a"), 2, 0, b"\xff"), Timing(priority=5), NOW)

    assert (op.body, op.priority) == (b"\xff", 5)
