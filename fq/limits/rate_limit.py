"""`RateLimit`: a limit on messages per time."""

from attrs import field, frozen

from fq.brokers.limits.policy import Refused, Window, positive_duration, positive_int
from fq.core.duration import Duration
from fq.core.message import Message
from fq.core.outcome import Outcome
from fq.limits.backend import Backend
from fq.limits.limit_layer import LimitLayer, MessageKey, retry_later
from fq.middleware.base import AsyncHandler, Handler


@frozen(kw_only=True)
class RateLimit(LimitLayer):
    """
    At most *limit* messages start in any period as long as *window*.

    A message that comes too early is put back until its turn: that uses up no attempt, blocks no worker, and keeps its place in the line.
    Every attempt counts, retries too.

    >>> from fq import App, Outcome, rate_limit
    >>> from fq.testing import message
    >>> handle = rate_limit(limit=1, window=60_000, backend=App("memory://")).wrap(lambda message: Outcome.success("called"))
    >>> handle(message("call_api", message_id="m1")).result
    <Success: called>
    >>> 59_000 < handle(message("call_api", message_id="m2")).result.failure().delay <= 60_000
    True

    Its default place is inside Retries: if the broker cannot be reached, the message is retried there; outside it becomes a dead letter. Keep it inside
    AgeLimit, too: outside, expired messages wait for slots.

    Attributes:
        limit: how many messages in a window.

        window: the length of a window, ms.

        key: messages with the same key share the limit, in all processes: a text, or a function of the message: ``lambda message: message.kwargs["tenant"]``.
            Default: the actor's name.

        backend: where slots are counted: an app, a broker or its URL. Default: the broker of the layer's app.
    """

    limit: int = field(validator=positive_int)
    window: int = field(converter=positive_duration)

    @property
    def terms(self) -> Window:
        """The limit."""
        return Window(self.limit, self.window)

    def wrap(self, next: Handler) -> Handler:
        """Return *next* for messages that get a slot."""

        def handler(message: Message) -> Outcome:
            slot = self.enter(message)
            return retry_later(message, slot) if isinstance(slot, Refused) else next(message)

        return handler

    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        """The same for async actors."""

        async def handler(message: Message) -> Outcome:
            slot = await self.aenter(message)
            return retry_later(message, slot) if isinstance(slot, Refused) else await next(message)

        return handler


def rate_limit(*, limit: int, window: Duration, key: MessageKey = None, backend: Backend | None = None) -> RateLimit:
    """Return a `RateLimit` layer; *window* is in ms or a timedelta."""
    return RateLimit(limit=limit, window=window, key=key, backend=backend)
