"""`TimeLimit`: an attempt that takes too long is cut short."""

from attrs import field, frozen

from fq.core.duration import Duration, limit_ms, to_ms
from fq.core.message import Message, with_time_limit
from fq.errors import TimeLimitExceeded
from fq.middleware.base import Step


@frozen
class TimeLimit(Step):
    """
    An actor that runs longer than *time_limit* gets `TimeLimitExceeded` raised inside it, which is a failure like any other.

    The layer only stamps the limit on the message; the worker enforces it: a sync actor gets the exception at its next bytecode, an async actor
    is cancelled. An actor stuck in blocking C code cannot be interrupted: the worker kills the process, and the
    redelivered message fails for that attempt without running the actor again.

    >>> from fq import Outcome, time_limit
    >>> from fq.testing import message
    >>> time_limit(time_limit=30_000).wrap(lambda message: Outcome.success(message.time_limit))(message("add")).result
    <Success: 30000>

    Attributes:
        time_limit: ms; ``float("inf")`` for none. Default 10 minutes.

        interval: how finely the worker looks, ms. Default 1 s.
    """

    time_limit: float = field(
        default=600_000, converter=limit_ms, repr=lambda limit: "float('inf')" if limit == float("inf") else repr(limit)
    )
    interval: int = field(default=1_000, converter=to_ms)

    def before(self, message: Message) -> Message:
        """Stamp the limit."""
        return with_time_limit(message, self.time_limit)


def time_limit_exceeded(actor_name: str, limit: float) -> TimeLimitExceeded:
    """Return the error of an attempt that ran longer than *limit* ms."""
    return TimeLimitExceeded(f"{actor_name} ran longer than its time limit of {limit:.0f} ms")


def time_limit(*, time_limit: Duration | float = 600_000, interval: Duration = 1_000) -> TimeLimit:
    """Return a `TimeLimit` layer; durations in ms or as timedelta, ``float("inf")`` for no limit."""
    return TimeLimit(time_limit=time_limit, interval=interval)
