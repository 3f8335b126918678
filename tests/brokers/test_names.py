"""Every broker: an invalid name is refused everywhere, and leaves nothing behind; any other text is a valid name."""

import asyncio
from collections.abc import Callable

import pytest

from fq.brokers.protocol import Broker
from fq.errors import BrokerError
from fq.execution.requeue_plan import plan_requeue
from tests.brokers.builders import bury, claim, claim_request, enqueue_op, enqueue_ops, run, state

BAD = ["", "a\0b", "lone \udc80 surrogate", None, 7]
"""What nothing can be called."""

CALLS: dict[str, Callable[[Broker, str], object]] = {
    "result": lambda broker, name: broker.result(name),
    "wait_result": lambda broker, name: broker.wait_result(name, 0),
    "await_result": lambda broker, name: asyncio.run(broker.await_result(name, 0)),
    "status": lambda broker, name: broker.status(name),
    "cancel": lambda broker, name: broker.cancel(name),
    "requeue": lambda broker, name: broker.requeue(["m", name], plan_requeue),
    "discard": lambda broker, name: broker.discard(["m", name]),
    "held": lambda broker, name: broker.claimed_by(name),
    "renew": lambda broker, name: broker.renew(["w1", name], 1_000),
    "release": lambda broker, name: broker.release(name, {}),
    "purge": lambda broker, name: broker.purge(name),
    "pause": lambda broker, name: broker.pause(name),
    "resume": lambda broker, name: broker.resume(name),
    "turn of a worker": lambda broker, name: broker.turn((), claim_request(name)),
    "turn for a queue": lambda broker, name: broker.turn((), claim_request("w1", "q", name)),
    "wait of a worker": lambda broker, name: broker.wait(claim_request(name), 0),
    "wait for a queue": lambda broker, name: broker.wait(claim_request("w1", "q", name), 0),
}

SEARCHES: dict[str, Callable[[Broker, str], object]] = {
    "dead of a queue": lambda broker, name: broker.dead_letters(queue=name),
    "dead of an actor": lambda broker, name: broker.dead_letters(actor=name),
    "dead of an error": lambda broker, name: broker.dead_letters(error=name),
}


@pytest.mark.parametrize("name", BAD, ids=ascii)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_what_can_be_no_name_is_refused(broker: Broker, call: Callable[[Broker, str], object], name: str) -> None:
    with pytest.raises(BrokerError, match=r"found (queue|worker|message_id)=.*, expected a text that is not empty"):
        call(broker, name)

    assert broker.queues() == broker.workers() == ()


@pytest.mark.parametrize("name", [name for name in BAD if name is not None], ids=ascii)
@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES.keys())
def test_nothing_is_searched_for_by_what_can_be_no_name(broker: Broker, search: Callable[[Broker, str], object], name: str) -> None:
    with pytest.raises(BrokerError, match=r"found (queue|actor|error)=.*, expected a text that is not empty"):
        search(broker, name)


def test_of_several_names_one_bad_one_refuses_the_call_wholly(broker: Broker) -> None:
    bury(broker, enqueue_op("m"))
    broker.enqueue(enqueue_ops("n"))
    for call in (CALLS["requeue"], CALLS["discard"], CALLS["turn for a queue"]):
        with pytest.raises(BrokerError, match="nothing of this call was applied"):
            call(broker, "")

    assert (state(broker, "m"), state(broker, "n")) == ("dead", "ready")


@pytest.mark.parametrize(
    "name", ["Ünïcode", "a b", "a:b", "{x}", "line\nbreak", "[bold]vip", "x[/red]", "100%", "\x1b[31m", "🦆"], ids=ascii
)
def test_any_other_text_can_be_a_name(broker: Broker, other: Broker, name: str) -> None:
    broker.enqueue([enqueue_op(name, name, actor=name)])
    broker.pause(name)
    paused = claim(other, name, name)
    other.resume(name)
    (delivery,) = claim(other, name, name)

    assert paused == ()
    assert (delivery.message_id, delivery.queue_name, delivery.actor_name) == (name, name, name)
    assert [held.message_id for held in broker.claimed_by(name)] == [name]
    assert broker.cancel(name)
    assert broker.release(name, {}) == 1
    assert broker.purge(name) == 1


def test_what_is_refused_does_not_keep_the_next_call_from_working(broker: Broker) -> None:
    with pytest.raises(BrokerError):
        broker.pause("")
    run(broker)

    assert [queue.queue_name for queue in broker.queues()] == ["runners"]
