"""Marks, unique keys and commits that go on, as Redis keeps them: in lost replies, full memory, other queues, and for long."""

from collections.abc import Callable

import pytest
import redis
from attrs import evolve

from fq.brokers.counters import Count
from fq.brokers.records import ACK, CONTINUE, DUE, ClaimRequest, Commit, EnqueueOp, SetMarkOp, UniqueKey
from fq.brokers.redis import RedisBroker
from fq.errors import BrokerError, BrokerUnavailable
from tests.brokers.builders import enqueue_op
from tests.brokers.redis.builders import Efforts, drain
from tests.brokers.redis.faults import break_at, mend
from tests.brokers.redis.servers import Server

WANT = ClaimRequest("w", ("q",), 1)
KEY = UniqueKey("k", on_conflict="after")


def unique(message_id: str, queue: str = "q", key: UniqueKey = KEY) -> EnqueueOp:
    return evolve(enqueue_op(message_id, queue), unique=key)


def test_what_is_put_aside_in_another_queue_takes_the_key_and_is_ready(connect: Callable[..., RedisBroker], shared: Server) -> None:
    broker = connect()
    broker.place([unique("holder")])
    (holder,) = broker.turn((), WANT).deliveries
    broker.place([unique("aside", "other/queue")])
    broker.turn([Commit("holder", "q", holder.token)], ClaimRequest("w", ("q",), 0))

    assert broker.status("aside").state == "ready"
    assert drain(broker, "other/queue") == ["aside"]


def test_a_queue_of_what_is_put_aside_that_is_another_type_stops_the_commit(broker: RedisBroker, client: redis.Redis) -> None:
    broker.place([unique("holder")])
    (holder,) = broker.turn((), WANT).deliveries
    broker.place([unique("aside", "r")])
    client.set("{fq}:ready:r", "something else")
    commits = [Commit("holder", "q", holder.token)]
    with pytest.raises(BrokerError, match="WRONGTYPE"):
        broker.turn(commits, WANT)

    assert broker.status("holder").state == "running"
    client.delete("{fq}:ready:r")
    assert broker.turn(commits, WANT).stale == ()
    assert broker.status("aside").state == "ready"


def test_a_key_whose_holder_the_server_has_lost_is_free(broker: RedisBroker, client: redis.Redis) -> None:
    broker.place([unique("lost")])
    client.delete("{fq}:messages", "{fq}:ready:q", "{fq}:holders")

    assert broker.place([unique("m")])[0].is_new
    assert drain(broker) == ["m"]


@pytest.mark.parametrize("replied", [False, True])
def test_the_end_of_a_message_is_not_taken_for_its_going_on(
    connect: Callable[..., RedisBroker], client: redis.Redis, shared: Server, replied: bool
) -> None:
    broker = connect(patience=0)
    broker.enqueue([enqueue_op("m")])
    (held,) = broker.turn((), WANT).deliveries
    goes_on = Commit("m", "q", held.token, CONTINUE, (SetMarkOp("progress", b"1"), enqueue_op("child", "r")))
    break_at(broker, 0, replied=replied, times=2)
    with pytest.raises(BrokerUnavailable):
        broker.turn([goes_on], WANT)
    mend(broker)
    drain(broker, "r", worker="other")
    turn = broker.turn([goes_on, Commit("m", "q", held.token, ACK, (SetMarkOp("progress", b"2", expected=b"1"),))], WANT)

    assert turn.stale == ()
    assert broker.status("m").state == "unknown"
    assert broker.marks(["progress"])["progress"].body == b"2"
    assert drain(broker, "r") == ([] if replied else ["child"]), "what was applied is not applied again"


def test_a_full_server_refuses_new_marks_and_unique_messages_and_lets_workers_go_on(broker: RedisBroker, client: redis.Redis) -> None:
    broker.place([unique("m"), enqueue_op("waits", "r")])
    (held,) = broker.turn((), WANT).deliveries
    broker.place([unique("aside")])
    client.config_set("maxmemory", "1")
    try:
        for refused in (
            lambda: broker.place([unique("n", key=UniqueKey("other"))]),
            lambda: broker.set_marks([SetMarkOp("m", b"1")]),
            lambda: broker.replace(enqueue_op("waits", "r", body=b"2")),
        ):
            with pytest.raises(BrokerError, match="the server's memory is full"):
                refused()
        broker.count([Count("m:1", "done", 1, 60_000)])
        progress = SetMarkOp("progress", b"1", 60_000)
        assert broker.turn([Commit("m", "q", held.token, CONTINUE, (progress,))], ClaimRequest("w", ("q",), 0)).stale == ()
        assert [each.message_id for each in broker.turn([Commit("m", "q", held.token)], WANT).deliveries] == ["aside"]
        assert broker.browse("ready").entries[0].status.message_id == "waits"
        assert broker.discard(["waits"]) == 1
    finally:
        client.config_set("maxmemory", "0")
    drain(broker)
    assert broker.count_marks(DUE) == 0


def test_turns_forget_what_has_ended(broker: RedisBroker, client: redis.Redis) -> None:
    broker.set_marks([SetMarkOp(f"m{number}", b"", 1_000, index="i", order=number) for number in range(150)])
    broker.place([unique("m", key=UniqueKey("k", window=1_000))])
    drain(broker)
    broker.offset = 2_000
    for _ in range(2):
        broker.turn((), WANT)

    assert client.exists("{fq}:marks", "{fq}:listed", "{fq}:ends", "{fq}:unique", "{fq}:holders") == 0


@pytest.mark.parametrize("kind", ["marks of commits", "windows of unique keys", "marks alone"])
def test_a_busy_server_forgets_as_much_as_comes(broker: RedisBroker, client: redis.Redis, kind: str) -> None:
    """Each round brings more ends than a script looks for by itself."""
    claim, counts = ClaimRequest("w", ("q",), 400), []
    for moment in range(5):
        broker.offset = 2_000 * moment
        ids = [f"{moment}:{number}" for number in range(400)]
        marks = {each: SetMarkOp(each, b"1", 1_000, index="i") for each in ids}
        if kind == "marks alone":
            broker.set_marks(list(marks.values()))
        else:
            broker.place([unique(each, key=UniqueKey(each, window=1_000)) if "window" in kind else enqueue_op(each) for each in ids])
            held = broker.turn((), claim).deliveries
            broker.turn(
                [Commit(each.message_id, "q", each.token, ACK, (marks[each.message_id],) * ("marks" in kind)) for each in held], claim
            )
        counts.append(client.zcard("{fq}:ends"))

    assert counts == [400] * 5
    assert client.hlen("{fq}:marks") + client.hlen("{fq}:unique") == 400


def test_marks_of_schedules_cost_an_idle_turn_nothing(broker: RedisBroker, client: redis.Redis) -> None:
    later = broker.now() + 59_000
    for first in range(0, 20_000, 500):
        broker.set_marks([SetMarkOp(f"m{number}", b"", index=DUE, order=later + number) for number in range(first, first + 500)])
    efforts = Efforts(broker, client)
    turns = [broker.turn((), WANT) for _ in range(50)]

    assert all(0 < turn.idle_for <= 59_000 and not turn.has_due_marks for turn in turns)
    assert sum(efforts.each) / 50 < 1


def test_a_page_of_a_long_queue_costs_no_more_at_its_end(broker: RedisBroker, client: redis.Redis) -> None:
    broker.enqueue([enqueue_op(f"m{number:05}", priority=number % 3) for number in range(20_000)])
    first = broker.browse("ready", limit=100)
    efforts = Efforts(broker, client)
    after, seen = first.after, len(first.entries)
    while after:
        page = broker.browse("ready", after=after, limit=1_000)
        after, seen = page.after, seen + len(page.entries)

    assert seen == 20_000
    assert efforts.worst < 100
