"""`ConcurrencyLimit`: so many messages at once, in all processes."""

from typing import ClassVar

from attrs import field, frozen
from returns.pipeline import is_successful

from fq.brokers.limits.policy import Refused, Slots, positive_duration, positive_int
from fq.core.duration import Duration
from fq.core.message import Message
from fq.core.outcome import Outcome, Retry
from fq.limits.backend import Backend
from fq.limits.limit_layer import LimitLayer, MessageKey, retry_later
from fq.limits.rate_limit import RateLimit
from fq.middleware.base import AsyncHandler, Handler, Rule


@frozen(kw_only=True)
class ConcurrencyLimit(LimitLayer):
    """
    At most *limit* messages run at once.

    One too many is put back, to come again when a slot can be free: no attempt is used up, no worker waits, nobody is overtaken for ever.
    A slot belongs to its message: if the process dies, the message's next delivery takes it over.

    >>> from fq import App, Outcome, concurrency_limit
    >>> from fq.testing import message
    >>> layer = concurrency_limit(limit=1, backend=App("memory://"))
    >>> meanwhile = lambda _: layer.wrap(lambda _: Outcome.success())(message("report", message_id="m2"))
    >>> layer.wrap(meanwhile)(message("report", message_id="m1")).result.failure()
    Retry(message=..., delay=..., error=None)

    Its place is inside Retries, where it goes by itself, and outside `RateLimit`.

    Attributes:
        limit: how many.

        ttl: how long a slot outlives a process that died with it, ms; that of a running message is renewed every third of it. Default
            15 minutes.

        key: what is limited together, in all processes: a text, or a function of the message: ``lambda message: message.kwargs["tenant"]``.
            Unless given, the actor's name.

        backend: where it is counted: an app, a broker or its URL; the broker of the app that the layer is in, unless given.
    """

    limit: int = field(validator=positive_int)
    ttl: int = field(default=900_000, converter=positive_duration)

    outside_of: ClassVar[tuple[Rule, ...]] = (Rule(RateLimit, "a message that finds no slot must not have used up any of the rate"),)

    @property
    def terms(self) -> Slots:
        """The limit."""
        return Slots(self.limit, self.ttl)

    def wrap(self, next: Handler) -> Handler:
        """Return *next* for those messages for which there is a slot, which they hold meanwhile."""

        def handler(message: Message) -> Outcome:
            slot = self.enter(message)
            if isinstance(slot, Refused):
                return retry_later(message, slot)
            ran = False
            try:
                outcome = next(message)
                ran = has_run(outcome)
                return outcome
            finally:
                self.limits.give_back(slot, ran)

        return handler

    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        """Return the same for async actors."""

        async def handler(message: Message) -> Outcome:
            slot = await self.aenter(message)
            if isinstance(slot, Refused):
                return retry_later(message, slot)
            ran = False
            try:
                outcome = await next(message)
                ran = has_run(outcome)
                return outcome
            finally:
                await self.limits.agive_back(slot, ran)

        return handler


def has_run(outcome: Outcome) -> bool:
    """Has the actor run? A message that a limit further inside has put back says nothing about how long slots are held."""
    return is_successful(outcome.result) or not (isinstance(setback := outcome.result.failure(), Retry) and setback.error is None)


def concurrency_limit(*, limit: int, ttl: Duration = 900_000, key: MessageKey = None, backend: Backend | None = None) -> ConcurrencyLimit:
    """Return a `ConcurrencyLimit` layer; *ttl* in ms or as timedelta."""
    return ConcurrencyLimit(limit=limit, ttl=ttl, key=key, backend=backend)
