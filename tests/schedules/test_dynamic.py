"""Every broker: schedules that were put at run time, overlap, and what cannot be fired."""

import logging

import pytest
from attrs import evolve

from fq import App, Middleware, Schedule, StoredSchedule, every
from fq.brokers.operations import DUE, SetMarkOp
from fq.core.outcome import Enqueue
from fq.errors import BrokerError
from fq.schedules.stored import key_of, to_mark_op
from fq.worker.process import scheduler as scheduler_module
from tests.schedules.conftest import Fleet, texts, ticks

MINUTE = 60_000


def put(fleet: Fleet, name: str = "customer", **options: object) -> StoredSchedule:
    app = fleet.app()
    app.schedules.put(Schedule(name, every(MINUTE), app.get_actor("poll").call(name), **options))  # type: ignore[arg-type]
    return app.schedules.get(name)


def test_any_worker_fires_a_dynamic_schedule_even_without_its_actor(fleet: Fleet) -> None:
    put(fleet)
    minute = fleet.to_next_minute()
    stranger = fleet.process(App(broker=fleet.harness.broker()))
    again = stranger.turn()
    sent = fleet.claim()

    assert again is True
    assert (ticks(sent), texts(sent)) == ([minute], ["customer"])


def test_more_schedules_than_one_page_fire_in_as_many_looks(fleet: Fleet) -> None:
    app = fleet.app()
    app.schedules.put(*(Schedule(f"customer {n}", every(MINUTE), app.get_actor("poll").call(str(n))) for n in range(250)))
    fleet.to_next_minute()
    process = fleet.process(app)
    looks = 0
    while process.scheduler.fire():
        looks += 1

    assert looks == 3
    assert sorted(map(int, map(str, texts(fleet.claim())))) == list(range(250))


def test_due_marks_that_cannot_be_fired_here_do_not_hide_those_behind_them(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_module, "PAGE_SIZE", 3)
    fleet.broker.set_marks([SetMarkOp(f"foreign {n}", b"{}", index=DUE, order=1) for n in range(7)])
    put(fleet)
    fleet.to_next_minute()

    assert fleet.process(fleet.app()).scheduler.fire() is True
    assert texts(fleet.claim()) == ["customer"]


def test_a_worker_that_can_fire_nothing_looks_again_after_a_second(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    time = [1_000.0]
    monkeypatch.setattr(scheduler_module, "monotonic", lambda: time[0])
    fleet.broker.set_marks([SetMarkOp("foreign", b"{}", index=DUE, order=1)])
    process = fleet.process(fleet.app()).boot()
    looks: list[int] = []
    monkeypatch.setattr(process.scheduler, "fire", lambda: bool(looks.append(1)))
    process.turn()
    time[0] += 0.9
    process.turn()
    waits = process.session.idle_for
    time[0] += 0.2
    process.turn()

    assert len(looks) == 1
    assert 0 < waits <= 101


# Overlap.


@pytest.mark.parametrize(
    ("overlap", "begun", "more"),
    [("allow", False, 2), ("skip", False, 0), ("skip", True, 0), ("queue", False, 0), ("queue", True, 1)],
)
def test_ticks_while_an_earlier_message_waits_or_runs(fleet: Fleet, overlap: str, begun: bool, more: int) -> None:
    put(fleet, overlap=overlap)
    process = fleet.process(fleet.app())
    fleet.to_next_minute()
    process.scheduler.fire()
    running = fleet.deliveries() if begun else ()
    for _ in range(2):
        fleet.to_next_minute()
        process.scheduler.fire()
    (stats,) = fleet.broker.queues()

    assert stats.ready + stats.delayed + stats.in_flight == 1 + more
    assert len(running) == begun


@pytest.mark.parametrize("overlap", ["skip", "queue"])
def test_when_the_earlier_message_has_ended_the_next_tick_is_sent(fleet: Fleet, overlap: str) -> None:
    put(fleet, overlap=overlap)
    process = fleet.process(fleet.app())
    fleet.to_next_minute()
    process.scheduler.fire()
    (first,) = fleet.deliveries()
    fleet.commit(first)
    minute = fleet.to_next_minute()
    process.scheduler.fire()

    assert ticks(fleet.claim()) == [minute]


# What cannot be fired.


class Refuses(Middleware):
    """Refuses to send what has the argument ``"bad"``."""

    def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
        if enqueue.message.args == ("bad",):
            raise ValueError("out of stamps")
        return enqueue


def test_a_layer_that_raises_keeps_back_its_own_schedule_only(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    put(fleet, "bad")
    put(fleet, "good")
    app = fleet.app()
    app.edit_stack(lambda stack: stack.add(Refuses()))
    fleet.to_next_minute()
    process = fleet.process(app)
    with caplog.at_level(logging.ERROR, "fq.schedules"):
        process.turn()

    assert texts(fleet.claim()) == ["good"]
    assert "schedule 'bad' cannot be used here now: out of stamps" in caplog.text
    assert process.session.idle_for <= 10_001


def test_a_message_that_the_broker_refuses_keeps_back_its_own_schedule_only(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    good = put(fleet, "good")
    bad = evolve(good, name="bad", pipeline=({"actor_name": "poll", "args": ["bad"], "priority": 2**40},))
    fleet.broker.set_marks([to_mark_op(bad, "absent")])
    fleet.to_next_minute()
    with caplog.at_level(logging.ERROR, "fq.schedules"):
        fleet.process(fleet.app()).scheduler.fire()

    assert texts(fleet.claim()) == ["good"]
    assert "schedule 'bad' cannot be used here now" in caplog.text


def test_a_schedule_that_cannot_be_read_is_logged_and_left(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    fleet.broker.set_marks([SetMarkOp(key_of("odd"), b"{}", index=DUE, order=1)])
    put(fleet, "good")
    fleet.to_next_minute()
    with caplog.at_level(logging.ERROR, "fq.schedules"):
        fleet.process(fleet.app()).scheduler.fire()

    assert texts(fleet.claim()) == ["good"]
    assert "the schedule 'odd' cannot be read here" in caplog.text
    assert key_of("odd") in fleet.broker.marks([key_of("odd")])


def test_a_schedule_that_cannot_be_read_is_not_logged_at_each_look_and_can_be_removed(
    fleet: Fleet, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.broker.set_marks([SetMarkOp(key_of("odd"), b"{}", index=DUE, order=1)])
    process, moment = fleet.process(fleet.app()), 1_000.0
    monkeypatch.setattr(scheduler_module, "monotonic", lambda: moment)
    counts = []
    with caplog.at_level(logging.ERROR, "fq.schedules"):
        for moment in (1_000.0, 1_009.9, 1_010.0, 1_019.9):  # noqa: B007  # the clock reads it
            process.scheduler.fire()
            counts.append(caplog.text.count("the schedule 'odd' cannot be read here"))
    fleet.app().schedules.remove("odd")

    assert counts == [1, 1, 2, 2]
    assert fleet.broker.count_marks(DUE) == 0


def test_a_broker_that_is_away_is_asked_again_in_a_second(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    put(fleet)
    fleet.to_next_minute()
    process = fleet.process(fleet.app())
    process.scheduler.declare()
    turn = process.session.turn([], ("default",))

    def away(*_: object, **__: object) -> None:
        raise ConnectionError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(type(process.app.broker), "marks_in", away)
        again = process.scheduler.after_turn(turn)
    monkeypatch.setattr(process.scheduler, "_look_at", 0.0)  # a second has passed

    assert (again, process.session.idle_for <= 1_001) == (False, True)
    assert process.turn() is True
    assert len(fleet.claim()) == 1


# Changes at the same time.


def sees_nothing(app: App, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let *app* not see, so many times, what others have stored meanwhile."""
    left, marks = list(range(times)), app.broker.marks
    monkeypatch.setattr(app.broker, "marks", lambda keys: {} if left and left.pop() >= 0 else marks(keys), raising=False)


def test_a_put_that_came_too_late_is_tried_again_with_what_is_there(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    put(fleet)
    app = fleet.app()
    sees_nothing(app, 1, monkeypatch)
    minute = fleet.to_next_minute()
    app.schedules.put(Schedule("customer", every(MINUTE), app.get_actor("poll").call("new")))

    assert app.schedules.get("customer").pipeline[0]["args"] == ["new"]
    assert (texts(sent := fleet.claim()), ticks(sent)) == (["customer"], [minute])


def test_a_put_that_comes_too_late_again_and_again_is_an_error(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    put(fleet)
    app = fleet.app()
    sees_nothing(app, 1_000, monkeypatch)

    with pytest.raises(BrokerError, match="the schedule 'customer' was changed by others 100 times: try again"):
        app.schedules.put(Schedule("customer", every(MINUTE), app.get_actor("poll").call("new")))


@pytest.mark.parametrize("losses", [1, 1_000])
def test_a_pause_that_came_too_late_is_tried_again(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, losses: int) -> None:
    put(fleet)
    app = fleet.app()
    left, set_marks = list(range(losses)), app.broker.set_marks
    monkeypatch.setattr(app.broker, "set_marks", lambda ops: (False,) if left and left.pop() >= 0 else set_marks(ops), raising=False)
    if losses == 1:
        app.schedules.pause("customer")
        assert app.schedules.get("customer").state == "paused"
    else:
        with pytest.raises(BrokerError, match="was changed by others 100 times"):
            app.schedules.pause("customer")
