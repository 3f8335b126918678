"""What the server remembers of a worker is JSON; what fq before JSON wrote is read for one more release."""

import json
from collections.abc import Callable

import redis

from fq.brokers.records import ClaimRequest, Commit
from fq.brokers.redis import RedisBroker
from fq.brokers.redis.stored_records import WorkerMemory, read_memory
from fq.brokers.redis.turn_request import TurnReply, read_reply
from tests.brokers.builders import enqueue_op
from tests.brokers.redis.servers import Server

CLAIM = ClaimRequest("w", ("q", "r"), 1)


def old_form(turn: str, token: int, stale_ids: tuple[str, ...], cancelled_ids: tuple[str, ...], queues: tuple[str, ...]) -> bytes:
    parts = (turn, str(token), str(token), str(len(stale_ids)), str(len(cancelled_ids)), *stale_ids, *cancelled_ids, *queues)
    return "".join(f"{part}\0" for part in parts).encode()


def repeat(broker: RedisBroker, turn: str) -> TurnReply:
    """Ask again for the reply to *turn*, as a worker does whose reply was lost."""
    turns = broker._state.turns
    request = turns._repeat(turn, CLAIM.queues, CLAIM, ())
    reply = read_reply(broker._namespace.run("turn", request.call, request.arguments, "w"))
    assert isinstance(reply, TurnReply)
    return reply


def test_what_is_remembered_has_named_fields(connect: Callable[..., RedisBroker], client: redis.Redis, shared: Server) -> None:
    broker = connect()
    broker.enqueue([enqueue_op("m")])
    (delivery,) = broker.turn([Commit("stale", "q", 1)], CLAIM).deliveries
    text = client.hget("{fq}:workers", "w")
    memory = json.loads(text.partition(b"\0")[0])

    assert memory.keys() == {"turn", "token", "latest_token", "stale_ids", "cancelled_ids", "queues", "takes_handed"}
    assert (memory["token"], memory["latest_token"]) == (str(delivery.token), str(delivery.token))
    assert (memory["stale_ids"], memory["queues"]) == (["stale"], ["q", "r"])
    assert read_memory(text) == WorkerMemory(memory["turn"], ("q", "r"))
    assert repeat(broker, memory["turn"]).stale_ids == [b"stale"]


def test_a_turn_that_an_older_fq_remembered_is_answered_again(
    connect: Callable[..., RedisBroker], client: redis.Redis, shared: Server
) -> None:
    broker = connect()
    broker.enqueue([enqueue_op("m")])
    (delivery,) = broker.turn((), CLAIM).deliveries
    client.hset("{fq}:workers", "w", old_form("a.7.1", delivery.token, ("s1", "s2"), ("c",), ("q", "r")))
    reply = repeat(broker, "a.7.1")

    assert (reply.token, reply.stale_ids, reply.cancelled_ids) == (delivery.token, [b"s1", b"s2"], [b"c"])
    assert [member[16:] for _, members, _, _ in reply.claims for member in members] == [b"m"]


def test_the_queues_that_an_older_fq_remembered_are_kept_and_taken_back(
    connect: Callable[..., RedisBroker], client: redis.Redis, shared: Server
) -> None:
    broker, heir = connect(), connect()
    broker.enqueue([enqueue_op("m")])
    broker.turn((), CLAIM)
    client.hset("{fq}:workers", "w", old_form("a.7.1", 0, (), (), ("q", "old")))
    broker.turn((), ClaimRequest("w", ("new",), 1))

    assert read_memory(client.hget("{fq}:workers", "w")).queues == ("new", "q", "old")
    client.hset("{fq}:workers", "w", old_form("a.7.1", 0, (), (), ("q", "old")))
    assert read_memory(client.hget("{fq}:workers", "w")) == WorkerMemory("a.7.1", ("q", "old"))
    assert heir.release("w", {}) == 1
    broker.discard(["m"])


def test_fq_before_json_reads_the_queues_too(connect: Callable[..., RedisBroker], client: redis.Redis, shared: Server) -> None:
    broker = connect()
    broker.turn((), CLAIM)
    parts = client.hget("{fq}:workers", "w").decode().split("\0")

    assert [name for name in parts[5 + int(parts[3]) + int(parts[4]) :] if name] == ["q", "r"], (
        "so its messages are taken back by any worker"
    )


def test_nothing_is_remembered_of_a_worker_that_is_not_known() -> None:
    assert read_memory(None) == read_memory(b"") == WorkerMemory("", ())
    assert read_memory(b'{"turn":"t","queues":{}}') == WorkerMemory("t", ()), "Lua writes an empty list so"
