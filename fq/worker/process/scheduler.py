"""
`Scheduler`: the part of a worker that fires schedules. Mutable shell, in the dispatcher's thread.

Every worker fires what is due. The broker applies a firing only to the state that it was computed from, so one of them wins. A schedule that is declared
in code is fired only by workers that declare it; one that no live worker declares is taken out.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from time import monotonic

from attrs import evolve

from fq.brokers.operations import DUE, Mark
from fq.brokers.records import Turn
from fq.errors import DecodeError, FqError
from fq.execution.declared_schedules import NOTHING
from fq.execution.registry import Registry
from fq.execution.schedule_changes import Change, apply, change_to, fire, put_all, tell_layers
from fq.execution.schedule_declarations import PUBLISH_SECONDS, declarations, declared_names, is_abandoned, publish
from fq.execution.schedule_removal import brought_back
from fq.runtime.logger import logger, unexpected
from fq.schedules.firing import due
from fq.schedules.schedule import Schedule
from fq.schedules.stored import StoredSchedule, is_schedule, name_of, read
from fq.worker.process.broker_session import BrokerSession

log = logger("fq.schedules")

PAGE_SIZE = 100
"""How many due marks are read in one call, and at most how many schedules fire in one turn."""

MOST_PAGES = 10
"""How many pages one look reads for something that can be fired here; the next look goes on after them."""

LOOK_ON_SECONDS = 0.1
"""After a look that found nothing to fire in so many pages, the next one is no sooner than this."""

LOOK_AGAIN_SECONDS = 1.0
"""After looks that found nothing to fire in all pages, the next one is no sooner than this."""

RETRY_SECONDS = 10.0
"""After this time a worker tries again to read and fire a schedule that could not be read or fired."""

ORPHANED_AFTER_MS = 60_000
"""A schedule that no live worker declares is taken out when it is overdue by this."""


class Scheduler:
    """Declares the schedules of *registry*, and fires those that are due, by *session*."""

    def __init__(self, registry: Registry, session: BrokerSession) -> None:
        self._registry, self._session = registry, session
        self._declared: Mapping[str, Schedule] = NOTHING
        self._publish_at, self._look_at = float("inf"), 0.0
        self._retry_at: dict[str, float] = {}
        self._after: tuple[int, str] | None = None  # where the next look begins; None is at the first mark that is due
        self._from_first = True  # do the looks that found nothing to fire cover all from the first mark on?
        self.is_partway = False
        """Has the latest look found nothing to fire, and left marks that are due unread?"""

    def after_turn(self, turn: Turn) -> bool:
        """Do what is to be done after *turn*. Return whether the next turn should follow at once, as there may be messages."""
        now = monotonic()
        declares = now >= self._publish_at or self._registry.schedules.declared is not self._declared
        if not (turn.has_due_marks or declares):
            return False
        if now < self._look_at:
            self._look_within(self._look_at - now)
            return False
        try:
            if declares:
                self._publish()  # first: others would take what is stored and not published for abandoned
                self.declare()
            if declares or self.fire():
                return True
        except Exception as error:
            log.error("cannot look after the schedules: %s", error, exc_info=unexpected(error))
        pause = LOOK_ON_SECONDS if self.is_partway else LOOK_AGAIN_SECONDS
        self._look_at = monotonic() + pause
        self._look_within(pause)  # another worker may have fired: then this one does not know yet when the next tick is
        return False

    def _look_within(self, seconds: float) -> None:
        """Let the dispatcher take its next turn within this many *seconds*."""
        self._session.idle_for = min(self._session.idle_for, round(seconds * 1_000) + 1)

    def declare(self) -> None:
        """
        Store the schedules that the app declares now.

        Again each minute: another worker may have taken them out while this one stood still, or have replaced them by what no live worker declares any more.
        """
        declared = self._registry.schedules.declared
        if declared:
            with self._session.calling() as broker:
                wanted = self._registry.schedules.all_stored(broker.now())
                live = cache(lambda: declarations(broker))
                put_all(self._registry, broker, broker.now, wanted, self._failed, lambda old: is_abandoned(old, live()))
        self._declared = declared

    def _publish(self) -> None:
        """Let others know what this worker declares."""
        with self._session.calling() as broker:
            now = broker.now()
            digests = {schedule.name: schedule.digest for schedule in self._registry.schedules.all_stored(now)}
            publish(broker, self._session.name, digests, now)
        self._publish_at = monotonic() + PUBLISH_SECONDS

    def end(self) -> None:
        """Let others know that this worker declares nothing any more."""
        if self._declared:
            with suppress(FqError), self._session.calling() as broker:
                publish(broker, self._session.name, {}, 0)

    def fire(self, takes_out_orphans: bool = True) -> bool:
        """
        Fire up to `PAGE_SIZE` of the schedules that are due; return whether this worker was the first to fire one.

        Marks that cannot be used here, however many, only put off those behind them: a look that is bounded goes on where the one before has ended.
        """
        with self._session.calling() as broker:
            now = broker.now()
        self.is_partway = False
        for begin, page in self._pages(now):
            found = [(mark, schedule) for mark in page if is_schedule(mark) and (schedule := self._usable(mark))]
            changes = [change for mark, schedule in found if self._fires(schedule) and (change := self._firing(schedule, mark, now))]
            orphans = (
                self._orphans([(mark, schedule) for mark, schedule in found if not self._fires(schedule)], now) if takes_out_orphans else []
            )
            if changes or orphans:
                self._after, self._from_first = begin, begin is None  # the next look begins with this page: it may have more
                return self._apply(changes, orphans)
        return False

    def fire_any(self) -> bool:
        """`fire` as often as it takes to look at all that is due, and leave orphans where they are."""
        while not (is_first := self.fire(takes_out_orphans=False)) and self.is_partway:
            pass
        return is_first

    def _apply(self, changes: Sequence[Change], orphans: Sequence[tuple[StoredSchedule, Change]]) -> bool:
        """Apply *changes*, and those that take out *orphans*; return whether this worker was the first to apply one."""
        every = [*changes, *(change for _, change in orphans)]
        with self._session.calling() as broker:
            done = apply(broker, every, self._failed)
            taken_out = [orphan for orphan, in_time in zip(orphans, done[len(changes) :], strict=True) if in_time]
            declared = declared_names(broker) if taken_out else ()
            back = [brought_back(schedule, change.op) for schedule, change in taken_out if schedule.name in declared]
            if back:  # a worker has begun to declare them, and may have read them before
                broker.set_marks(back)
        for schedule, _ in taken_out:
            if schedule.name not in declared:
                log.warning(
                    "schedule %r is orphaned: no live worker declares it, so it does not fire; fq schedules APP prune", schedule.name
                )
        tell_layers(self._registry, every, done)
        return any(done)

    def _fires(self, schedule: StoredSchedule) -> bool:
        """May this worker fire *schedule*?"""
        return not schedule.is_static or schedule.name in self._registry.schedules.declared

    def _usable(self, mark: Mark) -> StoredSchedule | None:
        """Return the schedule in *mark*; None if it could not be read or fired a moment ago, or cannot be read now."""
        name = name_of(mark)
        if monotonic() < self._retry_at.get(name, 0.0):
            return None
        self._retry_at.pop(name, None)
        try:
            return read(mark)
        except DecodeError as error:
            self._failed(name, error)
            return None

    def _firing(self, schedule: StoredSchedule, mark: Mark, now: int) -> Change | None:
        try:
            return fire(self._registry, schedule, due(schedule, now), mark, now)
        except Exception as error:  # a layer that sends may raise anything
            self._failed(schedule.name, error)
            return None

    def _failed(self, name: str, error: Exception) -> None:
        """Log that a schedule could not be fired or stored, and try again after a while."""
        log.error("schedule %r cannot be used here now: %s", name, error, exc_info=unexpected(error))
        self._retry_at[name] = monotonic() + RETRY_SECONDS
        self._look_within(RETRY_SECONDS)

    def _pages(self, now: int) -> Iterator[tuple[tuple[int, str] | None, Sequence[Mark]]]:
        """Yield the marks that are due, by pages, each with the place after which it begins. Note where the next look is to begin."""
        for _ in range(MOST_PAGES):
            begin = self._after
            with self._session.calling() as broker:
                page = broker.marks_in(DUE, after=begin, limit=PAGE_SIZE)
            come = [mark for mark in page if mark.order <= now]
            is_last = len(come) < PAGE_SIZE
            self._after = None if is_last else (come[-1].order, come[-1].key)
            yield begin, come
            if is_last:
                self.is_partway, self._from_first = not self._from_first, True
                self._forget_refusals()
                return
        self.is_partway = True

    def _forget_refusals(self) -> None:
        """Forget what may be tried again now; those that were removed would stay for ever."""
        now = monotonic()
        self._retry_at = {name: moment for name, moment in self._retry_at.items() if moment > now}

    def _orphans(self, others: Sequence[tuple[Mark, StoredSchedule]], now: int) -> list[tuple[StoredSchedule, Change]]:
        """Return those of *others*, which this worker does not declare, that no live worker declares, and the changes that take them out."""
        overdue = [(mark, schedule) for mark, schedule in others if now - mark.order > ORPHANED_AFTER_MS]
        if not overdue:
            return []
        with self._session.calling() as broker:
            declared = declared_names(broker)
        orphans = [(mark, schedule) for mark, schedule in overdue if schedule.name not in declared]
        return [(schedule, change_to(evolve(schedule, orphaned=True), mark)) for mark, schedule in orphans]
