"""A request that the network delivers late, when it has been repeated over another connection and the world has moved on, changes nothing."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
import redis
from redis.exceptions import TimeoutError as TimedOut

from fq.brokers.records import ACK, CONTINUE, RELEASE, ClaimRequest, Commit, Delivery, SetMarkOp, Turn
from fq.brokers.redis import RedisBroker
from fq.errors import BrokerError, BrokerUnavailable
from tests.brokers.builders import arrive_op, enqueue_op, enqueue_ops, ids, outcome, unique_op
from tests.brokers.redis.builders import done, done_with_results, drain
from tests.brokers.redis.faults import break_at, mend


class Holding:
    """
    Stands in for an `Endpoint`: the request that follows *after* others is held back, its sender times out, and `deliver` brings it to the server after all.

    Mutable.
    """

    def __init__(self, broker: RedisBroker, after: int = 0) -> None:
        self.name = "a network that holds back"
        self.after = after
        self._endpoint = broker._endpoint
        self.held: list[Sequence[bytes]] = []
        broker._namespace.client.close()
        broker._namespace.client.endpoint = self

    def connect(self) -> "HoldingConnection":
        return HoldingConnection(self, self._endpoint.connect())

    def invalidate(self, error: Exception) -> None:
        self._endpoint.invalidate(error)

    def deliver(self) -> object:
        """Bring what was held back to the server, over a connection of its own; return what it says to that."""
        connection = self._endpoint.connect()
        connection.send_packed_command(self.held[0], check_health=False)
        reply = connection.read_response(disable_decoding=True)
        connection.disconnect()
        return reply


class HoldingConnection:
    def __init__(self, network: Holding, connection: object) -> None:
        self._network = network
        self._connection = connection

    def send_packed_command(self, command: Sequence[bytes], check_health: bool = True) -> None:
        self._network.after -= 1
        if self._network.after == -1:
            self._network.held.append(tuple(command))
            raise TimedOut("the request is on its way, says the test")
        self._connection.send_packed_command(command, check_health=check_health)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


def send_ahead(broker: RedisBroker) -> None:
    finish = broker.begin_enqueue([enqueue_op("m1"), enqueue_op("m2")])
    other = broker.begin_enqueue([enqueue_op("m3")])
    finish()
    other()


SENDS: dict[str, Callable[[RedisBroker], object]] = {
    "one": lambda broker: broker.enqueue([enqueue_op("m1")]),
    "several": lambda broker: broker.enqueue([enqueue_op("m1"), enqueue_op("m2")]),
    "several, one of them later": lambda broker: broker.enqueue([enqueue_op("m1"), enqueue_op("m2", "else", delay=60_000)]),
    "two calls under way": send_ahead,
    "one of a coroutine": lambda broker: asyncio.run(broker.aenqueue([enqueue_op("m1")])),
}


@pytest.fixture
def ready(connect: Callable[..., RedisBroker]) -> RedisBroker:
    """A broker whose scripts the server knows, so that a request that is held back is the one that counts."""
    broker = connect()
    broker.enqueue([enqueue_op("before")])
    broker.enqueue([enqueue_op("before1"), enqueue_op("before2")])
    drain(broker)
    return broker


@pytest.mark.parametrize("later", [0, 1, 5])
@pytest.mark.parametrize("name", SENDS)
def test_a_late_copy_of_a_send_adds_nothing_however_many_calls_came_after_it(ready: RedisBroker, name: str, later: int) -> None:
    network = Holding(ready)
    SENDS[name](ready)
    mend(ready)
    assert "m1" in drain(ready)
    for number in range(later):
        ready.enqueue([enqueue_op(f"later{number}")])
        ready.enqueue([enqueue_op(f"later{number}a"), enqueue_op(f"later{number}b")])
    drain(ready)
    network.deliver()

    assert drain(ready) == []


PLACES: dict[str, Callable[[RedisBroker], object]] = {
    "a message with a key": lambda broker: broker.place([unique_op("m1")]),
    "a mark, and what follows it": lambda broker: broker.set_marks([SetMarkOp("mark", b"1", then=(enqueue_op("m1"),))]),
}
LATER: dict[str, Callable[[RedisBroker], object]] = {
    "nothing": lambda broker: None,
    "another message": lambda broker: broker.place([unique_op("other", "else", queue="other")]),
    "a replace of nothing": lambda broker: broker.replace(enqueue_op("nothing")),
    "a replace of another message than expected": lambda broker: broker.replace(enqueue_op("waits", "r"), b"else"),
}


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize("name", PLACES)
def test_a_late_copy_of_a_call_about_keys_or_marks_adds_nothing(ready: RedisBroker, name: str, later: str) -> None:
    ready.place([enqueue_op("waits", "r")])
    ready.set_marks([SetMarkOp("known", b"1")])
    ready.replace(enqueue_op("waits", "r"))
    network = Holding(ready)
    PLACES[name](ready)
    mend(ready)
    assert drain(ready) == ["m1"]
    LATER[later](ready)
    network.deliver()

    assert drain(ready) == []


def test_a_late_copy_of_a_replace_that_found_nothing_to_replace_replaces_nothing(ready: RedisBroker) -> None:
    ready.place([enqueue_op("m")])
    ready.replace(enqueue_op("m"))
    (held,) = ready.turn((), WANT).deliveries
    network = Holding(ready, after=1)
    assert not ready.replace(enqueue_op("m", body=b"late"))
    mend(ready)
    ready.turn([Commit("m", "q", held.token, RELEASE)], NOTHING)
    network.deliver()

    assert [delivery.body for delivery in ready.turn((), WANT).deliveries] == [b"{}"]
    drain(ready)


def test_after_a_late_copy_its_producer_sends_as_before(ready: RedisBroker) -> None:
    network = Holding(ready)
    ready.enqueue([enqueue_op("m1")])
    mend(ready)
    ready.enqueue([enqueue_op("m2")])
    network.deliver()
    network.deliver()

    assert ready.enqueue([enqueue_op("m3")]) == 1
    assert ready.enqueue([enqueue_op("m4"), enqueue_op("m5")]) == 2
    assert drain(ready) == ["m1", "m2", "m3", "m4", "m5"]


def test_a_call_that_was_repeated_is_remembered_for_as_long_as_a_network_may_hold_back(ready: RedisBroker, client: redis.Redis) -> None:
    Holding(ready)
    ready.enqueue([enqueue_op("m1")])
    mend(ready)

    assert [client.pttl(key) > 890_000 for key in client.scan_iter("{fq}:sent:*")] == [True]
    ready.enqueue([enqueue_op("m2")])
    assert [client.pttl(key) > 890_000 for key in client.scan_iter("{fq}:sent:*")] == [True], "the next call does not cut that short"


def test_calls_that_follow_each_other_are_remembered_in_one_key(broker: RedisBroker, client: redis.Redis) -> None:
    for number in range(20):
        broker.enqueue([enqueue_op(f"m{number}")])
        broker.enqueue([enqueue_op(f"n{number}"), enqueue_op(f"o{number}")])

    (key,) = client.scan_iter("{fq}:sent:*")
    assert client.get(key) == b"40"


def test_a_refused_send_forgets_none_of_the_calls_before_it(ready: RedisBroker, client: redis.Redis) -> None:
    network = Holding(ready)
    ready.enqueue([enqueue_op("m1")])
    mend(ready)
    drain(ready)
    client.set("{fq}:ready:wrong", "something else")
    with pytest.raises(Exception, match="WRONGTYPE"):
        ready.enqueue([enqueue_op("m2", "wrong")])
    client.delete("{fq}:ready:wrong")
    network.deliver()

    assert drain(ready) == []


# Turns.

WANT = ClaimRequest("w", ("q",), 5)
NOTHING = ClaimRequest("w", ("q",), 0)


@pytest.fixture
def impatient(connect: Callable[..., RedisBroker]) -> RedisBroker:
    """A broker that gives a call up at once, and whose worker has taken turns before."""
    broker = connect(patience=0)
    broker.enqueue(enqueue_ops("held", "also"))
    return broker


def claims(broker: RedisBroker, limit: int = 2) -> tuple[Delivery, ...]:
    return broker.turn((), ClaimRequest("w", ("q",), limit)).deliveries


def given_up(broker: RedisBroker, commits: Sequence[Commit], request: ClaimRequest = WANT) -> Holding:
    """Take a turn that the network holds back, until it is given up."""
    network = Holding(broker)
    with pytest.raises(BrokerUnavailable):
        broker.turn(commits, request)
    mend(broker)
    return network


def test_what_a_late_turn_claims_is_given_to_the_worker_and_what_it_holds_is_left_alone(ready: RedisBroker) -> None:
    ready.enqueue(enqueue_ops("held"))
    (held,) = ready.turn((), WANT).deliveries
    network = Holding(ready)
    assert ready.turn((), WANT).deliveries == ()
    mend(ready)
    ready.enqueue(enqueue_ops("a", "b"))
    network.deliver()
    turn = ready.turn((), WANT)

    assert [(each.message_id, each.deliveries) for each in turn.deliveries] == [("a", 1), ("b", 1)]
    assert ready.turn(done([held, *turn.deliveries]), WANT) == Turn(idle_for=60_000)
    assert drain(ready) == []


def test_what_a_late_turn_claims_is_handed_back_by_a_worker_that_wants_nothing(ready: RedisBroker) -> None:
    network = Holding(ready)
    ready.turn((), WANT)
    mend(ready)
    ready.enqueue(enqueue_ops("a"))
    network.deliver()

    assert ready.turn((), NOTHING).deliveries == ()
    assert (ready.status("a").state, ready.status("a").deliveries) == ("ready", 0)


@pytest.mark.parametrize("first", [False, True], ids=["a later turn", "the first turn of a process"])
@pytest.mark.parametrize("singly", [False, True], ids=["together", "one by one"])
def test_the_commits_of_a_turn_that_was_given_up_and_arrives_late_are_not_stale(
    impatient: RedisBroker, connect: Callable[..., RedisBroker], singly: bool, first: bool
) -> None:
    commits = done_with_results(claims(impatient))
    broker = connect(patience=0) if first else impatient
    network = given_up(broker, commits)
    impatient.enqueue(enqueue_ops("new"))
    assert broker.turn((), NOTHING).stale == (), "before it arrives"
    network.deliver()
    turns = [broker.turn((commit,), NOTHING) for commit in commits] if singly else [broker.turn(commits, NOTHING)]

    assert [turn.stale for turn in turns] == [()] * len(turns)
    assert [broker.result(commit.message_id) for commit in commits] == [b"held", b"also"]
    assert (broker.status("new").state, broker.status("new").deliveries) == ("ready", 0)


def test_a_commit_after_which_a_message_goes_on_is_not_applied_again_with_the_turn_that_finds_its_late_copy(impatient: RedisBroker) -> None:
    """The copy arrives between the question whether it has, and the turn that repeats it."""
    held, also = claims(impatient)
    goes_on = Commit(held.message_id, "q", held.token, CONTINUE, (SetMarkOp("progress", b"1"), enqueue_op("child", "r")))
    other = Commit(also.message_id, "q", also.token, CONTINUE, (SetMarkOp("other", b"1"),))
    network = given_up(impatient, [goes_on])
    asks = impatient._state.turns._find_out

    def arrives_after_the_question(*arguments: object) -> None:
        impatient._state.turns._find_out = asks  # type: ignore[method-assign]
        asks(*arguments)  # type: ignore[arg-type]
        network.deliver()
        assert drain(impatient, "r", worker="another") == ["child"]

    impatient._state.turns._find_out = arrives_after_the_question  # type: ignore[method-assign]
    turn = impatient.turn([goes_on, other], NOTHING)

    assert turn.stale == ()
    assert drain(impatient, "r", worker="another") == [], "what was applied is not applied again"
    assert impatient.marks(["progress", "other"]).keys() == {"progress", "other"}, "the rest is applied"
    assert impatient.turn(done([held, also]), NOTHING).stale == ()


def test_a_turn_that_was_given_up_does_nothing_once_its_worker_has_committed_otherwise(impatient: RedisBroker) -> None:
    held, also = claims(impatient)
    network = given_up(impatient, done_with_results([held, also]))
    impatient.turn([Commit(held.message_id, "q", held.token, RELEASE)], NOTHING)
    network.deliver()

    assert impatient.result("also") is None
    assert ids(claims(impatient)) == ["held"]
    assert impatient.turn(done([also]), NOTHING).stale == ()


def test_of_a_turn_whose_reply_was_lost_each_commit_is_known_to_be_applied_in_whatever_turns_it_comes_again(impatient: RedisBroker) -> None:
    held, also = claims(impatient)
    foreign = Commit("nobody", "q", 1)
    commits = [*done_with_results([held, also]), foreign]
    break_at(impatient, 0, replied=True)
    with pytest.raises(BrokerUnavailable):
        impatient.turn(commits, NOTHING)
    mend(impatient)

    assert [impatient.turn([commit], NOTHING).stale for commit in commits] == [(), (), ("nobody",)]
    assert impatient.turn(commits[:1], NOTHING).stale == ("held",), "it is remembered until a reply has said so"


def test_what_was_added_to_a_turn_after_an_outage_is_applied_with_the_rest(impatient: RedisBroker) -> None:
    held, also = claims(impatient)
    commits = done_with_results([held])
    for replied in (False, True, False):
        break_at(impatient, 0, replied=replied)
        with pytest.raises(BrokerUnavailable):
            impatient.turn(commits, WANT)
        mend(impatient)
    commits += done_with_results([also])

    assert impatient.turn(commits, NOTHING).stale == ()
    assert (impatient.result("held"), impatient.result("also")) == (b"held", b"also")


def test_a_refused_commit_does_not_strand_what_the_turn_before_it_claimed(impatient: RedisBroker, client: redis.Redis) -> None:
    (held,) = claims(impatient, 1)
    break_at(impatient, 0, replied=True)
    with pytest.raises(BrokerUnavailable):
        impatient.turn((), WANT)
    mend(impatient)
    client.set("{fq}:group:g", "something else")
    for _ in range(2):
        with pytest.raises(BrokerError):
            impatient.turn([outcome(held, ACK, arrive_op(0, 1))], NOTHING)
    client.delete("{fq}:group:g")

    assert (impatient.status("also").state, impatient.status("also").deliveries) == ("ready", 0)
