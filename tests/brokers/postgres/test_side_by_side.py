"""Many brokers at once, as many processes have them: each delivery has one committed outcome, and each key one holder."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from fq.brokers.postgres import PostgresBroker
from fq.brokers.records import ABSENT, ArriveOp, Commit, SetMarkOp
from tests.brokers.builders import claim_request, deferred_enqueue, enqueue_op, outcome, unique_op


def drain(broker: PostgresBroker, worker: str, limit: int = 7, operations=lambda delivery: ()) -> list[str]:
    """Claim and commit until there is nothing; return the ids whose commits were applied."""
    done: list[str] = []
    commits: list[Commit] = []
    while True:
        turn = broker.turn(commits, claim_request(worker, limit=limit))
        done += [commit.message_id for commit in commits if commit.message_id not in turn.stale]
        if not turn.deliveries:
            return done
        commits = [outcome(delivery, outcome(delivery).disposition, *operations(delivery)) for delivery in turn.deliveries]


def test_each_message_is_committed_once(brokers: list[PostgresBroker]) -> None:
    brokers[0].enqueue([enqueue_op(f"m{number}") for number in range(300)])
    with ThreadPoolExecutor(4) as threads:
        done = threads.map(drain, brokers, ["w1", "w2", "w3", "w4"])

    counts = Counter(name for names in done for name in names)
    assert counts == {f"m{number}": 1 for number in range(300)}
    assert brokers[0].status("m7").state == "unknown"


def test_a_group_of_members_on_many_workers_is_followed_once(brokers: list[PostgresBroker]) -> None:
    brokers[0].enqueue([enqueue_op(f"m{number}") for number in range(60)])

    def arrive(delivery):
        return (ArriveOp("g", int(delivery.message_id[1:]), 60, b"1", (deferred_enqueue("after", "later"),), 60_000),)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda pair: drain(*pair, operations=arrive), zip(brokers, ["w1", "w2", "w3", "w4"], strict=True)))

    (delivery,) = brokers[0].turn((), claim_request("w", "later")).deliveries
    assert delivery.body == b'{"args":[' + b",".join([b"1"] * 60) + b"]}"


def test_a_unique_key_has_one_holder(brokers: list[PostgresBroker]) -> None:
    names = count()
    with ThreadPoolExecutor(4) as threads:
        placed = list(threads.map(lambda broker: [broker.place([unique_op(f"m{next(names)}")])[0] for _ in range(20)], brokers))

    every = [placement for some in placed for placement in some]
    assert sum(placement.is_new for placement in every) == 1
    assert len({placement.message_id for placement in every}) == 1


def test_one_of_many_sets_a_mark_that_is_absent(brokers: list[PostgresBroker]) -> None:
    op = SetMarkOp("k", b"1", expected=ABSENT, then=(enqueue_op("m"),))
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda broker: [broker.set_marks([op])[0] for _ in range(10)], brokers))

    assert sum(each for some in done for each in some) == 1


def test_sends_in_opposite_orders_do_not_fail(brokers: list[PostgresBroker]) -> None:
    names = [f"m{number}" for number in range(50)]

    def send(pair: tuple[PostgresBroker, int]) -> int:
        broker, turn = pair
        return sum(broker.enqueue([enqueue_op(f"{round_}:{name}") for name in names[:: 1 if turn % 2 else -1]]) for round_ in range(10))

    with ThreadPoolExecutor(4) as threads:
        new = sum(threads.map(send, zip(brokers, range(4), strict=True)))

    assert new == 500
