"""Workflows on their way: how many round trips they take, their ids, and what their messages carry."""

import asyncio

from fq import (
    group,
)
from fq.brokers.records import ClaimRequest
from fq.core.reserved_options import GROUP, WORKFLOW
from fq.execution.outcome_encoding import to_op
from fq.wire.codec import decode
from tests.calls.workflow_actors import WorkflowActors


def test_many_workflows_travel_in_one_round_trip_and_each_has_its_handle(actors: WorkflowActors) -> None:
    calls = [group([actors.double.call(n), actors.double.call(n + 1)]) | actors.total for n in range(3)]
    handles = actors.app.send_many(calls)
    actors.app.run_until_idle()

    assert [handle.get_result() for handle in handles] == [2, 6, 10]


def test_async_producers_send_workflows_too(actors: WorkflowActors) -> None:
    assert asyncio.run(sent_and_awaited(actors)) == (2, [2, 4])


async def sent_and_awaited(actors: WorkflowActors) -> object:
    handle = await (group([actors.double.call(1)]) | actors.total).asend()
    many = await group([actors.double.call(1), actors.double.call(2)]).asend()
    await asyncio.to_thread(actors.app.run_until_idle)  # it has an event loop of its own
    return (await handle.aget()).unwrap(), (await many.aget()).unwrap()


def test_ids_follow_from_the_first_so_that_a_call_sent_twice_is_two_workflows(actors: WorkflowActors) -> None:
    call = group([actors.double.call(1)]) | actors.total
    first, second = call.send(), call.send()
    actors.app.run_until_idle()

    assert first.message_id != second.message_id
    assert first.get_result() == second.get_result() == 2


def test_a_member_of_a_group_that_nothing_follows_carries_its_workflow_alone(actors: WorkflowActors) -> None:
    group([actors.double.call(1)]).send()
    (delivery,) = actors.app.broker.turn([], ClaimRequest("w", actors.app.queues, 1)).deliveries

    options = decode(delivery.body).options
    assert options == {GROUP: [{"id": options[WORKFLOW], "at": 0, "of": 1}], WORKFLOW: options[WORKFLOW]}


def test_what_follows_a_group_travels_with_one_of_its_members_and_not_with_all(actors_everywhere: WorkflowActors) -> None:
    app, large = actors_everywhere.app, "x" * 50_000

    @app.actor
    def told(values: object, text: str) -> int:
        return len(text)

    inner = group([actors_everywhere.double.call(n) for n in range(10)]).then(told, large)
    workflow = group([inner] * 3).on_completion(told, large).then(told, large)
    sizes = [len(to_op(enqueue).body) for enqueue in workflow.enqueues("w", 0)]

    assert len(sizes) == 30
    assert sum(sizes) < (3 + 2) * len(large) + 30 * 500
    handle = workflow.send()
    assert app.run_until_idle() == 30 + 3 + 2
    assert handle.get_result() == len(large)
