"""Findings of ``fq doctor`` about schedules: which are overdue, orphaned, or call an actor that is not there; each with what to do."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from fq.app.schedules import Schedules
from fq.brokers.findings import Finding
from fq.observe.diagnosis import Target
from fq.schedules.stored import StoredSchedule

OVERDUE_MS = 60_000
"""A schedule is overdue when its tick is this late."""

MOST_EXAMINED = 1_000
MOST_NAMED = 10


def find_in_schedules(schedules: Schedules, now: int, target: Target) -> list[Finding]:
    """Return findings about *schedules*, the first `MOST_EXAMINED` of them, at the time *now*."""
    examined = schedules.soonest(MOST_EXAMINED)
    orphans = {schedule.name for schedule in schedules.orphans(examined)}
    return list(schedule_findings(examined, orphans, now, target))


def schedule_findings(schedules: Sequence[StoredSchedule], orphans: Collection[str], now: int, target: Target) -> Iterator[Finding]:
    """Yield findings about *schedules*, of which no code declares *orphans*."""
    if orphans:
        found = f"{_names(sorted(orphans))}: orphaned, as neither this app nor a live worker declares them any more"
        yield Finding("schedules", "warn", found, f"declare them again, or delete them: fq schedules {target.path} prune")
    late = [schedule for schedule in schedules if schedule.name not in orphans and is_overdue(schedule, now)]
    if late:
        found = f"{_names([schedule.name for schedule in late])}: overdue, as no worker fires them"
        yield Finding("schedules", "bad", found, f"start a worker, fq worker {target.path}, or look at its log")
    calls = [(schedule.name, actor) for schedule in schedules for actor in schedule.actors]
    unknown = [f"{name} calls {actor}" for name, actor in calls if target.actors is not None and actor not in target.actors]
    if unknown:
        found = f"{_names(unknown)}: this app does not declare the actor"
        yield Finding("schedules", "warn", found, f"declare it, or delete the schedule: fq schedules {target.path} remove NAME")
    if schedules and not (orphans or late or unknown):
        states = Counter(schedule.state for schedule in schedules)
        yield Finding("schedules", "good", ", ".join(f"{count} {state}" for state, count in sorted(states.items())))


def is_overdue(schedule: StoredSchedule, now: int) -> bool:
    """Should *schedule* have fired a while ago?"""
    return schedule.state == "active" and now - schedule.fires_at(schedule.next) > OVERDUE_MS


def _names(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
