"""
`log_failure`: what the log says about a message that did not succeed.

Errors are logged with their tracebacks. One that is too large, or that `logging` could not write, is logged as it is stored: cut; and in full at the level
``DEBUG``.
"""

import logging

from returns.pipeline import is_successful

from fq.core.fault import Fault, shortened
from fq.core.message import RETRIES, Message
from fq.core.outcome import Dead, Drop, Outcome, Retry
from fq.errors import Cancelled, Error, Shutdown
from fq.errors.exception_text import frames_of, is_a, is_formattable
from fq.execution.actor_plan import ActorPlan
from fq.layers.retries import Retries
from fq.runtime.logger import logger

log = logger("fq.worker")

MAX_CALL_CHARS = 1_000
"""How much of a call is logged."""


def log_failure(message: Message, outcome: Outcome, plan: ActorPlan, fault: Fault | None = None) -> None:
    """
    Log a failure: as an error if it is final, as a warning if it will be tried again, as information if the actor may fail in this way.

    *fault* is its error as data, if that has been made.
    """
    if is_successful(outcome.result):
        return
    call = shortened(str(message), MAX_CALL_CHARS)
    match outcome.result.failure():
        case Retry(_, delay, error):
            if error is not None:
                _log(logging.WARNING, f"{call} failed and will be tried again in {delay} ms", error, message, plan, fault)
        case Drop(reason):
            log.info("%s was dropped: %s", call, reason)
        case Dead(error):
            if is_a(error, expected_errors(plan)):
                fault = fault or Fault.of(error)
                log.info("%s failed, as expected: %s: %s", call, fault.type, fault.message)
            else:
                _log(logging.ERROR, f"{call} failed and is now a dead letter", error, message, plan, fault)


def _log(level: int, what: str, error: Error, message: Message, plan: ActorPlan, fault: Fault | None) -> None:
    if not log.isEnabledFor(level):
        return
    fault = fault or Fault.of(error)
    whole = fault.whole and is_formattable(error)
    line = (what, fault.type, fault.message, message.message_id, attempt(message, plan))
    if whole:
        log.log(level, "%s: %s: %s (message %s, attempt %s)", *line, exc_info=(type(error), error, frames_of(error)))
        return
    log.log(level, "%s: %s: %s (message %s, attempt %s)\n%s", *line, fault.traceback)
    log.debug("message %s failed; in full:", message.message_id, exc_info=(type(error), error, frames_of(error)))


def attempt(message: Message, plan: ActorPlan) -> str:
    """Return which attempt this is, and how many *message* may have: ``3 of 21``."""
    try:
        number = RETRIES.get(message) + 1
        layer = plan.stack.get(Retries)
        most = None if layer is None or layer.retry_when is not None else layer.with_options(message.options).max_retries
    except ValueError:  # an option of a foreign producer
        return "?"
    return str(number) if most is None else f"{number} of {most + 1}"


def expected_errors(plan: ActorPlan) -> tuple[type[BaseException], ...]:
    """Return the errors that are not an actor's fault: those that it raises on purpose, and those that a worker or an operator asked for."""
    retries = plan.stack.get(Retries)
    return (*(() if retries is None else retries.throws), Shutdown, Cancelled)
