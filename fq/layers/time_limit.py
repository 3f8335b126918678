"""`TimeLimit`: an attempt that takes too long is interrupted."""

from attrs import field, frozen

from fq.core.duration import Duration, limit_ms, to_ms
from fq.core.message import Message, with_time_limit
from fq.errors import TimeLimitExceeded
from fq.middleware.base import Step

DEFAULT_TIME_LIMIT_MS = 600_000
DEFAULT_INTERVAL_MS = 1_000
"""The defaults of `TimeLimit`."""


@frozen
class TimeLimit(Step):
    """
    An actor that runs longer than *time_limit* gets `TimeLimitExceeded` raised inside it. It is an ordinary failure: `Retries` sees it.

    The layer sets the limit on the message; the worker enforces it. A sync actor gets the exception at its next bytecode; an async actor is
    cancelled. An actor in blocking C code cannot be interrupted. The worker then kills the process, and the redelivered message fails with
    `TimeLimitExceeded` without running the actor.

    >>> from fq import Outcome, time_limit
    >>> from fq.testing import message
    >>> time_limit(time_limit=30_000).wrap(lambda message: Outcome.success(message.time_limit))(message("add")).result
    <Success: 30000>

    Attributes:
        time_limit: ms; ``float("inf")`` for no limit. Default: 10 minutes.

        interval: how often the worker checks the limit, ms. Default: 1 s.
    """

    time_limit: float = field(
        default=DEFAULT_TIME_LIMIT_MS, converter=limit_ms, repr=lambda limit: "float('inf')" if limit == float("inf") else repr(limit)
    )
    interval: int = field(default=DEFAULT_INTERVAL_MS, converter=to_ms)

    def before(self, message: Message) -> Message:
        """Set the limit on *message*."""
        return with_time_limit(message, self.time_limit)


def time_limit_exceeded(actor_name: str, limit: float) -> TimeLimitExceeded:
    """Return the error of an attempt that ran longer than *limit* ms."""
    return TimeLimitExceeded(f"{actor_name} ran longer than its time limit of {limit:.0f} ms")


def time_limit(*, time_limit: Duration | float = DEFAULT_TIME_LIMIT_MS, interval: Duration = DEFAULT_INTERVAL_MS) -> TimeLimit:
    """Return a `TimeLimit` layer. Durations: ms or timedelta; ``float("inf")`` for no limit."""
    return TimeLimit(time_limit=time_limit, interval=interval)
