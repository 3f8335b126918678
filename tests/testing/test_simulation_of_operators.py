"""Simulations in which operators requeue, cancel and mend: workflows go on as far as they should, and no further."""

from collections.abc import Iterable, Iterator

import pytest
from returns.pipeline import is_successful

from fq import App, Handle
from fq.brokers.memory.store import Store
from fq.brokers.records import Change, Post
from fq.testing import Faults, Run, SimulationError, simulate
from tests.testing import planted

app = App("memory://")
broken: set[int] = set()


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


class GoesOn(Store):
    """Posts what comes after a cancelled message as if nothing had been."""

    def _change(self, change: Change, now: int, cancelled: bool = False) -> None:
        super()._change(change, now)


class LeavesGroups(Store):
    """Requeues a letter, and leaves the groups alone that have failed with it."""

    def requeue(self, message_ids: Iterable[str], now: int) -> int:
        letters = list(self.letters(dict.fromkeys(message_ids), now))
        for letter in letters:
            self._unbury(letter.message_id)
            self.post(Post(letter.message_id, letter.queue_name, letter.actor_name, 0, 0, letter.body), now)
        return len(letters)


@pytest.mark.parametrize("store", [GoesOn, LeavesGroups])
def test_a_broker_that_forgets_the_rest_of_a_workflow_is_found_out(store: type[Store]) -> None:
    with pytest.raises(SimulationError):
        simulate(app, workflows, seeds=100, mend=mend, broker=planted.on(store), faults=Faults(cancel=5, requeue=5))
