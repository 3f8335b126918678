"""`DeclaredSchedules`: the schedules that an app declares in code. Mutable shell."""

from collections.abc import Mapping

from fq.brokers.host_clocks import steady_clock
from fq.calls.call import CallSender
from fq.calls.workflow import check_workflow
from fq.core.frozen import FrozenDict
from fq.errors import ScheduleError
from fq.schedules.schedule import Schedule
from fq.schedules.stored import StoredSchedule, stored

NOTHING: Mapping[str, Schedule] = FrozenDict()
"""What an app declares at first."""


class DeclaredSchedules:
    """
    The schedules of the app *owner*.

    Attributes:
        declared: the schedules by name; another mapping after each declaration.
    """

    def __init__(self, owner: CallSender) -> None:
        self._owner = owner
        self._steady = steady_clock()  # the same in forks, and it goes on while the host is suspended
        self._loaded = self._steady()
        self.declared = NOTHING

    def add(self, schedule: Schedule) -> None:
        """
        Declare *schedule*.

        Raises:
            ScheduleError: its name is taken.
            DeclarationError, StackError: see `check_workflow`.
        """
        if first := self.declared.get(schedule.name):
            raise ScheduleError(
                f"found two schedules called {schedule.name!r}, {first.when} and {schedule.when}: give one of them another name"
            )
        check_workflow(schedule.call, self._owner)
        self.declared = FrozenDict({**self.declared, schedule.name: schedule})

    def all_stored(self, now: int) -> list[StoredSchedule]:
        """Return all of them as a broker keeps them; *now* is the broker's time. Their revision is when this code was loaded."""
        loaded = now - (self._steady() - self._loaded)
        return [self.to_store(schedule, now, loaded, is_static=True) for schedule in self.declared.values()]

    def to_store(self, schedule: Schedule, now: int, revision: int, is_static: bool) -> StoredSchedule:
        """
        Return *schedule* as a broker keeps it.

        Raises:
            DeclarationError, StackError: see `check_workflow`.
        """
        reports_end = check_workflow(schedule.call, self._owner) and not schedule.call.is_single
        return stored(schedule, reports_end=reports_end, is_static=is_static, revision=revision, now=now)
