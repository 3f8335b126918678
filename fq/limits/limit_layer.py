"""`LimitLayer`: what the two layers that limit have in common. Go on with ``fq.limits.rate_limit``."""

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
"""What is limited together: a text, a function of the message, or None for its actor."""


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
    A layer that lets a message pass if there is a slot for it; otherwise it is put back, to come again when there can be one.

    Such a layer asks the broker, so it is no pure function of the message, as others are. Outside an app it needs a *backend*.
    """

    key: MessageKey = field(default=None, validator=_check)
    backend: Limits | None = field(default=None, converter=_backend, eq=False, repr=False)
    home: "App | None" = field(default=None, eq=False, repr=False)  # the app that the layer is in

    repeatable: ClassVar[bool] = True

    @classmethod
    def option_names(cls) -> frozenset[str]:
        """A limit is its key's, which many messages share: none of them may change it."""
        return frozenset()

    @property
    def terms(self) -> Limit:
        """The limit."""
        raise NotImplementedError

    @property
    def limits(self) -> Limits:
        """
        Where slots are counted.

        Raises:
            ConfigError: nowhere.
        """
        if self.backend is not None:
            return self.backend
        if self.home is None:
            raise ConfigError(f"found {self!r} in no app and without a backend, expected one of them: write backend=app")
        return limiter_backend(self.home)  # whose broker may be another one in a test

    def bind(self, app: Host, outside: tuple[Middleware, ...]) -> Self:
        """Return this layer as it is in *app*, whose broker it uses unless it names a backend itself."""
        if self.backend is not None:
            return self
        home = app.singleton(_app)
        limiter_backend(home)  # says at once if it has no limiters
        return evolve(self, home=home)

    def key_of(self, message: Message) -> str:
        """Return what *message* is limited under."""
        key = self.key(message) if callable(self.key) else self.key or message.actor_name
        check_key(key)
        return key

    def enter(self, message: Message) -> Slot | Refused:
        """Return the slot that *message* has got, or when there can be one."""
        is_claimed = self.backend is None and message.received_at > 0
        return self.limits.take_in_turn(self.key_of(message), self.terms, message.message_id, message.priority, is_claimed=is_claimed)

    async def aenter(self, message: Message) -> Slot | Refused:
        """`enter` for coroutines."""
        return await self.limits.atake(partial(self.enter, message))


def retry_later(message: Message, refused: Refused) -> Outcome:
    """Return the outcome of a message that was refused: again later, and no attempt is used up."""
    return Outcome(Failure(Retry(message, refused.retry_in)))
