"""`Around`: a layer made from a context manager."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import ClassVar

from attrs import frozen

from fq.core.message import Message
from fq.core.outcome import Outcome
from fq.middleware.base import AsyncHandler, Handler, Middleware


@frozen
class Around(Middleware):
    """
    A context manager around the processing of a message: spans, log context, connections.

    *manager* is called with the message. For sync actors it must return a sync context manager, for async actors either kind. Handlers return outcomes
    and do not raise, so the manager sees a normal exit even if the actor failed.

    >>> from contextlib import contextmanager
    >>> @contextmanager
    ... def announced(message):
    ...     print("in", message.actor_name)
    ...     yield
    ...     print("out")
    >>> from fq.testing import message
    >>> handle = Around(announced).wrap(lambda message: Outcome.success(1))
    >>> handle(message("add")).succeeded
    in add
    out
    True
    """

    manager: Callable[[Message], AbstractContextManager[object] | AbstractAsyncContextManager[object]]

    repeatable: ClassVar[bool] = True

    @classmethod
    def option_names(cls) -> frozenset[str]:
        """An `Around` has no options."""
        return frozenset()

    def wrap(self, next: Handler) -> Handler:
        """Return *next* inside the context manager."""

        def handler(message: Message) -> Outcome:
            context = self.manager(message)
            if not isinstance(context, AbstractContextManager):
                raise TypeError(
                    f"{self.manager!r} is an async context manager and {message.actor_name} is a sync actor: expected a sync one"
                )
            with context:
                return next(message)

        return handler

    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        """Return *next* inside the context manager, of either kind."""

        async def handler(message: Message) -> Outcome:
            context = self.manager(message)
            if isinstance(context, AbstractAsyncContextManager):
                async with context:
                    return await next(message)
            with context:
                return await next(message)

        return handler
