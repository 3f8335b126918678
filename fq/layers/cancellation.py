"""`Cancellation`: allows `Handle.cancel` to interrupt a running sync actor."""

from attrs import field, frozen, validators

from fq.core.message import Message
from fq.middleware.base import Middleware


@frozen
class Cancellation(Middleware):
    """
    Makes running sync actors *cancellable*. Without this layer, too, a cancelled message that waits never starts, and a running async actor is cancelled.

    A running sync actor gets `Cancelled` raised inside it, at its next bytecode, only if it is *cancellable*. Code that is not written for this may
    be holding a lock, or be in the middle of writing a file.

    A cancelled message ends with `Cancelled`: it is stored as the result, and failure callbacks run. The message is not a dead letter, and the log
    has no error. If it had not started, only the layers run that report the outcome; no other layer can delay it.

    >>> from fq import cancellation
    >>> from fq.testing import message
    >>> cancellation(cancellable=True).interrupts(message("add"))
    True

    Attributes:
        cancellable: may a cancel interrupt the sync actor? Default: False.
    """

    cancellable: bool = field(default=False, validator=validators.instance_of(bool))

    def interrupts(self, message: Message) -> bool:
        """May a cancel interrupt the sync actor that runs *message*?"""
        return self.with_options(message.options).cancellable


def cancellation(*, cancellable: bool = False) -> Cancellation:
    """Return a `Cancellation` layer."""
    return Cancellation(cancellable=cancellable)
