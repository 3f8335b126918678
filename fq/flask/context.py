"""`SiteContext`: each run of an actor has an application context of the Flask site, as each request has."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import define, field, frozen
from flask import Flask

from fq.core.events import Event, ProcessBooted
from fq.core.message import Message
from fq.core.outcome import Outcome
from fq.flask.engines import forget_inherited_connections
from fq.middleware.base import AsyncHandler, Handler, Middleware


@define
class Ending:
    """Mutable: the *error* with which a context ends. The functions of the site that tear it down get it."""

    error: BaseException | None = None

    def of(self, outcome: Outcome) -> Outcome:
        """Take the error of *outcome*, and return it."""
        self.error = outcome.error
        return outcome


@frozen
class SiteContext(Middleware):
    """
    Pushes an application context of *site* around each run of an actor, and pops it: so ``current_app``, ``g`` and the extensions of the site work.

    Functions of ``teardown_appcontext`` run after each attempt, with its error: Flask-SQLAlchemy removes its session there.
    """

    site: Callable[[], Flask] = field(repr=False, eq=False)

    @classmethod
    def option_names(cls) -> frozenset[str]:
        """It has no options."""
        return frozenset()

    def wrap(self, next: Handler) -> Handler:
        """Return *next* inside of the context."""

        def handler(message: Message) -> Outcome:
            with self._pushed() as ending:
                return ending.of(next(message))

        return handler

    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        """Return *next* inside of the context, which is that of the task on the event loop."""

        async def handler(message: Message) -> Outcome:
            with self._pushed() as ending:
                return ending.of(await next(message))

        return handler

    def on_event(self, event: Event) -> None:
        """In a new process, forget the connections that were made before the fork."""
        if isinstance(event, ProcessBooted):
            forget_inherited_connections(self.site())

    @contextmanager
    def _pushed(self) -> Iterator[Ending]:
        context, ending = self.site().app_context(), Ending()
        context.push()
        try:
            yield ending
        except BaseException as error:
            ending.error = error
            raise
        finally:
            context.pop(ending.error)
