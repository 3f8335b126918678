"""`AttemptLayer`: a layer with a context around each attempt, which sees its outcome. `OpenTelemetry` and `Sentry` are such layers."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Self, TypeAlias

from attrs import evolve, field, frozen

from fq.core.derived_ids import child_id
from fq.core.host import Host
from fq.core.message import Message
from fq.core.outcome import Outcome
from fq.layers.retries import Retries
from fq.middleware.base import AsyncHandler, Handler, Middleware
from fq.schedules.firing import SCHEDULE, TICK

if TYPE_CHECKING:
    from fq.app.app import App

Finish: TypeAlias = Callable[[Outcome], Outcome]
"""Notes the outcome of an attempt, and returns it."""


@frozen
class AttemptLayer(Middleware):
    """Subclasses say in `_processing` what is around an attempt."""

    app: "App | None" = field(default=None, eq=False, repr=False, kw_only=True)

    @classmethod
    def option_names(cls) -> frozenset[str]:
        """Actors have no options here."""
        return frozenset()

    def bind(self, app: Host, outside: tuple[Middleware, ...]) -> Self:
        """Return this layer as it is in *app*."""
        return evolve(self, app=app.singleton(_app))

    def wrap(self, next: Handler) -> Handler:
        """Return *next* in the context of an attempt."""

        def handler(message: Message) -> Outcome:
            with self._processing(message) as finish:
                return finish(next(message))

        return handler

    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        """Return *next* in the context of an attempt."""

        async def handler(message: Message) -> Outcome:
            with self._processing(message) as finish:
                return finish(await next(message))

        return handler

    def _processing(self, message: Message) -> AbstractContextManager[Finish]:
        """Return the context of one attempt, which yields a function that notes its outcome."""
        raise NotImplementedError

    def _thrown(self, message: Message) -> tuple[type[BaseException], ...]:
        """Return the errors that the actor raises on purpose."""
        retries = None if self.app is None else self.app.registry.plan(message.actor_name).stack.get(Retries)
        return () if retries is None else retries.throws


def is_tick(message: Message) -> bool:
    """Is *message* what a schedule has sent? Its later steps and callbacks have the same options, and messages sent by hand have none."""
    name = message.options.get(SCHEDULE)
    return isinstance(name, str) and message.message_id == child_id("schedule", name, message.options.get(TICK))


def _app(app: "App") -> "App":
    return app
