"""`ConcurrencyLimit`: a limit on messages that run at once, in all processes."""

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

    A message that finds no slot is put back until one can be free: that uses up no attempt, blocks no worker, and keeps its place in the line.
    A slot belongs to its message: if the process dies, the message's next delivery takes it over.

    >>> from fq import App, Outcome, concurrency_limit
    >>> from fq.testing import message
    >>> layer = concurrency_limit(limit=1, backend=App("memory://"))
    >>> meanwhile = lambda _: layer.wrap(lambda _: Outcome.success())(message("report", message_id="m2"))
    >>> layer.wrap(meanwhile)(message("report", message_id="m1")).result.failure()
    Retry(message=..., delay=..., error=None)

    Its default place is inside Retries and outside `RateLimit`.

    Attributes:
        limit: how many messages at once.

        ttl: how long a slot outlives a process that died with it, ms; the slot of a running message is renewed every third of it. Default 15 minutes.

        key: messages with the same key share the limit, in all processes: a text, or a function of the message: ``lambda message: message.kwargs["tenant"]``.
            Default: the actor's name.

        backend: where slots are counted: an app, a broker or its URL. Default: the broker of the layer's app.
    """

    limit: int = field(validator=positive_int)
    ttl: int = field(default=900_000, converter=positive_duration)

    outside_of: ClassVar[tuple[Rule, ...]] = (Rule(RateLimit, "a message that finds no slot must not have used up any of the rate"),)

    @property
    def terms(self) -> Slots:
        """The limit."""
        return Slots(self.limit, self.ttl)

    def wrap(self, next: Handler) -> Handler:
        """Return *next* for messages that get a slot, which they hold while it runs."""

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
        """The same for async actors."""

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
    """Has the actor run? If a limit further inside has put the message back, its time says nothing about how long slots are held."""
    return is_successful(outcome.result) or not (isinstance(setback := outcome.result.failure(), Retry) and setback.error is None)


def concurrency_limit(*, limit: int, ttl: Duration = 900_000, key: MessageKey = None, backend: Backend | None = None) -> ConcurrencyLimit:
    """Return a `ConcurrencyLimit` layer; *ttl* is in ms or a timedelta."""
    return ConcurrencyLimit(limit=limit, ttl=ttl, key=key, backend=backend)
