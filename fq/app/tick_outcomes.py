"""`tick_outcomes`: what became of the last ticks of schedules, as far as the broker still knows."""

from collections.abc import Mapping, Sequence

from attrs import frozen

from fq.brokers.operations import finished_key
from fq.brokers.protocol import Broker
from fq.brokers.records import Status
from fq.calls.message_record import record_of_mark
from fq.schedules.firing import message_id_of
from fq.schedules.stored import MOST_RECENT, StoredSchedule

MOST_ASKED = 50
"""For so many ticks, the latest of all schedules first, the broker is asked one by one: those of which no record is kept, or that were dead."""


@frozen
class TickOutcome:
    """
    A *tick*, the id of its message, and what became of that: an outcome, a state, or ``""`` if it has ended without a trace.

    Of a tick that was not sent, the id is ``""`` and the outcome ``"missed"``.
    """

    tick: int
    message_id: str
    outcome: str


def tick_outcomes(broker: Broker, schedules: Sequence[StoredSchedule]) -> Mapping[str, tuple[TickOutcome, ...]]:
    """Return what became of the last ticks of each of *schedules*, by its name, the oldest first. Asks the broker a bounded number of times."""
    ticks = [(tick, message_id_of(schedule.name, tick)) for schedule in schedules for tick in schedule.recent]
    kept = _kept(broker, [message_id for _, message_id in ticks]) if ticks else {}
    known = {message_id: outcome for message_id, outcome in kept.items() if outcome != "dead"}  # a dead letter may have been requeued
    left = sorted((tick for tick in ticks if tick[1] not in known), reverse=True)
    known |= {message_id: _state(broker.status(message_id), kept.get(message_id, "")) for _, message_id in left[:MOST_ASKED]}
    return {schedule.name: tuple(_outcomes(schedule, {**kept, **known})) for schedule in schedules}


def _outcomes(schedule: StoredSchedule, known: Mapping[str, str]) -> Sequence[TickOutcome]:
    sent = ((tick, message_id_of(schedule.name, tick)) for tick in schedule.recent)
    outcomes = [TickOutcome(tick, message_id, known.get(message_id, "")) for tick, message_id in sent]
    outcomes += [TickOutcome(tick, "", "missed") for tick in schedule.missed]
    return sorted(outcomes, key=lambda outcome: outcome.tick)[-MOST_RECENT:]


def _kept(broker: Broker, ids: Sequence[str]) -> dict[str, str]:
    """Return the outcomes of those of *ids* of which a record is kept."""
    marks = broker.marks([finished_key(message_id) for message_id in ids])
    records = {message_id: record_of_mark(mark, message_id) for message_id in ids if (mark := marks.get(finished_key(message_id)))}
    return {message_id: record.outcome for message_id, record in records.items() if record is not None}


def _state(status: Status, kept: str) -> str:
    """Return what *status* says of a message; if it has ended, *kept*, what its record says, if there is one."""
    if status.state in ("unknown", "done"):
        return kept or ("" if status.state == "unknown" else "done")
    return "retrying" if status.state == "delayed" and status.fault is not None else status.state
