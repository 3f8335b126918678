"""Workflows that cannot run, each with its error."""

import pytest

from fq import (
    App,
    DeclarationError,
    GroupCallbacks,
    InvalidArguments,
    Pipelines,
    ResultNotStored,
    StackError,
    actor,
    default_middleware,
    group,
    pipeline,
)
from tests.calls.workflow_actors import WorkflowActors, run


def test_arguments_are_held_against_the_signature_when_the_workflow_is_put_together(actors: WorkflowActors) -> None:
    with pytest.raises(InvalidArguments, match="missing a required argument: 'b'"):
        actors.double.call(1) | actors.add
    with pytest.raises(InvalidArguments, match="expected int, found 'x'"):
        actors.double.call(1).then(actors.add, "x")  # type: ignore[arg-type]
    with pytest.raises(InvalidArguments, match="takes 1 positional argument but 2 were given"):
        actors.double.call(1).then(actors.double, 2)  # type: ignore[arg-type]


def test_missing_arguments_of_what_starts_a_workflow_are_found_when_it_is_sent(actors: WorkflowActors) -> None:
    with pytest.raises(InvalidArguments, match="missing a required argument: 'b'"):
        actors.add.call(1).send()  # type: ignore[call-arg]
    with pytest.raises(InvalidArguments, match="missing a required argument: 'b'"):
        group([actors.double.call(1), actors.add.call(1) | actors.double]).send()  # type: ignore[call-arg]
    assert actors.app.broker.queues() == ()


@pytest.mark.parametrize("thing", [3, "double", print, None])
def test_a_step_that_is_no_call_group_or_actor_is_refused(actors: WorkflowActors, thing: object) -> None:
    for attempt in (
        lambda: actors.double.call(1) | thing,  # type: ignore[operator]
        lambda: actors.double.call(1).then(thing),  # type: ignore[arg-type]
        lambda: pipeline([actors.double.call(1), thing]),  # type: ignore[list-item]
        lambda: pipeline([thing]),  # type: ignore[list-item]
        lambda: group([thing]),  # type: ignore[arg-type]
        lambda: group(actors.double.call(1), thing),  # type: ignore[call-overload]
    ):
        with pytest.raises(DeclarationError, match="found "):
            attempt()


def test_a_pipeline_of_nothing_is_refused() -> None:
    with pytest.raises(DeclarationError, match="found a pipeline without steps, expected at least one step"):
        pipeline([])


def test_a_policy_that_there_is_not_is_refused(actors: WorkflowActors) -> None:
    with pytest.raises(DeclarationError, match="on_member_failure: found 'ignore', expected 'fail' or 'collect'"):
        group([actors.double.call(1)], on_member_failure="ignore")  # type: ignore[call-overload]


def test_a_group_of_nothing_after_a_group_is_refused(actors: WorkflowActors) -> None:
    with pytest.raises(DeclarationError, match="found an empty group right after a group"):
        group([actors.double.call(1)]) | actors.app.group([])


def test_a_group_of_nothing_that_belongs_to_no_app_cannot_be_sent() -> None:
    with pytest.raises(DeclarationError, match=r"make it with app.group\(\[\]\)"):
        group([]).send()


def test_a_step_that_belongs_to_no_app_or_to_another_is_refused(actors: WorkflowActors) -> None:
    other = App("memory://")

    @actor
    def free(n: int) -> int:
        return n

    @other.actor
    def foreign(n: int) -> int:
        return n

    with pytest.raises(DeclarationError, match="free belongs to no app"):
        (actors.double.call(1) | free).send()
    with pytest.raises(DeclarationError, match="foreign belongs to another app"):
        group([actors.double.call(1), foreign.call(1)]).send()
    with pytest.raises(DeclarationError, match="foreign belongs to another app"):
        actors.app.group([foreign.call(1)]).send()
    assert actors.app.broker.queues() == other.broker.queues() == ()


def test_a_stack_without_the_layer_that_goes_on_is_refused() -> None:
    unpiped = WorkflowActors(App("memory://", middleware=default_middleware.without(Pipelines)))
    ungrouped = WorkflowActors(App("memory://", middleware=default_middleware.without(GroupCallbacks)))

    with pytest.raises(StackError, match="double runs in a stack without Pipelines"):
        (unpiped.double.call(1) | unpiped.double).send()
    with pytest.raises(StackError, match="double runs in a stack without GroupCallbacks"):
        (group([ungrouped.double.call(1)]) | ungrouped.total).send()
    assert run(ungrouped, group([ungrouped.double.call(1)])) == [2]


def test_the_completion_of_an_actor_that_stores_nothing_cannot_be_asked(actors: WorkflowActors) -> None:
    last, many = (actors.double.call(1) | actors.quiet).send(), group([actors.quiet.call(1)]).send()
    actors.app.run_until_idle()
    asked = [
        lambda: last.completed,
        lambda: last.completed_count,
        last.wait,
        lambda: many.completed,
        lambda: many.completed_count,
        many.wait,
    ]

    for question in asked:
        with pytest.raises(ResultNotStored, match="quiet stores no results"):
            question()


def test_arguments_for_a_group_are_refused(actors: WorkflowActors) -> None:
    with pytest.raises(DeclarationError, match="found arguments for a group, expected none: give them to its members"):
        actors.double.call(1).then(group([actors.double]), 3)  # type: ignore[arg-type]
