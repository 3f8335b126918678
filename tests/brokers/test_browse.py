"""Every broker: messages are looked at page by page, in the order of their state, and no call looks at more than a bounded number."""

import json
from collections.abc import Callable
from itertools import product

import pytest

from fq.brokers.browsing import MAX_LOOKED_AT, MAX_PAGE_BYTES, BrowsedState, Entry, Page
from fq.brokers.protocol import Broker
from fq.brokers.records import Bury, Delivery, Release, Reschedule, SetMarkOp
from fq.core.fault import Fault
from fq.errors import BrokerError
from tests.brokers.builders import FAULT, after_op, bury, claim, claim_one, commit, enqueue_op, enqueue_ops, run, settle, state, unique_op
from tests.brokers.harness import Harness

STATES: list[BrowsedState] = ["ready", "delayed", "retrying", "running", "dead"]
TYPE_ERROR = Fault("TypeError", "no", "")


def entries(broker: Broker, state: BrowsedState, *, limit: int = 100, **filters: str) -> list[Entry]:
    """Return the entries of all pages."""
    found: list[Entry] = []
    after = ""
    while True:
        page = broker.browse(state, after=after, limit=limit, **filters)
        assert len(page.entries) <= limit
        found += page.entries
        if not page.after:
            return found
        assert page.after != after, "the cursor did not move"
        after = page.after


def names(broker: Broker, state: BrowsedState, *, limit: int = 100, **filters: str) -> list[str]:
    return [entry.status.message_id for entry in entries(broker, state, limit=limit, **filters)]


def fail(broker: Broker, message_id: str, fault: Fault | None = FAULT, *, queue: str = "q", delay: int = 50_000) -> None:
    """Let a message fail, and be delayed."""
    commit(broker, claim_one(broker, "w1", queue), Reschedule(enqueue_op(message_id, queue, delay=delay), fault))


def fill(harness: Harness, broker: Broker, held: dict[str, Delivery] | None = None) -> dict[BrowsedState, list[str]]:
    """Put messages into every state, note what runs in *held*, and return the ids of all, by state and in order."""
    held = {} if held is None else held
    for number, (queue, actor) in enumerate([("b", "x"), ("a", "y"), ("b", "y"), ("a", "x")]):
        bury(broker, enqueue_op(f"dead{number}", queue, actor=actor), (FAULT, TYPE_ERROR)[number % 2])
        harness.advance(10)
        broker.enqueue([enqueue_op(f"run{number}", "run", actor=actor)])
        held[f"run{number}"] = claim_one(broker, "w1", "run", lease=10_000_000)
        harness.advance(10)
        broker.enqueue([enqueue_op(f"retry{number}", queue, actor=actor)])
        fail(broker, f"retry{number}", (FAULT, TYPE_ERROR)[number % 2], queue=queue, delay=900_000 - number * 1_000)
        broker.enqueue([enqueue_op(f"later{number}", queue, actor=actor, delay=600_000 - number * 1_000)])
    for number, (queue, actor, priority) in enumerate([("b", "x", 0), ("a", "y", 1), ("a", "x", 0), ("a", "y", -1), ("a", "y", 0)]):
        broker.enqueue([enqueue_op(f"ready{number}", queue, actor=actor, priority=priority)])
        harness.advance(10)
    retrying = [f"retry{number}" for number in (3, 2, 1, 0)]
    return {
        "ready": [f"ready{number}" for number in (3, 2, 4, 1, 0)],
        "delayed": [f"later{number}" for number in (3, 2, 1, 0)] + retrying,
        "retrying": retrying,
        "running": [f"run{number}" for number in range(4)],
        "dead": [f"dead{number}" for number in (3, 2, 1, 0)],
    }


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 100])
def test_messages_come_in_the_order_of_their_state_page_by_page(harness: Harness, broker: Broker, other: Broker, limit: int) -> None:
    expected = fill(harness, broker)

    for wanted in STATES:
        assert names(other, wanted, limit=limit) == expected[wanted]


def test_messages_are_found_by_queue_actor_and_error(harness: Harness, broker: Broker) -> None:
    fill(harness, broker)
    everything = {wanted: entries(broker, wanted) for wanted in STATES}

    for wanted, queue, actor, error, limit in product(
        STATES, [None, "a", "b", "none"], [None, "x", "none"], [None, "TypeError", "none"], [1, 100]
    ):
        filters = {key: value for key, value in (("queue", queue), ("actor", actor), ("error", error)) if value is not None}
        expected = [
            entry.status.message_id
            for entry in everything[wanted]
            if queue in (None, entry.status.queue_name)
            and actor in (None, entry.status.actor_name)
            and error in (None, entry.status.fault.type if entry.status.fault else None)
        ]
        assert names(broker, wanted, limit=limit, **filters) == expected


@pytest.mark.parametrize("wanted", STATES)
def test_there_is_nothing_in_an_empty_store(broker: Broker, wanted: BrowsedState) -> None:
    assert entries(broker, wanted) == []
    assert broker.queues() == ()


# Entries.


def test_an_entry_says_where_the_message_is_and_since_when(harness: Harness, broker: Broker, other: Broker) -> None:
    start = broker.now()
    broker.enqueue([enqueue_op("ready", actor="act", priority=3, body=b"\xff 1"), enqueue_op("later", delay=60_000, body=b"2")])
    broker.enqueue([enqueue_op("run", "r", priority=-2, body=b"3")])
    harness.advance(1_000)
    claim_one(broker, "w1", "r", lease=900_000)
    harness.advance(1_000)
    bury(broker, enqueue_op("dead", "d", priority=7, body=b"4"))
    found = {entry.status.message_id: entry for wanted in STATES for entry in entries(other, wanted)}

    assert {key: (entry.priority, entry.body) for key, entry in found.items()} == {
        "ready": (3, b"\xff 1"),
        "later": (0, b"2"),
        "run": (-2, b"3"),
        "dead": (7, b"4"),
    }
    for key, since in (("ready", 0), ("later", 60_000), ("run", 1_000), ("dead", 2_000)):
        assert abs(found[key].since - start - since) <= harness.slack
        assert found[key].status == broker.status(key)
        assert broker.peek(key) == found[key]
    assert "body" not in repr(found["ready"])


def test_what_was_delayed_is_ready_since_it_was_due(harness: Harness, broker: Broker) -> None:
    broker.enqueue([enqueue_op("m", delay=10_000)])
    due = broker.status("m").due
    harness.advance(30_000)
    (entry,) = entries(broker, "ready")

    assert (entry.status.state, entry.since) == ("ready", due)
    assert entries(broker, "delayed") == []


def test_what_is_due_is_ready_in_the_place_that_a_turn_would_give_it(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue([enqueue_op("soon", delay=100), enqueue_op("urgent", priority=-1, delay=300), enqueue_op("b", "b", delay=200)])
    broker.enqueue([enqueue_op("now"), enqueue_op("later", delay=10**8), enqueue_op("last", priority=1)])
    harness.advance(20_000)
    looks = [(names(other, "ready", limit=limit), names(other, "ready", queue="q", limit=limit)) for limit in (1, 2, 100)]
    settle(broker)

    assert looks == [(["b", "urgent", "now", "soon", "last"], ["urgent", "now", "soon", "last"])] * 3
    assert names(other, "delayed") == ["later"]
    assert (names(other, "ready"), names(other, "ready", queue="q")) == looks[0], "a turn changes nothing of that"


def test_of_any_number_that_is_due_each_is_ready_and_none_delayed(harness: Harness, broker: Broker) -> None:
    count = 2 * MAX_LOOKED_AT + 300
    broker.enqueue([enqueue_op(f"m{number:04}", "ab"[number % 2], priority=number % 3, delay=10 + number) for number in range(count)])
    broker.enqueue([enqueue_op("now", "c"), enqueue_op("later", "a", delay=10**8)])
    fail(broker, "now", queue="c", delay=20)
    harness.advance(30_000)
    stats = {queue.queue_name: (queue.ready, queue.delayed) for queue in broker.queues()}
    shown = [names(broker, "ready", limit=limit) for limit in (70, 10**6)]
    of_a = names(broker, "ready", queue="a", limit=10**6)

    assert stats == {"a": (count // 2, 1), "b": (count // 2, 0), "c": (1, 0)}
    assert shown[0] == shown[1]
    assert sorted(shown[0]) == sorted([f"m{number:04}" for number in range(count)] + ["now"])
    assert sorted(of_a) == [f"m{number:04}" for number in range(0, count, 2)]
    assert (names(broker, "delayed"), names(broker, "retrying")) == (["later"], [])
    assert names(broker, "ready", error=FAULT.type) == ["now"]
    assert all(entry.status.state == "ready" for entry in broker.browse("ready", limit=10**6).entries)


def test_a_look_at_what_is_due_leaves_it_to_the_next_turn(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue([enqueue_op("m", delay=100)])
    harness.advance(20_000)
    before = broker.queues()[0].ready, names(other, "ready")
    claimed = claim(broker)

    assert before == (1, ["m"])
    assert [delivery.message_id for delivery in claimed] == ["m"]


@pytest.mark.parametrize("counted", [False, True])
def test_a_message_that_came_back_keeps_its_place(harness: Harness, broker: Broker, counted: bool) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    before = entries(broker, "ready")
    commit(broker, claim_one(broker), Release(counted))

    assert names(broker, "ready") == ["a", "b"]
    assert [entry.since for entry in entries(broker, "ready")] == [entry.since for entry in before]


def test_what_is_put_aside_is_delayed_without_a_time_and_comes_last(broker: Broker) -> None:
    broker.place([unique_op("m", queue="held")])
    claim_one(broker, "w1", "held")
    broker.place([after_op("aside"), enqueue_op("later", delay=10**10)])
    found = entries(broker, "delayed", limit=1)

    assert [(entry.status.message_id, entry.since == 0) for entry in found] == [("later", False), ("aside", True)]
    assert broker.peek("aside") == found[1]


def test_a_message_that_failed_and_is_ready_is_not_retrying(harness: Harness, broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    fail(broker, "m", delay=10_000)
    before = names(broker, "retrying")
    harness.advance(10_000)

    assert before == ["m"]
    assert names(broker, "retrying") == names(broker, "delayed") == []
    assert names(broker, "ready", error=FAULT.type) == ["m"]


def test_a_message_that_was_put_off_is_delayed_and_not_retrying(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    fail(broker, "m", None)

    assert (names(broker, "retrying"), names(broker, "delayed")) == ([], ["m"])


def test_peek_finds_what_has_not_ended_and_what_is_dead(broker: Broker) -> None:
    run(broker, message_id="done")
    bury(broker, enqueue_op("dead", body=b"dead"))
    bury(broker, enqueue_op("both", body=b"dead"))
    broker.enqueue([enqueue_op("both", body=b"alive")])
    dead, both = broker.peek("dead"), broker.peek("both")

    assert broker.peek("done") is None
    assert broker.peek("never") is None
    assert dead is not None and (dead.status.state, dead.body, dead.status.fault) == ("dead", b"dead", FAULT)
    assert both is not None and (both.status.state, both.body) == ("ready", b"alive")


@pytest.mark.parametrize("wanted", STATES)
def test_dead_letters_that_are_no_longer_kept_are_not_shown(harness: Harness, broker: Broker, wanted: BrowsedState) -> None:
    bury(broker, enqueue_op("m"))
    harness.advance(8 * 24 * 60 * 60 * 1_000)

    assert entries(broker, wanted) == []
    assert broker.peek("m") is None


# Pages while messages move.


@pytest.mark.parametrize("wanted", STATES)
def test_each_message_that_stays_is_shown_once_while_others_come_and_go(harness: Harness, broker: Broker, wanted: BrowsedState) -> None:
    held: dict[str, Delivery] = {}
    expected = fill(harness, broker, held)[wanted]
    first = broker.browse(wanted, limit=1)
    gone, *stay = expected
    if wanted == "running":
        commit(broker, held["run0"])
    else:
        assert broker.discard([gone]) == 1
    broker.enqueue([enqueue_op("new", "zzz"), enqueue_op("new later", delay=10**9)])
    second = broker.browse(wanted, after=first.after, limit=100)
    shown = [entry.status.message_id for entry in second.entries if not entry.status.message_id.startswith("new")]

    assert [entry.status.message_id for entry in first.entries] == [gone]
    assert shown == stay


def test_of_letters_that_died_together_each_is_shown_once(broker: Broker) -> None:
    broker.enqueue(enqueue_ops(*"abcd"))
    for delivery in claim(broker):
        commit(broker, delivery, Bury(FAULT))
    first = broker.browse("dead", limit=2)
    broker.discard([entry.status.message_id for entry in first.entries])
    second = broker.browse("dead", after=first.after)

    assert [entry.status.message_id for page in (first, second) for entry in page.entries] == [*"dcba"]


# Bounds.


@pytest.mark.parametrize("wanted", ["ready", "delayed"])
def test_a_call_looks_at_a_bounded_number_of_messages(broker: Broker, wanted: BrowsedState) -> None:
    delay = 100_000 if wanted == "delayed" else 0
    broker.enqueue([enqueue_op(f"m{number:04}", actor="common", delay=delay) for number in range(MAX_LOOKED_AT + 50)])
    broker.enqueue([enqueue_op("rare", actor="rare", priority=1, delay=2 * delay)])
    first = broker.browse(wanted, actor="rare", limit=10)

    assert first.entries == ()
    assert first.after
    assert names(broker, wanted, actor="rare") == ["rare"]
    assert len(broker.browse(wanted, limit=5 * MAX_LOOKED_AT).entries) == MAX_LOOKED_AT
    assert len(names(broker, wanted, limit=5 * MAX_LOOKED_AT)) == MAX_LOOKED_AT + 51


@pytest.mark.parametrize("wanted", STATES)
def test_the_pages_say_how_many_messages_they_have_looked_at(harness: Harness, broker: Broker, wanted: BrowsedState) -> None:
    expected = fill(harness, broker)
    looked_at, after = [], "beginning"
    while after:
        page = broker.browse(wanted, limit=2, actor="x", after="" if after == "beginning" else after)
        looked_at.append(page.looked_at)
        after = page.after

    least = 2 if wanted == "dead" else len(expected[wanted])  # an index may lead to dead ones that fit
    most = len(expected["delayed" if wanted == "retrying" else wanted])  # those that retry may be found among all that are delayed
    assert least <= sum(looked_at) <= most


@pytest.mark.parametrize("wanted", ["ready", "delayed", "dead"])
def test_a_page_ends_before_its_bodies_are_too_much(broker: Broker, wanted: BrowsedState) -> None:
    size = MAX_PAGE_BYTES // 4 + 1
    for number in range(10):
        op = enqueue_op(f"m{number}", body=b"x" * size, delay=600_000 if wanted == "delayed" else 0)
        if wanted == "dead":
            bury(broker, op)
        else:
            broker.enqueue([op])
    first = broker.browse(wanted)

    assert (len(first.entries), first.looked_at) == (4, 4)
    assert sorted(names(broker, wanted)) == [f"m{number}" for number in range(10)]


def test_a_message_larger_than_a_page_is_shown_alone(broker: Broker) -> None:
    broker.enqueue([enqueue_op(each, body=b"x" * (MAX_PAGE_BYTES + 1)) for each in "ab"])

    assert [len(broker.browse("ready").entries), names(broker, "ready")] == [1, ["a", "b"]]


@pytest.mark.parametrize("wanted", STATES)
@pytest.mark.parametrize("after", ["nonsense", "{}", "7", "[{}]", "[null]", "[[1]]", '["x"]', "[1, 2, 3, 4, 5, 6, 7]", "[", "[1.5, 2]"])
def test_a_cursor_that_is_from_no_page_is_refused(harness: Harness, broker: Broker, wanted: BrowsedState, after: str) -> None:
    fill(harness, broker)
    with pytest.raises(BrokerError, match=r"found after=.*, expected what"):
        broker.browse(wanted, after=after)


CHANGES: dict[str, Callable[[int | str], int | str]] = {
    "numbers that are too large": lambda part: part if isinstance(part, str) else 10**30,
    "texts that no name is": lambda part: part + "\ud800" if isinstance(part, str) else part,
    "other types": lambda part: str(part) if isinstance(part, int) else 1,
}


@pytest.mark.parametrize("wanted", STATES)
@pytest.mark.parametrize("change", CHANGES)
def test_a_cursor_that_was_changed_is_refused(harness: Harness, broker: Broker, wanted: BrowsedState, change: str) -> None:
    fill(harness, broker)
    place = json.loads(broker.browse(wanted, limit=1).after)
    changed = [CHANGES[change](part) for part in place]
    if changed != place:
        with pytest.raises(BrokerError, match=r"found after=.*, expected what"):
            broker.browse(wanted, after=json.dumps(changed))


def test_a_cursor_that_is_too_deep_to_read_is_refused(broker: Broker) -> None:
    with pytest.raises(BrokerError, match=r"found after=.* of 100000 characters, expected what"):
        broker.browse("ready", after="[" * 100_000)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_of_nothing_shows_nothing(harness: Harness, broker: Broker, limit: int) -> None:
    fill(harness, broker)
    broker.set_marks([SetMarkOp("mark", b"1", index="i")])
    worker = broker.workers()[0].worker
    cursors = {wanted: broker.browse(wanted, limit=1).after for wanted in STATES}

    assert {wanted: broker.browse(wanted, after=after, limit=limit) for wanted, after in cursors.items()} == {
        wanted: Page((), after) for wanted, after in cursors.items()
    }
    assert (broker.marks_in("i", limit=limit), broker.dead_letters(limit=limit), broker.claimed_by(worker, limit=limit)) == ((), (), ())


@pytest.mark.parametrize("filters", [{"queue": ""}, {"actor": "nul \0"}, {"error": ""}], ids=str)
def test_what_can_be_no_name_is_not_searched_for(broker: Broker, filters: dict[str, str]) -> None:
    with pytest.raises(BrokerError, match=r"found (queue|actor|error)=.*, expected a text that is not empty"):
        broker.browse("ready", **filters)
    with pytest.raises(BrokerError, match=r"found message_id="):
        broker.peek("")
    assert state(broker, "m") == "unknown"
