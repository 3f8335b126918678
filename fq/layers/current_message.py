"""`CurrentMessage`: an actor can read the message that it runs for."""

from contextvars import ContextVar

from attrs import frozen

from fq.core.message import Message
from fq.core.outcome import Outcome
from fq.middleware.base import AsyncHandler, Handler, Middleware, never_raises

_current: ContextVar[Message | None] = ContextVar("fq_current_message", default=None)


@frozen
class CurrentMessage(Middleware):
    """
    Makes `get_current_message` return the message inside a sync or async actor, and in all functions that it calls in the same context.

    >>> from fq import Outcome, current_message, get_current_message
    >>> from fq.testing import message
    >>> current_message().wrap(lambda _: Outcome.success(get_current_message().actor_name))(message("add")).result
    <Success: add>
    """

    @never_raises
    def wrap(self, next: Handler) -> Handler:
        """Return *next*, called with the context variable set."""

        def handler(message: Message) -> Outcome:
            token = _current.set(message)
            try:
                return next(message)
            finally:
                _current.reset(token)

        return handler

    @never_raises
    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        """Return *next*, called with the context variable set."""

        async def handler(message: Message) -> Outcome:
            token = _current.set(message)
            try:
                return await next(message)
            finally:
                _current.reset(token)

        return handler


def current_message() -> CurrentMessage:
    """Return a `CurrentMessage` layer."""
    return CurrentMessage()


def get_current_message() -> Message | None:
    """Return the message of the actor that runs in this context; None outside an actor."""
    return _current.get()
