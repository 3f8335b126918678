"""`Cancellation`: says which running sync actors may be interrupted by a cancel."""

from attrs import field, frozen, validators

from fq.core.message import Message
from fq.middleware.base import Middleware


@frozen
class Cancellation(Middleware):
    """
    A message that was cancelled while it waited never starts, and a running async actor is cancelled, with or without this layer.

    A running *sync* actor gets `Cancelled` raised inside it, at its next bytecode, only if it is *cancellable*: code that is not written for it could be
    cut short anywhere, with a lock held or a file half written.

    What is cancelled ends with `Cancelled`: its result says so, and its failure callbacks fire; it is no dead letter, and no error in the log. One that
    had not started ends outside of all layers but those that tell others: no limit and no other layer can put it off.

    >>> from fq import cancellation
    >>> from fq.testing import message
    >>> cancellation(cancellable=True).interrupts(message("add"))
    True

    Attributes:
        cancellable: default False.
    """

    cancellable: bool = field(default=False, validator=validators.instance_of(bool))

    def interrupts(self, message: Message) -> bool:
        """May the sync actor that runs *message* be interrupted?"""
        return self.with_options(message.options).cancellable


def cancellation(*, cancellable: bool = False) -> Cancellation:
    """Return a `Cancellation` layer."""
    return Cancellation(cancellable=cancellable)
