"""
`remove_undeclared`: removes schedules that no code declares any more, though a worker may begin to declare one at that very moment.

A worker publishes what it declares, and then reads what is stored; so this first takes a schedule out, and then asks once more who declares it. A worker that
published later sees that it was taken out, and changes it, so that it is not deleted; what a worker published before is seen here, and brought back.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from attrs import evolve, frozen

from fq.brokers.marks import MarkStore
from fq.brokers.operations import Mark, SetMarkOp
from fq.schedules.stored import StoredSchedule, to_mark_op

BATCH_SIZE = 1_000
"""How many schedules are changed in one call."""

Declared = Callable[[], Collection[str]]
"""Returns the names of the schedules that are declared now."""


@frozen
class Removal:
    """The names of the schedules that are *removed*, and of those that were *changed* meanwhile, and are there still."""

    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def taken_out(mark: Mark, schedule: StoredSchedule) -> SetMarkOp:
    """Return the operation that takes *schedule*, which is in *mark*, out."""
    return to_mark_op(evolve(schedule, orphaned=True), mark.body)


def brought_back(schedule: StoredSchedule, op: SetMarkOp) -> SetMarkOp:
    """Return the operation that brings *schedule*, which *op* took out, back."""
    return to_mark_op(schedule, op.body or b"")


def remove_undeclared(broker: MarkStore, found: Iterable[tuple[Mark, StoredSchedule]], declared: Declared) -> Removal:
    """Remove the schedules in *found* that are not *declared*; one that has changed since it was read stays as it is."""
    schedules = list(found)
    removed: list[str] = []
    changed: list[str] = []
    for first in range(0, len(schedules), BATCH_SIZE):
        batch = schedules[first : first + BATCH_SIZE]
        ops = [taken_out(mark, schedule) for mark, schedule in batch]
        done = broker.set_marks(ops)
        changed += [schedule.name for (_, schedule), in_time in zip(batch, done, strict=True) if not in_time]
        out = [(schedule, op) for (_, schedule), op, in_time in zip(batch, ops, done, strict=True) if in_time]
        removed += _delete(broker, out, declared() if out else ())
    return Removal(tuple(removed), tuple(changed))


def _delete(broker: MarkStore, out: Sequence[tuple[StoredSchedule, SetMarkOp]], declared: Collection[str]) -> list[str]:
    """Delete those that were taken *out*, and bring back those that are *declared* after all. Return the names of what is deleted."""
    ops = [
        brought_back(schedule, op) if schedule.name in declared else SetMarkOp(op.key, None, expected=op.body or b"")
        for schedule, op in out
    ]
    done = broker.set_marks(ops)
    return [schedule.name for (schedule, _), op, in_time in zip(out, ops, done, strict=True) if in_time and op.body is None]
