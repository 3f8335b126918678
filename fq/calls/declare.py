"""`actor`: the decorator that makes an `Actor` of a function. Its overloads keep the types of the function."""

from collections.abc import Callable, Coroutine, Mapping
from types import ModuleType
from typing import Any, NoReturn, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

from attrs import field, frozen
from returns.result import Result

from fq.calls.actor import Actor, AnyActor, check_queue_name, split_options
from fq.core.frozen import frozen_dict
from fq.core.reserved_options import check_user_options
from fq.errors import DeclarationError
from fq.middleware.base import Middleware
from fq.middleware.options import NON_LAYER_OPTIONS, Options
from fq.middleware.stack import Stack
from fq.wire.signature import Signature

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E")


class Declare(Protocol):
    """What ``actor(max_retries=3)`` returns: a decorator."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, Result[R, E]]], /) -> Actor[P, R, Coroutine[Any, Any, Result[R, E]]]: ...
    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Actor[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(self, fn: Callable[P, Result[R, E]], /) -> Actor[P, R, Result[R, E]]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Actor[P, R, R]: ...


@frozen
class ActorDecorator:
    """
    ``actor`` and ``app.actor``: makes an `Actor` of a function, and calls *register* with it.

    Use it bare, or with layers and options. A layer replaces the layer of its class in the app's stack, or is added. An option overrides the field of
    that name in its layer.

    >>> from datetime import timedelta
    >>> from fq import App, retries
    >>> app = App("memory://")
    >>> @app.actor(retries(max_retries=5), max_age=timedelta(hours=1), queue="mail")
    ... def send_mail(to: str) -> None: ...
    >>> send_mail
    Actor('send_mail', queue='mail')

    Raises:
        OptionError: an unknown option, with the nearest name, or a value that the option cannot take.
        DeclarationError: a bad queue name, or an actor name that is taken.
        StackError: layers that do not fit together.
    """

    register: Callable[[AnyActor], None] = field(repr=False)

    @overload
    def __call__(self, *changes: Middleware, **options: Unpack[Options]) -> Declare: ...
    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, Result[R, E]]], /) -> Actor[P, R, Coroutine[Any, Any, Result[R, E]]]: ...
    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Actor[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(self, fn: Callable[P, Result[R, E]], /) -> Actor[P, R, Result[R, E]]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Actor[P, R, R]: ...
    def __call__(self, *given: Any, **options: Any) -> Any:
        """Declare an actor, or return the decorator that declares one."""
        if len(given) == 1 and not options and callable(given[0]) and not isinstance(given[0], Middleware | type):
            return self._declare(given[0], (), {})
        layers = Stack(given).layers
        return cast(Declare, lambda fn: self._declare(fn, layers, options))

    def _declare(self, fn: Callable[..., Any], layers: tuple[Middleware, ...], options: Mapping[str, Any]) -> AnyActor:
        if isinstance(fn, Actor):
            raise DeclarationError(f"{fn.name} is an actor already, expected a function")
        if not callable(fn):
            raise DeclarationError(f"found {fn!r}, expected a function")
        name = options.get("name", getattr(fn, "__name__", "")) or _unnamed(fn)
        queue = options.get("queue", "default")
        check_queue_name(queue)
        check_user_options(options.get("options", {}))
        message_options, local_options = split_options(options.get("options", {}))
        named = {key: value for key, value in options.items() if key not in NON_LAYER_OPTIONS}
        declared: AnyActor = Actor(
            fn,
            name,
            queue,
            options.get("priority", 0),
            frozen_dict(named),
            layers,
            options.get("stack"),
            message_options,
            signature=Signature.of(fn),
            local_options=local_options,
        )
        self.register(declared)
        return declared


def _unnamed(fn: object) -> NoReturn:
    raise DeclarationError(f"found {fn!r}, a function without a name: name the actor with name=...")


actor = ActorDecorator(lambda _: None)
"""Declares an actor that belongs to no app yet. ``app.include`` binds it to one."""


def actors_in(thing: object) -> list[AnyActor]:
    """
    Return the actors in *thing*: an actor, or a module that holds some.

    Raises:
        DeclarationError: there are none.
    """
    found = [thing] if isinstance(thing, Actor) else []
    if isinstance(thing, ModuleType):
        found = [value for value in vars(thing).values() if isinstance(value, Actor)]
    if not found:
        raise DeclarationError(f"found {thing!r}, expected an actor or a module with actors in it")
    return found


def duplicate_name_error(first: AnyActor, second: AnyActor) -> DeclarationError:
    """Return the error for two actors that have the same name."""
    where = " and ".join(f"{getattr(fn, '__module__', '?')}.{getattr(fn, '__qualname__', fn)}" for fn in (first.fn, second.fn))
    return DeclarationError(f"found two actors called {first.name}: {where}; rename one of them with name=...")
