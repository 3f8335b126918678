"""`ShutdownNotifications`: actors that asked for it are told when their worker stops."""

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
    if value is None:  # as the page that fq is modelled on has it
        return False
    raise OptionError(f"found {value!r}, expected True, False, or a function to call when the worker stops")


@frozen
class ShutdownNotifications(Step):
    """
    An actor with *notify_shutdown* gets `Shutdown` raised inside it when its worker stops; its message is handed back, no attempt used up.

    The worker raises it: in a sync actor at its next bytecode, in an async one by cancelling it. An actor that catches it may put things in
    order, and should let it go on; one that returns instead has succeeded. Actors that did not ask are left in peace for the worker's
    ``shutdown_timeout``.

    >>> from fq import Outcome, Shutdown, shutdown_notifications
    >>> from fq.testing import message
    >>> handle = shutdown_notifications(notify_shutdown=True).wrap(lambda message: Outcome.failure(Shutdown()))
    >>> handle(message("add", retries=1)).result.failure()
    Retry(message=..., delay=0, error=None)

    Attributes:
        notify_shutdown: default False. A function, in the stack of the app, is called when a worker stops, and nothing is raised in actors.
    """

    notify_shutdown: bool | Callable[[], object] = field(default=False, converter=_flag_or_function)

    outside_of: ClassVar[tuple[Rule, ...]] = (Rule(Retries, "being told to stop is not a failure, and uses up no attempt"),)

    def idle(self) -> bool:
        return True

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        """Hand back a message whose actor was told."""
        if outcome.succeeded or self.notify_shutdown is not True:
            return outcome
        return outcome.alt(lambda setback: self.handed_back(message, setback))

    def handed_back(self, message: Message, setback: Setback) -> Setback:
        """Return what becomes of *message*: it runs again, elsewhere, if what stopped it was the worker."""
        return Retry(message) if isinstance(setback, Dead) and is_a(setback.error, Shutdown) else setback

    def tells(self, message: Message) -> bool:
        """Is the actor that runs *message* to be told?"""
        return self.with_options(message.options).notify_shutdown is True

    def call(self) -> None:
        """Call the function, if that is what *notify_shutdown* is: for the worker that stops."""
        if callable(self.notify_shutdown):
            self.notify_shutdown()


def shutdown_notifications(*, notify_shutdown: bool | Callable[[], object] | None = False) -> ShutdownNotifications:
    """Return a `ShutdownNotifications` layer."""
    return ShutdownNotifications(notify_shutdown=notify_shutdown)


def shutdown() -> ShutdownNotifications:
    """Return the layer that tells every actor, unless it, or a message, says ``notify_shutdown=False``."""
    return ShutdownNotifications(notify_shutdown=True)
