"""`simulate` finds nothing wrong with unique messages, schedules and calls that follow, and finds each bug about keys and marks that was planted."""

from collections.abc import Callable

import pytest

from fq import App, Schedule, compose, default_middleware, emit, every, keep, progress, unique
from fq.brokers.memory.state import MemoryState
from fq.testing import Faults, Run, SimulationError, simulate
from tests.testing import faulty_brokers, faulty_keys
from tests.testing.workflows import retries_so_far

app = App("memory://", middleware=compose(keep(count=100), default_middleware))
HARSH = Faults(overrun=1, cancel=1, limit=6)
HORIZON = 20_000


@app.actor(unique(by=("account",)), max_retries=1, min_backoff=10)
def sync(account: int, why: str = "") -> int:
    return account


@app.actor(unique(by=("account",), on_conflict="after"))
async def index(account: int, why: str = "") -> int:
    return account


@app.actor(unique(by="all", until="start", window=500))
def report(why: str) -> None: ...


@app.actor
def done(n: int) -> int:
    return n


@app.actor(max_retries=2, min_backoff=10)
def feed(n: int) -> None:
    """Sends while other workers run what was sent before."""
    sync.send(n % 2, f"sent by {n}")
    index.send(n % 2, f"sent by {n}")
    report.send(f"sent by {n}")
    sync.call(n % 2, f"follows {n}").follow()
    index.call(n % 2, f"follows {n}").follow()


@app.actor(max_retries=2, min_backoff=10)
def parent(n: int) -> None:
    for child in range(2):
        done.call(10 * n + child).follow()


@app.actor(max_retries=2, min_backoff=10, emits=int)
def upload(n: int) -> int:
    for part in range(n):
        progress(part, of=n)
        emit(part)
    if n == 3 and retries_so_far() == 0:
        raise ConnectionError("not yet")
    return n


@app.actor(max_retries=1, min_backoff=10)
async def encode(n: int) -> int:
    progress(n, note="begins")
    return n


@app.actor
def tick() -> None: ...


def keys(app: App) -> object:
    return [feed.send(n) for n in range(6)]


def follows(app: App) -> object:
    return [parent.send(n) for n in range(4)]


def tells(app: App) -> object:
    return [upload.send(n) for n in range(4)], [encode.send(n) for n in range(3)]


EACH = Schedule("each", every(1_000), tick.call(), catch_up="all", grace=10 * HORIZON)


def each_tick(app: App) -> object:
    app.schedules.put(EACH)


def ticks(app: App) -> object:
    app.schedules.put(
        EACH,
        Schedule("queue", every(700), sync.call(7), overlap="queue"),
        Schedule("skip", every(900), sync.call(8), overlap="skip"),
    )


def test_unique_messages_survive() -> None:
    report = simulate(app, keys, seeds=50, faults=HARSH)

    assert report.runs == 50
    assert report.stale + sum(report.faults.values()) > 50


def test_what_follows_is_sent_once_for_each_outcome_that_is_committed() -> None:
    def once(run: Run) -> None:
        assert run.ended == {"done": 4 + 8}

    simulate(app, follows, seeds=100, check=once)


def test_actors_that_tell_how_far_they_are_survive() -> None:
    simulate(app, tells, seeds=60, faults=HARSH)


def test_a_commit_that_goes_on_is_refused_to_a_worker_that_is_late() -> None:
    error = failure_of(faulty_keys.MarksWhenLate, tells, range(500))

    assert {violation.kind for violation in error.violations} & {"duplicated", "changed"}


def test_each_tick_is_sent_once_whatever_happens_to_workers() -> None:
    def once(run: Run) -> None:
        assert run.ended == {"done": HORIZON // 1_000}

    simulate(app, each_tick, seeds=50, until=HORIZON, check=once)


def test_schedules_survive() -> None:
    report = simulate(app, ticks, seeds=30, until=HORIZON, faults=HARSH)

    assert report.messages > 30 * HORIZON // 1_000


def test_without_a_time_no_schedule_fires() -> None:
    def none(run: Run) -> None:
        assert not run.calls

    simulate(app, ticks, seeds=3, check=none)


BUGS: list[tuple[type[MemoryState], Callable[[App], object], str]] = [
    (faulty_keys.FreesAtTheStart, keys, "duplicated"),
    (faulty_keys.FreesWhenLate, keys, "early"),
    (faulty_keys.NeverFrees, keys, "lost"),
    (faulty_keys.LeavesAside, keys, "stuck"),
    (faulty_keys.ForgetsKeys, keys, "duplicated"),
    (faulty_keys.FiresTwice, ticks, "duplicated"),
    (faulty_keys.SendsAllButOne, ticks, "lost"),
    (faulty_keys.SendsAndForgets, ticks, "lost"),
    (faulty_keys.MarksWhenLate, keys, "duplicated"),
]
every_bug = pytest.mark.parametrize(("store", "workload", "kind"), BUGS, ids=[store.__name__ for store, _, _ in BUGS])


def failure_of(store: type[MemoryState], workload: Callable[[App], object], seeds: range | list[int]) -> SimulationError:
    with pytest.raises(SimulationError) as error:
        simulate(app, workload, seeds=seeds, broker=faulty_brokers.on(store), until=HORIZON, faults=Faults(repeat=0))
    return error.value


@every_bug
def test_each_planted_bug_about_keys_and_marks_is_found(store: type[MemoryState], workload: Callable[[App], object], kind: str) -> None:
    error = failure_of(store, workload, range(500))

    assert kind in {violation.kind for violation in error.violations}


@every_bug
def test_a_seed_that_fails_fails_again_in_the_same_way(store: type[MemoryState], workload: Callable[[App], object], kind: str) -> None:
    error = failure_of(store, workload, range(500))
    again = failure_of(store, workload, [error.seed])

    assert (again.violations, again.trace) == (error.violations, error.trace)
