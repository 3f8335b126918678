"""
What becomes of a stored schedule, as functions of the time: `due` says which ticks to send, `take_over` replaces it, `pause` and `resume` it.

A broker applies each change only to the very state that it was computed from, so of any number of workers one sends a tick.
"""

from collections.abc import Iterator, Mapping
from itertools import islice

from attrs import evolve, frozen

from fq.core.derived_ids import child_id
from fq.core.outcome import Enqueue
from fq.core.reserved_options import UNIQUE
from fq.core.uniqueness import Uniqueness
from fq.schedules.schedule import KEY_PREFIX
from fq.schedules.stored import MOST_RECENT, StoredSchedule
from fq.schedules.when import latest_tick, ticks
from fq.workflows.nodes import Pipeline, WireNode, callbacks, is_group, members
from fq.workflows.pipeline import StepInput, start, start_workflow

TICK = "tick"
"""The option of a message that says for which tick it was sent, ms since the epoch."""

SCHEDULE = "schedule"
"""The option of such a message that has the name of its schedule."""

ON_TIME_MS = 5_000
"""A tick that a worker sees within this time is not late, whatever `Schedule.grace` says: workers are busy, and brokers restart."""

MOST_CAUGHT_UP = 100
"""How many ticks are sent in one step; with ``catch_up="all"`` the others follow in the next."""


@frozen
class Firing:
    """The *ticks* to send, and the *schedule* once they are sent."""

    ticks: tuple[int, ...]
    schedule: StoredSchedule


def due(schedule: StoredSchedule, now: int) -> Firing:
    """
    Return which ticks of *schedule* to send at *now*.

    >>> from fq.schedules.when import every
    >>> firing = due(StoredSchedule(name="poll", when=every(1_000), pipeline=(), settled=0), now=3_200)
    >>> firing.ticks, firing.schedule.settled, firing.schedule.next
    ((3000,), 3000, 4000)
    """
    if schedule.paused or schedule.fires_at(schedule.next) > now:
        return Firing((), schedule)
    limit = max(ON_TIME_MS, 0 if schedule.catch_up == "skip" else schedule.grace_ms)
    latest = _latest_due(schedule, now)
    if schedule.catch_up == "all":
        begin = _before_first_since(schedule, now - limit)
        come = (tick for tick in ticks(schedule.when, begin, latest) if now - schedule.fires_at(tick) <= limit)
        chosen = tuple(islice(come, MOST_CAUGHT_UP))
        latest = chosen[-1] if len(chosen) == MOST_CAUGHT_UP else latest
    else:
        chosen = (latest,) if now - schedule.fires_at(latest) <= limit else ()
    return Firing(chosen, schedule.without(_missed(schedule, latest, chosen)).settle(latest).sent(chosen))


def _missed(schedule: StoredSchedule, latest: int, chosen: tuple[int, ...]) -> tuple[int, ...]:
    """Return those of the last ticks of *schedule* up to *latest* that are not *chosen*, the latest last."""
    found: list[int] = []
    tick: int | None = latest
    for _ in range(MOST_RECENT):
        if tick is None:
            break
        if tick not in chosen:
            found.append(tick)
        tick = None if tick <= schedule.next else latest_tick(schedule.when, schedule.settled, tick - 1)
    return tuple(reversed(found))


def _before_first_since(schedule: StoredSchedule, oldest: int) -> int:
    """Return a time before the first tick that is sent at *oldest* or later: none is sent later than the next tick, however long the splay is."""
    if not schedule.splay:
        return max(schedule.settled, oldest - 1)
    before = latest_tick(schedule.when, schedule.settled, oldest - 1)
    return schedule.settled if before is None else before - 1


def _latest_due(schedule: StoredSchedule, now: int) -> int:
    """Return the latest tick that is to be sent by *now*; there is one."""
    latest = latest_tick(schedule.when, schedule.settled, now) or schedule.next
    if schedule.fires_at(latest) > now:  # the splay of the one before has ended
        latest = latest_tick(schedule.when, schedule.settled, latest - 1) or schedule.next
    return latest


def take_over(old: StoredSchedule, new: StoredSchedule, now: int) -> Firing:
    """
    Return which ticks of *old* to send, and *new* in its place, which ticks from *now* on.

    If *old* owes more ticks than one step may send, the result is still *old*, and this must be done again.
    """
    owed = due(evolve(old, splay=0), now)  # what still waits for its splay is sent at once
    if not old.paused and owed.schedule.next <= now:
        return Firing(owed.ticks, evolve(owed.schedule, splay=old.splay))
    return Firing(
        owed.ticks,
        evolve(
            new.settle(max(now, old.settled)),
            made=old.made,
            last=owed.schedule.last,
            recent=owed.schedule.recent,
            missed=owed.schedule.missed,
            paused=old.paused,
        ),
    )


def replaces(new: StoredSchedule, old: StoredSchedule) -> bool:
    """Is *new*, which was just declared or put, to be stored in the place of *old*? Of two that the code declares, that of the newer code wins."""
    if new.is_static and old.is_static and new.revision < old.revision and not old.orphaned:
        return False
    return new.definition != old.definition


def pause(schedule: StoredSchedule) -> StoredSchedule:
    """Return *schedule*, paused."""
    return evolve(schedule, paused=True)


def resume(schedule: StoredSchedule, now: int) -> StoredSchedule:
    """Return *schedule*, which ticks again from *now* on: ticks while it was paused are not caught up."""
    return evolve(schedule.settle(max(now, schedule.settled)), paused=False) if schedule.paused else schedule


def message_id_of(name: str, tick: int) -> str:
    """Return the id of the message, or of the workflow, that the schedule called *name* sends for *tick*."""
    return child_id("schedule", name, tick)


def enqueues(schedule: StoredSchedule, tick: int, now: int, message_id: str = "") -> Iterator[Enqueue]:
    """Return what is enqueued at *now* for *tick*. Its id is *message_id*, or follows from the name and the tick."""
    pipeline = _with_options(schedule.pipeline, {TICK: tick, SCHEDULE: schedule.name, **_exclusion(schedule)})
    message_id = message_id or message_id_of(schedule.name, tick)
    return start_workflow(pipeline, message_id, now) if schedule.reports_end else start(pipeline, message_id, StepInput(now))


def _exclusion(schedule: StoredSchedule) -> dict[str, object]:
    """Return the option with the unique key that keeps the ticks of *schedule* apart, if they exclude each other."""
    if schedule.overlap == "allow":
        return {}
    return {UNIQUE: Uniqueness(KEY_PREFIX + schedule.name, on_conflict="after" if schedule.overlap == "queue" else "keep").as_json()}


def _with_options(pipeline: Pipeline, options: Mapping[str, object]) -> Pipeline:
    """Return *pipeline* with *options* in each of its calls."""
    return tuple(_node_with_options(node, options) for node in pipeline)


def _node_with_options(node: WireNode, options: Mapping[str, object]) -> WireNode:
    if not is_group(node):
        own = node.get("options")
        return {**node, "options": {**(own if isinstance(own, dict) else {}), **options}}
    changed = {
        "members": [_with_options(member, options) for member in members(node)],
        "callbacks": _with_options(callbacks(node), options),
    }
    return {**node, **{name: value for name, value in changed.items() if value}}
