"""Schedules: what is sent when, and buttons to pause it or to send it now."""

from collections.abc import Container, Mapping

from attrs import asdict

from fq.app.tick_outcomes import TickOutcome, tick_outcomes
from fq.brokers.operations import DUE, Mark
from fq.errors import DecodeError
from fq.execution.schedule_declarations import declared_names
from fq.schedules.stored import IDLE, StoredSchedule, is_schedule, read
from fq.schedules.when import in_words
from fq.web.site import Page, Query, Site, View

LIMIT = 200
"""How many schedules are shown, those that are due next first."""


def view(site: Site, _: Query) -> View:
    """Return the schedules, each with its next ticks and what became of the last ones."""
    marks = [mark for index in (DUE, IDLE) for mark in site.app.broker.marks_in(index, limit=LIMIT + 1) if is_schedule(mark)]
    declared = declared_names(site.app.broker) | site.app.registry.schedules.declared.keys() if marks else frozenset[str]()
    read_ones = {mark.key: _read(mark) for mark in marks[:LIMIT]}
    outcomes = tick_outcomes(site.app.broker, [each for each in read_ones.values() if isinstance(each, StoredSchedule)])
    rows = [_row(key, each, declared, outcomes) for key, each in read_ones.items()]
    return {"schedules": rows, "more": len(marks) > LIMIT, "has_idle": any(not row["is_active"] for row in rows)}


def _read(mark: Mark) -> StoredSchedule | DecodeError:
    try:
        return read(mark)
    except DecodeError as error:
        return error


def _row(
    key: str, schedule: StoredSchedule | DecodeError, declared: Container[str], outcomes: Mapping[str, tuple[TickOutcome, ...]]
) -> View:
    if isinstance(schedule, DecodeError):
        return {"name": key, "state": "unreadable", "is_active": False, "error": str(schedule)}
    return _shown(schedule, schedule.name in declared, outcomes.get(schedule.name, ()))


def _shown(schedule: StoredSchedule, is_declared: bool, outcomes: tuple[TickOutcome, ...]) -> View:
    is_orphaned = schedule.is_static and not is_declared
    return {
        "name": schedule.name,
        "when": str(schedule.when),
        "in_words": in_words(schedule.when),
        "actors": list(schedule.actors),
        "state": "orphaned" if is_orphaned else schedule.state,
        "is_active": schedule.state == "active",
        "is_static": schedule.is_static,
        "overlap": schedule.overlap,
        "next": [int(tick.timestamp() * 1_000) for tick in schedule.next_ticks(3)] if schedule.state == "active" else [],
        "last": schedule.last,
        "recent": [asdict(outcome) for outcome in outcomes],
        "error": "",
    }


SCHEDULES = Page("schedules", "/schedules", "Schedules", view, "s")
