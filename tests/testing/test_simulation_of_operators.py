"""Simulations in which operators requeue, cancel and mend: workflows go on as far as they should, and no further."""

from collections.abc import Iterator

import pytest
from returns.pipeline import is_successful

from fq import App, Handle
from fq.brokers.memory.state import MemoryState
from fq.testing import Faults, Run, SimulationError, simulate
from tests.testing import faulty_brokers, faulty_operators

app = App("memory://")
broken: set[int] = set()


BUGS = {
    faulty_operators.RequeuesAllButOne: "lost",
    faulty_operators.RequeuesUsedUp: "miscounted",
    faulty_operators.KeepsLetters: "duplicated",
    faulty_operators.LeavesGroups: "changed",
    faulty_operators.ForgetsArrivals: "lost",
    faulty_operators.GoesOn: "changed",
    faulty_operators.GoesOnAfterGroups: "changed",
    faulty_operators.ForgetsCancels: "changed",
    faulty_operators.HidesCancels: "lost",
}
every_bug = pytest.mark.parametrize(("store", "kind"), BUGS.items(), ids=[store.__name__ for store in BUGS])


@app.actor(max_retries=1, min_backoff=10)
def part(n: int, *before: object) -> int:
    if n in broken:
        raise ConnectionError(f"{n} is down")
    return n


@app.actor(queue="other", max_retries=1, min_backoff=10)
async def part_async(n: int) -> int:
    if n in broken:
        raise ConnectionError(f"{n} is down")
    return n


@app.actor(max_retries=0)
def report(values: object) -> object:
    return values


def workflows(app: App) -> object:
    """What comes after groups of parts of which some are broken."""
    broken.update({1, 3})
    some, others = [part.call(0), part_async.call(1)], [part.call(2), part.call(3)]
    return (
        (part.call(1) | report).send(),
        (app.group([*some, *others]) | report | report).send(),
        (app.group([app.group(some) | report, app.group(others)]) | report).send(),
        (app.group(some) | app.group([report, report]) | report).send(),
        (app.group([part.call(1) | report, part.call(0)]).on_completion(report) | report).send(),
    )


def mend(app: App) -> None:
    broken.clear()


def handles(run: Run) -> Iterator[Handle[object]]:
    assert isinstance(run.sent, tuple)
    yield from run.sent


def all_went_on(run: Run) -> None:
    for handle in handles(run):
        result = run.result(handle)
        assert result is not None
        assert is_successful(result), f"{handle}: {result}"
    assert run.ended["dead"] == 0


def ended(run: Run) -> None:
    for handle in handles(run):
        assert run.result(handle) is not None, f"{handle} waits for ever"


@pytest.mark.parametrize("faults", [Faults.none(), Faults(), Faults(requeue=5, limit=8)], ids=["no faults", "faults", "many requeues"])
def test_workflows_go_on_when_what_was_broken_is_mended(faults: Faults) -> None:
    report = simulate(app, workflows, seeds=40, mend=mend, check=all_went_on, faults=faults)

    assert report.runs == 40


def test_workflows_end_whatever_is_cancelled_and_requeued_and_mended() -> None:
    report = simulate(app, workflows, seeds=60, mend=mend, check=ended, faults=Faults(cancel=5, requeue=5, limit=8))

    assert report.faults["cancel"] > 0
    assert report.faults["requeue"] > 0


@pytest.mark.chaos
@pytest.mark.timeout(1_800)
def test_workflows_end_whatever_operators_do_in_ten_thousand_seeds() -> None:
    report = simulate(app, workflows, seeds=10_000, mend=mend, check=ended, faults=Faults(cancel=3, requeue=3, limit=8))

    assert report.runs == 10_000


HARSH = Faults(cancel=5, requeue=5)


def failure_with(seeds: range | list[int], **more: object) -> SimulationError:
    with pytest.raises(SimulationError) as error:
        simulate(app, workflows, seeds=seeds, mend=mend, faults=HARSH, **more)
    return error.value


@every_bug
def test_each_planted_bug_of_requeue_cancel_and_mend_is_found(store: type[MemoryState], kind: str) -> None:
    error = failure_with(range(200), broker=faulty_brokers.on(store))

    assert kind in {violation.kind for violation in error.violations}


@every_bug
def test_a_seed_in_which_an_operator_fails_fails_again_in_the_same_way(store: type[MemoryState], kind: str) -> None:
    error = failure_with(range(200), broker=faulty_brokers.on(store))
    again = failure_with([error.seed], broker=faulty_brokers.on(store))

    assert (again.violations, again.trace) == (error.violations, error.trace)


def test_what_the_ledger_itself_gets_wrong_of_a_mend_is_found_in_what_has_not_gone_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fq.brokers.requeue._fallback", [faulty_operators.ignores_groups])

    assert {violation.kind for violation in failure_with(range(200)).violations} == {"stuck"}
