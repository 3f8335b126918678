"""`Pipelines`: what a success enqueues next, and what the next step is called with."""

import pytest
from returns.result import Failure

from fq import App, GroupFailed, LayerError, Message, Outcome, Pipelines, Retry, compose, pipelines, retries
from fq.core.derived_ids import child_id
from fq.core.outcome import Enqueue
from fq.core.reserved_options import GROUP, PIPE
from tests.messages import message

ERROR = ValueError("no")
DOUBLE: dict[str, object] = {"actor_name": "double"}


def following(sent: Message, outcome: Outcome | None = None) -> list[Enqueue]:
    """Return what is enqueued after *sent* came to *outcome*, a success with 3 unless given."""
    effects = pipelines().wrap(lambda _: outcome or Outcome.success(3))(sent).effects
    return [effect for effect in effects if isinstance(effect, Enqueue)]


def next_message(*pipe: dict[str, object]) -> Message:
    (enqueue,) = following(message("add", 1, 2, message_id="m1", pipe=list(pipe)))
    return enqueue.message


def received(sent: Message) -> Message | Outcome:
    """Return *sent* as it is passed inwards, or the answer to it."""
    passed: list[Message] = []
    outcome = pipelines().wrap(lambda message: passed.append(message) or Outcome.success())(sent)
    return passed[0] if passed else outcome


def test_the_result_is_the_last_positional_argument_of_the_next_step() -> None:
    assert next_message(DOUBLE).args == (3,)
    assert next_message({**DOUBLE, "args": [7], "kwargs": {"k": 1}}).args == (7, 3)
    assert next_message({**DOUBLE, "args": [7], "kwargs": {"k": 1}}).kwargs == {"k": 1}


def test_or_the_first_where_the_step_says_so() -> None:
    assert next_message({**DOUBLE, "args": [7], "takes": "first"}).args == (3, 7)


def test_a_step_that_ignores_the_pipe_gets_what_it_was_given() -> None:
    assert next_message({**DOUBLE, "args": [7], "options": {"pipe_ignore": True}}).args == (7,)


def test_each_message_carries_only_what_comes_after_it() -> None:
    sent = next_message(DOUBLE, {"actor_name": "b"}, {"actor_name": "c"})

    assert sent.options == {PIPE: [{"actor_name": "b"}, {"actor_name": "c"}]}
    assert next_message(DOUBLE).options == {}


def test_a_step_says_where_it_goes_and_when() -> None:
    (enqueue,) = following(
        message("add", pipe=[{**DOUBLE, "queue_name": "slow", "priority": 3, "delay": 50, "options": {"max_retries": 1}}])
    )

    assert (enqueue.delay, enqueue.message.queue_name, enqueue.message.priority) == (50, "slow", 3)
    assert enqueue.message.options == {"max_retries": 1}


def test_the_next_step_is_made_when_the_one_before_was_received_and_its_id_follows_from_it() -> None:
    (enqueue,) = following(message("add", message_id="m1", received_at=9, pipe=[DOUBLE]))

    assert (enqueue.message.message_id, enqueue.message.message_timestamp) == (child_id("m1", "pipe"), 9)
    assert following(message("add", deliveries=3, pipe=[DOUBLE])) == following(message("add", pipe=[DOUBLE]))


@pytest.mark.parametrize("outcome", [Outcome.failure(ERROR), Outcome.drop("no"), Outcome(Failure(Retry(message("add"), 5, ERROR)))])
def test_only_a_success_goes_on(outcome: Outcome) -> None:
    assert following(message("add", pipe=[DOUBLE]), outcome) == []


def test_a_group_comes_next_as_all_its_members_each_with_the_result() -> None:
    members = [DOUBLE, [{"actor_name": "half", "args": [2]}, DOUBLE]]
    first, second = following(message("add", message_id="m1", pipe=[{"members": members}]))
    fork = child_id("m1", "pipe")

    assert (first.message.actor_name, first.message.args, first.message.options) == ("double", (3,), {})
    assert (second.message.actor_name, second.message.args, second.message.options) == ("half", (2, 3), {PIPE: [DOUBLE]})
    assert (first.message.message_id, second.message.message_id) == (child_id(fork, 0), child_id(fork, 1))


def test_a_group_of_nothing_is_passed_at_once() -> None:
    assert next_message({"members": []}, DOUBLE).args == ([],)
    assert next_message({"members": [{"members": []}]}, DOUBLE).args == ([[]],)
    assert following(message("add", pipe=[{"members": []}])) == []


def gathered(*arrived: object, takes: str = "last", args: tuple[object, ...] = ()) -> Message:
    return message("report", *args, list(arrived), gathered={"takes": takes}, tenant="a")


def test_what_a_group_arrived_with_becomes_the_argument_that_the_actor_takes() -> None:
    last, first, none = (received(gathered([1], [2], takes=takes, args=("x",))) for takes in ("last", "first", "nothing"))

    assert isinstance(last, Message)
    assert isinstance(first, Message)
    assert isinstance(none, Message)
    assert (last.args, first.args, none.args) == (("x", [1, 2]), ([1, 2], "x"), ("x",))
    assert last.options == {"tenant": "a"}


def test_what_number_0_carried_goes_on_from_there() -> None:
    rest = {"pipe": [DOUBLE], "group": [{"id": "g0", "at": 1, "of": 2}]}
    passed = received(gathered([1, rest], [2]))

    assert isinstance(passed, Message)
    assert passed.args == ([1, 2],)
    assert passed.options == {"tenant": "a", PIPE: [DOUBLE], GROUP: [{"id": "g0", "at": 1, "of": 2}]}


def test_a_callback_of_a_group_gets_the_values_and_continues_nothing() -> None:
    passed = received(message("note", [[1, {"pipe": [DOUBLE]}]], gathered={"takes": "last", "aside": True}))

    assert isinstance(passed, Message)
    assert (passed.args, passed.options) == (([1],), {})


FAILED = {"type": "ValueError", "message": "no", "by": "fetch m7", "depth": 1}


def test_a_member_that_failed_answers_for_the_actor_and_is_named() -> None:
    outcome = received(gathered([1], FAILED))

    assert outcome == Outcome.failure(GroupFailed("1 of 2 members failed: fetch m7: ValueError: no"))


def test_of_many_only_the_first_five_are_named() -> None:
    outcome = received(gathered(*[FAILED] * 8))

    assert isinstance(outcome, Outcome)
    assert str(outcome.error).startswith("8 of 8 members failed: fetch m7: ValueError: no; ")
    assert str(outcome.error).endswith("; and 3 more")


def test_a_group_that_failed_is_not_worth_another_attempt() -> None:
    handle = compose(retries(), pipelines()).wrap(lambda _: Outcome.success(1))

    assert handle(gathered([1], FAILED)) == Outcome.failure(GroupFailed("1 of 2 members failed: fetch m7: ValueError: no"))


def test_a_retry_of_an_opened_message_is_not_opened_again() -> None:
    handle = compose(pipelines(), retries()).wrap(lambda _: Outcome.failure(ERROR))
    setback = handle(gathered([1], [[2]])).result.failure()

    assert isinstance(setback, Retry)
    assert setback.message.args == ([1, [2]],)
    assert received(setback.message) == setback.message


def test_failures_are_collected_where_the_group_says_so() -> None:
    passed = received(gathered([1, {"shape": ["collect", 2]}], FAILED))

    assert isinstance(passed, Message)
    assert passed.args == ([1, {"type": "ValueError", "message": "no"}],)


def test_groups_in_groups_keep_their_shape() -> None:
    shape = ["fail", 1, ["fail", 2], ["fail"], ["collect", 1, ["fail", 1]]]
    passed = received(gathered([1, {"shape": shape}], [2], [3], {**FAILED, "depth": 2}, [5]))

    assert isinstance(passed, Message)
    assert passed.args == ([1, [2, 3], [], [{"type": "ValueError", "message": "no"}, [5]]],)


def test_a_step_that_failed_before_an_inner_group_is_one_failure_and_not_one_for_each_of_its_members() -> None:
    shape = ["collect", ["collect", 3], 1]
    passed = received(gathered({**FAILED, "rest": {"shape": shape}}, FAILED, FAILED, [4]))

    assert isinstance(passed, Message)
    assert passed.args == ([{"type": "ValueError", "message": "no"}, 4],)


POISONOUS: list[dict[str, object]] = [
    {"pipe": 3},
    {"pipe": [3]},
    {"pipe": [{}]},
    {"pipe": [{"actor_name": 5}]},
    {"pipe": [{"members": 5}]},
    {"pipe": [{"members": [5]}]},
    {"pipe": [DOUBLE], "group": [{"id": "g"}]},
    {"gathered": {}},
]


@pytest.mark.parametrize("options", POISONOUS, ids=str)
def test_a_poisonous_option_is_a_final_failure_of_its_message_alone(options: dict[str, object]) -> None:
    error = pipelines().wrap(lambda _: Outcome.success(3))(message("add", 1, **options)).error

    assert isinstance(error, LayerError)
    assert error.final


def test_pipelines_may_be_inside_retries_too() -> None:
    handle = compose(retries(), pipelines()).wrap(lambda _: Outcome.success(3))

    assert len(handle(message("add", pipe=[DOUBLE])).effects) == 1


def test_whether_the_pipe_is_ignored_is_an_option() -> None:
    assert Pipelines() == pipelines() == pipelines(pipe_ignore=False)
    assert App("memory://").stack.get(Pipelines) == pipelines()
