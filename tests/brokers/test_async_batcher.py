"""What coroutines send at the same time goes together, in parts that keep the server only for a moment. No server is needed here."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from fq.brokers.async_batcher import MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, AsyncBatcher
from fq.brokers.records import EnqueueOp
from fq.errors import BrokerError, BrokerUnavailable
from tests.brokers.builders import enqueue_op


def delivered(calls: Sequence[Sequence[EnqueueOp]], send: Callable[[Sequence[EnqueueOp]], None]) -> list[object]:
    """Post *calls*, all at the same time; return what came of each."""
    office = AsyncBatcher(send)

    async def all_of_them() -> list[object]:
        return await asyncio.gather(*map(office.post, calls), return_exceptions=True)

    try:
        return asyncio.run(all_of_them())
    finally:
        office.close()


def single(count: int) -> list[list[EnqueueOp]]:
    return [[enqueue_op(f"m{number}")] for number in range(count)]


def test_what_is_sent_at_the_same_time_goes_in_parts_of_a_thousand_messages() -> None:
    sent: list[Sequence[EnqueueOp]] = []
    calls = single(2 * MAX_BATCH_MESSAGES + 500)
    outcomes = delivered(calls, sent.append)

    assert [len(ops) for ops in sent] == [MAX_BATCH_MESSAGES, MAX_BATCH_MESSAGES, 500]
    assert [each.message_id for ops in sent for each in ops] == [f"m{number}" for number in range(len(calls))]
    assert outcomes == [None] * len(calls)


def test_a_call_of_more_messages_than_that_stays_whole() -> None:
    sent: list[Sequence[EnqueueOp]] = []
    large = [enqueue_op(f"l{number}") for number in range(MAX_BATCH_MESSAGES + 1)]
    delivered([[enqueue_op("a")], large, [enqueue_op("b")]], sent.append)

    assert [len(ops) for ops in sent] == [1, MAX_BATCH_MESSAGES + 1, 1]


def test_a_server_that_goes_away_in_between_fails_what_was_not_sent_by_then_and_is_asked_once() -> None:
    asked = []

    def send(ops: Sequence[EnqueueOp]) -> None:
        asked.append(len(ops))
        if len(asked) == 2:
            raise BrokerUnavailable("away")

    outcomes = delivered(single(3 * MAX_BATCH_MESSAGES), send)

    assert asked == [MAX_BATCH_MESSAGES, MAX_BATCH_MESSAGES]
    assert outcomes[:MAX_BATCH_MESSAGES] == [None] * MAX_BATCH_MESSAGES
    assert all(isinstance(outcome, BrokerUnavailable) for outcome in outcomes[MAX_BATCH_MESSAGES:])


@pytest.mark.parametrize("bad", [3, MAX_BATCH_MESSAGES + 3])
def test_a_call_that_is_refused_fails_alone(bad: int) -> None:
    def send(ops: Sequence[EnqueueOp]) -> None:
        if any(each.message_id == f"m{bad}" for each in ops):
            raise BrokerError("refused")

    outcomes = delivered(single(MAX_BATCH_MESSAGES + 10), send)

    assert [number for number, outcome in enumerate(outcomes) if outcome is not None] == [bad]


def test_calls_go_in_parts_of_a_megabyte_and_a_larger_one_alone() -> None:
    sent: list[Sequence[EnqueueOp]] = []
    sizes = [400_000, 400_000, 400_000, 2_000_000, 10]
    delivered([[enqueue_op(f"m{number}", body=size * b"x")] for number, size in enumerate(sizes)], sent.append)

    assert [[len(each.body) for each in ops] for ops in sent] == [[400_000, 400_000], [400_000], [2_000_000], [10]]


def test_a_large_call_that_cannot_be_sent_takes_no_other_along() -> None:
    def send(ops: Sequence[EnqueueOp]) -> None:
        if any(len(each.body) > MAX_BATCH_BYTES for each in ops):
            raise BrokerUnavailable("connection reset by peer")

    outcomes = delivered([[enqueue_op("a")], [enqueue_op("large", body=(MAX_BATCH_BYTES + 1) * b"x")], [enqueue_op("b")]], send)

    assert [type(outcome) for outcome in outcomes] == [type(None), BrokerUnavailable, type(None)]
