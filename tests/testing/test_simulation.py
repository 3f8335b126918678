"""`simulate` finds nothing wrong with the built-in workflows, and finds each of five bugs that were planted into the broker."""

import asyncio
import logging
from collections.abc import Callable
from typing import ClassVar

import pytest
from attrs import frozen
from returns.pipeline import is_successful
from returns.result import Success

from fq import App, Dead, Enqueue, Message, Outcome, Retries, Retry, Rule, Step, default_middleware
from fq.brokers.memory.state import MemoryState
from fq.testing import Faults, Run, SimulationError, simulate
from tests.messages import message
from tests.testing import faulty_brokers
from tests.testing.workflows import WORKFLOWS, add, app, callbacks, delayed, flaky, groups, pipelines, plain, poison, retried

every_workflow = pytest.mark.parametrize("workload", WORKFLOWS.values(), ids=WORKFLOWS)
HARSH = Faults(overrun=1, cancel=1, limit=6)
HEARD = Faults(repeat=0)  # a repeated message is as good a sign of the bug, but not of its kind
BUGS = [
    (faulty_brokers.Unfenced, pipelines, "duplicated"),
    (faulty_brokers.AcksFirst, pipelines, "lost"),
    (faulty_brokers.CountsFailures, retried, "miscounted"),
    (faulty_brokers.CountsArrivals, groups, "lost"),  # complete without the member that brings what follows
    (faulty_brokers.PromotesTwice, delayed, "duplicated"),
]
every_bug = pytest.mark.parametrize(("store", "workload", "kind"), BUGS, ids=[store.__name__ for store, _, _ in BUGS])


def nothing(app: App) -> None:
    """Mend nothing: all dead letters are requeued at the end, and die again."""


def failure_of(store: type[MemoryState], workload: Callable[[App], object], seeds: range | list[int]) -> SimulationError:
    with pytest.raises(SimulationError) as error:
        simulate(
            app, workload, seeds=seeds, broker=faulty_brokers.on(store), faults=HEARD if store is faulty_brokers.AcksFirst else Faults()
        )
    return error.value


def failure_with(app: App, workload: Callable[[App], object], **more: object) -> SimulationError:
    with pytest.raises(SimulationError) as error:
        simulate(app, workload, seeds=20, **more)
    return error.value


@every_workflow
def test_the_built_in_workflows_survive(workload: Callable[[App], object]) -> None:
    report = simulate(app, workload, seeds=50, faults=HARSH)

    assert report.runs == 50
    assert report.deliveries > report.messages > 0
    assert sum(report.faults.values()) > 50


@pytest.mark.chaos
@pytest.mark.timeout(1_800)
@every_workflow
def test_the_built_in_workflows_survive_ten_thousand_seeds(workload: Callable[[App], object]) -> None:
    report = simulate(app, workload, seeds=10_000, faults=HARSH, mend=nothing)

    assert report.runs == 10_000
    assert report.stale > 0


@every_bug
def test_each_planted_bug_is_found(store: type[MemoryState], workload: Callable[[App], object], kind: str) -> None:
    error = failure_of(store, workload, range(1_000))

    assert kind in {violation.kind for violation in error.violations}


@every_bug
def test_without_faults_and_with_one_worker_no_planted_bug_shows(
    store: type[MemoryState], workload: Callable[[App], object], kind: str
) -> None:
    if store is not faulty_brokers.CountsFailures:  # whose bug shows wherever a message ends its worker
        simulate(app, workload, seeds=50, workers=1, faults=Faults.none(), broker=faulty_brokers.on(store))


@every_bug
def test_a_failing_seed_fails_again_in_the_same_way(store: type[MemoryState], workload: Callable[[App], object], kind: str) -> None:
    error = failure_of(store, workload, range(1_000))
    again = failure_of(store, workload, [error.seed])

    assert (again.violations, again.trace, str(again)) == (error.violations, error.trace, str(error))


def test_a_failure_says_the_seed_what_went_wrong_and_what_happened_before() -> None:
    error = failure_of(faulty_brokers.PromotesTwice, delayed, range(1_000))
    seed, violation, *_ = str(error).splitlines()

    assert seed == f"seed {error.seed}:"
    assert violation.startswith("  duplicated: ")
    assert "was delivered to w" in violation
    assert f"seeds=[{error.seed}]" in str(error)
    assert "a producer sends add#1 for 1000 ms later" in str(error)


def test_when_all_goes_well_every_actor_is_called_once_for_each_message() -> None:
    def called_once(run: Run) -> None:
        assert run.calls == {"add": 3, "double": 1}
        assert run.ended == {"done": 4}
        assert not run.faults

    simulate(app, plain, seeds=30, faults=Faults.none(), check=called_once)


def test_workers_that_die_call_actors_more_than_once() -> None:
    with pytest.raises(SimulationError, match="called 2 times"):
        simulate(app, lambda app: add.send(1, 2), seeds=500, check=called_at_most_once)


def called_at_most_once(run: Run) -> None:
    assert run.calls["add"] <= 1, f"called {run.calls['add']} times"


def test_the_default_faults_leave_a_message_that_does_no_harm_its_success() -> None:
    def succeeded(run: Run) -> None:
        assert run.result(run.sent) == Success(3)

    simulate(app, lambda app: add.send(1, 2), seeds=300, check=succeeded)


def test_a_check_that_fails_is_reported_with_its_seed() -> None:
    def check(run: Run) -> None:
        if run.seed == 7:
            raise AssertionError("no luck")

    error = failure_with(app, plain, check=check)

    assert (error.seed, [str(violation) for violation in error.violations]) == (7, ["check: no luck"])


def test_a_check_that_raises_what_it_should_not_is_reported_too() -> None:
    error = failure_with(app, plain, check=lambda run: run.calls["add"] / 0)

    assert (error.seed, [violation.kind for violation in error.violations]) == (0, ["check"])
    assert "ZeroDivisionError" in str(error)


def test_an_actor_that_exits_fails_as_with_any_other_error() -> None:
    def failed(run: Run) -> None:
        assert run.result(run.sent).failure().type == "SystemExit"

    simulate(app, lambda app: poison.send(), seeds=20, faults=Faults(requeue=0, repeat=0), check=failed)


def test_a_message_whose_worker_dies_again_and_again_is_poison() -> None:
    ended: set[str] = set()

    def note(run: Run) -> None:
        result = run.result(run.sent)
        assert result is not None
        ended.add("done" if is_successful(result) else result.failure().type)

    dying = Faults(deaf=0, stall=0, outage=0, stop=0, repeat=0, requeue=0, rate=0.5, limit=12)
    simulate(app, lambda app: add.call(1, 2).with_options(max_deliveries=2).send(), seeds=300, faults=dying, check=note)

    assert ended == {"done", "Poison"}


def test_a_message_on_a_queue_without_workers_is_stuck() -> None:
    error = failure_with(app, lambda app: add.call(1, 2).with_options(queue="elsewhere").send())

    assert "stuck: add#1 waits in queue elsewhere, from which no worker claims" in str(error)


def test_a_message_that_never_ends_is_stuck() -> None:
    mine = App("memory://")

    @mine.actor(max_retries=None, min_backoff=1, max_backoff=10)
    def fails() -> None:
        raise ValueError

    error = failure_with(mine, lambda _: fails.send(), steps=300)

    assert "stuck: fails#1 had not ended after 300 steps" in str(error)


def test_only_some_of_many_messages_that_are_stuck_are_named() -> None:
    error = failure_with(app, lambda app: [add.send(n, n) for n in range(7)], steps=1)

    assert "stuck: add#1, add#2, add#3, add#4, add#5 and 2 more had not ended after 1 steps" in str(error)


def test_a_group_of_which_a_member_never_comes_is_stuck() -> None:
    def two_of_three(app: App) -> None:
        for at in range(2):
            place = {"id": "g1", "at": at, "of": 3, "pipe": [{"actor_name": "total"}]}
            app.enqueue(Enqueue(message("add", at, at, message_id=f"m{at}", group=[place])))

    error = failure_with(app, two_of_three)

    assert [violation.kind for violation in error.violations] == ["stuck"]
    assert "2 of its 3 members have arrived, and no message is left that could arrive" in str(error)


@frozen
class ForgetsToCount(Step):
    """A layer that tries again, and does not say so in the message."""

    outside_of: ClassVar[tuple[Rule, ...]] = (Rule(Retries, "so it was written"),)

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        return outcome.alt(lambda setback: Retry(message, 5, setback.error) if isinstance(setback, Dead) else setback)


def test_a_layer_that_does_not_count_its_retries_is_found_out() -> None:
    mine = App("memory://", middleware=default_middleware.outside(Retries, ForgetsToCount()))

    @mine.actor(max_retries=0)
    def fails() -> None:
        raise ValueError

    error = failure_with(mine, lambda _: fails.send())

    assert "miscounted: fails#1 says retries=0 when 1 of its failures were committed as retries" in str(error)


def test_sleeping_takes_no_time_in_an_async_actor() -> None:
    mine = App("memory://")

    @mine.actor
    async def sleepy() -> int:
        async with asyncio.timeout(7_200):
            await asyncio.sleep(3_600)
        return await asyncio.to_thread(lambda: 3)

    def woke(run: Run) -> None:
        assert run.result(run.sent) == Success(3)

    simulate(mine, lambda _: sleepy.send(), seeds=5, check=woke)


def test_what_an_actor_itself_sends_is_accounted_for() -> None:
    mine = App("memory://")

    @mine.actor
    def child() -> None: ...

    @mine.actor
    def parent() -> None:
        child.send()

    report = simulate(mine, lambda _: parent.send(), seeds=50)

    assert report.messages >= 100


def test_an_app_may_be_made_for_each_run() -> None:
    made: list[App] = []

    def make() -> App:
        made.append(App("memory://"))
        made[-1].actor(add.fn)
        return made[-1]

    simulate(make, lambda app: app.get_actor("add").send(1, 2), seeds=5)

    assert len(made) == 5


def test_the_own_broker_of_an_app_is_not_touched_and_comes_back() -> None:
    own = app.broker
    simulate(app, plain, seeds=3)
    failure_with(app, plain, steps=1)

    assert app.broker is own
    assert own.queues() == ()


def test_an_error_of_the_workload_passes_through() -> None:
    own = app.broker
    with pytest.raises(ZeroDivisionError):
        simulate(app, lambda app: 1 / 0)

    assert app.broker is own


def test_failures_are_not_logged_and_the_log_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("fq.worker")
    level = logger.level
    simulate(app, lambda app: flaky.send(9), seeds=3)

    assert caplog.records == []
    assert logger.level == level


def test_cancelled_messages_end_without_being_called() -> None:
    def cancel(app: App) -> None:
        add.call(1, 2).delay(1_000).send().cancel()

    def never_called(run: Run) -> None:
        assert not run.calls

    simulate(app, cancel, seeds=20, faults=Faults(repeat=0, requeue=0), check=never_called)


def test_results_may_be_asked_for_by_message_id_and_after_their_time() -> None:
    def expired(run: Run) -> None:
        handle = run.sent
        assert run.result(handle.message_id) == Success(3)
        assert run.result("nobody") is None

    simulate(app, lambda app: add.call(1, 2).with_options(result_ttl=1).send(), seeds=20, check=expired)


def test_a_report_is_one_line() -> None:
    report = simulate(app, callbacks, seeds=5, faults=Faults.none())

    assert str(report) == f"5 runs, {report.messages} messages, {report.deliveries} deliveries, 0 stale outcomes; faults: none"


@pytest.mark.parametrize("wrong", [{"crash": -1}, {"rate": 2}, {"limit": -1}])
def test_faults_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Faults(**wrong)
