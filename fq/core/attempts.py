"""
`Attempt`: one run of a message, as its record has it. Attempts travel in the option ``fq.attempts`` of a message that the layer `Keep` keeps a record of.

Each retry adds one. A message carries the first `FIRST_KEPT` and the latest `LATEST_KEPT`, so it stays small, however often it is retried.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from attrs import frozen

from fq.core.fault import Fault, shortened
from fq.core.message import TIME_LIMIT, Message
from fq.core.outcome import Run
from fq.core.reserved_options import ATTEMPTS, RESERVED

FIRST_KEPT, LATEST_KEPT = 5, 10
"""How many of the first attempts are kept, and how many of the latest."""

MAX_ATTEMPT_TEXT, MAX_ATTEMPT_TRACEBACK = 500, 1_500
"""How many characters an attempt keeps of the text of its error, and of the traceback."""


@frozen
class Attempt:
    """
    One run of a message.

    Attributes:
        number: which run it was, from 1.

        worker: the name of the worker that ran it; ``""`` if it is not known.

        started: when it began, ms since the epoch on the broker's clock; 0 if it is not known.

        took: how long it ran, ms.

        error: why it failed; None if it did not.

        lost: was it interrupted, because its worker died or lost its lease? Nothing more is known of it then.
    """

    number: int
    worker: str = ""
    started: int = 0
    took: int = 0
    error: Fault | None = None
    lost: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the wire form; what is not known is left out."""
        fields = {"worker": self.worker, "at": self.started, "took": self.took, "lost": self.lost}
        error = {} if self.error is None else self.error.as_json()
        return {"n": self.number, **{name: value for name, value in {**fields, **error}.items() if value}}

    @classmethod
    def from_json(cls, fields: Mapping[str, object]) -> "Attempt":
        """Return the attempt whose wire form is *fields*."""
        error = Fault.from_json(fields) if "type" in fields else None
        number, started, took = (cast(int, fields.get(name, 0)) for name in ("n", "at", "took"))
        return cls(number, str(fields.get("worker", "")), started, took, error, fields.get("lost", False) is True)


def attempts_of(message: Message) -> tuple[Attempt, ...]:
    """Return the attempts that *message* carries; none if its option cannot be read."""
    written = message.options.get(ATTEMPTS, ())
    return tuple(map(Attempt.from_json, cast("Sequence[Mapping[str, object]]", written))) if RESERVED[ATTEMPTS](written) else ()


def attempts_with(message: Message, run: Run | None, error: Fault | None) -> tuple[Attempt, ...]:
    """
    Return the attempts of *message* after one more *run* of it, which ended with *error*, or well.

    Deliveries that came to no outcome are lost attempts. Without a *run*, the actor was not called this time.
    """
    attempts = list(attempts_of(message)) if ATTEMPTS in message.options else []
    number = attempts[-1].number if attempts else 0
    for _ in range(_lost_deliveries(message)):
        attempts.append(Attempt(number := number + 1, lost=True))
    if run is not None:
        attempts.append(Attempt(number + 1, run.worker, run.started, run.took, error and _short(error)))
    return (*attempts[:FIRST_KEPT], *attempts[FIRST_KEPT:][-LATEST_KEPT:])


def with_attempts(message: Message, attempts: Sequence[Attempt]) -> Message:
    """Return *message*, which carries *attempts*."""
    return message.with_options(**{ATTEMPTS: [attempt.as_json() for attempt in attempts]}) if attempts else message


def _lost_deliveries(message: Message) -> int:
    """Return how many deliveries since the last outcome were lost; one that exceeded its time limit fails now, and is not."""
    return message.deliveries - 1 - (message.interrupted == TIME_LIMIT)


def _short(error: Fault) -> Fault:
    return Fault(error.type, shortened(error.message, MAX_ATTEMPT_TEXT), shortened(error.traceback, MAX_ATTEMPT_TRACEBACK))
