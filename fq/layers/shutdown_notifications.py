"""`ShutdownNotifications`: interrupts actors that want to know when their worker stops."""

from collections.abc import Callable
from typing import ClassVar

from attrs import field, frozen

from fq.core.message import Message
from fq.core.outcome import Dead, Outcome, Retry, Setback
from fq.errors import OptionError, Shutdown
from fq.errors.exception_text import is_a
from fq.layers.retries import Retries
from fq.middleware.base import Rule, Step


def _flag_or_function(value: object) -> bool | Callable[[], object]:
    if isinstance(value, bool) or callable(value):
        return value
    if value is None:  # a way to write off in an option
        return False
    raise OptionError(f"found {value!r}, expected True, False, or a function to call when the worker stops")


@frozen
class ShutdownNotifications(Step):
    """
    An actor with *notify_shutdown* gets `Shutdown` raised inside it when its worker stops. Its message goes back to the queue; no attempt is used up.

    The worker raises it in a sync actor at its next bytecode, and in an async actor by cancelling it. An actor may catch it to clean up, and
    should raise it again: an actor that returns has succeeded. Other actors may run on for the worker's ``shutdown_timeout``.

    >>> from fq import Outcome, Shutdown, shutdown_notifications
    >>> from fq.testing import message
    >>> handle = shutdown_notifications(notify_shutdown=True).wrap(lambda message: Outcome.failure(Shutdown()))
    >>> handle(message("add", retries=1)).result.failure()
    Retry(message=..., delay=0, error=None)

    Attributes:
        notify_shutdown: does the actor get `Shutdown`? Default: False. A function, in the stack of the app, is called when a worker stops; then
            nothing is raised in actors.
    """

    notify_shutdown: bool | Callable[[], object] = field(default=False, converter=_flag_or_function)

    outside_of: ClassVar[tuple[Rule, ...]] = (Rule(Retries, "a shutdown is not a failure, and uses up no attempt"),)

    def idle(self) -> bool:
        return True

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        """Hand back the message of an actor that `Shutdown` has stopped."""
        if outcome.succeeded or self.notify_shutdown is not True:
            return outcome
        return outcome.alt(lambda setback: self.hand_back(message, setback))

    def hand_back(self, message: Message, setback: Setback) -> Setback:
        """Return a retry of *message*, for another worker, if `Shutdown` stopped its actor; otherwise *setback*."""
        return Retry(message) if isinstance(setback, Dead) and is_a(setback.error, Shutdown) else setback

    def notifies(self, message: Message) -> bool:
        """Does the actor that runs *message* get `Shutdown`?"""
        return self.with_options(message.options).notify_shutdown is True

    def call(self) -> None:
        """Call *notify_shutdown* if it is a function. The worker calls this when it stops."""
        if callable(self.notify_shutdown):
            self.notify_shutdown()


def shutdown_notifications(*, notify_shutdown: bool | Callable[[], object] | None = False) -> ShutdownNotifications:
    """Return a `ShutdownNotifications` layer."""
    return ShutdownNotifications(notify_shutdown=notify_shutdown)


def shutdown() -> ShutdownNotifications:
    """Return a layer that interrupts all actors. An actor, or a message, can override this with ``notify_shutdown=False``."""
    return ShutdownNotifications(notify_shutdown=True)
