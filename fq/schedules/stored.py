"""
`StoredSchedule`: a schedule as a broker keeps it, in a mark. It needs no code of the app that made it, so any worker can fire it.

What happens to one is in ``fq.schedules.firing``.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from itertools import islice
from typing import Literal, cast

from attrs import Factory, evolve, field, frozen

from fq.brokers.operations import DUE, EnqueueOp, Mark, SetMarkOp
from fq.calls.templates import as_json
from fq.core.derived_ids import jitter
from fq.core.duration import optional_ms, to_ms
from fq.core.uniqueness import digest_key
from fq.errors import DecodeError
from fq.schedules.schedule import KEY_PREFIX, CatchUp, Overlap, Schedule
from fq.schedules.when import When, at, next_tick, ticks, when_as_json, when_from_json, zone
from fq.wire.codec import encode_value
from fq.workflows.nodes import Pipeline, callbacks, is_group, members

IDLE = "schedules"
"""The index of the schedules that do not fire: those that are paused or orphaned. The others are in the index `DUE`."""

LONGEST_DEFAULT_GRACE_MS = 3_600_000

MOST_RECENT = 10
"""How many of the ticks that were sent a schedule remembers, and of those that were missed."""


def _ticks(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(values)


def _first_tick(schedule: "StoredSchedule") -> int:
    return next_tick(schedule.when, schedule.settled)


@frozen(kw_only=True)
class StoredSchedule:
    """
    A schedule in a broker. All times are ms since the epoch on the broker's clock.

    Attributes:
        name, when, catch_up, grace, overlap, splay: see `Schedule`; *grace* and *splay* in ms.

        pipeline: the call, as JSON; see ``fq.workflows.nodes``.

        reports_end: does the broker keep the results of the workflow until its end?

        is_static: is it declared in code? Else it was put into the broker at run time.

        revision: when the code that declares it was loaded, or when it was put.

        made: when it was made. There are no ticks before.

        settled: all ticks up to this one have been dealt with.

        last: the last tick that was sent; 0 if none was.

        recent: the last ticks that were sent, `MOST_RECENT` at most, the latest last.

        missed: the last ticks that were not sent, since no worker saw them in time or a later one stands for them; `MOST_RECENT` at most, the latest last.

        paused: has an operator paused it?

        orphaned: was it taken out because no live worker declares it?
    """

    name: str
    when: When
    pipeline: Pipeline
    reports_end: bool = False
    catch_up: CatchUp = "once"
    grace: int | None = None
    overlap: Overlap = "allow"
    splay: int = 0
    is_static: bool = False
    revision: int = 0
    made: int = 0
    settled: int = 0
    last: int = 0
    recent: tuple[int, ...] = field(default=(), converter=_ticks)
    missed: tuple[int, ...] = field(default=(), converter=_ticks)
    paused: bool = False
    orphaned: bool = False
    next: int = field(default=Factory(_first_tick, takes_self=True))

    @property
    def state(self) -> Literal["active", "paused", "orphaned"]:
        """Does it fire? If not, why not?"""
        return "orphaned" if self.orphaned else "paused" if self.paused else "active"

    @property
    def actors(self) -> tuple[str, ...]:
        """The names of the actors that it calls."""
        return tuple(dict.fromkeys(actors_of(self.pipeline)))

    @property
    def zone(self) -> tzinfo:
        """The time zone of its clock."""
        return zone(self.when)

    def next_ticks(self, count: int = 3) -> tuple[datetime, ...]:
        """Return when the next *count* ticks are, in its time zone."""
        return tuple(at(tick, self.zone) for tick in islice((self.next, *islice(ticks(self.when, self.next), count)), count))

    def last_tick(self) -> datetime | None:
        """Return the last tick that was sent, in its time zone; None if none was."""
        return at(self.last, self.zone) if self.last else None

    @property
    def definition(self) -> tuple[object, ...]:
        """What its user has written."""
        return self.when, self.pipeline, self.reports_end, self.catch_up, self.grace, self.overlap, self.splay, self.is_static

    @property
    def digest(self) -> str:
        """A short text that is the same for equal definitions."""
        _, *rest = self.definition
        return digest_key("schedule", [when_as_json(self.when), *rest])

    @property
    def grace_ms(self) -> int:
        """The *grace* that is in force."""
        return min(LONGEST_DEFAULT_GRACE_MS, next_tick(self.when, self.next) - self.next) if self.grace is None else self.grace

    def fires_at(self, tick: int) -> int:
        """Return when *tick* is sent: itself, or a little later, but before the next tick."""
        if not self.splay:
            return tick
        most = min(self.splay, next_tick(self.when, tick) - tick)
        return tick + int(most * jitter("splay", self.name, tick))

    def sent(self, ticks: tuple[int, ...]) -> "StoredSchedule":
        """Return this after *ticks* were sent."""
        return evolve(self, last=ticks[-1], recent=(*self.recent, *ticks)[-MOST_RECENT:]) if ticks else self

    def without(self, ticks: tuple[int, ...]) -> "StoredSchedule":
        """Return this after *ticks* were missed."""
        return evolve(self, missed=(*self.missed, *ticks)[-MOST_RECENT:]) if ticks else self

    def settle(self, tick: int) -> "StoredSchedule":
        """Return this with all ticks up to *tick* dealt with."""
        return evolve(self, settled=tick, next=next_tick(self.when, tick))


def stored(schedule: Schedule, *, reports_end: bool, is_static: bool, revision: int, now: int) -> StoredSchedule:
    """Return *schedule* as a broker keeps it, made at *now*."""
    return StoredSchedule(
        name=schedule.name,
        when=schedule.when,
        pipeline=json.loads(encode_value(as_json(schedule.call.steps), schedule.name)),
        reports_end=reports_end,
        catch_up=schedule.catch_up,
        grace=optional_ms(schedule.grace),
        overlap=schedule.overlap,
        splay=to_ms(schedule.splay),
        is_static=is_static,
        revision=revision,
        made=now,
        settled=now,
    )


def actors_of(pipeline: Pipeline) -> list[str]:
    """Return the names of the actors that *pipeline* calls."""
    found: list[str] = []
    for node in pipeline:
        if is_group(node):
            found += [name for part in (*members(node), callbacks(node)) for name in actors_of(part)]
        else:
            found.append(cast("str", node["actor_name"]))
    return found


def key_of(name: str) -> str:
    """Return the key of the mark of the schedule called *name*."""
    return KEY_PREFIX + name


def name_of(mark: Mark) -> str:
    """Return the name of the schedule in *mark*."""
    return mark.key.removeprefix(KEY_PREFIX)


def to_mark_op(schedule: StoredSchedule, expected: bytes | Literal["absent"], then: tuple[EnqueueOp, ...] = ()) -> SetMarkOp:
    """Return the operation that puts *schedule* in the place of what is *expected*, and enqueues *then*."""
    index, order = (DUE, schedule.fires_at(schedule.next)) if schedule.state == "active" else (IDLE, 0)
    return SetMarkOp(key_of(schedule.name), body_of(schedule), expected=expected, index=index, order=order, then=then)


FIELDS = ("pipeline", "reports_end", "catch_up", "grace", "overlap", "splay", "is_static", "revision", "made", "settled")
MORE = ("last", "paused", "orphaned", "next")
LATER = ("recent", "missed")
"""Fields that a schedule lacks if an older fq has written it."""


def as_json_object(schedule: StoredSchedule) -> dict[str, object]:
    """Return *schedule* as JSON."""
    return {"when": when_as_json(schedule.when), **{name: getattr(schedule, name) for name in (*FIELDS, *MORE, *LATER)}}


def body_of(schedule: StoredSchedule) -> bytes:
    """Return the body of the mark of *schedule*."""
    return encode_value(as_json_object(schedule), schedule.name)


def read(mark: Mark) -> StoredSchedule:
    """
    Return the schedule in *mark*.

    Raises:
        DecodeError: it cannot be read here.
    """
    name = name_of(mark)
    try:
        written = cast("Mapping[str, object]", json.loads(mark.body))
        values = {field: written[field] for field in (*FIELDS, *MORE)} | {field: written[field] for field in LATER if field in written}
        when = when_from_json(cast("Mapping[str, object]", written["when"]))
        return StoredSchedule(name=name, when=when, **values)  # type: ignore[arg-type]  # as `as_json_object` has written them
    except Exception as error:
        raise DecodeError(f"the schedule {name!r} cannot be read here: {type(error).__name__}: {error}") from error


def is_schedule(mark: Mark) -> bool:
    """Is *mark* that of a schedule?"""
    return mark.key.startswith(KEY_PREFIX)
