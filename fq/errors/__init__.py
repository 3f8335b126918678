"""Every error that fq raises or reports, in one tree.

::

    BaseException
    ├── Interrupt                    struck into a running actor
    │   ├── TimeLimitExceeded        it ran longer than its time limit
    │   ├── Shutdown                 the worker is stopping (opted-in actors only)
    │   └── Cancelled                somebody cancelled the message
    └── Exception
        └── FqError
            ├── ConfigError          a bad URL, application path or setting
            ├── StackError           layers that do not fit together
            ├── OptionError          an unknown option, or a value that it cannot take
            ├── DeclarationError     an actor that cannot be declared as written
            ├── DecodeError          bytes that are not a message
            ├── InvalidArguments     arguments that do not fit the actor's signature
            ├── InvalidResult        a result that cannot be stored or passed on
            ├── ActorFailure         an actor returned a `Failure` of something that is no exception
            ├── ActorNotFound        a message for an actor that nobody declared here
            ├── MiddlewareError      raised by a layer on purpose
            │   ├── SkipMessage      acknowledge this message without running it
            │   └── MessageFailed    a class-style middleware called ``message.fail()``
            ├── LayerError           a layer raised something else
            ├── AgeLimitExceeded     the message was too old to run
            ├── Poison               the message killed its process again and again
            ├── GroupFailed          members failed of the group whose results the message was to get
            ├── RetryAfter           raised by an actor: try again after exactly this delay
            ├── Snooze               raised by an actor: again later, no attempt used up
            ├── RateLimitExceeded    no slot was free
            ├── SelfCancelled        an actor raised `asyncio.CancelledError` although it was not cancelled
            ├── BrokerError          the broker refused, or could not be reached
            │   └── BrokerUnavailable
            └── ResultError          what ``Handle.get_result`` raises
                ├── ResultTimeout, ResultMissing, ResultNotStored, ResultFailure

Interrupts derive from `BaseException`, as `asyncio.CancelledError` does, so that an actor's ``except Exception`` cannot swallow one.
"""

from datetime import timedelta
from typing import ClassVar, TypeAlias

from fq.errors.exception_text import is_a, name_of, said_by, text_of

MAX_DURATION_MS = 2**52 - 1
"""The longest duration, in ms: some 142,000 years; its sum with a clock is exact even in a double."""


class Interrupt(BaseException):
    """Base of what may be raised inside a running actor from outside of it."""

    final: ClassVar[bool] = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BaseException) and type(self) is type(other) and self.args == other.args

    def __hash__(self) -> int:
        return hash((type(self), self.args))


class TimeLimitExceeded(Interrupt):
    """The actor ran longer than its time limit. An ordinary failure: `Retries` sees it."""


class Shutdown(Interrupt):
    """The worker is stopping and this actor asked to be told. The message is handed back, no attempt is used up."""


class Cancelled(Interrupt):
    """The message was cancelled. Final: it is not tried again."""

    final = True


class FqError(Exception):
    """
    Base of every ordinary error of fq. Errors are values: equal when type and arguments are.

    A *final* error is not worth a second attempt: `Retries` leaves it a dead letter.
    """

    final: ClassVar[bool] = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BaseException) and type(self) is type(other) and self.args == other.args

    def __hash__(self) -> int:
        return hash((type(self), self.args))


def is_final(error: BaseException) -> bool:
    """Is *error* one of fq's own that is not worth a second attempt? What others call *final* is their business."""
    return is_a(error, (FqError, Interrupt)) and said_by(error, "final") is True


Error: TypeAlias = BaseException
"""What a message may fail with: whatever is raised, `SystemExit` included."""


class ConfigError(FqError):
    """A URL, application path or setting that fq cannot use. Says what was found, what was expected and what to type."""


class StackError(FqError, ValueError):
    """Layers that do not fit together: the wrong order, one class twice, or a part that is no layer."""


class OptionError(FqError, ValueError):
    """An option that no layer takes, or a value that the option cannot take."""

    final = True


class DeclarationError(FqError, ValueError):
    """An actor that cannot be declared as written: a taken name, a bad queue name, a missing annotation target."""


class DecodeError(FqError):
    """Bytes that are not a message. The dead letter keeps them as they came."""

    final = True


class InvalidArguments(FqError, TypeError):
    """Arguments that do not fit the actor's signature; names the path of the first value that does not."""

    final = True


class InvalidResult(FqError, TypeError):
    """A result or follow-up that cannot be encoded; names the path of the value."""

    final = True


class ActorFailure(FqError):
    """An actor returned ``Failure(value)``, with a *value* that is no exception."""

    def __init__(self, value: object) -> None:
        super().__init__(value)
        self.value = value

    def __str__(self) -> str:
        return str(self.value)


class ActorNotFound(FqError, LookupError):
    """A message for an actor that was not declared, or not imported, here."""


class MiddlewareError(FqError):
    """Base for errors that layers raise on purpose."""


class SkipMessage(MiddlewareError):
    """Raised by a layer or an actor: acknowledge the message, run nothing, store nothing."""


class MessageFailed(MiddlewareError):
    """A class-style middleware called ``message.fail()``: the message is a dead letter."""

    final = True


class LayerError(FqError):
    """A layer raised. It is an ordinary failure at that layer's ring; *layer* and *error* say whose and what, and *error* is its cause."""

    def __init__(self, layer: object, error: BaseException) -> None:
        super().__init__(layer, error)
        self.layer = layer
        self.error = error
        self.final = is_final(error)  # type: ignore[misc]  # an instance may be as final as its cause
        self.__cause__ = error

    def __str__(self) -> str:
        return f"{type(self.layer).__name__} raised {name_of(self.error)}: {text_of(self.error)}"


class AgeLimitExceeded(FqError):
    """The message was older than its `max_age` when its turn came."""

    final = True


class Poison(FqError):
    """The message was claimed `max_deliveries` times and never got an outcome: its process died each time."""

    final = True


class GroupFailed(FqError):
    """Members failed of the group whose results this message was to get; names them. The actor was not called."""

    final = True


class RetryAfter(FqError):
    """
    Raise (or return a `Failure` of) this in an actor to be tried again after exactly *delay* (ms or timedelta); it counts as an attempt.

    A negative delay, as to a moment that has just passed, means at once.

    >>> RetryAfter(timedelta(seconds=5)).delay
    5000
    >>> RetryAfter(-5).delay
    0

    Raises:
        TypeError: a *delay* that is neither an int nor a timedelta.

        ValueError: one longer than `MAX_DURATION_MS`.
    """

    def __init__(self, delay: int | timedelta, message: str = "") -> None:
        super().__init__(delay, message)
        self.delay = _delay_ms(type(self).__name__, delay)

    def __str__(self) -> str:
        return str(self.args[1]) if self.args[1:] and self.args[1] else f"the actor asked to be tried again after {self.delay} ms"


def _delay_ms(name: str, delay: object) -> int:
    """Return the *delay* that an error called *name* is given, in ms."""
    milliseconds = delay // timedelta(milliseconds=1) if isinstance(delay, timedelta) else delay
    if type(milliseconds) is not int:
        raise TypeError(f"{name}({delay!r}): expected a timedelta, or milliseconds as an int")
    if milliseconds > MAX_DURATION_MS:
        raise ValueError(f"{name}({delay!r}): expected at most {MAX_DURATION_MS} ms")
    return max(0, milliseconds)


class Snooze(RetryAfter):
    """Raise (or return a `Failure` of) this in an actor to run again *delay* ms later without using up an attempt."""


class RateLimitExceeded(FqError):
    """No slot of a rate limiter was free."""


class SelfCancelled(FqError):
    """An actor raised `asyncio.CancelledError` itself, or awaited what was cancelled, although it was not cancelled. `Retries` sees it."""


class BrokerError(FqError):
    """The broker refused what was asked of it."""


class BrokerUnavailable(BrokerError, ConnectionError):
    """The broker could not be reached, or had no room, within the bounded time that a producer waits: what is wrong may go by."""


class ResultError(FqError):
    """Base of what `Handle.get_result` raises when there is no value to return."""


class ResultTimeout(ResultError, TimeoutError):
    """No result within *timeout* ms."""


class ResultMissing(ResultError):
    """No result yet, or it has expired, or nobody knows the message."""


class ResultNotStored(ResultError):
    """The actor stores no results: give it a return annotation or ``store_results=True``."""


class ResultFailure(ResultError):
    """The task failed for good. *type*, *message* and *traceback* are those of its error."""

    def __init__(self, type: str, message: str, traceback: str = "") -> None:
        super().__init__(type, message, traceback)
        self.type = type
        self.message = message
        self.traceback = traceback

    def __str__(self) -> str:
        return f"the task failed with {self.type}: {self.message}"
