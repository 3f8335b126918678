"""`CurrentMessage`: an actor may ask which message it is working on."""

from contextvars import ContextVar

from attrs import frozen

from fq.core.message import Message
from fq.core.outcome import Outcome
from fq.middleware.base import AsyncHandler, Handler, Middleware, never_raises

_current: ContextVar[Message | None] = ContextVar("fq_current_message", default=None)


@frozen
class CurrentMessage(Middleware):
    """
    `get_current_message` answers inside an actor, sync or async, and in everything that it calls in its own context.

    >>> from fq import Outcome, current_message, get_current_message
    >>> from fq.testing import message
    >>> current_message().wrap(lambda _: Outcome.success(get_current_message().actor_name))(message("add")).result
    <Success: add>
    """

    @never_raises
    def wrap(self, next: Handler) -> Handler:
        """Return *next* with the context variable set around it."""

        def handler(message: Message) -> Outcome:
            token = _current.set(message)
            try:
                return next(message)
            finally:
                _current.reset(token)

        return handler

    @never_raises
    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        """Return *next* with the context variable set around it."""

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
    """Return the message that is being processed in this context, None outside of one."""
    return _current.get()
