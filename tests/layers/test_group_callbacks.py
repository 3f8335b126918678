"""`GroupCallbacks`: what a member reports to its group, and what the last member starts."""

import asyncio
from datetime import timedelta

import pytest
from returns.result import Failure

from fq import (
    AgeLimit,
    App,
    AsyncHandler,
    GroupCallbacks,
    Message,
    Middleware,
    Outcome,
    PoisonLimit,
    Retries,
    Retry,
    Shutdown,
    StackError,
    age_limit,
    callbacks,
    compose,
    default_middleware,
    group_callbacks,
    pipelines,
    poison_limit,
    retries,
    shutdown_notifications,
)
from fq.core.derived_ids import child_id
from fq.core.message import evolve_message
from fq.core.outcome import Arrive
from fq.core.reserved_options import GROUP
from tests.messages import message

ERROR = ValueError("no")
REPORT: dict[str, object] = {"actor_name": "report"}
SLOT: dict[str, object] = {"id": "g1", "at": 1, "of": 3, "pipe": [REPORT]}


def member(*slots: dict[str, object], **options: object) -> Message:
    return message("fetch", message_id="m1", received_at=9, group=list(slots or (SLOT,)), **options)


def arrivals(sent: Message, outcome: Outcome) -> list[Arrive]:
    effects = group_callbacks().wrap(lambda _: outcome)(sent).effects
    return [effect for effect in effects if isinstance(effect, Arrive)]


def arrival(sent: Message, outcome: Outcome | None = None) -> Arrive:
    (found,) = arrivals(sent, outcome or Outcome.success(3))
    return found


def test_a_success_arrives_with_its_value() -> None:
    found = arrival(member())

    assert (found.group, found.member, found.size, found.value) == ("g1", 1, 3, [3])


@pytest.mark.parametrize(
    ("outcome", "type", "text"),
    [(Outcome.failure(ERROR), "ValueError", "no"), (Outcome.drop("not today"), "SkipMessage", "not today")],
    ids=["failed", "dropped"],
)
def test_a_failure_arrives_as_one_and_says_whose_it_is(outcome: Outcome, type: str, text: str) -> None:
    assert arrival(member(), outcome).value == {"type": type, "message": text, "by": "fetch m1", "depth": 1}


def test_a_retry_does_not_arrive() -> None:
    assert arrivals(member(), Outcome(Failure(Retry(message("fetch"), 5, ERROR)))) == []


def test_a_message_of_no_group_reports_nothing() -> None:
    outcome = Outcome.success(3)

    assert group_callbacks().wrap(lambda _: outcome)(message("fetch")) is outcome


def test_an_expired_member_and_one_that_kills_its_process_arrive_too() -> None:
    stack = compose(group_callbacks(), age_limit(max_age=5), poison_limit(max_deliveries=2), retries())
    handle = stack.wrap(lambda _: Outcome.success(3))
    sent = member()
    poisoned = evolve_message(sent, deliveries=3, message_timestamp=9)

    assert [e.value["type"] for e in (*handle(sent).effects, *handle(poisoned).effects)] == ["AgeLimitExceeded", "Poison"]  # type: ignore[union-attr, index]


def test_the_first_steps_of_a_pipeline_do_not_arrive_the_last_one_does() -> None:
    assert arrivals(member(pipe=[{"actor_name": "parse"}]), Outcome.success(3)) == []
    assert arrival(member(), Outcome.success(3)).value == [3]


def test_a_pipeline_that_fails_early_arrives_as_the_failure_that_it_is() -> None:
    assert arrival(member(pipe=[{"actor_name": "parse"}]), Outcome.failure(ERROR)).member == 1


def test_a_step_before_an_inner_group_speaks_for_all_its_members_when_it_fails() -> None:
    inner = {"members": [REPORT, [REPORT, {"members": [REPORT, REPORT]}], {"members": []}]}
    found = arrivals(member(pipe=[{"actor_name": "parse"}, inner]), Outcome.failure(ERROR))

    assert [(each.member, each.size) for each in found] == [(1, 3), (2, 3), (3, 3)]
    assert len({str(each.value) for each in found}) == 1


def test_a_step_before_a_group_of_nothing_arrives_with_that() -> None:
    assert arrival(member(pipe=[{"members": []}])).value == [[]]
    assert arrival(member(pipe=[{"members": [{"members": []}]}])).value == [[[]]]


def test_what_comes_after_the_group_travels_with_each_arrival() -> None:
    (then,) = arrival(member()).then

    assert (then.message.actor_name, then.message.args, then.message.message_timestamp) == ("report", (), 9)
    assert then.message.message_id == child_id("g1", "pipe")
    assert then == arrival(member(), Outcome.failure(ERROR)).then[0]


def test_only_number_0_carries_what_all_members_share() -> None:
    rest = {"pipe": [{"actor_name": "publish"}], "shape": ["collect", 3]}
    first = {**SLOT, "at": 0, "rest": rest}

    assert arrival(member(first)).value == [3, rest]
    assert arrival(member(first), Outcome.failure(ERROR)).value == {
        "type": "ValueError",
        "message": "no",
        "by": "fetch m1",
        "depth": 1,
        "rest": rest,
    }


def test_callbacks_start_beside_the_next_step() -> None:
    place = {**SLOT, "then": [{"actor_name": "note", "args": [1]}, {"actor_name": "count"}]}
    note, count, report = arrival(member(place)).then

    assert [each.message.actor_name for each in (note, count, report)] == ["note", "count", "report"]
    assert len({each.message.message_id for each in (note, count, report)}) == 3
    assert note.message.args == (1,)


def test_a_group_may_be_followed_by_another() -> None:
    place = {**SLOT, "pipe": [{"members": [REPORT, REPORT]}, {"actor_name": "publish"}]}
    first, second = arrival(member(place)).then
    fork = child_id("g1", "pipe")

    assert [each.message.message_id for each in (first, second)] == [child_id(fork, 0), child_id(fork, 1)]
    assert [place["at"] for each in (first, second) for place in each.message.options[GROUP]] == [0, 1]  # type: ignore[attr-defined]


def test_a_member_of_several_groups_at_once_reports_to_each() -> None:
    inner, outer = {"id": "g2", "at": 0, "of": 2, "then": [REPORT]}, {**SLOT, "depth": 2}
    found = arrivals(member(inner, outer), Outcome.failure(ERROR))

    assert [(each.group, each.member, each.value["depth"]) for each in found] == [("g2", 0, 1), ("g1", 1, 2)]  # type: ignore[index]


def test_a_redelivered_member_arrives_with_the_same() -> None:
    again = evolve_message(member(), deliveries=4)

    assert arrivals(member(), Outcome.success(3)) == arrivals(again, Outcome.success(3))


def test_what_comes_after_a_group_arrives_at_the_group_outside_of_it() -> None:
    rest = {"group": [SLOT]}
    sent = message("report", [[1, rest], [2]], message_id="m1", gathered={"takes": "last"})
    handle = compose(group_callbacks(), pipelines()).wrap(lambda inward: Outcome.success(inward.args[0]))

    assert [effect.value for effect in handle(sent).effects if isinstance(effect, Arrive)] == [[[1, 2]]]


def test_and_as_a_failure_if_members_failed() -> None:
    rest = {"group": [SLOT]}
    failed = {"type": "ValueError", "message": "no", "by": "fetch m7", "depth": 1, "rest": rest}
    sent = message("report", [failed, [2]], message_id="m1", gathered={"takes": "last"})
    outcome = compose(group_callbacks(), pipelines()).wrap(lambda _: Outcome.success(1))(sent)

    assert [(e.value["type"], e.value["by"]) for e in outcome.effects if isinstance(e, Arrive)] == [("GroupFailed", "report m1")]  # type: ignore[index]


@pytest.mark.parametrize("layer", [Retries(), AgeLimit(), PoisonLimit()], ids=lambda layer: type(layer).__name__)
def test_it_must_be_outside_of_what_has_the_last_word_on_a_member(layer: Retries | AgeLimit | PoisonLimit) -> None:
    with pytest.raises(StackError, match=f"GroupCallbacks must be outside {type(layer).__name__}"):
        compose(layer, group_callbacks())


def test_it_is_the_outermost_of_the_default_stack_and_needs_no_backend() -> None:
    assert next(iter(default_middleware)) == GroupCallbacks() == group_callbacks()
    assert next(iter(App("memory://").stack)) == group_callbacks()


def test_how_long_a_group_is_remembered_is_an_option() -> None:
    assert arrival(member()).ttl == 45 * 24 * 60 * 60 * 1000
    assert arrival(member(group_ttl=50)).ttl == 50
    assert group_callbacks(group_ttl=timedelta(seconds=1)).group_ttl == 1_000


LAYERS: dict[str, tuple[Middleware, Message]] = {
    "group callbacks": (group_callbacks(), member({**SLOT, "at": 0, "rest": {"pipe": [REPORT]}, "then": [REPORT]})),
    "group callbacks, before a group": (group_callbacks(), member(pipe=[{"members": [REPORT, REPORT]}])),
    "pipelines": (pipelines(), message("fetch", pipe=[{"members": [REPORT, [REPORT, REPORT]]}, REPORT])),
    "pipelines, after a group": (pipelines(), message("report", [[1, {"pipe": [REPORT]}], [2]], gathered={"takes": "first"})),
    "callbacks": (callbacks(on_success="a", on_failure="b", on_retry_exhausted="c"), message("fetch", retries=2)),
    "shutdown notifications": (shutdown_notifications(notify_shutdown=True), message("fetch")),
    "all": (default_middleware, member({**SLOT, "pipe": [{"members": [REPORT, REPORT]}]}, on_failure="b", notify_shutdown=True)),
}


@pytest.mark.parametrize("outcome", [Outcome.success(3), Outcome.failure(ERROR), Outcome.failure(Shutdown()), Outcome.drop("no")], ids=str)
@pytest.mark.parametrize(("layer", "sent"), LAYERS.values(), ids=LAYERS)
def test_the_layers_of_workflows_are_functions_the_same_in_both_colours(layer: Middleware, sent: Message, outcome: Outcome) -> None:
    async def ahandler(_: Message) -> Outcome:
        return outcome

    handle, ahandle = layer.wrap(lambda _: outcome), layer.awrap(ahandler)

    assert handle(sent) == handle(sent) == asyncio.run(awaited(ahandle, sent))


async def awaited(handle: AsyncHandler, sent: Message) -> Outcome:
    return await handle(sent)
