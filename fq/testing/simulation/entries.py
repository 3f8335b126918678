"""`Entries`: the part of a `Ledger` that knows which messages there are, their unique keys, and the marks. Mutable shell."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import islice, zip_longest

from attrs import frozen

from fq.brokers.records import EnqueueOp, Placement, SetMarkOp
from fq.testing.simulation.tracked import TrackedMessage
from fq.testing.simulation.tracked_keys import Standing, TrackedKeys
from fq.testing.simulation.tracked_marks import TrackedMarks

MAX_NAMED = 5
"""How many messages a report names."""

NEVER = 2**62
"""When a message is due that is put aside."""


@frozen
class Violation:
    """
    A contradiction between the broker and its contract.

    *kind* is ``"lost"``, ``"duplicated"``, ``"stuck"``, ``"early"``, ``"miscounted"``, ``"changed"``, ``"raised"``; or ``"check"`` for
    an error of your own check.
    """

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


class Entries:
    """The messages of one run. All times are ms on the broker's clock."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.alive: dict[str, TrackedMessage] = {}
        self.ended: dict[str, str] = {}
        self.dead: dict[str, tuple[EnqueueOp, int]] = {}
        self.keys = TrackedKeys()
        self.marks = TrackedMarks()
        self.left_out: dict[str, str] = {}
        """Messages that were not enqueued, and which others had their keys."""
        self._names: dict[str, str] = {}
        self._numbers: Counter[str] = Counter()

    def name(self, message_id: str) -> str:
        """Return the name of a message in reports: its actor and a number."""
        return self._names.get(message_id, message_id)

    def names(self, message_ids: Collection[str]) -> str:
        """Return the names of messages in reports, of the first few only."""
        more = f" and {len(message_ids) - MAX_NAMED} more" if len(message_ids) > MAX_NAMED else ""
        return ", ".join(self.name(message_id) for message_id in islice(message_ids, MAX_NAMED)) + more

    def add_violation(self, kind: str, what: str) -> None:
        """Record that something went wrong."""
        self.violations.append(Violation(kind, what))

    def record_refusal(self, schedule: str, error: Exception) -> None:
        """Record that a schedule cannot be stored or fired."""
        self.add_violation("raised", f"the schedule {schedule!r} cannot be used: {error}")

    # Messages come and go.

    def record_enqueue(self, ops: Iterable[EnqueueOp], now: int, cancelled: bool = False, placed: Sequence[Placement] = ()) -> None:
        """
        Record *ops*, cancelled or not; *placed* is what the broker said of each, if it said anything.

        A message whose id waits or runs already adds nothing, nor does one whose unique key another has.
        """
        for op, placement in zip_longest(ops, placed):
            standing = self.keys.place(op, self.alive, now)
            if standing.is_new:
                self._add(op, NEVER if standing.aside else now + op.delay, now, cancelled)
            elif standing.message_id != op.message_id:
                self.left_out[op.message_id] = standing.message_id
            if placement is not None and placement != Placement(standing.message_id, standing.is_new):
                self._report_placement(op, standing, placement)

    def _add(self, op: EnqueueOp, due: int, now: int, cancelled: bool) -> None:
        self.alive[op.message_id] = TrackedMessage(op, now if cancelled else due, cancelled=cancelled, unique=op.unique)
        self.left_out.pop(op.message_id, None)
        if op.message_id not in self._names:
            self._numbers[op.actor_name] += 1
            self._names[op.message_id] = f"{op.actor_name}#{self._numbers[op.actor_name]}"

    def _report_placement(self, op: EnqueueOp, standing: Standing, placement: Placement) -> None:
        name, key = self.name(op.message_id), op.unique.key if op.unique is not None else ""
        if placement.is_new and not standing.is_new:
            self.add_violation("duplicated", f"{name} was enqueued with the key {key}, which {self.name(standing.message_id)} has")
        elif standing.is_new and not placement.is_new:
            self.add_violation("lost", f"{name} was kept back by {self.name(placement.message_id)}, but nothing has the key {key}")
        else:
            said = f"{self.name(placement.message_id)} is said to stand for {name}"
            self.add_violation("changed", f"{said}, expected {self.name(standing.message_id)}")

    def record_replace(self, op: EnqueueOp, expected: bytes | None, replaced: bool, now: int) -> None:
        """Record that the broker says whether it *replaced* a message by *op*."""
        entry = self.alive.get(op.message_id)
        fits = entry is not None and not entry.worker and expected in (None, entry.op.body)
        if fits != replaced:
            self.add_violation(
                "changed", f"{self.name(op.message_id)} {'waits' if fits else 'does not wait'}, but replace returned {replaced}"
            )
        if entry is not None and fits:
            due = self.keys.due(op, entry, now)
            entry.op, entry.due, entry.retries = op, min(due, now) if entry.cancelled else due, None

    def record_run_now(self, message_ids: Iterable[str], found: int, now: int) -> None:
        """Record that messages, of which the broker *found* some that wait, are ready, but for those that are put aside."""
        names = list(dict.fromkeys(message_ids))
        entries = [entry for message_id in names if (entry := self.alive.get(message_id)) and not entry.worker]
        if found != len(entries):
            self.add_violation("changed", f"{self.names(names)}: {len(entries)} of them wait, but run_now says {found}")
        for entry in entries:
            entry.due = entry.due if entry.due == NEVER else min(entry.due, now)

    def record_marks(self, ops: Sequence[SetMarkOp], done: Sequence[bool], now: int) -> None:
        """Record *ops*, and what the broker said of each."""
        for op, said in zip(ops, done, strict=True):
            fits = self.record_mark(op, now)
            if said and not fits:
                self.add_violation("duplicated", f"the mark {op.key} was set, though another had set it since, and what follows was sent")
            elif fits and not said:
                self.add_violation("lost", f"the mark {op.key} was as expected, and the broker says that it was not")

    def record_mark(self, op: SetMarkOp, now: int) -> bool:
        """Record *op*, and what it enqueues, if its mark is as it expects; return whether it is."""
        fits = self.marks.set(op, now)
        if fits:
            self.record_enqueue(op.then, now)
        return fits

    def end(self, entry: TrackedMessage, how: str, now: int) -> None:
        """Record that a message has ended, and has freed its unique key."""
        message_id = entry.op.message_id
        del self.alive[message_id]
        self.ended[message_id] = how
        self.free(entry, now)

    def free(self, entry: TrackedMessage, now: int) -> None:
        """Record that a message has freed its unique key, if it has one; what was put aside takes the key, and is due."""
        unique, entry.unique = entry.unique, None
        if unique is not None and (aside := self.alive.get(self.keys.free(unique, entry.op.message_id, now))):
            aside.due = min(aside.due, now)
