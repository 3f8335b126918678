"""Every broker: an index lists marks by order and key, page by page, in both directions, and keeps the highest of them if it is bounded."""

from itertools import permutations, product

import pytest

from fq.brokers.operations import MAX_KEY_BYTES
from fq.brokers.protocol import Broker
from fq.brokers.records import ACK, Mark, SetMarkOp
from fq.brokers.validation import MAX_EXACT_INTEGER
from fq.errors import BrokerError
from tests.brokers.builders import claim_one, commit, enqueue_op, enqueue_ops, mark, mark_body, set_mark, settle, state, unique_op
from tests.brokers.harness import Harness

PLACES = [(0, "b"), (0, "\uffff"), (0, "🦆"), (5, "a"), (5, "a b"), (10, "x"), (MAX_EXACT_INTEGER - 1, "c"), (MAX_EXACT_INTEGER, "c2")]
"""By order and key; the keys by their code points, as UTF-8 has them."""


def keys(marks: tuple[Mark, ...]) -> list[str]:
    return [each.key for each in marks]


def listed(broker: Broker, index: str = "i") -> list[str]:
    return keys(broker.marks_in(index))


def test_any_part_of_an_index_is_read_in_both_directions(broker: Broker, other: Broker) -> None:
    for order, key in sorted(PLACES, key=lambda place: place[1][::-1]):
        set_mark(broker, key, index="i", order=order)
    set_mark(broker, "elsewhere", index="j", order=5)
    between = [None, (0, ""), (5, "a a"), (7, "z"), (MAX_EXACT_INTEGER, "z"), *PLACES]

    for after, latest_first, limit in product(between, [False, True], [1, 3, 100]):
        expected = [place for place in PLACES if after is None or (place < after if latest_first else place > after)]
        found = other.marks_in("i", after=after, limit=limit, latest_first=latest_first)
        assert [(each.order, each.key) for each in found] == (expected[::-1] if latest_first else expected)[:limit]


def test_an_index_is_empty_until_a_mark_names_it(broker: Broker) -> None:
    set_mark(broker, "k")

    assert broker.marks_in("i") == ()
    assert broker.count_marks("i") == 0


def test_an_index_counts_its_marks(broker: Broker) -> None:
    for number in range(3):
        set_mark(broker, f"k{number}", index="i", order=number)
    set_mark(broker, "k0", None)

    assert broker.count_marks("i") == 2


def test_marks_that_have_ended_are_not_counted_for_long(harness: Harness, broker: Broker) -> None:
    for number in range(5):
        set_mark(broker, f"k{number}", index="i", order=number, ttl=10_000)
    set_mark(broker, "kept", index="i")
    harness.advance(20_000)
    for _ in range(5):
        settle(broker)

    assert broker.count_marks("i") == 1
    assert listed(broker) == ["kept"]


@pytest.mark.parametrize("index", ["", "i", "j"])
def test_a_mark_that_is_set_again_is_listed_where_it_is_set_now(broker: Broker, index: str) -> None:
    for order, key in enumerate("abc"):
        set_mark(broker, key, index="i", order=order)
    set_mark(broker, "a", b"again", index=index, order=7)

    assert listed(broker) == (["b", "c", "a"] if index == "i" else ["b", "c"])
    assert listed(broker, "j") == (["a"] if index == "j" else [])
    assert mark_body(broker, "a") == b"again"
    assert [each.order for each in broker.marks_in("j")] == ([7] if index == "j" else [])


def test_a_mark_that_is_deleted_is_not_listed(broker: Broker) -> None:
    set_mark(broker, "a", index="i")
    set_mark(broker, "a", None, index="i")

    assert listed(broker) == []
    assert broker.count_marks("i") == 0


@pytest.mark.parametrize("orders", list(permutations(range(4))), ids=str)
@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_a_bounded_index_keeps_the_highest(broker: Broker, orders: tuple[int, ...], most: int) -> None:
    kept: list[int] = []
    for order in orders:
        set_mark(broker, f"k{order}", index="i", order=order, most=most)
        kept = sorted([*kept, order])[-most:]
        assert listed(broker) == [f"k{each}" for each in kept]

    assert sorted(broker.marks([f"k{order}" for order in orders])) == listed(broker)


def test_a_bound_that_becomes_smaller_trims_what_is_there(broker: Broker) -> None:
    for order in range(5):
        set_mark(broker, f"k{order}", index="i", order=order)
    set_mark(broker, "k9", index="i", order=9, most=2)

    assert listed(broker) == ["k4", "k9"]
    assert mark(broker, "k0") is None


def test_a_mark_that_is_set_again_does_not_push_another_out(broker: Broker) -> None:
    for order in range(2):
        set_mark(broker, f"k{order}", index="i", order=order, most=2)
    set_mark(broker, "k0", b"again", index="i", order=5, most=2)

    assert listed(broker) == ["k1", "k0"]


STEPS = [("c", 3), ("c", 7), ("a", 1), ("a", 9), ("b", None)]
"""What is done to an index that lists "a" at 5 and "b" at 6: a key is set to an order, or deleted."""


def step_in(index: str, key: str, order: int | None) -> SetMarkOp:
    return SetMarkOp(f"{index} {key}", None if order is None else b"1", index=index, order=order or 0, most=2)


@pytest.mark.parametrize("by", ["call", "commit"])
def test_many_changes_of_a_bounded_index_at_once_do_what_they_do_one_by_one(broker: Broker, by: str) -> None:
    for number, steps in enumerate(permutations(STEPS, 3)):
        at_once, alone = f"i{number}", f"j{number}"
        broker.set_marks([step_in(index, key, order) for index in (at_once, alone) for key, order in (("a", 5), ("b", 6))])
        for key, order in steps:
            broker.set_marks([step_in(alone, key, order)])
        ops = [step_in(at_once, key, order) for key, order in steps]
        if by == "call":
            broker.set_marks(ops)
        else:
            broker.enqueue(enqueue_ops(at_once))
            commit(broker, claim_one(broker), ACK, *ops)

        assert [key.split()[1] for key in listed(broker, at_once)] == [key.split()[1] for key in listed(broker, alone)], steps


def test_a_bound_is_of_one_index(broker: Broker) -> None:
    set_mark(broker, "a", index="i")
    set_mark(broker, "b", index="j", most=1)
    set_mark(broker, "c", index="j", order=1, most=1)

    assert (listed(broker), listed(broker, "j")) == (["a"], ["c"])


def test_a_commit_lists_and_trims_as_a_call_does(broker: Broker) -> None:
    for name in ("a", "b", "c"):
        broker.enqueue(enqueue_ops(name))
        commit(broker, claim_one(broker), ACK, SetMarkOp(f"finished:{name}", b"1", index="finished", order=ord(name), most=2))

    assert listed(broker, "finished") == ["finished:b", "finished:c"]


# Keys.

ODD = [
    "a b",
    "it's",
    '"quoted"',
    "{x}",
    "a:b",
    "line\nbreak",
    "100%",
    "\\",
    "*",
    "[a-z]",
    "?",
    "Ünïcode",
    "🦆",
    "%s",
    "--",
    ";",
    "'; drop",
    "\t",
]
LONGEST = ["x" * MAX_KEY_BYTES, "🦆" * (MAX_KEY_BYTES // 4), "é" * (MAX_KEY_BYTES // 2)]


@pytest.mark.parametrize("key", [*ODD, *LONGEST], ids=lambda key: ascii(key[:8]))
def test_any_other_text_can_be_a_key(broker: Broker, other: Broker, key: str) -> None:
    assert set_mark(broker, key, b"1", unique_op("m", key), index=key, order=3)
    assert set_mark(broker, f"not {key}"[: MAX_KEY_BYTES // 4], b"2", index=key, order=4)
    assert other.place([unique_op("n", key)])[0].message_id == "m"
    assert other.marks([key]) == {key: Mark(key, b"1", 0, key, 3)}
    assert keys(other.marks_in(key))[0] == key
    assert keys(other.marks_in(key, after=(4, "🦆" * 9), limit=1, latest_first=True)) == keys(other.marks_in(key))[1:]
    assert not set_mark(other, key, b"3", expected=b"2")
    assert set_mark(other, key, None, expected=b"1")
    assert other.count_marks(key) == 1


BAD_KEYS = ["", "a\0b", "lone \udc80 surrogate", "x" * (MAX_KEY_BYTES + 1), "é" * (MAX_KEY_BYTES // 2) + "x", None, 7, b"k"]


@pytest.mark.parametrize("key", BAD_KEYS, ids=lambda key: ascii(key)[:12])
def test_what_can_be_no_key_is_refused(broker: Broker, key: str) -> None:
    calls = [
        lambda: broker.set_marks([SetMarkOp("sound", b"1"), SetMarkOp(key, b"1")]),
        lambda: broker.marks(["sound", key]),
        lambda: broker.marks_in(key),
        lambda: broker.count_marks(key),
        lambda: broker.place([enqueue_op("sound"), unique_op("m", key)]),
        lambda: broker.enqueue([enqueue_op("sound"), unique_op("m", key)]),
        lambda: broker.replace(unique_op("m", key)),
    ]
    for call in calls:
        with pytest.raises(BrokerError, match=r"found key=.*, expected a text that is not empty.* of 1024 bytes at most"):
            call()

    assert mark(broker, "sound") is None
    assert state(broker, "sound") == "unknown"
    assert broker.queues() == ()


def test_the_error_about_a_long_key_is_short(broker: Broker) -> None:
    with pytest.raises(BrokerError, match="of 5000 characters") as error:
        broker.marks(["x" * 5_000])

    assert len(str(error.value)) < 400


MALFORMED = {
    "a body of text": SetMarkOp("k", "text"),  # type: ignore[arg-type]
    "a negative ttl": SetMarkOp("k", b"1", ttl=-1),
    "a ttl that is too long": SetMarkOp("k", b"1", ttl=10**30),
    "half a ms": SetMarkOp("k", b"1", ttl=1.5),  # type: ignore[arg-type]
    "an expectation of text": SetMarkOp("k", b"1", expected="other"),  # type: ignore[arg-type]
    "no expectation": SetMarkOp("k", b"1", expected=None),  # type: ignore[arg-type]
    "a negative order": SetMarkOp("k", b"1", order=-1),
    "an order that is too high": SetMarkOp("k", b"1", order=MAX_EXACT_INTEGER + 1),
    "a negative bound": SetMarkOp("k", b"1", most=-1),
    "NUL in the index": SetMarkOp("k", b"1", index="nul \0"),
    "an index that is too long": SetMarkOp("k", b"1", index="x" * (MAX_KEY_BYTES + 1)),
    "a negative delay": SetMarkOp("k", b"1", then=(enqueue_op("m", delay=-1),)),
    "NUL in a unique key": SetMarkOp("k", b"1", then=(unique_op("m", "nul \0"),)),
    "a key until later": SetMarkOp("k", b"1", then=(unique_op("m", until="later"),)),  # type: ignore[arg-type]
    "a conflict that replaces": SetMarkOp("k", b"1", then=(unique_op("m", on_conflict="replace"),)),  # type: ignore[arg-type]
    "a negative window": SetMarkOp("k", b"1", then=(unique_op("m", window=-1),)),
    "a max_wait that is too long": SetMarkOp("k", b"1", then=(unique_op("m", max_wait=10**30),)),
}


@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED.keys())
def test_with_one_malformed_operation_nothing_of_the_call_is_applied(broker: Broker, malformed: SetMarkOp) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker)
    with pytest.raises(BrokerError, match=r"found .* expected .*nothing of this call was applied"):
        broker.set_marks([SetMarkOp("sound", b"1"), malformed])
    with pytest.raises(BrokerError, match=r"found .* expected .*nothing of this call was applied"):
        commit(broker, delivery, ACK, SetMarkOp("sound", b"1"), malformed)

    assert broker.marks(["sound", "k"]) == {}
    assert commit(broker, delivery) == ()


def test_a_body_may_be_large(broker: Broker, other: Broker) -> None:
    body = bytes(range(256)) * 4_000
    set_mark(broker, "k", body)

    assert mark_body(other, "k") == body
    assert set_mark(other, "k", b"small", expected=body)
