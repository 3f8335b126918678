"""`RateLimit`: so many messages in so much time."""

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
    At most *limit* messages start in any stretch of time as long as *window*.

    What comes too early is put back, to come again when its turn is: no attempt is used up, no worker waits, nobody is overtaken for ever.
    Every attempt counts, a retry as much as the first.

    >>> from fq import App, Outcome, rate_limit
    >>> from fq.testing import message
    >>> handle = rate_limit(limit=1, window=60_000, backend=App("memory://")).wrap(lambda message: Outcome.success("called"))
    >>> handle(message("call_api", message_id="m1")).result
    <Success: called>
    >>> 59_000 < handle(message("call_api", message_id="m2")).result.failure().delay <= 60_000
    True

    Its place is inside Retries, where it goes by itself: there, a broker that cannot be asked is a failure to be tried again; outside it is
    a dead letter. And inside AgeLimit, or what has expired waits for a slot all the same.

    Attributes:
        limit: how many.

        window: in how long, ms.

        key: what is limited together, in all processes: a text, or a function of the message: ``lambda message: message.kwargs["tenant"]``.
            Unless given, the actor's name.

        backend: where it is counted: an app, a broker or its URL; the broker of the app that the layer is in, unless given.
    """

    limit: int = field(validator=positive_int)
    window: int = field(converter=positive_duration)

    @property
    def terms(self) -> Window:
        """The limit."""
        return Window(self.limit, self.window)

    def wrap(self, next: Handler) -> Handler:
        """Return *next* for those messages for which there is a slot."""

        def handler(message: Message) -> Outcome:
            slot = self.enter(message)
            return retry_later(message, slot) if isinstance(slot, Refused) else next(message)

        return handler

    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        """Return the same for async actors."""

        async def handler(message: Message) -> Outcome:
            slot = await self.aenter(message)
            return retry_later(message, slot) if isinstance(slot, Refused) else await next(message)

        return handler


def rate_limit(*, limit: int, window: Duration, key: MessageKey = None, backend: Backend | None = None) -> RateLimit:
    """Return a `RateLimit` layer; *window* in ms or as timedelta."""
    return RateLimit(limit=limit, window=window, key=key, backend=backend)
