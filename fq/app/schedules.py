"""`Schedules`: the schedules in a broker, to put, list, pause, run and remove. ``app.schedules`` makes one."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from typing import NoReturn

from fq.brokers.operations import DUE, Mark, SetMarkOp
from fq.brokers.protocol import Broker
from fq.errors import BrokerError, ScheduleError, ScheduleNotFound
from fq.execution.outcome_encoding import to_op
from fq.execution.registry import Registry
from fq.execution.schedule_changes import MOST_ATTEMPTS, put_all, read_or_log
from fq.execution.schedule_declarations import declared_names
from fq.execution.schedule_removal import Removal, remove_undeclared
from fq.runtime.fresh_ids import fresh_id
from fq.schedules.firing import enqueues, pause, resume
from fq.schedules.schedule import Schedule, check_name
from fq.schedules.stored import IDLE, StoredSchedule, is_schedule, key_of, read, to_mark_op

PAGE_SIZE = 1_000


class Schedules:
    """
    The schedules of an app in its broker. Each method has an async twin, such as `aput`.

    >>> from fq import App, Schedule, cron
    >>> app = App("memory://")
    >>> @app.actor
    ... def digest(customer: int) -> None: ...
    >>> app.schedules.put(Schedule("customer 17", cron("0 6 * * *"), digest.call(17)))
    >>> app.schedules.pause("customer 17")
    >>> [(schedule.name, schedule.state) for schedule in app.schedules.list()]
    [('customer 17', 'paused')]
    >>> app.schedules.remove("customer 17")

    All methods that take a name raise `ScheduleNotFound` if the broker has no schedule of that name.
    """

    def __init__(self, registry: Registry, broker: Broker) -> None:
        self._registry, self._broker = registry, broker

    def put(self, *schedules: Schedule) -> None:
        """
        Store *schedules*, a thousand in each round trip. A schedule that is there as it is does not change.

        A schedule with the name of another replaces it, once the ticks that the other owes are sent. One that is paused stays paused. Workers fire it
        until it is removed, whatever code they run.

        Raises:
            ScheduleError: two of one name, or the name of a schedule that is declared in code.
            DeclarationError: an actor of another app.
            StackError: the stack of an actor lacks a layer that the workflow needs.
        """
        self._check(schedules)
        now = self._broker.now()
        wanted = [self._registry.schedules.to_store(schedule, now, now, is_static=False) for schedule in schedules]
        put_all(self._registry, self._broker, self._broker.now, wanted, _raise)

    def get(self, name: str) -> StoredSchedule:
        """Return the schedule called *name*."""
        return read(self._mark(name))

    def list(self) -> tuple[StoredSchedule, ...]:
        """Return all schedules in the broker, by name."""
        found = {schedule.name: schedule for _, schedule in self._all()}  # one that fires meanwhile is met again, at its next tick
        return tuple(found[name] for name in sorted(found))

    def soonest(self, limit: int = 100) -> tuple[StoredSchedule, ...]:
        """Return up to *limit* schedules: those that fire next first, then those that are paused or orphaned."""
        if limit < 0:
            raise ScheduleError(f"found limit={limit!r}, expected a whole number from 0")
        return tuple(schedule for _, schedule in islice(self._all(), limit))

    def pause(self, name: str) -> None:
        """Let a schedule not fire until it is resumed. A deploy does not change that."""
        self._change(name, pause)

    def resume(self, name: str) -> None:
        """Let a schedule fire again, from now on: the ticks while it was paused are not caught up."""
        self._change(name, lambda schedule: resume(schedule, self._broker.now()))

    def run_now(self, name: str) -> str:
        """
        Send the call of a schedule once, now, and return the id of its message. The ticks of the schedule do not change.

        If its ticks exclude each other (`Schedule.overlap`), or its call has a unique key, and another message holds that, no message is sent: the id is
        that of the one there.
        """
        schedule, now = self.get(name), self._broker.now()
        message_id = fresh_id(now)
        sent = tuple(map(self._registry.apply_send_layers, enqueues(schedule, now, now, message_id)))
        placed = self._broker.place(tuple(map(to_op, sent)))
        for enqueue, placement in zip(sent, placed, strict=True):
            if placement.is_new:
                self._registry.emit_enqueued(enqueue)
        return next((placement.message_id for placement in placed if not placement.is_new), message_id)

    def remove(self, name: str) -> None:
        """
        Delete a schedule, also one that cannot be read here. Messages that it has sent stay.

        Raises:
            ScheduleError: this app or a live worker declares it in code, so it would come back.
        """
        mark: Mark | None = self._mark(name)
        for _ in range(MOST_ATTEMPTS):
            if mark is None or self._removes(name, mark):
                return
            mark = self._broker.marks([key_of(name)]).get(key_of(name))
        raise self._too_many_changes(name)

    def _removes(self, name: str, mark: Mark) -> bool:
        """Delete the schedule *name* if it is still as in *mark*, and return whether it was."""
        schedule = read_or_log(mark)
        if schedule is None or not schedule.is_static:
            if schedule is None and name in self._declared():
                raise _is_declared(name)
            return self._broker.set_marks([SetMarkOp(mark.key, None, expected=mark.body)])[0]
        if name in self._declared():
            raise _is_declared(name)
        removal = remove_undeclared(self._broker, [(mark, schedule)], self._declared)
        if removal == Removal():  # a worker has begun to declare it
            raise _is_declared(name)
        return bool(removal.removed)

    def prune(self) -> tuple[str, ...]:
        """
        Delete the schedules of code that is gone: neither this app nor a live worker declares them. Return their names.

        One that a worker begins to declare meanwhile stays.
        """
        found, removed = self._all(), set[str]()
        for _ in range(MOST_ATTEMPTS):
            by_name = {schedule.name: (mark, schedule) for mark, schedule in found}
            orphans = self.orphans(schedule for _, schedule in by_name.values())
            removal = remove_undeclared(self._broker, [by_name[schedule.name] for schedule in orphans], self._declared)
            removed.update(removal.removed)
            if not removal.changed:
                break
            marks = self._broker.marks([key_of(name) for name in removal.changed]).values()
            found = ((mark, schedule) for mark in marks if (schedule := read_or_log(mark)))
        return tuple(sorted(removed))

    def orphans(self, among: Iterable[StoredSchedule] | None = None) -> tuple[StoredSchedule, ...]:
        """Return the schedules of code that is gone (see `prune`): of all, by name, or *among* these."""
        found = [schedule for schedule in (self.list() if among is None else among) if schedule.is_static]
        declared = self._declared() if found else ()
        return tuple(schedule for schedule in found if schedule.name not in declared)

    async def aput(self, *schedules: Schedule) -> None:
        """`put`, for async callers."""
        await asyncio.to_thread(self.put, *schedules)

    async def aget(self, name: str) -> StoredSchedule:
        """`get`, for async callers."""
        return await asyncio.to_thread(self.get, name)

    async def alist(self) -> tuple[StoredSchedule, ...]:
        """`list`, for async callers."""
        return await asyncio.to_thread(self.list)

    async def asoonest(self, limit: int = 100) -> tuple[StoredSchedule, ...]:
        """`soonest`, for async callers."""
        return await asyncio.to_thread(self.soonest, limit)

    async def apause(self, name: str) -> None:
        """`pause`, for async callers."""
        await asyncio.to_thread(self.pause, name)

    async def aresume(self, name: str) -> None:
        """`resume`, for async callers."""
        await asyncio.to_thread(self.resume, name)

    async def arun_now(self, name: str) -> str:
        """`run_now`, for async callers."""
        return await asyncio.to_thread(self.run_now, name)

    async def aremove(self, name: str) -> None:
        """`remove`, for async callers."""
        await asyncio.to_thread(self.remove, name)

    async def aprune(self) -> tuple[str, ...]:
        """`prune`, for async callers."""
        return await asyncio.to_thread(self.prune)

    async def aorphans(self, among: Iterable[StoredSchedule] | None = None) -> tuple[StoredSchedule, ...]:
        """`orphans`, for async callers."""
        return await asyncio.to_thread(self.orphans, among)

    def _check(self, schedules: Iterable[Schedule]) -> None:
        declared, names = self._registry.schedules.declared, set[str]()
        for schedule in schedules:
            if not isinstance(schedule, Schedule):
                raise ScheduleError(f"found {schedule!r}, expected a schedule: write Schedule(name, every(...), actor.call(...))")
            if schedule.name in declared:
                raise ScheduleError(f"found the schedule {schedule.name!r}, which this app declares in code, expected another name")
            if schedule.name in names:
                raise ScheduleError(f"found two schedules called {schedule.name!r}: give one of them another name; nothing was stored")
            names.add(schedule.name)

    def _declared(self) -> Collection[str]:
        return declared_names(self._broker) | self._registry.schedules.declared.keys()

    def _mark(self, name: str) -> Mark:
        check_name(name)
        mark = self._broker.marks([key_of(name)]).get(key_of(name))
        if mark is None:
            if name in self._registry.schedules.declared:
                raise ScheduleNotFound(
                    f"{self._broker} has no schedule called {name!r} yet: start a worker, which stores what code declares"
                )
            raise ScheduleNotFound(f"no schedule called {name!r} in {self._broker}; app.schedules.list() has their names")
        return mark

    def _change(self, name: str, change: Callable[[StoredSchedule], StoredSchedule]) -> None:
        for _ in range(MOST_ATTEMPTS):
            mark = self._mark(name)
            op = to_mark_op(change(read(mark)), mark.body)
            if op.body == mark.body or self._broker.set_marks([op])[0]:
                return
        raise self._too_many_changes(name)

    def _too_many_changes(self, name: str) -> BrokerError:
        return BrokerError(f"the schedule {name!r} was changed by others {MOST_ATTEMPTS} times: try again")

    def _all(self) -> Iterator[tuple[Mark, StoredSchedule]]:
        """Yield all schedules, each with its mark: those that fire next first."""
        for index in (DUE, IDLE):
            after: tuple[int, str] | None = None
            while page := self._broker.marks_in(index, after=after, limit=PAGE_SIZE):
                for mark in page:
                    if is_schedule(mark) and (schedule := read_or_log(mark)):
                        yield mark, schedule
                after = page[-1].order, page[-1].key


def _is_declared(name: str) -> ScheduleError:
    return ScheduleError(f"found the schedule {name!r}, which is declared in code: delete it there, or pause it here")


def _raise(_: str, error: Exception) -> NoReturn:
    raise error
