"""
`Outcome`: what a handler returns, which says all that must happen now.

The failure side of an outcome is the disposition of the message, so that illegal combinations cannot be written. Its effects are committed along with it:
the broker applies all of them or none. Continue with ``fq.middleware.base``.
"""

from collections.abc import Callable
from typing import TypeAlias

from attrs import field, frozen
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from fq.core.frozen import unchecked_constructor
from fq.core.message import Message
from fq.errors import Error, SkipMessage
from fq.errors.exception_text import is_a, text_of


@frozen
class Retry:
    """Replace this message by *message*, to run after *delay* ms. *error* is the reason; None if no attempt was used up."""

    message: Message
    delay: int = 0
    error: Error | None = None


@frozen
class Dead:
    """
    Move the message to the dead letters, with *error* as the reason.

    *exhausted*, if no retry was left, holds how many were used and how many were allowed. *final*: never retry, whatever the error is.
    """

    error: Error
    exhausted: tuple[int, int | None] | None = field(default=None, eq=False, repr=False)
    final: bool = field(default=False, eq=False, repr=False, kw_only=True)


@frozen
class Drop:
    """Acknowledge the message without a result. *reason* goes to the log."""

    reason: str = ""


Setback: TypeAlias = Retry | Dead | Drop


@frozen(weakref_slot=False)
class Enqueue:
    """
    Send *message*, to run after *delay* ms.

    *continues*: is it the next part of the workflow of the message with this outcome? Then it does not start if that message was cancelled.
    """

    message: Message
    delay: int = 0
    continues: bool = False


new_enqueue = unchecked_constructor(Enqueue)


@frozen(weakref_slot=False)
class Store:
    """Store *result* under *message_id* for *ttl* ms; with *hold*, the name of a group, counted from the completion of that group."""

    message_id: str
    result: Result[object, Error]
    ttl: int
    hold: str = ""


new_store = unchecked_constructor(Store)


@frozen
class Arrive:
    """
    Report member number *member* (from 0) of *group*, which has *size* members, with *value*.

    Arrivals are a set, so a redelivered member counts once. The last arrival enqueues *then* in the same commit, with the list of all values, in the order
    of the members, as the last positional argument. The broker forgets the group *ttl* ms after its latest arrival.

    Any one member may bring *then*: the broker keeps it until the last one arrives.
    """

    group: str
    member: int
    size: int
    value: object
    then: tuple[Enqueue, ...] = ()
    ttl: int = 86_400_000


Effect: TypeAlias = Enqueue | Store | Arrive


@frozen
class Outcome:
    """
    The result of a message, and the effects to commit with it.

    >>> Outcome.success(3).also(Enqueue(Message(message_id="m2", actor_name="report")))
    Outcome(result=<Success: 3>, effects=(Enqueue(message=...), delay=0, continues=False),))

    A success acknowledges the message. A failure says what happens to it: `Retry`, `Dead` or `Drop`.
    """

    result: Result[object, Setback]
    effects: tuple[Effect, ...] = ()

    @classmethod
    def success(cls, value: object = None) -> "Outcome":
        """Return the outcome of an actor that returned *value*."""
        return cls(Success(value))

    @classmethod
    def failure(cls, error: Error) -> "Outcome":
        """Return the outcome of an actor that raised *error*: a dead letter, unless a layer changes it."""
        return cls(Failure(Dead(error)))

    @classmethod
    def drop(cls, reason: str) -> "Outcome":
        """Return the outcome of a message that is acknowledged without running."""
        return cls(Failure(Drop(reason)))

    @classmethod
    def raised(cls, error: Error) -> "Outcome":
        """Return the outcome that an exception stands for: `SkipMessage` drops the message, all others are failures."""
        return cls.drop(text_of(error)) if is_a(error, SkipMessage) else cls.failure(error)

    @property
    def succeeded(self) -> bool:
        """Did the actor return?"""
        return is_successful(self.result)

    @property
    def final(self) -> bool:
        """Is this the last outcome of the message? All but a retry are."""
        return is_successful(self.result) or not isinstance(self.result.failure(), Retry)

    @property
    def error(self) -> Error | None:
        """The error of a failure; None for a success, and for a message that was dropped or snoozed."""
        if is_successful(self.result):
            return None
        setback = self.result.failure()
        return None if isinstance(setback, Drop) else setback.error

    def alt(self, change: Callable[[Setback], Setback]) -> "Outcome":
        """Return this outcome with its setback changed by *change*; a success is returned unchanged."""
        if is_successful(self.result):
            return self
        before = self.result.failure()
        after = change(before)
        return self if after is before else Outcome(Failure(after), self.effects)

    def also(self, *effects: Effect) -> "Outcome":
        """Return this outcome with *effects* to be committed along with it."""
        return Outcome(self.result, (*self.effects, *effects)) if effects else self


DONE = Outcome.success()
"""The outcome of an actor that returned None, made once."""
