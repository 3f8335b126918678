"""Every broker: ``app.schedules`` puts, gets, lists, pauses, runs and removes; ``app.cron`` and ``app.every`` declare; and bad input of each."""

import asyncio
import inspect
from datetime import UTC, datetime, timedelta

import pytest

from fq import (
    App,
    DeclarationError,
    InvalidArguments,
    OptionError,
    Schedule,
    ScheduleError,
    ScheduleNotFound,
    StackError,
    cron,
    every,
    group,
)
from fq.app.schedules import Schedules
from fq.brokers.operations import DUE
from fq.layers import Pipelines
from fq.schedules.stored import IDLE
from tests.schedules.conftest import Fleet

MINUTE = 60_000


def minutely(app: App, name: str = "customer", text: str = "a", **options: object) -> Schedule:
    return Schedule(name, every(MINUTE), app.get_actor("poll").call(text), **options)  # type: ignore[arg-type]


def test_what_is_put_is_got(fleet: Fleet) -> None:
    app = fleet.app()
    nine = Schedule("nine", cron("0 9 * * *", "Europe/Berlin"), app.get_actor("poll").call("a"), catch_up="all", grace=timedelta(hours=2))
    app.schedules.put(nine)
    stored = app.schedules.get("nine")

    assert (stored.name, stored.when, stored.catch_up, stored.grace, stored.state) == ("nine", nine.when, "all", 7_200_000, "active")
    assert (stored.actors, stored.is_static, stored.last_tick()) == (("poll",), False, None)
    assert fleet.now - fleet.harness.slack <= stored.made <= fleet.now
    assert [f"{date:%H:%M:%S.%f}" for date in stored.next_ticks(2)] == ["09:00:00.000000"] * 2
    assert stored.next == round(stored.next_ticks(1)[0].timestamp() * 1_000) > stored.made


def test_all_are_listed_by_name_whatever_their_state(fleet: Fleet) -> None:
    app = fleet.app()
    app.schedules.put(*(minutely(app, name) for name in "cab"))
    app.schedules.pause("b")

    assert [(schedule.name, schedule.state) for schedule in app.schedules.list()] == [("a", "active"), ("b", "paused"), ("c", "active")]


def test_to_put_the_same_again_changes_nothing(fleet: Fleet) -> None:
    app = fleet.app()
    app.schedules.put(minutely(app))
    before = app.schedules.get("customer")
    fleet.harness.advance(30_000)
    app.schedules.put(minutely(app))

    assert app.schedules.get("customer") == before


def test_to_put_another_of_the_name_sends_what_is_owed_and_replaces_it(fleet: Fleet) -> None:
    app = fleet.app()
    app.schedules.put(minutely(app, text="old"))
    minute = fleet.to_next_minute()
    app.schedules.put(minutely(app, text="new"))
    fleet.to_next_minute()
    fleet.process(app).scheduler.fire()

    assert [(message.args[0], message.options["tick"]) for message in fleet.claim()] == [("old", minute), ("new", minute + MINUTE)]


def test_a_paused_schedule_does_not_fire_until_it_is_resumed(fleet: Fleet) -> None:
    app = fleet.app()
    app.schedules.put(minutely(app, catch_up="all", grace=3_600_000))
    app.schedules.pause("customer")
    in_due = fleet.broker.count_marks(DUE)
    fleet.harness.advance(5 * MINUTE)
    fleet.process(app).scheduler.fire()
    app.schedules.resume("customer")
    minute = fleet.to_next_minute()
    fleet.process(app).scheduler.fire()

    assert in_due == 0
    assert [message.options["tick"] for message in fleet.claim()] == [minute]


def test_run_now_sends_one_message_and_leaves_the_ticks_alone(fleet: Fleet) -> None:
    app = fleet.app()
    app.schedules.put(minutely(app))
    before = app.schedules.get("customer")
    ids = [app.schedules.run_now("customer") for _ in range(2)]
    sent = fleet.claim()

    assert {message.message_id for message in sent} == {*ids}
    assert (len(sent), sent[0].args) == (2, ("a",))
    assert app.schedules.get("customer") == before


def test_run_now_works_while_the_schedule_is_paused(fleet: Fleet) -> None:
    app = fleet.app()
    app.schedules.put(minutely(app))
    app.schedules.pause("customer")
    app.schedules.run_now("customer")

    assert len(fleet.claim()) == 1


def test_run_now_sends_nothing_while_a_message_excludes_it(fleet: Fleet) -> None:
    app = fleet.app()
    app.schedules.put(minutely(app, overlap="skip"))
    first = app.schedules.run_now("customer")

    assert app.schedules.run_now("customer") == first
    assert len(fleet.claim()) == 1


def test_run_now_names_the_message_that_holds_the_key_of_the_call(fleet: Fleet) -> None:
    app = fleet.app()
    app.schedules.put(Schedule("keyed", every(MINUTE), app.get_actor("poll").call("a").unique("one")))
    first = app.schedules.run_now("keyed")

    assert app.schedules.run_now("keyed") == first
    assert [message.message_id for message in fleet.claim()] == [first]


def test_run_now_of_a_group_without_members_sends_nothing(fleet: Fleet) -> None:
    app = fleet.app()
    app.schedules.put(Schedule("empty", every(MINUTE), group([])))

    assert app.schedules.run_now("empty")
    assert fleet.claim() == []


def test_a_workflow_runs_now_under_one_id(fleet: Fleet) -> None:
    app = fleet.app()
    poll = app.get_actor("poll")
    app.schedules.put(Schedule("flow", every(MINUTE), group([poll.call("a"), poll.call("b")])))
    root = app.schedules.run_now("flow")
    sent = fleet.claim()

    assert sorted(str(message.args[0]) for message in sent) == ["a", "b"]
    assert root not in {message.message_id for message in sent}


def test_what_is_removed_is_gone(fleet: Fleet) -> None:
    app = fleet.app()
    app.schedules.put(minutely(app))
    app.schedules.remove("customer")

    assert app.schedules.list() == ()
    assert fleet.broker.count_marks(DUE) == 0


def test_every_method_has_an_async_twin_that_does_the_same(fleet: Fleet) -> None:
    app = fleet.app()

    async def main() -> None:
        schedules = app.schedules
        await schedules.aput(minutely(app))
        await schedules.apause("customer")
        assert (await schedules.aget("customer")).state == "paused"
        await schedules.aresume("customer")
        assert [schedule.state for schedule in await schedules.alist()] == ["active"]
        assert await schedules.arun_now("customer")
        assert (await schedules.aorphans(), await schedules.aprune()) == ((), ())
        await schedules.aremove("customer")
        assert await schedules.alist() == ()

    asyncio.run(main())
    methods = {name for name, value in vars(Schedules).items() if inspect.isfunction(value) and not name.startswith("_")}
    assert {name for name in methods if "a" + name not in methods} == {name for name in methods if name[1:] in methods and name[0] == "a"}


@pytest.mark.parametrize("method", ["get", "pause", "resume", "run_now", "remove"])
def test_a_name_that_no_schedule_has_is_an_error(fleet: Fleet, method: str) -> None:
    with pytest.raises(ScheduleNotFound, match=r"no schedule called 'nobody' in .*; app.schedules.list\(\) has their names"):
        getattr(fleet.app().schedules, method)("nobody")


def test_a_schedule_that_no_worker_has_stored_yet_says_what_stores_it(fleet: Fleet) -> None:
    app = fleet.app()
    app.every(1_000, app.get_actor("poll").call("a"), name="fresh")

    with pytest.raises(ScheduleNotFound, match="has no schedule called 'fresh' yet: start a worker, which stores what code declares"):
        app.schedules.pause("fresh")


def test_what_is_no_schedule_and_no_number_is_refused(fleet: Fleet) -> None:
    app = fleet.app()

    with pytest.raises(ScheduleError, match=r"found 'x', expected a schedule: write Schedule\("):
        app.schedules.put("x")  # type: ignore[arg-type]
    two = [Schedule("twin", every(seconds * 1_000), app.get_actor("poll").call("a")) for seconds in (1, 2)]
    with pytest.raises(ScheduleError, match="found two schedules called 'twin': give one of them another name"):
        app.schedules.put(*two)
    assert app.schedules.list() == ()
    with pytest.raises(ScheduleError, match="found limit=-1, expected a whole number from 0"):
        app.schedules.soonest(-1)


def test_a_hundred_thousand_cost_an_idle_turn_nothing(fleet: Fleet) -> None:
    app = fleet.app()
    poll = app.get_actor("poll").call("a")
    app.schedules.put(*(Schedule(f"customer {n}", every(timedelta(days=1)), poll) for n in range(3_000)))
    process = fleet.process(app)
    process.turn()
    turn = process.session.turn([], ("default",))

    assert fleet.broker.count_marks(DUE) == 3_000
    assert turn.has_due_marks is False
    assert turn.idle_for == 60_000


# Declared in code.


def test_orphans_are_listed_and_pruned_but_not_what_this_app_or_a_live_worker_declares(fleet: Fleet) -> None:
    fleet.process(fleet.every_minute(name="gone")).boot().scheduler.end()
    fleet.process(fleet.every_minute(name="live")).boot()
    app = fleet.every_minute(name="ours")
    fleet.process(app).boot().scheduler.end()
    app.schedules.put(minutely(app))
    orphans = [schedule.name for schedule in app.schedules.orphans()]

    assert (orphans, app.schedules.prune()) == (["gone"], ("gone",))
    assert [schedule.name for schedule in app.schedules.list()] == ["customer", "live", "ours"]


def test_a_declared_schedule_is_neither_put_nor_removed(fleet: Fleet) -> None:
    app = fleet.every_minute()
    process = fleet.process(app).boot()
    with pytest.raises(ScheduleError, match="'poll', which this app declares in code, expected another name"):
        app.schedules.put(minutely(app, "poll"))
    with pytest.raises(ScheduleError, match="'poll', which is declared in code, expected another name: change it there"):
        _put_elsewhere(fleet)
    with pytest.raises(ScheduleError, match="'poll', which is declared in code: delete it there, or pause it here"):
        app.schedules.remove("poll")

    assert process.app.schedules.get("poll").is_static


def _put_elsewhere(fleet: Fleet) -> None:
    app = fleet.app()
    app.schedules.put(minutely(app, "poll"))


def test_code_takes_over_a_schedule_that_was_put(fleet: Fleet) -> None:
    other = fleet.app()
    other.schedules.put(minutely(other, "poll"))
    fleet.process(fleet.every_minute()).boot()

    assert other.schedules.get("poll").is_static


def test_cron_and_every_return_the_schedule(fleet: Fleet) -> None:
    app = fleet.app()
    poll = app.get_actor("poll")

    assert app.cron("0 9 * * *", poll.call("a"), name="a", tz="Europe/Berlin").when == cron("0 9 * * *", "Europe/Berlin")
    assert app.every(timedelta(seconds=1), poll.call("b"), name="b", overlap="skip").overlap == "skip"


def test_schedules_are_values(fleet: Fleet) -> None:
    app = fleet.app()

    assert minutely(app) == minutely(app) != minutely(app, splay=1)
    with pytest.raises(AttributeError):
        minutely(app).name = "other"  # type: ignore[misc]


# Bad input.


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"catch_up": "never"}, "catch_up: found 'never', expected one of 'skip', 'once', 'all'"),
        ({"overlap": "no"}, "overlap: found 'no', expected one of 'allow', 'skip', 'queue'"),
        ({"grace": -1}, "grace: found -1, expected a duration"),
        ({"grace": timedelta(seconds=-1)}, "grace: found datetime.timedelta"),
        ({"grace": 1.5}, "grace: found 1.5, expected a duration"),
        ({"splay": -1}, "splay: found -1, expected a duration"),
        ({"splay": None}, "splay: found None, expected a duration"),
    ],
)
def test_a_bad_option_names_the_schedule_and_what_is_expected(fleet: Fleet, options: dict[str, object], said: str) -> None:
    with pytest.raises(ScheduleError) as raised:
        minutely(fleet.app(), **options)

    assert str(raised.value).startswith(f"schedule 'customer': {said}")


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 1_016, 7, None, "a\ud800"])
def test_a_bad_name_is_refused(fleet: Fleet, name: str) -> None:
    with pytest.raises(ScheduleError, match="of a schedule, expected a text of 1 to 1015 bytes that can be printed, on one line"):
        minutely(fleet.app(), name)


def test_what_is_no_time_or_no_call_says_what_to_write(fleet: Fleet) -> None:
    app = fleet.app()
    poll = app.get_actor("poll")
    with pytest.raises(ScheduleError, match=r"when: found '\* \* \* \* \*', expected cron\('0 9 \* \* \*'\) or every"):
        Schedule("a", "* * * * *", poll.call("a"))  # type: ignore[arg-type]
    with pytest.raises(ScheduleError, match=r"call: found Actor\('poll', queue='default'\), expected a call: write actor.call\(...\)"):
        app.every(1_000, poll, name="a")  # type: ignore[arg-type]


def test_a_call_that_lacks_arguments_is_refused(fleet: Fleet) -> None:
    app = fleet.app()

    @app.actor
    def add(a: int, b: int) -> None: ...

    with pytest.raises(InvalidArguments):
        app.every(1_000, add.call(1), name="a")


def test_a_workflow_cannot_exclude_others(fleet: Fleet) -> None:
    app = fleet.app()
    poll = app.get_actor("poll")

    with pytest.raises(ScheduleError, match="overlap: found 'skip' for a workflow, expected 'allow'"):
        app.every(1_000, poll.call("a") | poll, name="a", overlap="skip")


def test_a_call_that_only_one_message_can_be_is_refused(fleet: Fleet) -> None:
    app = fleet.app()
    poll = app.get_actor("poll")
    with pytest.raises(ScheduleError, match=r"call: found with_id\('x'\), expected none: each tick sends a message with an id of its own"):
        app.every(1_000, poll.call("a").with_id("x"), name="a")
    with pytest.raises(ScheduleError, match="call: found a call at a fixed time, expected one with a delay"):
        app.every(1_000, poll.call("a").at(datetime(2030, 1, 1, tzinfo=UTC)), name="a")
    with pytest.raises(ScheduleError, match="overlap: found 'skip' and a call with a unique key, expected one of them"):
        app.every(1_000, poll.call("a").unique("x"), name="a", overlap="skip")


def test_a_call_with_a_unique_key_is_sent_when_no_other_holds_it(fleet: Fleet) -> None:
    app = fleet.app()
    app.schedules.put(Schedule("a", every(MINUTE), app.get_actor("poll").call("a").unique("x")))
    for _ in range(2):
        fleet.to_next_minute()
        fleet.process(app).scheduler.fire()

    assert len(fleet.claim()) == 1


def test_two_schedules_of_one_name_are_refused(fleet: Fleet) -> None:
    app = fleet.every_minute()

    with pytest.raises(
        ScheduleError, match="found two schedules called 'poll', every minute and every second: give one of them another name"
    ):
        app.every(1_000, app.get_actor("poll").call("a"), name="poll")


def test_a_call_of_another_app_is_refused(fleet: Fleet) -> None:
    app, other = fleet.app(), fleet.app()

    with pytest.raises(DeclarationError, match="poll belongs to another app"):
        app.every(1_000, other.get_actor("poll").call("a"), name="a")
    with pytest.raises(DeclarationError, match="poll belongs to another app"):
        app.schedules.put(minutely(other))


def test_a_workflow_that_would_stop_half_way_is_refused(fleet: Fleet) -> None:
    app = fleet.app()
    app.edit_stack(lambda stack: stack.without(Pipelines))
    poll = app.get_actor("poll")

    with pytest.raises(StackError, match="without Pipelines"):
        app.every(1_000, poll.call("a") | poll, name="a")


def test_a_date_without_a_time_zone_is_refused(fleet: Fleet) -> None:
    with pytest.raises(OptionError, match=r"which has no time zone: write datetime\(..., tzinfo=UTC\)"):
        fleet.app().run_until_idle(until=datetime(2030, 1, 1))  # noqa: DTZ001  # this is the point
    with pytest.raises(OptionError, match=r"until: found 'noon', expected a duration: .*; or a datetime with a time zone"):
        fleet.app().run_until_idle(until="noon")  # type: ignore[arg-type]
    assert fleet.app().run_until_idle(until=datetime(2000, 1, 1, tzinfo=UTC)) == 0


def test_a_schedule_that_cannot_be_read_is_left_out_of_lists(fleet: Fleet) -> None:
    from fq.brokers.operations import SetMarkOp

    fleet.broker.set_marks([SetMarkOp("schedule:odd", b"{}", index=IDLE)])

    assert fleet.app().schedules.list() == ()
