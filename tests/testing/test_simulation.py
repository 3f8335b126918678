"""`simulate` finds nothing wrong with the built-in workflows, and finds each of five bugs that were planted into the broker."""

from collections.abc import Callable

import pytest

from fq import App
from fq.brokers.memory.store import Store
from fq.testing import Faults, SimulationError, simulate
from tests.testing import planted
from tests.testing.workflows import WORKFLOWS, app, everything

every_workflow = pytest.mark.parametrize("workload", WORKFLOWS.values(), ids=WORKFLOWS)
HARSH = Faults(overrun=1)


@every_workflow
def test_the_built_in_workflows_survive(workload: Callable[[App], object]) -> None:
    report = simulate(app, workload, seeds=60, faults=HARSH)

    assert report.runs == 60


@pytest.mark.chaos
@every_workflow
def test_the_built_in_workflows_survive_ten_thousand_seeds(workload: Callable[[App], object]) -> None:
    report = simulate(app, workload, seeds=10_000, faults=HARSH)

    assert report.runs == 10_000


@pytest.mark.parametrize(
    ("store", "kinds"),
    [
        (planted.Unfenced, {"duplicated"}),
        (planted.AcksFirst, {"lost"}),
        (planted.CountsFailures, {"miscounted"}),
        (planted.CountsArrivals, {"duplicated"}),
        (planted.PromotesTwice, {"duplicated", "lost"}),
    ],
)
def test_each_planted_bug_is_found(store: type[Store], kinds: set[str]) -> None:
    with pytest.raises(SimulationError) as error:
        simulate(app, everything, seeds=2_000, broker=planted.on(store))

    assert {finding.kind for finding in error.value.findings} <= kinds
