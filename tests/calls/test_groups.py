"""Groups, from the call to the handle: what users see of them."""

import pytest

from fq import (
    ResultTimeout,
    get_current_message,
    group,
)
from tests.calls.workflow_actors import WorkflowActors, delayed_until, run, run_one


def test_a_group_is_all_its_members_at_once_and_its_result_is_theirs_in_order(actors_everywhere: WorkflowActors) -> None:
    handle = actors_everywhere.app.group([actors_everywhere.double.call(n) for n in range(5)]).send()

    assert not handle.completed
    assert actors_everywhere.app.run_until_idle() == 5
    assert handle.get_result() == handle.get_results() == [0, 2, 4, 6, 8]
    assert (handle.completed, handle.completed_count) == (True, 5)


def test_what_comes_after_a_group_runs_once_with_the_list_of_results(actors_everywhere: WorkflowActors) -> None:
    handle = (
        actors_everywhere.app.group([actors_everywhere.double.call(n) for n in range(5)])
        | actors_everywhere.total
        | actors_everywhere.double
    ).send()

    assert actors_everywhere.app.run_until_idle() == 7
    assert handle.get_result() == 40
    assert actors_everywhere.ran[-2:] == [("total", [0, 2, 4, 6, 8]), ("double", 20)]


def test_workflows_nest(actors_everywhere: WorkflowActors) -> None:
    s = actors_everywhere
    inner = s.app.group([s.double.call(1), s.double.call(2) | s.double]) | s.total
    outer = s.app.group(
        [inner, s.app.group([s.double.call(3), s.double.call(4)]) | s.total, s.double.call(5) | group([s.double, s.double]) | s.total]
    )
    handle = (outer | s.total | group([s.double, s.same]) | s.same).send()
    s.app.run_until_idle()

    assert handle.get_result() == [2 * (10 + 14 + 40), 10 + 14 + 40]


def test_the_members_of_a_group_run_side_by_side(actors: WorkflowActors) -> None:
    handle = group([actors.slow.call(100) for _ in range(5)]).send()
    with actors.app.worker(threads=5):
        assert handle.get_result(block=True, timeout=450) == [100] * 5
    assert handle.completed


def test_a_group_of_groups_has_a_list_of_lists(actors: WorkflowActors) -> None:
    handle = group([group([actors.quiet.call(1).with_options(store_results=True) for _ in range(2)]) for _ in range(3)]).send()
    actors.app.run_until_idle()

    assert handle.get_result() == [[None, None]] * 3
    assert handle.completed


def test_a_group_of_groups_is_not_completed_before_their_members_are(actors: WorkflowActors) -> None:
    handle = group([group([actors.double.call(1)]), group([actors.double.call(2)])]).send()

    assert (handle.completed, handle.completed_count) == (False, 0)


def test_waiting_for_a_group_takes_no_longer_than_it_may(actors: WorkflowActors) -> None:
    handle = group([actors.slow.call(300), actors.slow.call(300)]).send()
    with actors.app.worker(threads=2):
        with pytest.raises(ResultTimeout, match="was not completed within 100 ms"):
            handle.wait(timeout=100)
        assert not handle.completed
        handle.wait(timeout=5_000)
        assert handle.completed


def test_completed_count_counts_members_in_any_order(actors: WorkflowActors) -> None:
    handle = group([actors.double.call(1).delay(30_000), actors.double.call(2), actors.double.call(3).delay(10_000)]).send()
    counts = [handle.completed_count]
    for ms in (0, 10_000, 20_000):
        actors.app.broker.advance(ms)  # type: ignore[attr-defined]
        run_one(actors.app)
        counts.append(handle.completed_count)

    assert counts == [0, 1, 2, 3]
    assert handle.get_result() == [2, 4, 6]


def test_a_completion_callback_runs_once_after_all_members(actors: WorkflowActors) -> None:
    group([actors.double.call(n) for n in range(5)]).on_completion(actors.note, "done").send()
    actors.app.run_until_idle()

    assert actors.ran[-1] == ("note", [0, 2, 4, 6, 8], "done")
    assert len(actors.ran) == 6


def test_there_may_be_several_besides_what_comes_after_the_group(actors: WorkflowActors) -> None:
    members = group([actors.double.call(1), actors.double.call(2)])
    handle = (members.on_completion(actors.note, "one").on_completion(actors.note, text="two") | actors.total).send()
    actors.app.run_until_idle()

    assert actors.ran[2:] == [("note", [2, 4], "one"), ("note", [2, 4], "two"), ("total", [2, 4])]
    assert handle.get_result() == 6


def test_a_group_of_a_pipeline_and_a_call_completes_after_all_three_ran(actors: WorkflowActors) -> None:
    group([actors.double.call(1) | actors.double, actors.double.call(3)]).on_completion(actors.note, "done").send()
    actors.app.run_until_idle()

    assert actors.ran[-1] == ("note", [4, 6], "done")
    assert len(actors.ran) == 4


def test_calls_that_are_arguments_of_their_own_make_a_tuple(actors: WorkflowActors) -> None:
    @actors.app.actor
    def both(pair: tuple[int, str]) -> tuple[int, str]:
        return pair

    @actors.app.actor
    def word() -> str:
        return "x"

    assert run(actors, group(actors.double.call(1), word.call())) == (2, "x")
    assert run(actors, group(actors.double.call(1), word.call()) | both) == (2, "x")


def test_a_whole_group_may_be_delayed(actors: WorkflowActors) -> None:
    group([actors.double.call(1) | actors.double, group([actors.double.call(2)])]).delay(10_000).send()

    assert delayed_until(actors.app, 10_000) == 2


def test_options_of_a_group_are_of_the_last_step_of_each_member(actors: WorkflowActors) -> None:
    @actors.app.actor
    def retries() -> object:
        message = get_current_message()
        return message and message.options.get("max_retries")

    many = group([retries.call(), group([retries.call()])]).with_options(max_retries=7)

    assert run(actors, many) == [7, [7]]


def test_a_group_of_nothing_completes_at_once_with_an_empty_list(actors: WorkflowActors) -> None:
    nothing = actors.app.group([])
    handle = nothing.send()

    assert (handle.completed, handle.completed_count, handle.get_result()) == (True, 0, [])
    assert run(actors, nothing | actors.total) == 0
    assert run(actors, actors.app.group([nothing, nothing]).then(actors.same)) == [[], []]
    assert run(actors, actors.double.call(1) | nothing | actors.total) == 0
    actors.ran.clear()
    nothing.on_completion(actors.note, "nothing").send()
    actors.app.run_until_idle()
    assert actors.ran == [("note", [], "nothing")]


def test_the_handle_of_a_step_and_then_nothing_waits_for_the_step(actors: WorkflowActors) -> None:
    handle = (actors.double.call(1) | actors.app.group([])).send()
    before = handle.completed
    actors.app.run_until_idle()

    assert (before, handle.completed, handle.get_result()) == (False, True, [])
