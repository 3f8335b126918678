"""Every broker: marks that are due and cannot be fired here, however many, do not keep back the schedules behind them."""

from collections.abc import Iterator

import pytest

from fq import Schedule, every
from fq.brokers.operations import DUE, SetMarkOp
from fq.schedules.stored import key_of
from fq.worker.process import scheduler as scheduler_module
from tests.schedules.conftest import Fleet, Process, texts, ticks

MINUTE = 60_000
PAGE, PAGES = 3, 2
AT_ONCE = PAGE * PAGES


@pytest.fixture(autouse=True)
def small_looks(monkeypatch: pytest.MonkeyPatch, silent: None) -> None:
    monkeypatch.setattr(scheduler_module, "PAGE_SIZE", PAGE)
    monkeypatch.setattr(scheduler_module, "MOST_PAGES", PAGES)


def put(fleet: Fleet, name: str, **options: object) -> None:
    app = fleet.app()
    app.schedules.put(Schedule(name, every(MINUTE), app.get_actor("poll").call(name), **options))  # type: ignore[arg-type]


def unreadable(fleet: Fleet, count: int) -> None:
    """Store so many schedules that are due before all others, and that nobody can read."""
    fleet.broker.set_marks([SetMarkOp(key_of(f"odd {n:03}"), b"{}", index=DUE, order=1 + n) for n in range(count)])


def reads(process: Process, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that notes how many marks each page that *process* reads has."""
    sizes: list[int] = []
    marks_in = process.app.broker.marks_in

    def noted(*args: object, **kwargs: object) -> object:
        page = marks_in(*args, **kwargs)  # type: ignore[arg-type]
        sizes.append(len(page))
        return page

    monkeypatch.setattr(process.app.broker, "marks_in", noted, raising=False)
    return sizes


def looks(process: Process) -> Iterator[bool]:
    """Yield what each look says, up to that which has reached the end."""
    yield process.scheduler.fire()
    while process.scheduler.is_partway:
        yield process.scheduler.fire()


@pytest.mark.parametrize("count", [AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 5 * AT_ONCE, 5 * AT_ONCE + PAGE])
def test_however_many_cannot_be_read_those_behind_them_fire(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    unreadable(fleet, count)
    put(fleet, "customer")
    minute = fleet.to_next_minute()
    process = fleet.process(fleet.app())
    sizes = reads(process, monkeypatch)
    fired = list(looks(process))

    assert fired == [False] * (count // AT_ONCE) + [True]
    assert max(sizes) <= PAGE
    assert len(sizes) <= PAGES * len(fired), "each look is bounded"
    assert (texts(sent := fleet.claim()), ticks(sent)) == (["customer"], [minute])


def test_the_next_tick_fires_too_and_what_comes_before_is_looked_at_again(fleet: Fleet) -> None:
    unreadable(fleet, 2 * AT_ONCE)
    put(fleet, "customer")
    process = fleet.process(fleet.app())
    for _ in range(3):
        fleet.to_next_minute()
        assert any(looks(process))
    put(fleet, "new")
    mark = fleet.broker.marks([key_of("new")])[key_of("new")]
    fleet.broker.set_marks(
        [SetMarkOp(mark.key, mark.body.replace(b'"next":', b'"next":1,"was":'), index=DUE, order=2)]
    )  # among those that cannot be read
    list(looks(process))
    list(looks(process))

    assert texts(fleet.claim()).count("customer") == 3
    assert fleet.app().schedules.get("new").next > 1, "it was seen and settled"


def test_a_schedule_that_catches_up_in_many_steps_is_not_put_off_by_its_own_look(fleet: Fleet) -> None:
    unreadable(fleet, AT_ONCE + 1)
    put(fleet, "customer", catch_up="all", grace=10_000 * MINUTE)
    fleet.harness.advance(250 * MINUTE)
    process = fleet.process(fleet.app())
    assert not process.scheduler.fire()
    steps = [process.scheduler.fire() for _ in range(3)]

    assert steps == [True, True, True]
    assert len(fleet.claim()) >= 249


def test_a_look_that_has_not_reached_the_end_is_followed_soon_and_one_that_has_after_a_second(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = [1_000.0]
    monkeypatch.setattr(scheduler_module, "monotonic", lambda: time[0])
    unreadable(fleet, AT_ONCE + 1)
    process = fleet.process(fleet.app())
    waits = []
    for _ in range(3):
        process.turn()
        waits.append(process.session.idle_for)
        time[0] += process.session.idle_for / 1_000

    assert waits[0] <= 101
    assert 101 < waits[1] <= 1_001 or 101 < waits[2] <= 1_001


def test_without_threads_all_that_is_due_is_looked_at_at_once(fleet: Fleet) -> None:
    unreadable(fleet, 3 * AT_ONCE)
    put(fleet, "customer")
    fleet.to_next_minute()

    assert fleet.app().run_until_idle(until=0) == 1
