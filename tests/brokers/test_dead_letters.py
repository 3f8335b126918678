"""Every broker: dead letters are listed, requeued, discarded."""

from fq.brokers.protocol import Broker
from fq.brokers.records import Bury, EnqueueOp
from fq.brokers.validation import DEAD_TTL_MS
from fq.core.fault import Fault
from fq.execution.requeue_plan import plan_requeue
from tests.brokers.builders import FAULT, bury, claim, claim_request, enqueue_op, enqueue_ops, ids, outcome, settle, state
from tests.brokers.harness import Harness

TYPE_ERROR = Fault("TypeError", "not an int")


def test_the_latest_dead_letters_come_first(harness: Harness, broker: Broker) -> None:
    for name in ("a", "b", "c"):
        bury(broker, enqueue_op(name))
        harness.advance(10)

    assert [letter.message_id for letter in broker.dead_letters()] == ["c", "b", "a"]
    assert [letter.message_id for letter in broker.dead_letters(limit=2)] == ["c", "b"]


def test_dead_letters_of_one_turn_come_the_last_first(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c"))
    broker.turn([outcome(delivery, Bury(FAULT)) for delivery in claim(broker)], claim_request(limit=0))

    assert [letter.message_id for letter in broker.dead_letters()] == ["c", "b", "a"]


def test_dead_letters_are_found_by_queue_actor_and_error(broker: Broker) -> None:
    bury(broker, enqueue_op("a", "q1", actor="add"), FAULT)
    bury(broker, enqueue_op("b", "q2", actor="add"), TYPE_ERROR)
    bury(broker, enqueue_op("c", "q1", actor="mul"), TYPE_ERROR)

    def found(**filters: str) -> str:
        return "".join(letter.message_id for letter in broker.dead_letters(**filters))

    assert (found(queue="q1"), found(actor="add"), found(error="TypeError")) == ("ca", "ba", "cb")
    assert (found(queue="q1", actor="mul"), found(queue="q2", error="ValueError"), found(queue="q1", actor="mul", error="TypeError")) == (
        "c",
        "",
        "c",
    )
    assert found(queue="nothing-here") == found(actor="nobody") == found(error="Error") == ""


def test_dead_letters_are_found_by_until_when_they_died(harness: Harness, broker: Broker) -> None:
    bury(broker, enqueue_op("early"))
    harness.advance(1_000)
    (early,) = broker.dead_letters()
    until = broker.now()
    harness.advance(1_000)
    bury(broker, enqueue_op("late"))

    assert [letter.message_id for letter in broker.dead_letters(until=until)] == ["early"]
    assert [letter.message_id for letter in broker.dead_letters(until=early.died_at)] == ["early"]
    assert broker.dead_letters(until=early.died_at - 1) == ()


def test_a_limit_counts_what_the_filters_let_pass(broker: Broker) -> None:
    for number in range(6):
        bury(broker, enqueue_op(str(number), actor=("even", "odd")[number % 2]))

    assert [letter.message_id for letter in broker.dead_letters(actor="even", limit=2)] == ["4", "2"]


def test_of_two_deaths_of_one_id_the_latest_is_kept(broker: Broker) -> None:
    bury(broker, enqueue_op("m", body=b"first"), FAULT)
    bury(broker, enqueue_op("other"))
    bury(broker, enqueue_op("m", body=b"second"), TYPE_ERROR)

    assert [(letter.message_id, letter.fault) for letter in broker.dead_letters()] == [("m", TYPE_ERROR), ("other", FAULT)]
    assert broker.queues()[0].dead == 2


def test_dead_letters_are_kept_for_seven_days(harness: Harness, broker: Broker) -> None:
    bury(broker, enqueue_op("old"))
    harness.advance(DEAD_TTL_MS - 60_000)
    bury(broker, enqueue_op("young"))
    before = [letter.message_id for letter in broker.dead_letters()]
    harness.advance(60_000)
    settle(broker)

    assert before == ["young", "old"]
    assert [letter.message_id for letter in broker.dead_letters()] == ["young"]
    assert (state(broker, "old"), broker.queues()[0].dead) == ("unknown", 1)
    assert (broker.requeue(["old"], plan_requeue), broker.discard(["old"])) == (0, 0)


def test_a_requeued_letter_is_ready_at_once_as_it_was_sent(broker: Broker, other: Broker) -> None:
    broker.enqueue([enqueue_op("first")])
    bury(broker, EnqueueOp("m", "r", "add", -1, 0, b"\xffbody"))
    broker.enqueue([enqueue_op("n", "r")])

    assert other.requeue(["m"], plan_requeue) == 1
    assert broker.status("m").actor_name == "add"
    assert [(delivery.message_id, delivery.body, delivery.deliveries) for delivery in claim(broker, "w1", "r")] == [
        ("m", b"\xffbody", 1),
        ("n", b"{}", 1),
    ]
    assert broker.dead_letters() == ()


def test_requeue_counts_only_dead_letters(broker: Broker) -> None:
    for name in ("a", "b"):
        bury(broker, enqueue_op(name))
    broker.enqueue(enqueue_ops("waiting"))

    assert broker.requeue(["a", "waiting", "unknown", "b", "a"], plan_requeue) == 2
    assert broker.requeue(["a"], plan_requeue) == broker.requeue([], plan_requeue) == 0


def test_a_letter_whose_id_waits_again_gives_way_to_the_message_that_waits(broker: Broker) -> None:
    bury(broker, enqueue_op("m", body=b"dead"))
    broker.enqueue([enqueue_op("m", body=b"alive")])
    broker.requeue(["m"], plan_requeue)

    assert [delivery.body for delivery in claim(broker)] == [b"alive"]
    assert broker.dead_letters() == ()


def test_thousands_of_letters_can_be_requeued_at_once(broker: Broker) -> None:
    names = [f"m{number}" for number in range(2_000)]
    broker.enqueue(enqueue_ops(*names))
    broker.turn([outcome(delivery, Bury(FAULT)) for delivery in claim(broker, limit=5_000)], claim_request(limit=0))

    assert broker.requeue(names, plan_requeue) == 2_000
    assert ids(claim(broker, limit=5_000)) == names


def test_letters_are_requeued_in_the_order_in_which_they_are_named(broker: Broker) -> None:
    names = [f"m{number}" for number in range(20)]
    broker.enqueue(enqueue_ops(*names))
    broker.turn([outcome(delivery, Bury(FAULT)) for delivery in claim(broker, limit=20)], claim_request(limit=0))
    broker.requeue(names[::-1], plan_requeue)

    assert ids(claim(broker, limit=20)) == names[::-1]
