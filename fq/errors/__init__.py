"""Every error that fq raises or reports, as one tree.

::

    BaseException
    ├── Interrupt                    raised inside a running actor
    │   ├── TimeLimitExceeded        it ran longer than its time limit
    │   ├── Shutdown                 the worker is stopping (opted-in actors only)
    │   └── Cancelled                the message was cancelled
    └── Exception
        └── FqError
            ├── ConfigError          a bad URL, application path or setting
            ├── StackError           layers that do not fit together
            ├── OptionError          an unknown option, or a value that it cannot take
            ├── DeclarationError     an actor that cannot be declared as written
            ├── ScheduleError        a schedule that cannot be made as written
            │   └── ScheduleNotFound
            ├── Duplicate            another message holds the unique key of the one to send
            ├── DecodeError          bytes that are not a message
            ├── InvalidArguments     arguments that do not fit the actor's signature
            ├── InvalidResult        a result that cannot be stored or passed on
            ├── FollowError          a follow() too late, or a handle of one read too early
            ├── ActorFailure         an actor returned a `Failure` of something that is no exception
            ├── ActorNotFound        a message for an actor that is not declared here
            ├── MiddlewareError      raised by a layer on purpose
            │   ├── SkipMessage      acknowledge this message without running it
            │   └── MessageFailed    a class-style middleware called ``message.fail()``
            ├── LayerError           a layer raised any other exception
            ├── ResourceError        a resource of an actor could not be opened
            ├── AgeLimitExceeded     the message was too old to run
            ├── Poison               the message killed its process several times
            ├── GroupFailed          members of the group before the message failed
            ├── RetryAfter           raised by an actor: try again after exactly this delay
            ├── Snooze               raised by an actor: try again later, without using up an attempt
            ├── RateLimitExceeded    no slot was free
            ├── SelfCancelled        an actor raised `asyncio.CancelledError` without being cancelled
            ├── BrokerError          the broker refused a request, or is unreachable
            │   └── BrokerUnavailable
            └── ResultError          raised by ``Handle.get_result``
                ├── ResultTimeout, ResultMissing, ResultNotStored, ResultFailure

Interrupts derive from `BaseException`, as `asyncio.CancelledError` does, so that ``except Exception`` in an actor does not catch them.
"""

from datetime import timedelta
from typing import ClassVar, TypeAlias

from fq.errors.equality import EqualByArguments
from fq.errors.exception_text import attribute_of, is_a, name_of, text_of

MAX_DURATION_MS = 2**52 - 1
"""The longest duration: 142,000 years. Added to a clock, it is still exact in a double."""


class Interrupt(EqualByArguments, BaseException):
    """Base of the exceptions that fq raises inside a running actor."""

    final: ClassVar[bool] = False


class TimeLimitExceeded(Interrupt):
    """The actor ran longer than its time limit. An ordinary failure: `Retries` sees it."""


class Shutdown(Interrupt):
    """The worker is stopping, and this actor asked for a notification. The message is handed back, and no attempt is used up."""


class Cancelled(Interrupt):
    """The message was cancelled. Final: it is not tried again."""

    final = True


class FqError(EqualByArguments, Exception):
    """
    Base of every ordinary error of fq. Errors are values: equal when type and arguments are.

    A *final* error is not worth a second attempt: `Retries` leaves it a dead letter.
    """

    final: ClassVar[bool] = False


def is_final(error: BaseException) -> bool:
    """Is *error* an error of fq that is not worth a second attempt? An attribute *final* of other errors means nothing here."""
    return is_a(error, (FqError, Interrupt)) and attribute_of(error, "final") is True


Error: TypeAlias = BaseException
"""An exception with which a message may fail: any, even `SystemExit`."""


class ConfigError(FqError):
    """A URL, application path or setting that fq cannot use. The text says what was found, what was expected and what to type."""


class StackError(FqError, ValueError):
    """Layers that do not fit together: the wrong order, one class twice, or a part that is no layer."""


class OptionError(FqError, ValueError):
    """An option that no layer takes, or a value that the option cannot take."""

    final = True


class DeclarationError(FqError, ValueError):
    """An actor that cannot be declared as written: a name that is taken, a bad queue name, an actor of another app."""


class ScheduleError(FqError, ValueError):
    """A schedule that cannot be made as written: a wrong cron expression, an unknown time zone, a name that is taken."""


class ScheduleNotFound(ScheduleError, LookupError):
    """No schedule has this name."""


class Duplicate(FqError):
    """Another message, *message_id*, holds the unique *key* of the message to send, which says ``on_conflict="raise"``. It was not sent."""

    def __init__(self, message_id: str, key: str) -> None:
        super().__init__(message_id, key)
        self.message_id = message_id
        self.key = key

    def __str__(self) -> str:
        return f"not sent: message {self.message_id} holds the unique key {self.key!r}"


class DecodeError(FqError):
    """Bytes that are not a message. The dead letter keeps them unchanged."""

    final = True


class InvalidArguments(FqError, TypeError):
    """Arguments that do not fit the signature of the actor; names the path of the first wrong value."""

    final = True


class InvalidResult(FqError, TypeError):
    """A result, follow-up or progress that cannot be encoded, or a progress that is too long; names the path of the value."""

    final = True


class FollowError(FqError):
    """`Call.follow` after the end of the actor; or its handle read in the actor, whose commit has not sent the call yet."""


class ActorFailure(FqError):
    """An actor returned ``Failure(value)``, with a *value* that is no exception."""

    def __init__(self, value: object) -> None:
        super().__init__(value)
        self.value = value


class ActorNotFound(FqError, LookupError):
    """A message for an actor that is not declared, or not imported, here."""


class MiddlewareError(FqError):
    """Base of the errors that layers raise on purpose."""


class SkipMessage(MiddlewareError):
    """Raised by a layer or an actor: acknowledge the message, run nothing, store nothing."""


class MessageFailed(MiddlewareError):
    """A class-style middleware called ``message.fail()``: the message is a dead letter."""

    final = True


class LayerError(FqError):
    """A layer raised *error*, which is the cause. For the layers around *layer* it is an ordinary failure."""

    def __init__(self, layer: object, error: BaseException) -> None:
        super().__init__(layer, error)
        self.layer = layer
        self.error = error
        self.final = is_final(error)  # type: ignore[misc]  # an instance is as final as its cause
        self.__cause__ = error

    def __str__(self) -> str:
        return f"{type(self.layer).__name__} raised {name_of(self.error)}: {text_of(self.error)}"


class ResourceError(FqError):
    """A resource that an actor uses could not be opened; names it. What it raised is the cause. `Retries` sees it."""


class AgeLimitExceeded(FqError):
    """The message was older than its `max_age` when its turn came."""

    final = True


class Poison(FqError):
    """The message was claimed `max_deliveries` times without an outcome: its process died each time."""

    final = True


class GroupFailed(FqError):
    """Members of the group before this message failed; names them. The actor was not called."""

    final = True


class RetryAfter(FqError):
    """
    Raise this in an actor, or return a `Failure` of it, to try again after exactly *delay* (ms or timedelta). It counts as an attempt.

    A negative delay means at once: the moment has just passed.

    >>> RetryAfter(timedelta(seconds=5)).delay
    5000
    >>> RetryAfter(-5).delay
    0

    Raises:
        TypeError: *delay* is neither an int nor a timedelta.

        ValueError: *delay* is longer than `MAX_DURATION_MS`.
    """

    def __init__(self, delay: int | timedelta, message: str = "") -> None:
        super().__init__(delay, message)
        self.delay = _delay_ms(type(self).__name__, delay)

    def __str__(self) -> str:
        return str(self.args[1]) if self.args[1:] and self.args[1] else f"the actor asked to be tried again after {self.delay} ms"


def _delay_ms(name: str, delay: object) -> int:
    """Return *delay*, an argument of the error called *name*, in ms."""
    milliseconds = delay // timedelta(milliseconds=1) if isinstance(delay, timedelta) else delay
    if type(milliseconds) is not int:
        raise TypeError(f"{name}({delay!r}): expected a timedelta, or milliseconds as an int")
    if milliseconds > MAX_DURATION_MS:
        raise ValueError(f"{name}({delay!r}): expected at most {MAX_DURATION_MS} ms")
    return max(0, milliseconds)


class Snooze(RetryAfter):
    """Raise this in an actor, or return a `Failure` of it, to run again after *delay* without using up an attempt."""


class RateLimitExceeded(FqError):
    """No slot of a rate limiter was free."""


class SelfCancelled(FqError):
    """An actor raised `asyncio.CancelledError`, or awaited a cancelled task, without being cancelled itself. `Retries` sees it."""


class BrokerError(FqError):
    """The broker refused a request."""


class BrokerUnavailable(BrokerError, ConnectionError):
    """The broker was unreachable, or full, for longer than a producer waits. It may work again later."""


class ResultError(FqError):
    """Base of the errors of `Handle.get_result`, when there is no value to return."""


class ResultTimeout(ResultError, TimeoutError):
    """No result within *timeout* ms."""


class ResultMissing(ResultError):
    """No result yet, or it has expired, or the message is unknown."""


class ResultNotStored(ResultError):
    """The actor stores no results: give it a return annotation or ``store_results=True``."""


class ResultFailure(ResultError):
    """The task failed. *type*, *message* and *traceback* are those of its error."""

    def __init__(self, type: str, message: str, traceback: str = "") -> None:
        super().__init__(type, message, traceback)
        self.type = type
        self.message = message
        self.traceback = traceback

    def __str__(self) -> str:
        return f"the task failed with {self.type}: {self.message}"
