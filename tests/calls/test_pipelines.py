"""Pipelines, from the call to the handle: what users see of them."""

from datetime import timedelta
from itertools import pairwise

import pytest
from attrs import frozen

from fq import (
    ResultFailure,
    ResultMissing,
    ResultTimeout,
    group,
    pipeline,
)
from fq.brokers.records import ClaimRequest
from tests.calls.workflow_actors import WorkflowActors, delayed_until, run, run_one


@frozen
class Page:
    url: str
    size: int


def test_each_step_gets_the_result_of_the_one_before(actors: WorkflowActors) -> None:
    handle = (actors.add.call(1, 2) | actors.double | actors.double).send()

    assert actors.app.run_until_idle() == 3
    assert handle.get_result() == 12
    assert handle.get_results() == [3, 6, 12]


def test_a_call_on_the_right_gets_it_as_its_last_positional_argument(actors: WorkflowActors) -> None:
    handle = (actors.double.call(5) | actors.add.call(1) | actors.double).send()  # type: ignore[call-arg]
    actors.app.run_until_idle()

    assert handle.get_result() == 22
    assert actors.ran == [("double", 5), ("add", 1, 10), ("double", 11)]


def test_then_puts_it_first_and_its_own_arguments_after_it(actors: WorkflowActors) -> None:
    actors.double.call(5).then(actors.note, "done").send()
    actors.double.call(6).then(actors.note, text="too").send()
    actors.app.run_until_idle()

    assert [each for each in actors.ran if isinstance(each, tuple) and each[0] == "note"] == [("note", 10, "done"), ("note", 12, "too")]


def test_a_pipeline_is_flat_however_it_is_put_together(actors: WorkflowActors) -> None:
    flat = actors.add.call(1, 2) | actors.double | actors.double | actors.double
    nested = (actors.add.call(1, 2) | actors.double) | (actors.double.call() | actors.double)  # type: ignore[call-arg]
    listed = pipeline([pipeline([actors.add.call(1, 2), actors.double]), actors.double, actors.double])

    assert len(flat.steps) == len(nested.steps) == len(listed.steps) == 4
    for call in (flat, nested, listed):
        handle = call.send()
        actors.app.run_until_idle()
        assert handle.get_results() == [3, 6, 12, 24]


def test_pipe_ignore_is_of_the_step_that_would_get_the_result(actors: WorkflowActors) -> None:
    @actors.app.actor(pipe_ignore=True)
    def deaf(n: int = 7) -> int:
        return n

    by_call = actors.double.call(1) | actors.double.call(10).with_options(pipe_ignore=True) | actors.double
    by_actor = actors.double.call(1) | deaf | actors.double
    overridden = actors.double.call(1) | deaf.call().with_options(pipe_ignore=False)

    assert [run(actors, call) for call in (by_call, by_actor, overridden)] == [40, 14, 2]


def test_values_of_rich_types_arrive_as_the_signatures_say(actors: WorkflowActors) -> None:
    @actors.app.actor
    def fetch(url: str) -> Page:
        return Page(url, len(url))

    @actors.app.actor
    def largest(pages: list[Page]) -> Page:
        return max(pages, key=lambda page: page.size)

    assert run(actors, group([fetch.call("a"), fetch.call("abc")]) | largest) == Page("abc", 3)


def test_a_step_that_fails_finally_ends_the_pipeline_and_its_handle_says_why(actors: WorkflowActors) -> None:
    handle = (actors.add.call(1, 2) | actors.fail | actors.double).send()
    actors.app.run_until_idle()

    assert actors.ran == [("add", 1, 2), ("fail", 3)]
    assert handle.completed
    with pytest.raises(ResultFailure, match="ValueError: no 3"):
        handle.get_result()


def test_a_step_that_is_dropped_ends_it_too(actors: WorkflowActors) -> None:
    handle = (actors.skip.call() | actors.double).send()
    actors.app.run_until_idle()

    with pytest.raises(ResultFailure, match="SkipMessage: not today"):
        handle.get_result()
    assert actors.ran == []


def test_a_step_that_fails_before_a_group_is_why_each_member_has_no_result(actors: WorkflowActors) -> None:
    handle = (actors.fail.call() | group([actors.double, actors.double])).send()
    actors.app.run_until_idle()

    assert handle.completed
    with pytest.raises(ResultFailure, match="ValueError: no 0"):
        handle.get_result()


def test_completed_count_goes_up_step_by_step(actors: WorkflowActors) -> None:
    handle = (actors.double.call(1) | actors.quiet | actors.double.call(5).with_options(pipe_ignore=True) | actors.double).send()
    counts = []
    for _ in range(4):
        counts.append((handle.completed_count, handle.completed))
        run_one(actors.app)

    assert counts == [(0, False), (1, False), (1, False), (3, False)]
    assert (handle.completed_count, handle.completed) == (4, True)


def test_without_a_worker_nothing_is_completed(actors: WorkflowActors) -> None:
    handle = (actors.double.call(1) | actors.double).send()

    assert not handle.completed
    assert handle.completed_count == 0
    with pytest.raises(ResultMissing):
        handle.get_results()


def test_the_timeout_of_get_results_is_for_all_steps_together(actors: WorkflowActors) -> None:
    handle = (actors.slow.call(80) | actors.slow | actors.slow).send()
    with actors.app.worker(threads=1):
        with pytest.raises(ResultTimeout):
            handle.get_results(block=True, timeout=130)
        assert handle.get_results(block=True) == [80, 80, 80]


@pytest.mark.parametrize("delay", [10_000, timedelta(seconds=10)])
def test_a_whole_pipeline_may_be_delayed(actors: WorkflowActors, delay: int | timedelta) -> None:
    handle = (actors.double.call(1) | actors.double).delay(delay).send()

    assert delayed_until(actors.app, 10_000) == 1
    assert not handle.completed


def test_its_first_step_may_be_delayed(actors: WorkflowActors) -> None:
    (actors.double.call(1).delay(10_000) | actors.double).send()

    assert delayed_until(actors.app, 10_000) == 1


def test_a_later_step_may_be_delayed(actors: WorkflowActors) -> None:
    (actors.double.call(1) | actors.add.call(1).delay(10_000)).send()  # type: ignore[call-arg]
    run_one(actors.app)

    assert delayed_until(actors.app, 10_000) == 1


def test_of_the_delays_of_the_whole_and_of_its_first_step_the_longer_one_counts(actors: WorkflowActors) -> None:
    (actors.double.call(1).delay(100) | actors.double).delay(10_000).send()
    (actors.double.call(1).delay(10_000) | actors.double).delay(100).send()

    assert delayed_until(actors.app, 10_000) == 2
    assert actors.double.call(1).delay(10_000).delay(100).steps[0].delay == 100  # type: ignore[union-attr]


def test_each_message_of_a_pipeline_carries_only_what_comes_after_it(actors: WorkflowActors) -> None:
    sizes = []
    pipeline([actors.same.call(1), *[actors.same] * 49]).send()
    for _ in range(50):
        (delivery,) = actors.app.broker.turn([], ClaimRequest("w", actors.app.queues, 1)).deliveries
        sizes.append(len(delivery.body))
        actors.app.broker.release("w", {})
        run_one(actors.app)

    each = len('{"actor_name":"same"},')
    assert sizes[-1] < 350
    assert sizes[0] - sizes[-1] == len('"fq.pipe":[],') + 49 * each - 1
    assert [a - b for a, b in pairwise(sizes[:49])] == [each] * 48
