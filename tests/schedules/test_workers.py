"""Every broker: any number of workers fire a tick once; code that changes, or is gone."""

import logging
from itertools import product

import pytest

from fq import App
from fq.brokers.operations import DUE, SetMarkOp
from fq.execution.schedule_declarations import DECLARATION_TTL_MS, DECLARES, declared_names
from fq.schedules.stored import key_of
from tests.schedules.conftest import Fleet, Process, texts, ticks

MINUTE = 60_000


# Declared in code.


def test_of_two_workers_one_sends_a_tick(fleet: Fleet) -> None:
    first, second = (fleet.process(fleet.every_minute()).boot() for _ in range(2))
    minute = fleet.to_next_minute()
    first.turn()
    second.turn()

    assert ticks(fleet.claim()) == [minute]


def test_a_worker_that_computed_the_same_tick_too_late_changes_nothing(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (fleet.process(fleet.every_minute()).boot() for _ in range(2))
    fleet.to_next_minute()
    seen = fleet.broker.marks_in(DUE)
    first.scheduler.fire()
    (sent,) = fleet.deliveries()
    fleet.commit(sent)  # its id is free again: only the state of the schedule keeps the tick from being sent twice
    monkeypatch.setattr(second.app.broker, "marks_in", lambda *_, **__: seen, raising=False)
    before = fleet.broker.marks([key_of("poll")])

    assert (second.scheduler.fire(), fleet.claim()) == (False, [])
    assert fleet.broker.marks([key_of("poll")]) == before


def test_the_id_of_the_message_of_a_tick_is_the_same_whichever_worker_sends_it(fleet: Fleet) -> None:
    stored = fleet.process(fleet.every_minute()).boot().app.schedules.get("poll")
    fleet.process(fleet.every_minute()).boot()
    fleet.to_next_minute()
    fleet.process(fleet.every_minute()).boot().turn()
    (message,) = fleet.claim()

    from fq.core.derived_ids import child_id

    assert message.message_id == child_id("schedule", "poll", stored.next)


def test_a_worker_that_boots_again_changes_nothing(fleet: Fleet) -> None:
    app = fleet.every_minute()
    fleet.process(app).boot()
    before = fleet.broker.marks([key_of("poll")])
    fleet.process(app).boot()

    assert fleet.broker.marks([key_of("poll")]) == before


def test_ticks_before_the_first_boot_are_not_sent(fleet: Fleet) -> None:
    app = fleet.every_minute(catch_up="all", grace=3_600_000)
    fleet.harness.advance(10 * MINUTE)
    fleet.process(app).boot().turn()

    assert fleet.claim() == []


def test_ticks_without_a_worker_are_caught_up_by_the_next_one(fleet: Fleet) -> None:
    app = fleet.every_minute(catch_up="all", grace=3_600_000)
    fleet.process(app).boot()
    minute = fleet.to_next_minute()
    fleet.harness.advance(2 * MINUTE)
    fleet.process(app).boot().turn()

    assert ticks(fleet.claim()) == [minute, minute + MINUTE, minute + 2 * MINUTE]


def test_a_schedule_that_is_declared_while_a_worker_runs_is_stored_by_its_next_turn(fleet: Fleet) -> None:
    process = fleet.process(fleet.app()).boot()
    process.app.every(MINUTE, process.app.get_actor("poll").call("late"), name="late")
    process.turn()

    assert process.app.schedules.get("late").is_static


# Code that changes.


def test_during_a_rolling_change_each_tick_is_sent_once_and_the_newest_code_wins(fleet: Fleet) -> None:
    old = fleet.every_minute("v1", catch_up="all", grace=3_600_000)
    fleet.harness.advance(10)
    new = fleet.every_minute("v2", catch_up="all", grace=3_600_000)
    first = fleet.process(old).boot()
    start = fleet.to_next_minute()
    first.turn()
    fleet.to_next_minute()
    second = fleet.process(new).boot()  # what v1 owes is sent as v1
    fleet.process(old).boot()  # a child of the old supervisor is replaced
    fleet.to_next_minute()
    first.turn()
    second.turn()
    sent = fleet.claim()

    assert (ticks(sent), texts(sent)) == ([start, start + MINUTE, start + 2 * MINUTE], ["v1", "v1", "v2"])


@pytest.mark.parametrize("orders", list(product([0, 1], repeat=5)))
def test_whichever_version_boots_and_fires_when_no_tick_is_lost_or_doubled(fleet: Fleet, orders: tuple[int, ...]) -> None:
    versions = [fleet.every_minute(text, catch_up="all", grace=3_600_000) for text in ("v1", "v2")]
    fleet.process(versions[0]).boot()
    start = fleet.to_next_minute()
    for version in orders:
        process = fleet.process(versions[version]).boot()
        process.scheduler.fire()
        fleet.harness.advance(MINUTE // 2)
    fleet.process(versions[1]).boot().scheduler.fire()
    last = fleet.now // MINUTE * MINUTE

    assert sorted(map(int, map(str, ticks(fleet.claim())))) == list(range(start, last + 1, MINUTE))


def test_code_that_is_rolled_back_is_newer_when_it_is_loaded_again(fleet: Fleet) -> None:
    fleet.process(fleet.every_minute("v1")).boot()
    fleet.harness.advance(5_000)
    fleet.process(fleet.every_minute("v2")).boot()
    fleet.harness.advance(5_000)
    fleet.process(fleet.every_minute("v1")).boot()

    assert fleet.app().schedules.get("poll").pipeline[0]["args"] == ["v1"]


def canary(fleet: Fleet) -> tuple[Process, Process]:
    """Return a process of old code, and one of new code that has booted after it."""
    old = fleet.process(fleet.every_minute("v1", catch_up="all", grace=3_600_000)).boot()
    fleet.harness.advance(5_000)
    return old, fleet.process(fleet.every_minute("v2", catch_up="all", grace=3_600_000)).boot()


def a_minute_later(process: Process) -> list[object]:
    """Let *process* declare again what it declares, and return what is stored then."""
    process.scheduler._publish_at = 0.0
    process.turn()
    return process.app.schedules.get("poll").pipeline[0]["args"]


def test_old_code_takes_back_what_new_code_has_changed_when_that_is_gone(fleet: Fleet) -> None:
    old, new = canary(fleet)
    start = fleet.to_next_minute()
    new.turn()
    fleet.to_next_minute()
    new.scheduler.end()  # what it owes is still sent as it says
    before = fleet.app().schedules.get("poll").pipeline[0]["args"]
    after = a_minute_later(old)
    fleet.to_next_minute()
    old.turn()
    sent = fleet.claim()

    assert (before, after) == (["v2"], ["v1"])
    assert (ticks(sent), texts(sent)) == ([start, start + MINUTE, start + 2 * MINUTE], ["v2", "v2", "v1"])


def test_new_code_that_was_killed_is_gone_when_its_declaration_ends(fleet: Fleet) -> None:
    old, _ = canary(fleet)
    before = a_minute_later(old)
    fleet.harness.advance(DECLARATION_TTL_MS)

    assert (before, a_minute_later(old)) == (["v2"], ["v1"])


def test_new_code_that_comes_back_wins_again(fleet: Fleet) -> None:
    old, new = canary(fleet)
    fleet.harness.advance(DECLARATION_TTL_MS)  # it stood still
    taken_back = a_minute_later(old)

    assert (taken_back, a_minute_later(new), a_minute_later(old)) == (["v1"], ["v2"], ["v2"])


def test_a_worker_of_an_older_fq_says_only_the_names_of_what_it_declares_and_counts(fleet: Fleet) -> None:
    old, new = canary(fleet)
    new.scheduler.end()
    fleet.broker.set_marks([SetMarkOp(f"{DECLARES}:older", b'["poll"]', ttl=DECLARATION_TTL_MS, index=DECLARES)])

    assert a_minute_later(old) == ["v2"]


def test_a_paused_schedule_stays_paused_when_its_code_changes(fleet: Fleet) -> None:
    fleet.process(fleet.every_minute("v1")).boot().app.schedules.pause("poll")
    fleet.harness.advance(5_000)
    fleet.process(fleet.every_minute("v2")).boot()

    assert fleet.app().schedules.get("poll").state == "paused"


# Code that is gone.


def test_a_worker_does_not_fire_what_it_does_not_declare(fleet: Fleet) -> None:
    fleet.process(fleet.every_minute()).boot()
    other = fleet.process(fleet.app()).boot()
    fleet.to_next_minute()
    fleet.harness.advance(10_000)

    assert other.turn() is False
    assert fleet.claim() == []
    assert fleet.app().schedules.get("poll").state == "active"


def test_what_a_live_worker_declares_is_no_orphan_though_it_is_overdue(fleet: Fleet) -> None:
    fleet.process(fleet.every_minute()).boot()
    other = fleet.process(fleet.app())
    fleet.to_next_minute()
    fleet.harness.advance(MINUTE + 1)
    other.scheduler.fire()

    assert fleet.app().schedules.get("poll").state == "active"


def orphaned(fleet: Fleet) -> App:
    """Return the app of a schedule whose worker is gone, and which another worker has taken out."""
    app = fleet.every_minute(catch_up="all", grace=3_600_000)
    fleet.process(app).boot()
    fleet.to_next_minute()
    fleet.harness.advance(DECLARATION_TTL_MS)
    fleet.process(fleet.app()).scheduler.fire()
    return app


def test_what_no_live_worker_declares_is_taken_out(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "fq.schedules"):
        orphaned(fleet)

    assert fleet.app().schedules.get("poll").state == "orphaned"
    assert fleet.broker.count_marks(DUE) == 0
    assert "schedule 'poll' is orphaned" in caplog.text


def test_a_worker_that_stops_says_that_it_declares_nothing_any_more(fleet: Fleet) -> None:
    process = fleet.process(fleet.every_minute()).boot()
    before = declared_names(fleet.broker)
    process.scheduler.end()

    assert (before, declared_names(fleet.broker)) == ({"poll"}, set())


def test_an_orphan_comes_back_when_a_worker_declares_it_and_its_ticks_are_caught_up(fleet: Fleet) -> None:
    app = orphaned(fleet)
    minute = fleet.app().schedules.get("poll").next
    fleet.process(app).boot().turn()
    sent = ticks(fleet.claim())

    assert fleet.app().schedules.get("poll").state == "active"
    assert sent == list(range(minute, fleet.now + 1, MINUTE))


def test_workers_publish_what_they_declare_again_before_others_forget_it(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    process = fleet.process(fleet.every_minute()).boot()
    monkeypatch.setattr(process.scheduler, "_publish_at", 0.0)  # a minute has passed
    fleet.harness.advance(DECLARATION_TTL_MS - 30_000)
    process.turn()
    fleet.harness.advance(DECLARATION_TTL_MS - 30_000)

    assert declared_names(fleet.broker) == {"poll"}


def test_a_worker_that_stood_still_meanwhile_brings_its_schedule_back(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    process = fleet.process(fleet.every_minute()).boot()
    fleet.to_next_minute()
    fleet.harness.advance(DECLARATION_TTL_MS)
    fleet.process(fleet.app()).scheduler.fire()
    before = fleet.app().schedules.get("poll").state
    monkeypatch.setattr(process.scheduler, "_publish_at", 0.0)  # a minute has passed
    process.turn()

    assert (before, fleet.app().schedules.get("poll").state) == ("orphaned", "active")
