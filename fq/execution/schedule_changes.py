"""
Changes of stored schedules: each replaces the very body that it was computed from, and enqueues the messages of ticks in the same step.

`put_all` stores schedules that were declared or put. A change that comes too late changes nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from attrs import evolve, frozen

from fq.brokers.marks import MarkStore
from fq.brokers.operations import ABSENT, Mark, SetMarkOp
from fq.core.outcome import Enqueue
from fq.errors import BrokerError, BrokerUnavailable, DecodeError, ScheduleError
from fq.execution.outcome_encoding import to_op
from fq.execution.registry import Registry
from fq.middleware.send_call import SendCall
from fq.runtime.logger import logger
from fq.schedules.firing import Firing, enqueues, replaces, take_over
from fq.schedules.stored import StoredSchedule, key_of, read, to_mark_op

log = logger("fq.schedules")

BATCH_SIZE = 1_000
"""How many schedules are stored in one call."""

MOST_ATTEMPTS = 100
"""How often `put_all` begins again for what others change at the same time."""

Refuse: TypeAlias = Callable[[str, Exception], None]
"""Is called with the name of a schedule that cannot be changed, and the reason."""

IsAbandoned: TypeAlias = Callable[[StoredSchedule], bool]
"""Tells of a schedule in the broker whether no live worker declares it as it is."""

NEWER_BY_MS = 1_000
"""Two revisions are one if they differ by no more than this: each worker measures the age of its code a little differently."""


@frozen
class Change:
    """The operation that changes a schedule to *after*, and the messages that it sends, with the *call* as layers see it."""

    after: StoredSchedule
    op: SetMarkOp
    sent: tuple[Enqueue, ...] = ()
    call: SendCall | None = None


def change_to(after: StoredSchedule, before: Mark | None) -> Change:
    """Return the change of the schedule in the mark *before* to *after*, without any messages."""
    return Change(after, to_mark_op(after, ABSENT if before is None else before.body))


def fire(registry: Registry, schedule: StoredSchedule, firing: Firing, before: Mark, now: int) -> Change:
    """Return the change that sends the ticks of *firing*, which are those of *schedule*, the one in the mark *before*."""
    call = SendCall(is_commit=True) if registry.observes_sends else None
    sent = tuple(registry.apply_send_layers(enqueue, call) for tick in firing.ticks for enqueue in enqueues(schedule, tick, now))
    return Change(firing.schedule, to_mark_op(firing.schedule, before.body, tuple(map(to_op, sent))), sent, call)


def apply(broker: MarkStore, changes: Sequence[Change], refuse: Refuse) -> list[bool | None]:
    """
    Apply *changes*. Return for each whether it came in time; None if the broker refuses it, which *refuse* is told.

    If the broker refuses them together, each is applied alone, so that one that cannot be kept does not stop the others.
    """
    try:
        return list(broker.set_marks([change.op for change in changes])) if changes else []
    except BrokerUnavailable:
        raise
    except BrokerError as error:
        if len(changes) > 1:
            return [done for change in changes for done in apply(broker, [change], refuse)]
        refuse(changes[0].after.name, error)
        return [None]


def tell_layers(registry: Registry, changes: Sequence[Change], done: Sequence[bool | None]) -> None:
    """Tell the layers what those of *changes* sent that are *done*. What another worker has sent in the place of this one is no send of this one."""
    for change, in_time in zip(changes, done, strict=True):
        if in_time and change.call is not None:
            change.call.end()
        for enqueue in change.sent if in_time else ():
            registry.emit_enqueued(enqueue)


def put_all(
    registry: Registry,
    broker: MarkStore,
    now: Callable[[], int],
    wanted: Iterable[StoredSchedule],
    refuse: Refuse,
    is_abandoned: IsAbandoned = lambda _: False,
) -> None:
    """
    Store *wanted*: new ones, and those that replace what is stored, after what that owes was sent.

    *refuse* is called with the name of each that cannot be stored, and the reason. Older code replaces what newer code has declared if that *is_abandoned*.
    """
    left = {schedule.name: schedule for schedule in wanted}
    for batch in (list(left)[first : first + BATCH_SIZE] for first in range(0, len(left), BATCH_SIZE)):
        names = batch
        for _ in range(MOST_ATTEMPTS):
            names = _put(registry, broker, now(), [left[name] for name in names], refuse, is_abandoned)
            if not names:
                break
        else:
            refuse(names[0], BrokerError(f"the schedule {names[0]!r} was changed by others {MOST_ATTEMPTS} times: try again"))


def _put(
    registry: Registry, broker: MarkStore, now: int, wanted: Sequence[StoredSchedule], refuse: Refuse, is_abandoned: IsAbandoned
) -> list[str]:
    """Try to store *wanted* once. Return the names of those that are to be tried again."""
    found = broker.marks([key_of(new.name) for new in wanted])
    changes: list[Change] = []
    for new in wanted:
        try:
            change = _replacement(registry, new, found.get(key_of(new.name)), now, is_abandoned)
        except Exception as error:
            refuse(new.name, error)
        else:
            changes += [] if change is None else [change]
    done = apply(broker, changes, refuse)
    tell_layers(registry, changes, done)
    definitions = {new.name: new.definition for new in wanted}
    return [
        change.after.name
        for change, in_time in zip(changes, done, strict=True)
        if in_time is False or (in_time and change.after.definition != definitions[change.after.name])
    ]


def _replacement(registry: Registry, new: StoredSchedule, mark: Mark | None, now: int, is_abandoned: IsAbandoned) -> Change | None:
    """Return the change that puts *new* into *mark*; None if that is so, or newer, already."""
    if mark is None:
        return change_to(new, None)
    old = read(mark)
    if old.is_static and not new.is_static and not old.orphaned:
        raise ScheduleError(f"found the schedule {new.name!r}, which is declared in code, expected another name: change it there")
    if replaces(new, old) or (new.is_static and new.definition != old.definition and is_abandoned(old)):
        return fire(registry, old, take_over(old, new, now), mark, now)
    if new.is_static and new.definition == old.definition and (old.orphaned or new.revision > old.revision + NEWER_BY_MS):
        return change_to(evolve(old, orphaned=False, revision=max(old.revision, new.revision)), mark)
    return None


def read_or_log(mark: Mark) -> StoredSchedule | None:
    """Return the schedule in *mark*; None, and a line in the log, if it cannot be read here."""
    try:
        return read(mark)
    except DecodeError as error:
        log.error("%s", error)
        return None
