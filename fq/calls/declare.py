"""`actor`: the decorator that makes an `Actor` of a function. Its overloads keep the types of the function."""

import re
import sys
from collections.abc import Callable, Coroutine, Mapping
from types import ModuleType
from typing import Any, NoReturn, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

from attrs import field, frozen
from returns.result import Result

from fq.calls.actor import Actor, AnyActor, check_queue_name, split_options
from fq.calls.emitting import EmittingActor
from fq.calls.tags import tag_options
from fq.core.frozen import frozen_dict
from fq.core.reserved_options import check_user_options
from fq.errors import DeclarationError
from fq.middleware.base import Middleware
from fq.middleware.layer_options import LayerOptions
from fq.middleware.options import NON_LAYER_OPTIONS, Options
from fq.middleware.stack import Stack
from fq.wire.signature import Signature

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E")
C = TypeVar("C")


class DeclareEmitting(Protocol[C]):
    """What ``actor(emits=Chunk)`` returns: a decorator."""

    @overload
    def __call__(
        self, fn: Callable[P, Coroutine[Any, Any, Result[R, E]]], /
    ) -> EmittingActor[P, R, Coroutine[Any, Any, Result[R, E]], C]: ...
    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> EmittingActor[P, R, Coroutine[Any, Any, R], C]: ...
    @overload
    def __call__(self, fn: Callable[P, Result[R, E]], /) -> EmittingActor[P, R, Result[R, E], C]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> EmittingActor[P, R, R, C]: ...


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
    that name in its layer; ``OfficeHours.options(opens=9)`` overrides fields of a layer of your own, and type checkers know them.

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
    def __call__(self, *changes: Middleware | LayerOptions, emits: type[C], **options: Unpack[Options]) -> DeclareEmitting[C]: ...
    @overload
    def __call__(self, *changes: Middleware | LayerOptions, **options: Unpack[Options]) -> Declare: ...
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
        if len(given) == 1 and not options and callable(given[0]) and not isinstance(given[0], Middleware | LayerOptions | type):
            return self._declare(given[0], (), {})
        for each in given:
            if isinstance(each, type) and not issubclass(each, Middleware):
                raise DeclarationError(
                    f"found the class {each.__name__}, expected a function: write `@app.actor def {_as_function(each.__name__)}(...)`, "
                    "and make an object of the class inside it"
                )
        layers = Stack([each for each in given if not isinstance(each, LayerOptions)]).layers
        chosen = tuple(each for each in given if isinstance(each, LayerOptions))
        return cast(Declare, lambda fn: self._declare(fn, layers, options, chosen))

    def _declare(
        self, fn: Callable[..., Any], layers: tuple[Middleware, ...], options: Mapping[str, Any], chosen: tuple[LayerOptions, ...] = ()
    ) -> AnyActor:
        if isinstance(fn, Actor):
            raise DeclarationError(f"{fn.name} is an actor already, expected a function")
        if not callable(fn):
            raise DeclarationError(f"found {fn!r}, expected a function")
        name = options.get("name", getattr(fn, "__name__", "")) or _unnamed(fn)
        queue = options.get("queue", "default")
        check_queue_name(queue)
        check_user_options(options.get("options", {}))
        message_options, local_options = split_options({**options.get("options", {}), **tag_options(options)})
        named = {key: value for key, value in options.items() if key not in NON_LAYER_OPTIONS and key != "emits"}
        emits = options.get("emits")
        make: type[AnyActor] = Actor if emits is None else EmittingActor
        declared = make(
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
            emits=emits,
            redact=options.get("redact"),
            layer_options=chosen,
        )
        self.register(declared)
        return declared


def _as_function(name: str) -> str:
    """Return the name of a class as the name of a function: ``SendMail`` as ``send_mail``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


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


def is_typed_again(first: AnyActor, second: AnyActor) -> bool:
    """Are both the same function of an interactive session, in which people run a cell or paste a block twice?"""
    names = {(getattr(fn, "__module__", ""), getattr(fn, "__qualname__", "")) for fn in (first.fn, second.fn)}
    return hasattr(sys, "ps1") and len(names) == 1 and names.pop()[0] == "__main__"
