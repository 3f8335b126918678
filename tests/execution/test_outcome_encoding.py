"""Every outcome becomes one commit; an outcome that cannot be encoded becomes a dead letter."""

import json

import pytest
from returns.result import Failure, Success

from fq import Dead, Drop, Enqueue, InvalidResult, Message, Outcome, Retry, Store, TimeLimitExceeded
from fq.brokers.records import Ack, ArriveOp, Bury, Commit, DeferredEnqueue, Delivery, EnqueueOp, Reschedule, StoreResultOp
from fq.brokers.validation import resolve_deferred
from fq.core.fault import Fault
from fq.core.message import evolve_message
from fq.core.outcome import Arrive, Effect
from fq.execution.outcome_encoding import encode_outcome, send_to_op
from fq.testing import message
from fq.wire.codec import decode, decode_result, encode

DELIVERY = Delivery("m1", "default", "add", b"", token=7, deliveries=1, received_at=0)
MESSAGE = message("add", 1, 2, message_id="m1")
FOLLOW_UP = message("report", 3, message_id="m2", queue_name="slow")
ERROR = ValueError("no")


def unchanged(enqueue: Enqueue) -> Enqueue:
    return enqueue


def encoded(outcome: Outcome) -> Commit:
    commit = encode_outcome(DELIVERY, outcome, unchanged)
    assert (commit.message_id, commit.queue_name, commit.token) == ("m1", "default", 7)
    return commit


def fault_of(commit: Commit) -> Fault:
    assert isinstance(commit.disposition, Bury)
    return commit.disposition.fault


def test_a_success_acknowledges() -> None:
    assert encoded(Outcome.success(3)) == Commit("m1", "default", 7, Ack())


def test_a_retry_replaces_the_message() -> None:
    again = MESSAGE.with_options(retries=1)

    assert encoded(Outcome(Failure(Retry(again, 50, ERROR)))).disposition == Reschedule(
        EnqueueOp("m1", "default", "add", 0, 50, encode(again)), Fault("ValueError", "no")
    )


def test_a_retry_that_used_no_attempt_keeps_no_fault() -> None:
    assert encoded(Outcome(Failure(Retry(MESSAGE, 50)))).disposition == Reschedule(
        EnqueueOp("m1", "default", "add", 0, 50, encode(MESSAGE))
    )


def test_a_dead_letter_is_buried_with_its_fault() -> None:
    assert fault_of(encoded(Outcome.failure(ERROR))) == Fault("ValueError", "no")
    assert fault_of(encoded(Outcome.failure(TimeLimitExceeded("slow")))) == Fault("TimeLimitExceeded", "slow")


def test_a_dropped_message_is_acknowledged() -> None:
    assert encoded(Outcome(Failure(Drop("not today")))) == Commit("m1", "default", 7, Ack())


def test_effects_are_committed_in_order_with_every_disposition() -> None:
    effects: tuple[Effect, ...] = (Enqueue(FOLLOW_UP, 5), Store("m1", Success([3]), 60), Store("m9", Failure(ERROR), 60))
    operations = (
        EnqueueOp("m2", "slow", "report", 0, 5, encode(FOLLOW_UP)),
        StoreResultOp("m1", b'{"value":[3]}', 60),
        StoreResultOp("m9", b'{"fault":{"type":"ValueError","message":"no","traceback":""}}', 60),
    )

    for outcome in (Outcome.success(3), Outcome.failure(ERROR), Outcome.drop("no"), Outcome(Failure(Retry(MESSAGE)))):
        assert encoded(outcome.also(*effects)).operations == operations


def test_the_sending_side_sees_retries_and_follow_ups_and_nothing_else() -> None:
    seen: list[Enqueue] = []

    def traced(enqueue: Enqueue) -> Enqueue:
        seen.append(enqueue)
        return Enqueue(enqueue.message.with_options(trace=1), enqueue.delay + 1)

    commit = encode_outcome(DELIVERY, Outcome(Failure(Retry(MESSAGE, 50))).also(Enqueue(FOLLOW_UP), Store("m1", Success(3), 60)), traced)

    assert seen == [Enqueue(MESSAGE, 50), Enqueue(FOLLOW_UP)]
    assert isinstance(commit.disposition, Reschedule)
    assert commit.disposition.op.delay == 51
    assert decode(commit.disposition.op.body).options == {"trace": 1}


def test_a_post_says_where_and_when() -> None:
    sent = evolve_message(FOLLOW_UP, priority=-3)

    assert send_to_op(Enqueue(sent, 9), unchanged) == EnqueueOp("m2", "slow", "report", -3, 9, encode(sent))


UNENCODABLE = message("report", {"items": [1, object()]}, message_id="m2")
CANNOT_ENCODE = {
    "a result": (Outcome.success().also(Store("m1", Success({"rows": [object()]}), 60)), "result.rows[0]: found "),
    "a follow-up": (Outcome.success().also(Enqueue(UNENCODABLE)), "report.args[0].items[1]: found "),
    "a retry": (Outcome(Failure(Retry(UNENCODABLE))), "report.args[0].items[1]: found "),
    "a value for a group": (Outcome.success().also(Arrive("g", 0, 1, [object()])), "result[0]: found "),
    "what a group runs then": (Outcome.success().also(Arrive("g", 0, 1, 3, (Enqueue(UNENCODABLE),))), "report.args[0].items[1]: found "),
}


@pytest.mark.parametrize(("outcome", "path"), CANNOT_ENCODE.values(), ids=CANNOT_ENCODE)
def test_what_cannot_be_encoded_makes_a_dead_letter_with_the_path(outcome: Outcome, path: str) -> None:
    fault = fault_of(encoded(outcome))

    assert fault.type == "InvalidResult"
    assert fault.message.startswith(path)
    assert "expected a JSON value" in fault.message


def test_the_result_says_what_could_not_be_encoded_and_no_other_effect_is_applied() -> None:
    commit = encoded(Outcome.success().also(Enqueue(FOLLOW_UP), Store("m1", Success(object()), 60), Store("m9", Success(1), 70)))

    assert [(operation.message_id, operation.ttl) for operation in commit.operations if isinstance(operation, StoreResultOp)] == [
        ("m1", 60),
        ("m9", 70),
    ]
    assert len(commit.operations) == 2
    for operation in commit.operations:
        assert isinstance(operation, StoreResultOp)
        assert decode_result(operation.body).failure().type == "InvalidResult"


def test_a_sending_side_that_raises_makes_a_dead_letter() -> None:
    def refuses(enqueue: Enqueue) -> Enqueue:
        raise PermissionError("no tenant")

    fault = fault_of(encode_outcome(DELIVERY, Outcome.success().also(Enqueue(FOLLOW_UP)), refuses))

    assert (fault.type, fault.message) == ("PermissionError", "no tenant")


IMPOSSIBLE = {
    "a negative delay": Outcome(Failure(Retry(MESSAGE, -1))),
    "a delay that is no number": Outcome(Failure(Retry(MESSAGE, "soon"))),  # type: ignore[arg-type]
    "a delay past the end of time": Outcome.success().also(Enqueue(FOLLOW_UP, 10**30)),
    "a priority that is no number": Outcome.success().also(Enqueue(evolve_message(FOLLOW_UP, priority="high"))),
    "a priority past every range": Outcome.success().also(Enqueue(evolve_message(FOLLOW_UP, priority=2**70))),
    "a queue without a name": Outcome.success().also(Enqueue(evolve_message(FOLLOW_UP, queue_name=""))),
    "a queue whose name is no text": Outcome.success().also(Enqueue(evolve_message(FOLLOW_UP, queue_name=3))),
    "an actor whose name cannot be kept": Outcome(Failure(Retry(evolve_message(MESSAGE, actor_name="\ud800")))),
    "a result without an end": Outcome.success().also(Store("m1", Success(3), -1)),
    "an error where a setback belongs": Outcome(Failure(ERROR)),  # type: ignore[arg-type]
    "a message where an effect belongs": Outcome.success().also(FOLLOW_UP),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("outcome", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_no_broker_could_keep_never_gets_to_one(outcome: Outcome) -> None:
    fault = fault_of(encoded(outcome))

    assert "found " in fault.message
    assert "expected " in fault.message


def test_the_error_for_an_exception_in_place_of_a_setback_says_what_to_write() -> None:
    fault = fault_of(encoded(IMPOSSIBLE["an error where a setback belongs"]))

    assert fault.message == (
        "found ValueError('no'), expected Retry, Dead or Drop as the failure of an Outcome; Outcome.failure(error) makes one of an error"
    )


def test_an_error_whose_text_cannot_be_had_is_buried_all_the_same() -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    assert fault_of(encoded(Outcome.failure(Unprintable()))).type == "Unprintable"


def encoded_arrival(then: Message) -> ArriveOp:
    commit = encoded(Outcome.success().also(Arrive("g1", 2, 5, {"n": 3}, (Enqueue(then, 9),), 1_000)))
    (operation,) = commit.operations
    assert isinstance(operation, ArriveOp)
    return operation


def test_an_arrival_says_which_member_of_which_group_and_what_it_brings() -> None:
    arrive_op = encoded_arrival(FOLLOW_UP)

    assert (arrive_op.group, arrive_op.member, arrive_op.size, arrive_op.value, arrive_op.ttl) == ("g1", 2, 5, b'{"n":3}', 1_000)


@pytest.mark.parametrize("values", [[], [b"1"], [b"1", b'{"a":[2]}', b"null"]])
def test_a_deferred_enqueue_is_the_message_with_the_values_of_the_group_as_its_last_argument(values: list[bytes]) -> None:
    (deferred,) = encoded_arrival(FOLLOW_UP).then
    posted = resolve_deferred(deferred, values, 5)

    assert isinstance(deferred, DeferredEnqueue)
    assert (posted.message_id, posted.delay) == ("m2", 9)
    assert decode(posted.body) == evolve_message(FOLLOW_UP, args=(3, [json.loads(value) for value in values]), message_timestamp=5)


def test_an_argument_that_looks_like_the_place_of_the_values_is_refused_rather_than_filled() -> None:
    (mark,) = json.loads(encoded_arrival(FOLLOW_UP).then[0].op.body)["args"][1:]

    assert (
        "found the mark for the group's values 2 times in the message, expected it once"
        in fault_of(encoded(Outcome.success().also(Arrive("g1", 0, 1, 3, (Enqueue(message("report", mark)),))))).message
    )


def test_an_impossible_outcome_becomes_a_dead_letter_even_if_its_result_cannot_be_stored() -> None:
    outcome = Outcome(Failure(Dead(ERROR))).also(Store("m1", Success(3), 10**30))

    assert fault_of(encoded(outcome)).type == "BrokerError"
    assert encoded(outcome).operations == ()


def test_encoding_is_pure() -> None:
    for outcome in (*IMPOSSIBLE.values(), *(outcome for outcome, _ in CANNOT_ENCODE.values())):
        fault, again = fault_of(encoded(outcome)), fault_of(encoded(outcome))

        assert (fault.type, fault.message) == (again.type, again.message)


def test_an_invalid_result_of_the_signature_is_kept_as_it_is() -> None:
    error = InvalidResult("result: expected int, found 'x'")

    assert fault_of(encoded(Outcome.failure(error))) == Fault("InvalidResult", "result: expected int, found 'x'")
