"""Every broker: a schedule that a worker begins to declare while it is removed stays, whichever step comes first."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import combinations_with_replacement

import pytest

from fq import App, Schedule, ScheduleError, every
from fq.brokers.operations import DUE, SetMarkOp
from fq.execution.schedule_declarations import DECLARATION_TTL_MS
from fq.schedules.stored import key_of
from tests.schedules.conftest import Fleet

MINUTE = 60_000


def gone(fleet: Fleet, name: str = "poll") -> App:
    """Return an app whose worker has stored a schedule, and is not heard of any more. Its code may come back."""
    app = fleet.every_minute(name=name)
    fleet.process(app).boot()
    fleet.harness.advance(DECLARATION_TTL_MS)
    return app


CALLS = ("marks_in", "marks", "set_marks")
ORDERS = list(combinations_with_replacement(range(8), 2))
"""Before which calls of the remover a worker publishes what it declares, and then stores it; after all calls, if there are fewer."""


def interleave(broker: object, monkeypatch: pytest.MonkeyPatch, *acts: tuple[int, Callable[[], object]]) -> list[str]:
    """Do each of *acts* before the call of *broker* with its number; return a list of the calls."""
    made: list[str] = []
    is_inside = False

    def called(name: str, call: Callable[..., object], *args: object, **kwargs: object) -> object:
        nonlocal is_inside
        if not is_inside:
            made.append(name)
            is_inside = True
            for _ in [act() for number, act in acts if number == len(made) - 1]:
                pass
            is_inside = False
        return call(*args, **kwargs)

    for name in CALLS:
        monkeypatch.setattr(broker, name, partial(called, name, getattr(broker, name)), raising=False)
    return made


def state(fleet: Fleet) -> str:
    """Return the state of the schedule; ``""`` if there is none."""
    return next((schedule.state for schedule in fleet.app().schedules.list()), "")


@pytest.mark.parametrize(("publishes", "stores"), ORDERS)
@pytest.mark.parametrize("how", ["prune", "remove", "take out"])
def test_what_a_worker_declares_meanwhile_is_there_afterwards(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, silent: None, how: str, publishes: int, stores: int
) -> None:
    worker = fleet.process(gone(fleet)).scheduler
    remover = fleet.process(App(broker=fleet.harness.broker()))
    made = interleave(remover.app.broker, monkeypatch, (publishes, worker._publish), (stores, worker.declare))
    schedules = remover.app.schedules
    with suppress(ScheduleError):
        {"prune": schedules.prune, "remove": lambda: schedules.remove("poll"), "take out": remover.scheduler.fire}[how]()
    calls = len(made)
    if calls <= publishes:
        worker._publish()
    if calls <= stores:
        worker.declare()

    assert state(fleet) == "active"


def test_what_no_worker_declares_is_removed_and_named(fleet: Fleet) -> None:
    gone(fleet)
    gone(fleet, "another")
    app = fleet.app()

    assert app.schedules.prune() == ("another", "poll")
    assert app.schedules.list() == ()
    assert fleet.broker.count_marks(DUE) == 0


def test_one_that_changes_meanwhile_is_read_again(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    gone(fleet)
    other, app = fleet.app(), App(broker=fleet.harness.broker())
    made = interleave(app.broker, monkeypatch, (4, lambda: other.schedules.pause("poll")))

    assert app.schedules.prune() == ("poll",)
    assert "set_marks" in made
    assert state(fleet) == ""


def test_a_dynamic_schedule_is_removed_though_it_fires_meanwhile(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    app = fleet.app()
    app.schedules.put(Schedule("customer", every(MINUTE), app.get_actor("poll").call("x")))
    fleet.to_next_minute()
    worker = fleet.process(App(broker=fleet.harness.broker()))
    made = interleave(app.broker, monkeypatch, (1, worker.scheduler.fire))
    app.schedules.remove("customer")

    assert made == ["marks", "set_marks", "marks", "set_marks"]
    assert len(fleet.claim()) == 1
    assert state(fleet) == ""


def test_a_schedule_that_cannot_be_read_and_changes_meanwhile_is_removed(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, silent: None
) -> None:
    fleet.broker.set_marks([SetMarkOp(key_of("odd"), b"{}", index=DUE, order=1)])
    app = fleet.app()
    changed = SetMarkOp(key_of("odd"), b"[]", index=DUE, order=1)
    interleave(app.broker, monkeypatch, (2, lambda: fleet.broker.set_marks([changed])))
    app.schedules.remove("odd")

    assert fleet.broker.count_marks(DUE) == 0
