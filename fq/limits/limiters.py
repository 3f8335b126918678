"""
Limiters, for use inside actors and elsewhere: `ConcurrentRateLimiter`, `BucketRateLimiter`, `WindowRateLimiter`.

Limiters are values. Limiters of one class with the same backend and key share their slots, in all processes.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

from attrs import Attribute, field, frozen

from fq.brokers.limits.policy import Bucket, Limit, Refused, Slot, Slots, Window, positive_duration, positive_int
from fq.core.derived_ids import jitter
from fq.core.duration import Duration
from fq.errors import OptionError, RateLimitExceeded, Snooze
from fq.layers.current_message import get_current_message
from fq.limits.backend import limiter_backend
from fq.limits.limits import Limits


class NoSlot(RateLimitExceeded, Snooze):
    """
    Raised by `acquire`: no slot was free. One can be in *retry_in* ms.

    It is also a `Snooze`: an actor that does not catch it runs again after *delay*, which is a little later, and uses up no attempt.
    """

    def __init__(self, key: str, retry_in: int, delay: int) -> None:
        super().__init__(delay, f"no slot of {key} is free; one can be in {retry_in} ms")
        self.key = key
        self.retry_in = retry_in


def check_key(found: object) -> None:
    """Raise `OptionError` unless *found* can be the key of a limiter."""
    if not isinstance(found, str) or not found or not found.isprintable():
        raise OptionError(f"key: found {found!r}, expected a printable text that is not empty")


def valid_key(_: object, __: "Attribute[str]", found: object) -> None:
    """`check_key` for attrs."""
    check_key(found)


@frozen
class RateLimiter:
    """The common part of all limiters. *backend* is an app, a broker or its URL; *key* names what is limited."""

    backend: Limits = field(converter=limiter_backend, eq=False, repr=False)
    key: str = field(validator=valid_key)

    @property
    def terms(self) -> Limit:
        """The limit."""
        raise NotImplementedError

    @contextmanager
    def acquire(self, *, raise_on_failure: bool = True) -> Iterator[bool]:
        """
        Hold a slot during the context, and yield True.

        If none is free: raise, or yield False without *raise_on_failure*.

        Raises:
            RateLimitExceeded: no slot is free; one can be in *retry_in* ms. An actor need not catch it, see `NoSlot`.

            BrokerError: the backend cannot be used.
        """
        slot = self.backend.take(self.key, self.terms)
        if isinstance(slot, Slot):
            try:
                yield True
            finally:
                self.backend.give_back(slot)
        else:
            yield self._refused(slot, raise_on_failure)

    @asynccontextmanager
    async def aacquire(self, *, raise_on_failure: bool = True) -> AsyncIterator[bool]:
        """`acquire` for coroutines: ``async with limiter.aacquire():``."""
        slot = await self.backend.atake(partial(self.backend.take, self.key, self.terms))
        if isinstance(slot, Slot):
            try:
                yield True
            finally:
                await self.backend.agive_back(slot)
        else:
            yield self._refused(slot, raise_on_failure)

    def _refused(self, refused: Refused, raise_on_failure: bool) -> bool:
        """Raise, or return False. Actors that were refused together come back at different times, within twice the time until a slot can be free."""
        if raise_on_failure:
            message = get_current_message()
            who = (message.message_id, message.received_at) if message else ()
            raise NoSlot(self.key, refused.retry_in, int(refused.retry_in * (1 + jitter(self.key, *who))))
        return False


@frozen
class ConcurrentRateLimiter(RateLimiter):
    """
    At most *limit* hold a slot at once.

    >>> mutex = ConcurrentRateLimiter("memory://", "report")
    >>> with mutex.acquire(), mutex.acquire(raise_on_failure=False) as acquired:
    ...     acquired
    False

    Attributes:
        limit: how many at once. Default 1.

        ttl: how long a slot outlives a process that died with it, ms or timedelta; a held slot is renewed every third of it. Default 15 minutes.
    """

    limit: int = field(default=1, kw_only=True, validator=positive_int)
    ttl: int = field(default=900_000, kw_only=True, converter=positive_duration)

    @property
    def terms(self) -> Slots:
        """The limit."""
        return Slots(self.limit, self.ttl)


@frozen
class BucketRateLimiter(RateLimiter):
    """
    At most *limit* in each bucket of time: 10:00:00 to 10:00:59, 10:01:00 to 10:01:59. Around the end of a bucket, up to twice as many may fall together.

    >>> from datetime import timedelta
    >>> limiter = BucketRateLimiter("memory://", "search", limit=2, bucket=timedelta(days=1))
    >>> with limiter.acquire() as acquired:
    ...     acquired
    True

    Attributes:
        limit: how many in a bucket. Default 1.

        bucket: the length of a bucket, ms or timedelta. Buckets begin at multiples of it since the epoch, by the broker's clock. Default 1 s.
    """

    limit: int = field(default=1, kw_only=True, validator=positive_int)
    bucket: int = field(default=1_000, kw_only=True, converter=positive_duration)

    @property
    def terms(self) -> Bucket:
        """The limit."""
        return Bucket(self.limit, self.bucket)


def _window(found: Duration) -> int:
    if type(found) is int and 0 < found < 100:  # a user of Dramatiq may mean seconds
        raise OptionError(
            f"window: found {found}, expected ms, at least 100, or a timedelta; for {found} s write timedelta(seconds={found})"
        )
    return positive_duration(found)


@frozen
class WindowRateLimiter(RateLimiter):
    """
    At most *limit* in any period as long as *window*.

    >>> from datetime import timedelta
    >>> limiter = WindowRateLimiter("memory://", "maps", limit=2, window=timedelta(minutes=1))
    >>> for _ in range(3):
    ...     with limiter.acquire(raise_on_failure=False) as acquired:
    ...         print(acquired)
    True
    True
    False

    Attributes:
        limit: how many in a window. Default 1.

        window: ms or timedelta. A number below 100 is refused, since in Dramatiq it is in seconds. Default 1 s.
    """

    limit: int = field(default=1, kw_only=True, validator=positive_int)
    window: int = field(default=1_000, kw_only=True, converter=_window)

    @property
    def terms(self) -> Window:
        """The limit."""
        return Window(self.limit, self.window)
