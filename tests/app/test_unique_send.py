"""`settle`: a send that replaces, while the message that holds its key begins, ends, or is put back in between. Each story is played on the memory broker."""

from collections.abc import Callable
from typing import Any

import pytest

from fq import Message
from fq.app.unique_send import MAX_ATTEMPTS, is_duplicate, settle
from fq.brokers.clock import ManualClock
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import RELEASE, ClaimRequest, Commit, EnqueueOp, Placement
from fq.core.reserved_options import UNIQUE
from fq.core.uniqueness import OnConflict, Uniqueness
from fq.execution.outcome_encoding import unique_key
from tests.messages import message

WORKER = ClaimRequest("w", ("q",), 1)


class Meddling(MemoryBroker):
    """Does what *before_replace* says, once each, before a `replace`, and counts calls."""

    def __init__(self, *before_replace: Callable[["Meddling"], object]) -> None:
        super().__init__(clock=ManualClock())
        self.before_replace = list(before_replace)
        self.placed = self.replaced = 0

    def place(self, ops: Any) -> tuple[Placement, ...]:
        self.placed += 1
        return super().place(ops)

    def replace(self, op: EnqueueOp, expected: bytes | None = None) -> bool:
        self.replaced += 1
        if self.before_replace:
            self.before_replace.pop(0)(self)
        return super().replace(op, expected)


def claim(broker: MemoryBroker) -> None:
    """Begin to run the first message."""
    broker.turn([], WORKER)


def end(broker: MemoryBroker) -> None:
    """Run the first message to its end."""
    (delivery,) = broker.turn([], WORKER).deliveries
    broker.turn([Commit(delivery.message_id, "q", delivery.token)], ClaimRequest("w", (), 0))


def put_back(broker: MemoryBroker) -> None:
    """Begin to run the first message, and hand it back."""
    (delivery,) = broker.turn([], WORKER).deliveries
    broker.turn([Commit(delivery.message_id, "q", delivery.token, RELEASE)], ClaimRequest("w", (), 0))


def take(message_id: str) -> Callable[[MemoryBroker], None]:
    def take(broker: MemoryBroker) -> None:
        """Another sender takes the key."""
        broker.enqueue([op_of(message_id, "keep")[1]])

    return take


def both(*steps: Callable[[Any], object]) -> Callable[[MemoryBroker], None]:
    def run(broker: MemoryBroker) -> None:
        for step in steps:
            step(broker)

    return run


def op_of(message_id: str, on_conflict: OnConflict, **terms: Any) -> tuple[Message, EnqueueOp]:
    option = Uniqueness("k", on_conflict=on_conflict, **terms).as_json()
    made = message("work", message_id=message_id, queue_name="q", **{UNIQUE: option})
    return made, EnqueueOp(message_id, "q", "work", 0, 0, message_id.encode(), unique=unique_key(made.options))


def sent(broker: MemoryBroker, on_conflict: OnConflict, **terms: Any) -> str:
    """Send m2 while m1 holds the key, and return which message stands for it, and what that holds."""
    made, op = op_of("m2", on_conflict, **terms)

    def with_id(message_id: str) -> EnqueueOp:
        return EnqueueOp(message_id, "q", "work", 0, 0, b"m2", unique=op.unique)

    (placement,) = broker.place([op])
    placement = settle(broker, made, op, placement, with_id)
    entry = broker.peek(placement.message_id)
    return f"{'new' if placement.is_new else 'old'} {placement.message_id} with {'nothing' if entry is None else entry.body.decode()}"


@pytest.mark.parametrize(
    ("on_conflict", "meanwhile", "found"),
    [
        ("keep", [], "old m1 with m1"),
        ("replace", [], "old m1 with m2"),
        ("replace", [claim], "old m1 with m1"),
        ("replace", [end], "new m2 with m2"),
        ("replace", [both(end, take("m3"))], "old m3 with m2"),
        ("replace", [both(end, take("m3")), claim], "old m3 with m3"),
        ("replace", [put_back], "old m1 with m2"),
        ("after", [], "old m1 with m2"),
        ("after", [claim], "new m2 with m2"),
        ("after", [end], "new m2 with m2"),
        ("after", [both(end, take("m3"))], "old m3 with m2"),
    ],
)
def test_the_latest_wins_unless_the_other_has_begun(on_conflict: OnConflict, meanwhile: list[Any], found: str) -> None:
    broker = Meddling(*meanwhile)
    broker.enqueue([op_of("m1", "keep")[1]])

    assert sent(broker, on_conflict) == found


def test_one_of_which_only_the_window_is_left_is_kept() -> None:
    for on_conflict in ("replace", "after"):
        broker = Meddling()
        broker.enqueue([op_of("m1", "keep", window=5_000)[1]])
        end(broker)

        assert sent(broker, on_conflict, window=5_000) == "old m1 with nothing"  # type: ignore[arg-type]


def test_what_changes_with_every_look_is_given_up() -> None:
    broker = Meddling(*(both(end, take(f"n{number}")) for number in range(100)))
    broker.enqueue([op_of("m1", "keep")[1]])

    assert sent(broker, "replace") == f"old n{MAX_ATTEMPTS - 1} with n{MAX_ATTEMPTS - 1}"
    assert broker.replaced <= MAX_ATTEMPTS


def test_one_that_runs_costs_four_calls_at_most() -> None:
    broker = Meddling()
    broker.enqueue([op_of("m1", "keep")[1]])
    claim(broker)
    broker.placed = broker.replaced = 0

    assert sent(broker, "replace") == "old m1 with m1"
    assert (broker.placed, broker.replaced) == (2, 2)


@pytest.mark.parametrize(
    ("key", "placement", "duplicate"),
    [
        ("k", Placement("m2", True), False),
        ("k", Placement("m1", False), True),
        ("k", Placement("m2", False), False),
        ("id:m2", Placement("m2", False), True),
        ("id:m2", Placement("m2", True), False),
    ],
)
def test_a_message_of_ones_own_that_the_broker_got_twice_is_no_duplicate_unless_its_id_was_chosen(
    key: str, placement: Placement, duplicate: bool
) -> None:
    op = EnqueueOp("m2", "q", "work", 0, 0, b"", unique=unique_key({UNIQUE: {"key": key}}))

    assert is_duplicate(op, placement) is duplicate
