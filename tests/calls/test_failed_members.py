"""Groups with members that fail: the result of the group, and the step after it."""

import pytest

from fq import (
    App,
    Enqueue,
    Fault,
    Message,
    Middleware,
    Outcome,
    ResultFailure,
    Step,
    compose,
    group,
)
from fq.brokers.records import ClaimRequest
from tests.calls.workflow_actors import WorkflowActors, run


def test_a_member_that_fails_fails_the_group_and_what_comes_after_it_is_a_dead_letter_that_names_it(
    actors_everywhere: WorkflowActors,
) -> None:
    s = actors_everywhere
    handle = (s.app.group([s.double.call(1), s.fail.call(2), s.skip.call()]) | s.total | s.double).send()
    s.app.run_until_idle()

    assert ("total", []) not in s.ran
    with pytest.raises(
        ResultFailure, match=r"GroupFailed: 2 of 3 members failed: fail \S+: ValueError: no 2; skip \S+: SkipMessage: not today"
    ):
        handle.get_result()
    assert sorted(letter.actor_name for letter in s.app.broker.dead_letters()) == ["fail", "total"]


def test_its_callbacks_fire(actors: WorkflowActors) -> None:
    heard: list[object] = []

    @actors.app.actor
    def mourn(message_data: dict[str, object], error: dict[str, str]) -> None:
        heard.append((message_data["actor_name"], error["type"]))

    (group([actors.fail.call(2)]) | actors.total.call().with_options(on_failure=mourn)).send()  # type: ignore[call-arg]
    actors.app.run_until_idle()

    assert heard == [("total", "GroupFailed")]


def test_failures_are_collected_where_the_group_says_so(actors_everywhere: WorkflowActors) -> None:
    s = actors_everywhere

    @s.app.actor
    def sort(results: list[int | Fault]) -> list[object]:
        return [each.type if isinstance(each, Fault) else each for each in results]

    members = [s.double.call(1), s.fail.call(2), s.skip.call(), s.fail.call(3) | s.double]
    handle = (s.app.group(members, on_member_failure="collect") | sort).send()
    s.app.run_until_idle()

    assert handle.get_result() == [2, "ValueError", "SkipMessage", "ValueError"]


def test_the_handle_of_a_collecting_group_has_faults_in_the_place_of_results(actors: WorkflowActors) -> None:
    handle = group([actors.double.call(1), actors.fail.call(2)], on_member_failure="collect").send()
    actors.app.run_until_idle()
    good, bad = handle.get_result()

    assert good == 2
    assert isinstance(bad, Fault)
    assert (bad.type, bad.message) == ("ValueError", "no 2")


def test_members_that_expire_kill_their_process_or_do_not_fit_arrive_as_failures(actors: WorkflowActors) -> None:
    @actors.app.actor
    def sort(results: list[int | Fault]) -> list[str]:
        return [each.type if isinstance(each, Fault) else "fine" for each in results]

    expired = actors.double.call(1).with_options(max_age=0)
    deadly = actors.double.call(1).with_options(max_deliveries=1)
    misfit = actors.same.call("x") | actors.double
    handle = (group([expired, deadly, misfit], on_member_failure="collect") | sort).send()
    deliveries = actors.app.broker.turn([], ClaimRequest("doomed", actors.app.queues, 3)).deliveries
    actors.app.broker.release("doomed", {})
    actors.app.run_until_idle()

    assert len(deliveries) == 3
    assert handle.get_result() == ["AgeLimitExceeded", "Poison", "InvalidArguments"]


def test_a_member_with_an_unknown_actor_arrives_as_a_failure(actors: WorkflowActors) -> None:
    other = App(broker=actors.app.broker)

    @other.actor
    def stranger() -> int:
        return 1

    @other.actor
    def sort(results: list[int | Fault]) -> list[str]:
        return [each.type if isinstance(each, Fault) else "fine" for each in results]

    actors.app.actor(name="sort")(sort.fn)
    handle = (other.group([stranger.call(), stranger.call() | stranger.call()], on_member_failure="collect") | sort).send()
    actors.app.run_until_idle()

    assert handle.get_result() == ["ActorNotFound", "ActorNotFound"]


def test_a_member_whose_next_step_cannot_be_sent_arrives_as_a_failure(actors: WorkflowActors) -> None:
    class Veto(Middleware):
        def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
            if enqueue.message.args == (4,):
                raise PermissionError("not this one")
            return enqueue

    @actors.app.actor(Veto())
    def picky(n: int) -> int:
        return n

    @actors.app.actor
    def sort(results: list[int | Fault]) -> list[str]:
        return [each.type if isinstance(each, Fault) else "fine" for each in results]

    members = [actors.double.call(1) | picky, actors.double.call(2) | picky]
    whole, last = group(members, on_member_failure="collect"), actors.double.call(2) | picky
    handles = [(whole | sort).send(), last.send()]
    actors.app.run_until_idle()

    assert handles[0].get_result() == ["fine", "PermissionError"]
    with pytest.raises(ResultFailure, match="PermissionError: not this one"):
        handles[1].get_result()


def test_a_member_arrives_even_if_the_outermost_layer_raises(actors: WorkflowActors) -> None:
    class Clumsy(Step):
        def after(self, message: Message, outcome: Outcome) -> Outcome:
            raise KeyError("oops")

    @actors.app.actor(stack=lambda stack: compose(Clumsy(), stack))
    def clumsy() -> int:
        return 1

    @actors.app.actor
    def sort(results: list[int | Fault]) -> list[str]:
        return [each.type if isinstance(each, Fault) else "fine" for each in results]

    assert run(actors, group([actors.double.call(1), clumsy.call()], on_member_failure="collect") | sort) == ["fine", "LayerError"]


def test_an_inner_group_that_fails_is_one_failure_of_the_outer_one(actors: WorkflowActors) -> None:
    @actors.app.actor
    def sort(results: list[list[int] | Fault]) -> list[object]:
        return [each.type if isinstance(each, Fault) else each for each in results]

    inner = [group([actors.double.call(1), actors.fail.call(2)]), group([actors.double.call(3)])]

    assert run(actors, group(inner, on_member_failure="collect") | sort) == ["GroupFailed", [6]]
