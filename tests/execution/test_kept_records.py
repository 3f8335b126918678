"""What a record holds, as bytes: the mark of a final outcome, and what a retry carries."""

import json
from collections.abc import Callable

import pytest
from attrs import evolve
from returns.result import Failure, Success

from fq import Drop, KeepRecord, Outcome, Retry, Store
from fq.brokers.operations import FINISHED
from fq.brokers.records import Ack, Bury, Delivery, Reschedule, SetMarkOp
from fq.core.attempts import attempts_of
from fq.core.outcome import Run
from fq.execution.kept_records import MARKER_TTL_MS, outcome_name
from fq.execution.outcome_encoding import encode_outcome
from fq.testing import message
from fq.wire.codec import decode

MESSAGE = message("add", 1, message_id="m1", received_at=5_000)
RECORD = KeepRecord(MESSAGE, 60_000, 7, run=Run("w1", 5_010, 30), parameters=("a",))
DELIVERY = Delivery("m1", "default", "add", b"", 1, 1, 5_000)


def mark_of(outcome: Outcome) -> SetMarkOp:
    (mark,) = (
        operation for operation in encode_outcome(DELIVERY, outcome, lambda enqueue: enqueue).operations if type(operation) is SetMarkOp
    )
    return mark


def test_the_mark_ends_with_its_time_and_stands_where_the_message_ended() -> None:
    mark = mark_of(Outcome.success(3).also(RECORD))

    assert (mark.key, mark.ttl, mark.index, mark.order, mark.most) == ("finished:m1", 60_000, FINISHED, 5_040, 7)


def test_the_commit_is_that_of_the_outcome() -> None:
    def commit(outcome: Outcome) -> type:
        return type(encode_outcome(DELIVERY, outcome.also(RECORD), lambda enqueue: enqueue).disposition)

    assert commit(Outcome.success(3)) is Ack
    assert commit(Outcome.failure(ValueError("no"))) is Bury
    assert commit(Outcome(Failure(Retry(MESSAGE, 5, ValueError("no"))))) is Reschedule


def test_only_an_end_is_marked_of_a_message_without_a_record() -> None:
    mark = mark_of(Outcome.success(3).also(KeepRecord(MESSAGE, 10**9, 7, whole=False)))

    assert (mark.body, mark.ttl, mark.index) == (b'{"outcome":"success"}', MARKER_TTL_MS, "")


def test_a_retry_carries_its_attempt_and_leaves_no_mark() -> None:
    outcome = Outcome(Failure(Retry(MESSAGE.with_options(retries=1), 5, ValueError("no")))).also(RECORD)
    commit = encode_outcome(DELIVERY, outcome, lambda enqueue: enqueue)

    assert commit.operations == ()
    assert isinstance(commit.disposition, Reschedule)
    carried = decode(commit.disposition.op.body)
    assert [(attempt.worker, attempt.took, attempt.error and attempt.error.message) for attempt in attempts_of(carried)] == [
        ("w1", 30, "no")
    ]
    assert carried.options["retries"] == 1


def test_a_snooze_is_no_attempt() -> None:
    commit = encode_outcome(DELIVERY, Outcome(Failure(Retry(MESSAGE, 5))).also(RECORD), lambda enqueue: enqueue)

    assert isinstance(commit.disposition, Reschedule)
    assert decode(commit.disposition.op.body).options == {}


def test_a_record_says_whether_there_is_a_result_and_why_it_was_dropped() -> None:
    stored = json.loads(mark_of(Outcome.success(3).also(RECORD, Store("m1", Success(3), 5))).body or b"")
    dropped = json.loads(mark_of(Outcome(Failure(Drop("not today"))).also(RECORD)).body or b"")

    assert stored["result"] is True
    assert "result" not in dropped
    assert dropped["reason"] == "not today"


@pytest.mark.parametrize(
    ("outcome", "name"), [(Outcome.success(), "success"), (Outcome.drop("x"), "dropped"), (Outcome.failure(KeyError()), "dead")]
)
def test_outcomes_have_names(outcome: Outcome, name: str) -> None:
    assert outcome_name(outcome) == name


@pytest.mark.parametrize(
    ("redact", "kept"),
    [
        (lambda name, value: 1 / 0, "[redact raised ZeroDivisionError]"),
        (lambda name, value: object(), "[redact raised InvalidResult]"),
    ],
    ids=["raises", "is_no_json"],
)
def test_a_redact_that_fails_leaves_the_outcome_as_it_is(redact: Callable[[str, object], object], kept: str) -> None:
    outcome = Outcome.success(3).also(evolve(RECORD, redact=redact))
    commit = encode_outcome(DELIVERY, outcome, lambda enqueue: enqueue)
    (mark,) = commit.operations

    assert type(commit.disposition) is Ack
    assert type(mark) is SetMarkOp
    assert json.loads(mark.body or b"")["args"] == [kept]
