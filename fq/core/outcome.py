"""
`Outcome`: what a handler returns, which says all that must happen now.

The failure side of an outcome is the disposition of the message, so that illegal combinations cannot be written. Its effects are committed along with it:
the broker applies all of them or none. Continue with ``fq.middleware.base``.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

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

    *only_on*: if the outcome changes on its way through the layers, with which is it sent? ``"success"``; ``"final"``: any but a retry; ``"any"``.
    """

    message: Message
    delay: int = 0
    continues: bool = False
    only_on: Literal["any", "success", "final"] = "any"


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


@frozen
class Run:
    """One run of a message, as its worker saw it: by *worker*, begun at *started*, ms since the epoch on the broker's clock, for *took* ms."""

    worker: str = ""
    started: int = 0
    took: int = 0


KeptArguments: TypeAlias = bool | tuple[str, ...] | Callable[[str, object], object]
"""Which arguments a record has."""


@frozen
class KeepRecord:
    """
    Keep a record of *message* and of what became of it, for *ttl* ms, among the latest *most* records of all messages.

    If the message is retried, the attempt is noted in the message, and there is no record yet. What it may say of the run, a worker adds.

    Attributes:
        redact: the names of parameters whose values are left out; True for all; or a function of a name and a value that returns what is kept.

        whole: is all of it kept? If not, only that the message has ended is known for a while.

        run: who ran it, and when.

        parameters: the names of the parameters that positional arguments go to, as far as they are known; more arguments go to the last.

        progress: the latest that the actor has told, as JSON; empty if it has told none.
    """

    message: Message
    ttl: int
    most: int
    redact: KeptArguments = ()
    whole: bool = True
    run: Run | None = None
    parameters: tuple[str, ...] = ()
    progress: bytes = b""


Effect: TypeAlias = Enqueue | Store | Arrive | KeepRecord


@frozen
class Outcome:
    """
    The result of a message, and the effects to commit with it.

    >>> Outcome.success(3).also(Enqueue(Message(message_id="m2", actor_name="report")))
    Outcome(result=<Success: 3>, effects=(Enqueue(message=...), delay=0, continues=False, only_on='any'),))

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
        return isinstance(self.result, Success)  # `is_successful` makes two calls more

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
        """
        Return this outcome with its setback changed by *change*; a success is returned unchanged.

        A retry sends nothing that is sent only on a final outcome.
        """
        if is_successful(self.result):
            return self
        before = self.result.failure()
        after = change(before)
        return self if after is before else Outcome(Failure(after), effects_of(after, self.effects))

    def also(self, *effects: Effect) -> "Outcome":
        """Return this outcome with *effects* to be committed along with it."""
        return Outcome(self.result, (*self.effects, *effects)) if effects else self


def effects_of(setback: Setback, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
    """Return those of *effects* that an outcome with *setback* has; see `Enqueue.only_on`."""
    allowed = ("any",) if isinstance(setback, Retry) else ("any", "final")
    return tuple(effect for effect in effects if not isinstance(effect, Enqueue) or effect.only_on in allowed) if effects else effects


DONE = Outcome.success()
"""The outcome of an actor that returned None, made once."""
