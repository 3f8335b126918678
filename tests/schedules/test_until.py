"""Schedules in tests and inside a process: `App.run_until_idle`, `drain` and `App.worker`, by a clock that a test moves."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fq import App, Retry, Schedule, current_tick, every, group
from fq.brokers import MemoryBroker
from fq.brokers.clock import ManualClock
from fq.schedules.current_tick import tick_of
from fq.testing import DeadLetterError, drain, memory, message
from tests.brokers.harness import Harness
from tests.wait_until import wait_until

NOON = 1_700_049_600_000  # 2023-11-15 12:00 UTC


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(now=NOON)


@pytest.fixture
def app(clock: ManualClock) -> App:
    return App(broker=MemoryBroker(clock=clock))


@pytest.fixture
def ran(app: App) -> list[tuple[str, str]]:
    """What ran, and at which tick."""
    found: list[tuple[str, str]] = []

    @app.actor
    def poll(text: str) -> str:
        tick = current_tick()
        found.append((text, f"{tick:%d %H:%M:%S}" if tick else ""))
        return text

    return found


def test_the_clock_jumps_from_tick_to_tick_and_stops_at_the_end(app: App, clock: ManualClock, ran: list[tuple[str, str]]) -> None:
    poll = app.get_actor("poll")
    app.cron("30 12 * * *", poll.call("noon"), name="noon")
    app.every(timedelta(minutes=15), poll.call("often"), name="often")
    count = app.run_until_idle(until=timedelta(hours=1))

    assert ran == [
        *(("often", "15 12:15:00"), ("noon", "15 12:30:00"), ("often", "15 12:30:00")),
        *(("often", "15 12:45:00"), ("often", "15 13:00:00")),
    ]
    assert (count, clock.now) == (5, NOON + 3_600_000)


def test_a_second_run_goes_on_where_the_first_ended(app: App, ran: list[tuple[str, str]]) -> None:
    app.every(timedelta(minutes=1), app.get_actor("poll").call("a"), name="a")
    counts = [app.run_until_idle(until=datetime(2023, 11, 15, 12, minute, tzinfo=UTC)) for minute in (2, 2, 5)]

    assert counts == [2, 0, 3]
    assert [tick for _, tick in ran] == [f"15 12:0{minute}:00" for minute in range(1, 6)]


def test_delays_and_retries_run_between_the_ticks(app: App, clock: ManualClock) -> None:
    moments: list[int] = []

    @app.actor(min_backoff=10_000, max_backoff=10_000)
    def flaky() -> None:
        moments.append((clock.now - NOON) // 1_000)
        if len(moments) % 2:
            raise ConnectionError

    app.every(timedelta(minutes=1), flaky.call(), name="flaky")
    app.run_until_idle(until=timedelta(minutes=2))

    assert [moments[0], moments[2]] == [60, 120]
    assert 60 < moments[1] < 90


def test_what_is_due_after_the_end_does_not_run(app: App, ran: list[tuple[str, str]]) -> None:
    app.get_actor("poll").call("late").delay(60_001).send()

    assert (app.run_until_idle(until=60_000), app.run_until_idle(until=1)) == (0, 1)


def test_without_an_end_no_schedule_fires_and_none_is_stored(app: App, ran: list[tuple[str, str]]) -> None:
    poll = app.get_actor("poll")
    app.every(timedelta(minutes=1), poll.call("a"), name="a")
    app.schedules.put(Schedule("b", every(1_000), poll.call("b")))
    poll.call("delayed").delay(timedelta(days=1)).send()

    assert app.run_until_idle() == 1
    assert [schedule.name for schedule in app.schedules.list()] == ["b"]


def test_a_schedule_that_an_actor_puts_fires_too(app: App, ran: list[tuple[str, str]]) -> None:
    @app.actor
    def sign_up(name: str) -> None:
        app.schedules.put(Schedule(name, every(timedelta(minutes=1)), app.get_actor("poll").call(name)))

    sign_up.send("Ada")
    app.run_until_idle(until=timedelta(minutes=2))

    assert ran == [("Ada", "15 12:01:00"), ("Ada", "15 12:02:00")]


def test_all_steps_of_a_workflow_know_their_tick(app: App, ran: list[tuple[str, str]]) -> None:
    poll = app.get_actor("poll")

    @app.actor
    def end(texts: list[str]) -> None:
        ran.append(("end", f"{current_tick():%H:%M}"))

    app.every(timedelta(minutes=1), group([poll.call("a") | poll, poll.call("b")]) | end, name="flow")
    app.run_until_idle(until=timedelta(minutes=1))

    assert sorted(ran) == [("a", "15 12:01:00"), ("a", "15 12:01:00"), ("b", "15 12:01:00"), ("end", "12:01")]


def test_a_call_with_a_delay_and_options_keeps_them(app: App, clock: ManualClock) -> None:
    seen: list[tuple[int, object]] = []

    @app.actor(queue="slow")
    def work() -> None:
        seen.append((clock.now - NOON, current_tick()))

    app.every(timedelta(minutes=1), work.call().delay(5_000).with_options(queue="other", max_retries=0), name="work")
    app.run_until_idle(until=70_000)

    assert seen == [(65_000, datetime(2023, 11, 15, 12, 1, tzinfo=UTC))]


def test_drain_runs_ticks_and_raises_the_first_dead_letter(app: App) -> None:
    @app.actor(max_retries=0)
    def fails() -> None:
        raise ValueError("out of paper")

    app.every(1_000, fails.call(), name="fails")
    with memory(app), pytest.raises(DeadLetterError, match="out of paper"):
        drain(app, until=1_000)


def test_the_fixture_of_the_clock_stands_still_until_it_is_moved(fq_app: App, fq_clock: ManualClock) -> None:
    ticks: list[object] = []

    @fq_app.actor
    def poll() -> None:
        ticks.append(current_tick())

    fq_app.every(timedelta(minutes=1), poll.call(), name="poll")
    begin = fq_clock.now

    assert (fq_app.run_until_idle(until=0), ticks) == (0, [])
    assert (fq_app.run_until_idle(until=timedelta(minutes=1)), fq_clock.now) == (1, begin + 60_000)


def test_an_actor_that_no_schedule_has_sent_has_no_tick(app: App, ran: list[tuple[str, str]]) -> None:
    app.get_actor("poll").send("a")
    app.run_until_idle()

    assert (ran, current_tick()) == ([("a", "")], None)


@pytest.mark.parametrize("value", ["soon", True, None, 1.5])
def test_an_option_of_another_program_is_no_tick(value: object) -> None:
    assert tick_of(message("poll", tick=value)) is None


def test_a_retry_keeps_its_tick() -> None:
    from fq import Outcome, retries

    setback = retries().wrap(lambda _: Outcome.failure(ValueError()))(message("poll", tick=5_000)).result.failure()

    assert isinstance(setback, Retry)
    assert tick_of(setback.message) == datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)


def test_with_a_broker_whose_clock_goes_by_itself_what_is_due_now_fires(harness: Harness) -> None:
    app = App(broker=harness.broker())
    ran: list[object] = []

    @app.actor
    def poll() -> None:
        ran.append(current_tick())

    app.every(3_600_000, poll.call(), name="poll")
    app.run_until_idle(until=0)
    harness.advance(3_600_000)
    app.run_until_idle(until=0)

    assert len(ran) == 1


# A worker with threads.


@pytest.fixture
def waits(app: App, clock: ManualClock) -> Iterator[Callable[[int], None]]:
    """Waits for so many runs of a schedule, in a worker."""
    runs: list[object] = []

    @app.actor
    def poll() -> None:
        runs.append(current_tick())

    app.every(timedelta(minutes=1), poll.call(), name="poll")

    def wait(count: int) -> None:
        wait_until(lambda: len(runs) == count)

    with app.worker(threads=1):
        yield wait


def test_a_worker_inside_the_process_fires_when_the_clock_is_moved(app: App, clock: ManualClock, waits: Callable[[int], None]) -> None:
    wait_until(app.schedules.list, what="the declaration")
    for count in (1, 2, 3):
        clock.advance(60_000)
        waits(count)


@pytest.mark.parametrize("url", ["memory://", "sqlite:///jobs.db"])
def test_a_worker_in_real_time_fires_each_tick_once(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fire_in_real_time(App(url))


def test_a_worker_on_a_server_fires_each_tick_once(harness: Harness) -> None:
    if harness.slack:  # its clock goes by itself
        fire_in_real_time(App(broker=harness.broker()))


def fire_in_real_time(app: App) -> None:
    """Let two workers fire a schedule, and hold what they send against the clock."""
    ran: list[datetime] = []

    @app.actor
    def poll() -> None:
        if tick := current_tick():
            ran.append(tick)

    app.every(200, poll.call(), name="poll", catch_up="all", grace=60_000)
    with app.worker(threads=1), app.worker(threads=1):
        wait_until(lambda: len(ran) >= 8)
    ticks = sorted(ran)
    app.broker.close()

    assert ticks == [ticks[0] + timedelta(milliseconds=200 * n) for n in range(len(ticks))]


def test_after_its_stop_a_worker_declares_nothing(app: App, ran: list[tuple[str, str]]) -> None:
    app.every(timedelta(minutes=1), app.get_actor("poll").call("a"), name="a")
    with app.worker(threads=1):
        wait_until(lambda: app.broker.marks_in("declares"), what="the declaration")

    assert app.broker.marks_in("declares") == ()
