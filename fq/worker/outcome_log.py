"""
`log_failure` and `log_success`: what the log says about a message that has run. One record for each attempt, with its facts as fields.

The first time that a message fails with an error, the record has the traceback. One that is too large, or that `logging` could not write, is logged as it
is stored: cut; and in full at the level ``DEBUG``.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import cast

from returns.pipeline import is_successful

from fq.core.duration import duration
from fq.core.fault import Fault
from fq.core.message import RETRIES, Message
from fq.core.outcome import Dead, Drop, Outcome, Retry
from fq.core.printable import printable
from fq.errors import Cancelled, Error, Shutdown
from fq.errors.exception_text import frames_of, is_a, is_formattable, user_frames_of
from fq.execution.actor_plan import ActorPlan
from fq.layers.retries import Retries
from fq.runtime.logger import logger

log = logger("fq.worker")

MAX_REMEMBERED = 2_000
"""Of this many failures a process remembers that it has logged the traceback."""


class LoggedErrors:
    """Mutable: the latest errors that this process has logged with their tracebacks, by message."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._lock = threading.Lock()

    def is_new(self, message: Message, fault: Fault) -> bool:
        """Is this the first time that *message* fails with *fault*, as far as is remembered? From now on it is not."""
        key = message.message_id, fault.type, fault.message
        with self._lock:
            if key in self._seen:
                return False
            self._seen[key] = None
            if len(self._seen) > MAX_REMEMBERED:
                self._seen.popitem(last=False)
            return True


logged_errors = LoggedErrors()


def log_success(message: Message, plan: ActorPlan, elapsed_ms: int) -> None:
    """Log, as information, that *message* succeeded after *elapsed_ms*."""
    if log.isEnabledFor(logging.INFO):
        facts = facts_of(message, plan, elapsed_ms, "success")
        log.info("%s succeeded (%s)", plan.shown_call(message), details(facts["fq"]), extra=facts)


def log_failure(message: Message, outcome: Outcome, plan: ActorPlan, elapsed_ms: int = 0, fault: Fault | None = None) -> None:
    """
    Log a failure: as an error if it is final, as a warning if it will be tried again, as information if the actor may fail in this way.

    *fault* is its error as data, if that has been made.
    """
    if is_successful(outcome.result):
        return
    call = plan.shown_call(message)
    match outcome.result.failure():
        case Retry(_, delay, error):
            if error is not None:
                facts = facts_of(message, plan, elapsed_ms, "retry", next_try_ms=delay)
                _log(logging.WARNING, f"{call} failed and will be tried again in {duration(delay)}", error, message, facts, fault)
        case Drop(reason):
            facts = facts_of(message, plan, elapsed_ms, "dropped")
            log.info("%s was dropped: %s (%s)", call, first_line(reason), details(facts["fq"]), extra=facts)
        case Dead(error):
            facts = facts_of(message, plan, elapsed_ms, "dead")
            if is_a(error, expected_errors(plan)):
                fault = fault or Fault.of(error)
                facts["fq"] |= {"error": fault.type, "error_message": fault.message}
                told = first_line(fault.message)
                log.info("%s failed, as expected: %s: %s (%s)", call, fault.type, told, details(facts["fq"]), extra=facts)
            else:
                _log(logging.ERROR, f"{call} failed and is now a dead letter", error, message, facts, fault)


def _log(level: int, what: str, error: Error, message: Message, facts: dict[str, dict[str, object]], fault: Fault | None) -> None:
    if not log.isEnabledFor(level):
        return
    fault = fault or Fault.of(error)
    fields = facts["fq"]
    fields["error"], fields["error_message"] = fault.type, fault.message
    line = (what, fault.type, first_line(fault.message), details(fields))
    if not logged_errors.is_new(message, fault):
        log.log(level, "%s: %s: %s (%s; the same error as before)", *line, extra=facts)
    elif fault.whole and is_formattable(error):
        log.log(level, "%s: %s: %s (%s)", *line, exc_info=(type(error), error, user_frames_of(error)), extra=facts)
    else:
        log.log(level, "%s: %s: %s (%s)\n%s", *line, fault.traceback, extra=facts)
        log.debug("message %s failed; in full:", message.message_id, exc_info=(type(error), error, frames_of(error)))


def facts_of(message: Message, plan: ActorPlan, elapsed_ms: int, outcome: str, **more: object) -> dict[str, dict[str, object]]:
    """Return what a record about *message* has as fields, in the form of ``extra``: the attribute ``fq`` of the record."""
    number, most = attempts(message, plan)
    fields: dict[str, object] = {
        "message_id": message.message_id,
        "actor": message.actor_name,
        "queue": message.queue_name,
        "attempt": number,
        "attempts": most,
        "duration_ms": elapsed_ms,
        "outcome": outcome,
        **more,
    }
    return {"fq": fields}


def details(fields: Mapping[str, object]) -> str:
    """Return the facts of a record as they stand at the end of its line."""
    took = cast(int, fields["duration_ms"])
    return f"message {fields['message_id']}, queue {fields['queue']}, {attempt_text(fields)}, {duration(took)}"


def first_line(text: str) -> str:
    r"""
    Return *text* if it is one line; else its first line and an ellipsis: a record is one line, and the traceback has the rest.

    Control characters are written out, since the app may have a handler of its own that does not do so.

    >>> first_line("no paper"), first_line("no paper\nin tray 2"), first_line("\x1b[2J") == r"\x1b[2J"
    ('no paper', 'no paper …', True)
    """
    line, _, rest = text.strip().partition("\n")
    return printable(f"{line.rstrip()} …" if rest else line)


def attempt_text(fields: Mapping[str, object]) -> str:
    """Return which attempt it is, of how many: ``attempt 3 of 21``."""
    number, most = fields["attempt"], fields["attempts"]
    return "attempt ?" if number is None else f"attempt {number}" if most is None else f"attempt {number} of {most}"


def attempts(message: Message, plan: ActorPlan) -> tuple[int | None, int | None]:
    """Return which attempt this is, from 1, and how many *message* may have; None where that is not known, or has no limit."""
    try:
        number = RETRIES.get(message) + 1
        layer = plan.stack.get(Retries)
        most = None if layer is None or layer.retry_when is not None else layer.with_options(message.options).max_retries
    except ValueError:  # an option of a foreign producer
        return None, None
    return number, None if most is None else most + 1


def expected_errors(plan: ActorPlan) -> tuple[type[BaseException], ...]:
    """Return the errors that are not an actor's fault: those that it raises on purpose, and those that a worker or an operator asked for."""
    retries = plan.stack.get(Retries)
    return (*(() if retries is None else retries.throws), Shutdown, Cancelled)
