"""The page of the schedules says what became of the last ticks."""

import pytest

from fq import App, Schedule, every
from fq.app import tick_outcomes
from fq.brokers import MemoryBroker
from fq.brokers.clock import ManualClock
from tests.web.conftest import Site


def test_the_last_ticks_are_shown_with_what_became_of_them(memory_app: App, silent: None) -> None:
    @memory_app.actor(max_retries=0)
    def poll(number: int) -> int:
        return 1 // number

    memory_app.schedules.put(Schedule("good", every(60_000), poll.call(1)), Schedule("bad", every(60_000), poll.call(0)))
    memory_app.run_until_idle(until=12 * 60_000 + 1)
    shown = {schedule["name"]: schedule for schedule in Site(memory_app).json("/schedules")["schedules"]}

    assert [each["outcome"] for each in shown["bad"]["recent"]] == ["dead"] * 10
    assert len(shown["good"]["recent"]) == 10
    assert shown["good"]["recent"][-1]["outcome"] == "done"
    ticks = [each["tick"] for each in shown["good"]["recent"]]
    assert (ticks[-1], ticks) == (shown["good"]["last"], sorted(ticks))
    assert 'class="state-dead"' in Site(memory_app).html("/schedules")


def test_a_tick_whose_message_waits_or_was_requeued_says_so(memory_app: App, silent: None) -> None:
    @memory_app.actor(max_retries=0)
    def poll() -> None:
        raise ValueError

    memory_app.schedules.put(Schedule("bad", every(60_000), poll.call()))
    memory_app.run_until_idle(until=60_001)
    (dead,) = Site(memory_app).json("/schedules")["schedules"][0]["recent"]
    memory_app.requeue([dead["message_id"]])
    (waits,) = Site(memory_app).json("/schedules")["schedules"][0]["recent"]

    assert (dead["outcome"], waits["outcome"]) == ("dead", "ready")


def test_a_tick_that_was_not_sent_is_shown_as_missed() -> None:
    minute = 60_000
    clock = ManualClock(now=100 * minute)
    app = App(broker=MemoryBroker(clock=clock))

    @app.actor
    def poll() -> None: ...

    app.schedules.put(Schedule("poll", every(minute), poll.call()), Schedule("skips", every(minute), poll.call(), catch_up="skip"))
    for waited in (minute, 3 * minute + 30_000):
        clock.advance(waited)
        app.run_until_idle(until=1)
    shown = {each["name"]: [tick["outcome"] for tick in each["recent"]] for each in Site(app).json("/schedules")["schedules"]}

    assert shown == {"poll": ["", "missed", "missed", ""], "skips": ["", "missed", "missed", "missed"]}
    assert Site(app).html("/schedules").count('<span class="missed"') == 5


def test_the_broker_is_asked_about_a_bounded_number_of_ticks(memory_app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    @memory_app.actor(store_results=False)
    def poll() -> None: ...

    memory_app.schedules.put(*(Schedule(f"s{n}", every(60_000), poll.call()) for n in range(20)))
    memory_app.run_until_idle(until=10 * 60_000 + 1)
    asked: list[str] = []
    status = memory_app.broker.status
    monkeypatch.setattr(memory_app.broker, "status", lambda message_id: asked.append(message_id) or status(message_id))
    shown = Site(memory_app).json("/schedules")["schedules"]

    assert sum(len(schedule["recent"]) for schedule in shown) == 200
    assert len(asked) == tick_outcomes.MOST_ASKED
