"""`Retries`: a failed message runs again after a growing delay."""

from collections.abc import Callable
from functools import partial
from typing import cast

from attrs import field, frozen, validators

from fq.core.derived_ids import jitter
from fq.core.duration import Duration, to_ms
from fq.core.message import RETRIES, Message
from fq.core.outcome import Dead, Outcome, Retry, Setback
from fq.errors import MAX_DURATION_MS, Error, OptionError, RetryAfter, Shutdown, Snooze, is_final
from fq.errors.exception_text import attribute_of, is_a
from fq.middleware.base import Step

DEFAULT_MAX_RETRIES = 20
DEFAULT_MIN_BACKOFF_MS = 15_000
DEFAULT_MAX_BACKOFF_MS = 7 * 24 * 60 * 60 * 1000
"""The defaults of `Retries`."""

_MAX_EXPONENT = 32  # 2**32 ms exceeds any ceiling; a larger exponent would only make larger integers


def _error_classes(value: object) -> tuple[type[BaseException], ...]:
    classes = value if isinstance(value, tuple | list) else (value,)
    for kind in classes:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise OptionError(
                f"found {kind!r}, expected an exception class, or a tuple of them; give it to the actor, it cannot travel in a message"
            )
    return cast("tuple[type[BaseException], ...]", tuple(classes))


def _as_written(classes: tuple[type[BaseException], ...]) -> str:
    """Return *classes* as Python source, which ``eval`` reads."""
    return f"({''.join(f'{kind.__qualname__}, ' for kind in classes).rstrip(' ')})"


def _count_or_none(_: object, __: object, value: int | None) -> None:
    if value is not None and (type(value) is not int or value < 0):
        raise OptionError(f"found {value!r}, expected a whole number from 0, or None for no limit")


def _asked_ms(error: Error) -> int | None:
    """Return the delay, in ms, that *error* asks for. None if it asks for none, or for something else, as a subclass may."""
    delay = attribute_of(error, "delay") if is_a(error, RetryAfter) else None
    return min(max(0, delay), MAX_DURATION_MS) if type(delay) is int else None


@frozen
class Retries(Step):
    """
    A failed message is put back, to run again after a delay that doubles with every attempt. After the last attempt it becomes a dead letter.

    An actor that raises `RetryAfter` sets the delay itself. One that raises `Snooze` does so without using up an attempt.

    >>> from fq import Outcome, retries
    >>> from fq.testing import message
    >>> handle = retries(max_retries=2).wrap(lambda message: Outcome.failure(ValueError("no")))
    >>> handle(message("add", 1, 2)).result.failure().message.options
    {'retries': 1}
    >>> handle(message("add", 1, 2, retries=2)).result
    <Failure: Dead(error=ValueError('no'))>

    Attributes:
        max_retries: how many attempts may follow the first one; None for no limit. Default: 20.

        min_backoff: the shortest delay, ms. Retry number n waits ``min_backoff * 2**n * (1 + j)``, with n from 0 and j in [0, 1). Default: 15 s.

        max_backoff: the ceiling of the delay, ms. A longer delay becomes ``max_backoff * (1 + j) / 2``. Default: 7 days.

        retry_when: a pure function that replaces *max_retries*: ``retry_when(retries_so_far, error)`` returns whether to try again. Default: None.

        throws: an exception class, or a tuple of them, that the actor raises on purpose. Such an error is final, and is not logged as an error.
    """

    max_retries: int | None = field(default=DEFAULT_MAX_RETRIES, validator=_count_or_none)
    min_backoff: int = field(default=DEFAULT_MIN_BACKOFF_MS, converter=to_ms)
    max_backoff: int = field(default=DEFAULT_MAX_BACKOFF_MS, converter=to_ms)
    retry_when: Callable[[int, Error], bool] | None = field(default=None, validator=validators.optional(validators.is_callable()))
    throws: tuple[type[BaseException], ...] = field(default=(), converter=_error_classes, repr=_as_written)

    def idle(self) -> bool:
        return True

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        """Turn a failure into a retry, if one is due."""
        return outcome if outcome.succeeded else outcome.alt(partial(self.decide, message))

    def decide(self, message: Message, setback: Setback) -> Setback:
        """Return *setback* of *message*, or the retry that replaces it."""
        if not isinstance(setback, Dead):
            return setback
        error, asked_ms = setback.error, _asked_ms(setback.error)
        if is_a(error, Snooze) and asked_ms is not None:
            return Retry(message, asked_ms)
        if setback.final or self.is_final(error):
            return setback
        retries = RETRIES.get(message)
        if self.is_exhausted(retries, error):
            return Dead(error, (retries, self.max_retries))
        delay = self.backoff_ms(message.message_id, retries) if asked_ms is None else asked_ms
        return Retry(RETRIES.set(message, retries + 1), delay, error)

    def is_final(self, error: Error) -> bool:
        """Would another attempt be useless, or unwanted, after *error*?"""
        return is_a(error, (Shutdown, *self.throws)) or is_final(error)

    def is_exhausted(self, retries: int, error: Error) -> bool:
        """Are there no attempts left after *retries*, the last of which failed with *error*?"""
        if self.retry_when is not None:
            return not self.retry_when(retries, error)
        return self.max_retries is not None and retries >= self.max_retries

    def backoff_ms(self, message_id: str, retries: int) -> int:
        """Return the delay, in ms, before retry number *retries*, counted from 0."""
        fraction = jitter(message_id, retries)
        delay = int(self.min_backoff * 2 ** min(retries, _MAX_EXPONENT) * (1 + fraction))
        return delay if delay <= self.max_backoff else int(self.max_backoff * (1 + fraction) / 2)


def retries(
    *,
    max_retries: int | None = DEFAULT_MAX_RETRIES,
    min_backoff: Duration = DEFAULT_MIN_BACKOFF_MS,
    max_backoff: Duration = DEFAULT_MAX_BACKOFF_MS,
    retry_when: Callable[[int, Error], bool] | None = None,
    throws: type[BaseException] | tuple[type[BaseException], ...] = (),
) -> Retries:
    """Return a `Retries` layer. Durations: ms or timedelta."""
    return Retries(max_retries=max_retries, min_backoff=min_backoff, max_backoff=max_backoff, retry_when=retry_when, throws=throws)
