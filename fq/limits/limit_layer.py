"""`LimitLayer`: the common part of the two layers that limit messages. Go on with ``fq.limits.rate_limit``."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self

from attrs import Attribute, evolve, field, frozen
from returns.result import Failure

from fq.brokers.limits.policy import Limit, Refused, Slot
from fq.core.host import Host
from fq.core.message import Message
from fq.core.outcome import Outcome, Retry
from fq.errors import ConfigError
from fq.limits.backend import Backend, limiter_backend
from fq.limits.limiters import check_key
from fq.limits.limits import Limits
from fq.middleware.base import Middleware

if TYPE_CHECKING:
    from fq.app.app import App

MessageKey = str | Callable[[Message], str] | None
"""Messages with the same key share a limit: a text, a function of the message, or None for the name of the actor."""


def _backend(where: Backend | None) -> Limits | None:
    return None if where is None else limiter_backend(where)


def _app(app: "App") -> "App":
    return app


def _check(_: object, __: "Attribute[MessageKey]", found: object) -> None:
    if found is not None and not callable(found):
        check_key(found)


@frozen(kw_only=True)
class LimitLayer(Middleware):
    """
    A layer that lets a message pass if there is a slot for it, and otherwise puts it back until there can be one.

    It asks the broker, so unlike other layers it is no pure function of the message. Outside an app it needs a *backend*.
    """

    key: MessageKey = field(default=None, validator=_check)
    backend: Limits | None = field(default=None, converter=_backend, eq=False, repr=False)
    home: "App | None" = field(default=None, eq=False, repr=False)  # the app that the layer is in

    repeatable: ClassVar[bool] = True

    @classmethod
    def option_names(cls) -> frozenset[str]:
        """Many messages share the limit of a key: none of them may override it."""
        return frozenset()

    @property
    def terms(self) -> Limit:
        """The limit."""
        raise NotImplementedError

    @property
    def limits(self) -> Limits:
        """
        The `Limits` that count slots.

        Raises:
            ConfigError: the layer is in no app, and has no backend.
        """
        if self.backend is not None:
            return self.backend
        if self.home is None:
            raise ConfigError(f"found {self!r} in no app and without a backend, expected one of them: write backend=app")
        return limiter_backend(self.home)  # a test may lend the app another broker

    def bind(self, app: Host, outside: tuple[Middleware, ...]) -> Self:
        """Return this layer for *app*: it uses the app's broker unless it has a backend of its own."""
        if self.backend is not None:
            return self
        home = app.singleton(_app)
        limiter_backend(home)  # raises at once if the broker has no limiters
        return evolve(self, home=home)

    def key_of(self, message: Message) -> str:
        """Return the key of *message*."""
        key = self.key(message) if callable(self.key) else self.key or message.actor_name
        check_key(key)
        return key

    def enter(self, message: Message) -> Slot | Refused:
        """Take a slot for *message*, and return it, or when there can be one."""
        is_claimed = self.backend is None and message.received_at > 0
        return self.limits.take_in_turn(self.key_of(message), self.terms, message.message_id, message.priority, is_claimed=is_claimed)

    async def aenter(self, message: Message) -> Slot | Refused:
        """`enter` for coroutines."""
        return await self.limits.atake(partial(self.enter, message))


def retry_later(message: Message, refused: Refused) -> Outcome:
    """Return the outcome of a refused message: a retry that uses up no attempt."""
    return Outcome(Failure(Retry(message, refused.retry_in)))
