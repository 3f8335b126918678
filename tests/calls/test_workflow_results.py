"""Every broker: the results of a workflow are kept until it ends, however long that takes, and then for their own time."""

from typing import Any

import pytest

from fq import App, Call, GroupCallbacks, default_middleware
from tests.brokers.harness import Harness

MINUTE = 60_000
DAY = 24 * 60 * MINUTE


class Workflows:
    """An app whose results are kept for a minute."""

    def __init__(self, app: App) -> None:
        self.app = app

        @app.actor(result_ttl=MINUTE, max_retries=0)
        def step(number: int) -> int:
            if number < 0:
                raise ValueError("no")
            return number + 1

        @app.actor(result_ttl=MINUTE)
        async def total(numbers: list[int]) -> int:
            return sum(numbers)

        self.step, self.total = step, total

    def late(self, number: int) -> Call[int]:
        return self.step.call(number).delay(DAY)


WORKFLOWS = {
    "group": (lambda w: w.app.group([w.late(1), w.step.call(2)]), [2, 3]),
    "group with a step after it": (lambda w: w.app.group([w.step.call(1), w.step.call(2)]) | w.total | w.late_step, 6),
    "pipeline": (lambda w: w.step.call(1) | w.late_step, 3),
    "group of pipelines": (lambda w: w.app.group([w.step.call(1) | w.late_step, w.step.call(5)]), [3, 6]),
    "group of groups": (lambda w: w.app.group([w.app.group([w.step.call(1)]), w.app.group([w.late(2), w.step.call(3)])]), [[2], [3, 4]]),
}


@pytest.mark.parametrize(("make", "expected"), WORKFLOWS.values(), ids=WORKFLOWS)
def test_all_results_are_there_at_the_end_and_go_after_it(harness: Harness, make: Any, expected: object) -> None:
    workflows: Any = Workflows(App(broker=harness.broker()))
    workflows.late_step = _late(workflows)
    app, handle = workflows.app, make(workflows).send()
    app.run_until_idle()
    if not handle.completed:  # the clock of memory has jumped
        harness.advance(DAY // 2)
        assert handle.completed_count < len(handle.parts())
        harness.advance(DAY)
        app.run_until_idle()

    assert handle.get(0).unwrap() == expected
    assert len(handle.get_results()) == handle.completed_count == len(handle.parts())
    harness.advance(2 * MINUTE)
    assert not handle.completed
    assert handle.completed_count == 0


def _late(workflows: Workflows) -> Any:
    """A step that starts a day after the one before it."""
    return Call((workflows.step.as_step((), {}, "last").delayed_by(DAY),))


def test_a_step_that_fails_ends_its_workflow(harness: Harness) -> None:
    workflows = Workflows(App(broker=harness.broker()))
    app = workflows.app
    handle = app.group([workflows.step.call(1), workflows.step.call(-1) | workflows.step | workflows.step]).send()
    app.run_until_idle()
    before = handle.completed
    harness.advance(2 * MINUTE)

    assert before
    assert not handle.completed


def test_a_workflow_that_does_not_report_its_end_keeps_results_as_single_calls_do(harness: Harness) -> None:
    app = App(broker=harness.broker(), middleware=default_middleware.without(GroupCallbacks))
    workflows = Workflows(app)
    handle = app.group([workflows.step.call(1), workflows.step.call(2)]).send()
    app.run_until_idle()
    before = handle.completed_count
    harness.advance(2 * MINUTE)

    assert (before, handle.completed_count) == (2, 0)


def test_completion_is_asked_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    workflows = Workflows(App("memory://"))
    app, calls = workflows.app, list[int]()
    handle = app.group([app.group([workflows.step.call(1)] * 10)] * 10).send()
    app.run_until_idle()
    kept = app.broker.ids_with_results
    monkeypatch.setattr(app.broker, "ids_with_results", lambda ids: calls.append(len(ids)) or kept(ids))
    monkeypatch.setattr(app.broker, "result", None)

    assert (handle.completed, handle.completed_count) == (True, 10)
    assert calls == [100, 100]
