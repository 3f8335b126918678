"""Which ticks are sent, as a function of the time: catch-up, grace, splay, a change of the definition, pause and resume."""

import json
from itertools import pairwise
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from fq import cron, every
from fq.brokers.operations import DUE, Mark, UniqueKey
from fq.errors import DecodeError
from fq.execution.outcome_encoding import to_op
from fq.schedules.firing import MOST_CAUGHT_UP, due, enqueues, pause, replaces, resume, take_over
from fq.schedules.stored import IDLE, StoredSchedule, as_json_object, read, to_mark_op
from fq.schedules.when import When

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
CALL = ({"actor_name": "poll", "args": [1]},)


MINUTELY = every(MINUTE)


def kept(when: When = MINUTELY, settled: int = 0, **fields: Any) -> StoredSchedule:
    return StoredSchedule(name="poll", when=when, pipeline=CALL, settled=settled, **fields)


# Catch-up and grace.


def test_nothing_is_sent_before_the_first_tick() -> None:
    assert due(kept(), MINUTE - 1).ticks == ()


def test_a_tick_is_sent_once() -> None:
    firing = due(kept(), MINUTE)

    assert firing.ticks == (MINUTE,)
    assert (firing.schedule.last, firing.schedule.settled, firing.schedule.next) == (MINUTE, MINUTE, 2 * MINUTE)
    assert due(firing.schedule, MINUTE).ticks == ()


ALL = tuple(range(MINUTE, 11 * MINUTE, MINUTE))


@pytest.mark.parametrize(
    ("catch_up", "grace", "late", "sent"),
    [
        # The last of ten minutes is 4 s late, which every schedule forgives.
        ("skip", None, 4_000, (10 * MINUTE,)),
        ("once", 0, 4_000, (10 * MINUTE,)),
        ("all", 0, 4_000, (10 * MINUTE,)),
        # It is 30 s late.
        ("skip", None, 30_000, ()),
        ("skip", DAY, 30_000, ()),
        ("once", None, 30_000, (10 * MINUTE,)),
        ("once", 30_000, 30_000, (10 * MINUTE,)),
        ("once", 29_999, 30_000, ()),
        ("once", DAY, 30_000, (10 * MINUTE,)),
        ("all", None, 30_000, (10 * MINUTE,)),
        ("all", 0, 30_000, ()),
        ("all", 90_000, 30_000, (9 * MINUTE, 10 * MINUTE)),
        ("all", 89_999, 30_000, (10 * MINUTE,)),
        ("all", DAY, 30_000, ALL),
    ],
)
def test_after_ten_minutes_without_a_worker(catch_up: Any, grace: int | None, late: int, sent: tuple[int, ...]) -> None:
    firing = due(kept(catch_up=catch_up, grace=grace), 10 * MINUTE + late)

    assert firing.ticks == sent
    assert (firing.schedule.settled, firing.schedule.next) == (10 * MINUTE, 11 * MINUTE)


@pytest.mark.parametrize(
    ("when", "grace"),
    [(every(1_000), 1_000), (every(MINUTE), MINUTE), (every(HOUR), HOUR), (every(DAY), HOUR), (cron("*/5 * * * *"), 5 * MINUTE)],
)
def test_by_default_the_grace_is_a_period_and_an_hour_at_most(when: When, grace: int) -> None:
    assert kept(when).grace_ms == grace


def test_a_tick_of_a_day_is_caught_up_within_the_hour_and_not_later() -> None:
    nine = kept(cron("0 9 * * *"))

    assert due(nine, 9 * HOUR + HOUR).ticks == (9 * HOUR,)
    assert due(nine, 9 * HOUR + HOUR + 1).ticks == ()
    assert due(nine, 9 * HOUR + HOUR + 1).schedule.next == DAY + 9 * HOUR


def test_a_tick_before_the_schedule_was_made_is_not_missed() -> None:
    made = kept(cron("0 9 * * *"), settled=9 * HOUR + 1, catch_up="all", grace=10 * DAY)

    assert due(made, 10 * HOUR).ticks == ()


def test_of_many_missed_ticks_a_hundred_are_sent_in_one_step_and_the_rest_in_the_next() -> None:
    schedule, sent, steps = kept(every(1_000), catch_up="all", grace=DAY), list[int](), list[int]()
    while (firing := due(schedule, 250_000)).ticks:
        schedule = firing.schedule
        steps.append(len(firing.ticks))
        sent += firing.ticks

    assert steps == [MOST_CAUGHT_UP, MOST_CAUGHT_UP, 50]
    assert sent == list(range(1_000, 251_000, 1_000))


def test_a_year_without_workers_costs_no_look_at_each_minute() -> None:
    assert due(kept(cron("* * * * *")), 365 * DAY + 1).ticks == (365 * DAY,)


def test_a_splay_of_many_periods_costs_no_look_at_each_tick_that_is_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    fires_at = StoredSchedule.fires_at
    monkeypatch.setattr(StoredSchedule, "fires_at", lambda schedule, tick: looks.append(tick) or fires_at(schedule, tick))
    firing = due(kept(every(1_000), catch_up="all", grace=10_000, splay=30 * DAY), 60 * DAY + 999)

    assert firing.ticks == tuple(range(firing.ticks[0], firing.ticks[-1] + 1, 1_000))
    assert firing.ticks[-1] in (60 * DAY - 1_000, 60 * DAY)
    assert 10 <= len(firing.ticks) <= 11
    assert len(looks) < 20


@given(
    st.sampled_from(["skip", "once", "all"]),
    st.sampled_from([every(7_000), cron("*/2 * * * *"), cron("*/7 * * * * *")]),
    st.sampled_from([0, 3_000, MINUTE, HOUR]),
    st.lists(st.integers(1, 200_000), min_size=1, max_size=20),
    st.sampled_from([0, 5_000, HOUR]),
)
def test_whenever_workers_look_no_tick_is_sent_twice_or_early_and_all_is_settled(
    catch_up: Any, when: When, grace: int, pauses: list[int], splay: int
) -> None:
    schedule, now, sent = kept(when, catch_up=catch_up, grace=grace, splay=splay), 0, list[int]()
    for each in pauses:
        now += each
        before = schedule
        firing = due(schedule, now)
        schedule = firing.schedule
        sent += firing.ticks
        assert all(before.settled < tick and schedule.fires_at(tick) <= now for tick in firing.ticks)
        assert len(firing.ticks) <= (MOST_CAUGHT_UP if catch_up == "all" else 1)
        assert schedule.fires_at(schedule.next) > now or len(firing.ticks) == MOST_CAUGHT_UP

    assert sent == sorted(set(sent))


# Splay.


def test_a_splay_is_the_same_for_a_tick_and_ends_before_the_next_one() -> None:
    schedule = kept(splay=10 * MINUTE)
    times = [schedule.fires_at(tick) for tick in ALL]

    assert times == [schedule.fires_at(tick) for tick in ALL]
    assert all(tick <= time < tick + MINUTE for tick, time in zip(ALL, times, strict=True))
    assert len({time % MINUTE for time in times}) > 5
    assert all(earlier < later for earlier, later in pairwise(times))
    assert times != [evolve(schedule, name="other").fires_at(tick) for tick in ALL]


def test_a_tick_with_a_splay_is_sent_when_that_has_passed() -> None:
    schedule = kept(splay=30_000)
    time = schedule.fires_at(MINUTE)

    assert (due(schedule, time - 1).ticks, due(schedule, time).ticks) == ((), (MINUTE,))


def test_the_splay_of_the_latest_tick_does_not_hide_the_one_before() -> None:
    schedule = kept(splay=MINUTE)

    assert due(schedule, max(10 * MINUTE, schedule.fires_at(9 * MINUTE))).ticks == (9 * MINUTE,)


# Another definition.


def other(**fields: Any) -> StoredSchedule:
    return evolve(kept(), pipeline=({"actor_name": "other"},), **fields)


def test_what_the_old_definition_owes_is_sent_before_the_new_one_takes_over() -> None:
    taken = take_over(kept(), other(made=MINUTE + 7), MINUTE + 7)

    assert taken.ticks == (MINUTE,)
    assert taken.schedule.pipeline == ({"actor_name": "other"},)
    assert (taken.schedule.settled, taken.schedule.next, taken.schedule.last) == (MINUTE + 7, 2 * MINUTE, MINUTE)


def test_a_tick_that_waits_for_its_splay_is_sent_by_the_old_definition() -> None:
    old = kept(splay=MINUTE)

    assert old.fires_at(MINUTE) > MINUTE
    assert take_over(old, other(), MINUTE).ticks == (MINUTE,)


def test_an_old_definition_that_owes_more_than_a_step_is_taken_over_later() -> None:
    old = kept(every(1_000), catch_up="all", grace=DAY, splay=7)
    first = take_over(old, other(), 150_000)
    second = take_over(first.schedule, other(), 150_000)

    assert (len(first.ticks), first.schedule.definition) == (MOST_CAUGHT_UP, old.definition)
    assert (len(second.ticks), second.schedule.definition) == (50, other().definition)


def test_a_paused_schedule_owes_nothing_and_stays_paused() -> None:
    taken = take_over(pause(kept()), other(), 5 * MINUTE)

    assert (taken.ticks, taken.schedule.state) == ((), "paused")


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 90_000)), max_size=40), st.sampled_from([0, 20_000]))
def test_whenever_two_definitions_replace_each_other_each_tick_is_sent_exactly_once(steps: list[tuple[bool, int]], splay: int) -> None:
    schedule, now, sent = kept(catch_up="all", grace=DAY, splay=splay), 0, list[int]()
    for changes, each in steps:
        now += each
        new = other(catch_up="all", grace=DAY, splay=splay) if schedule.pipeline == CALL else kept(catch_up="all", grace=DAY, splay=splay)
        firing = take_over(schedule, new, now) if changes else due(schedule, now)
        schedule = firing.schedule
        sent += firing.ticks

    assert sent == list(range(MINUTE, schedule.settled + 1, MINUTE))


@pytest.mark.parametrize(
    ("new", "old", "wins"),
    [
        (other(is_static=True, revision=2), kept(is_static=True, revision=1), True),
        (other(is_static=True, revision=1), kept(is_static=True, revision=2), False),
        (other(is_static=True, revision=1), kept(is_static=True, revision=2, orphaned=True), True),
        (other(revision=1), kept(revision=2), True),
        (kept(is_static=True, revision=2), kept(is_static=True, revision=1), False),
    ],
)
def test_of_two_declarations_that_of_the_newer_code_wins(new: StoredSchedule, old: StoredSchedule, wins: bool) -> None:
    assert replaces(new, old) is wins


# Pause and resume.


def test_ticks_while_a_schedule_is_paused_are_not_caught_up() -> None:
    paused = pause(kept(catch_up="all", grace=DAY))
    resumed = resume(paused, 5 * MINUTE)

    assert due(paused, 5 * MINUTE).ticks == ()
    assert due(resumed, 6 * MINUTE).ticks == (6 * MINUTE,)


def test_to_resume_a_schedule_that_is_not_paused_changes_nothing() -> None:
    assert resume(kept(), 5 * MINUTE) == kept()


# Messages and marks.


def test_the_message_of_a_tick_has_the_tick_and_an_id_that_follows_from_it() -> None:
    (first,) = enqueues(kept(), MINUTE, 70_000)
    (again,) = enqueues(kept(), MINUTE, 80_000)
    (next_one,) = enqueues(kept(), 2 * MINUTE, 70_000)

    assert (first.message.actor_name, first.message.args, first.message.options) == (
        "poll",
        (1,),
        {"tick": MINUTE, "schedule": "poll"},
    )
    assert first.message.message_timestamp == 70_000
    assert first.message.message_id == again.message.message_id != next_one.message.message_id


def test_a_workflow_knows_its_tick_in_all_its_calls() -> None:
    pipeline = ({"members": [[{"actor_name": "a"}, {"actor_name": "b"}], {"actor_name": "c"}], "callbacks": [{"actor_name": "d"}]}, *CALL)
    sent = list(enqueues(evolve(kept(), pipeline=pipeline, reports_end=True), MINUTE, 70_000))

    assert [enqueue.message.actor_name for enqueue in sent] == ["a", "c"]
    assert all(enqueue.message.options["tick"] == MINUTE for enqueue in sent)
    assert str(sent[0].message.options).count("'tick': 60000") == 4


@pytest.mark.parametrize(("overlap", "on_conflict"), [("skip", "keep"), ("queue", "after")])
def test_ticks_that_exclude_each_other_have_a_unique_key(overlap: Any, on_conflict: str) -> None:
    (sent,) = enqueues(kept(overlap=overlap), MINUTE, MINUTE)

    assert to_op(sent).unique == UniqueKey("schedule:poll", on_conflict=on_conflict)  # type: ignore[arg-type]


def test_ticks_that_may_overlap_keep_the_key_of_their_call() -> None:
    (none,) = enqueues(kept(), MINUTE, MINUTE)
    (own,) = enqueues(evolve(kept(), pipeline=({"actor_name": "poll", "options": {"fq.unique": {"key": "a"}}},)), MINUTE, MINUTE)

    assert (to_op(none).unique, to_op(own).unique) == (None, UniqueKey("a"))


@pytest.mark.parametrize(
    ("schedule", "index", "order"),
    [(kept(), DUE, MINUTE), (kept(paused=True), IDLE, 0), (kept(orphaned=True), IDLE, 0)],
)
def test_only_an_active_schedule_is_in_the_index_of_what_falls_due(schedule: StoredSchedule, index: str, order: int) -> None:
    op = to_mark_op(schedule, "absent")

    assert (op.key, op.index, op.order) == ("schedule:poll", index, order)


@pytest.mark.parametrize(
    "schedule", [kept(), kept(cron("0 9 * * *", "Europe/Berlin"), grace=7, splay=8, paused=True, last=5, is_static=True)]
)
def test_what_is_stored_is_read(schedule: StoredSchedule) -> None:
    op = to_mark_op(schedule, "absent")

    assert op.body is not None
    assert as_json_object(read(Mark(op.key, op.body))) == as_json_object(evolve(schedule, pipeline=[*schedule.pipeline]))


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"when":{"every":0}}'])
def test_what_cannot_be_read_names_the_schedule(body: bytes) -> None:
    with pytest.raises(DecodeError, match="the schedule 'poll' cannot be read here"):
        read(Mark("schedule:poll", body))


# The last ticks.


def test_the_last_ten_ticks_are_remembered() -> None:
    schedule = kept()
    for minute in range(1, 13):
        schedule = due(schedule, minute * MINUTE).schedule

    assert schedule.recent == tuple(minute * MINUTE for minute in range(3, 13))
    assert take_over(schedule, kept(every(HOUR)), 13 * MINUTE).schedule.recent[-1] == 13 * MINUTE


def test_the_last_ticks_that_were_missed_are_remembered() -> None:
    schedule = due(kept(every(MINUTE)), 3 * MINUTE).schedule
    later = due(schedule, 30 * MINUTE).schedule

    assert (schedule.missed, schedule.recent) == ((MINUTE, 2 * MINUTE), (3 * MINUTE,))
    assert later.missed == (2 * MINUTE, *(minute * MINUTE for minute in range(21, 30)))
    assert due(kept(every(MINUTE), catch_up="all", grace=HOUR), 3 * MINUTE).schedule.missed == ()
    assert due(kept(every(MINUTE), catch_up="skip"), MINUTE + 30_000).schedule.missed == (MINUTE,)
    assert take_over(schedule, kept(every(HOUR)), 3 * MINUTE).schedule.missed == schedule.missed


def test_a_schedule_that_an_older_fq_has_written_remembers_none() -> None:
    body = as_json_object(due(kept(), MINUTE).schedule)
    assert body.pop("recent") == (MINUTE,)

    assert read(Mark("schedule:poll", json.dumps(body).encode())).recent == ()
