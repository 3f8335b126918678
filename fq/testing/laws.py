"""`check_step`: checks a layer against the laws of fq's own layers, and reports which law it breaks, and with which message."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from copy import copy
from functools import partial
from typing import NoReturn

import attrs
from attrs.exceptions import FrozenInstanceError
from returns.result import Failure, Success

from fq.core import reserved_options
from fq.core.message import TIME_LIMIT, Message, evolve_message
from fq.core.outcome import Dead, Enqueue, Outcome, Retry, Store
from fq.core.reserved_options import GROUP, PIPE, RETRY_COUNT
from fq.errors import LayerError, MiddlewareError, OptionError, RetryAfter, TimeLimitExceeded
from fq.middleware.base import Middleware
from fq.middleware.options import NON_LAYER_OPTIONS
from fq.middleware.stack import compose
from fq.testing.messages import message
from fq.worker.coroutine_runner import CoroutineRunner

FQ_OWN = frozenset((RETRY_COUNT, *reserved_options.RESERVED))
"""Options that fq itself sets on messages."""

MESSAGES = (
    message("add", 1, 2),
    message("add", kwargs={"a": 1, "b": None}),
    message("add", retries=3, tenant="a"),
    message("add", deliveries=9),
    message("add", message_timestamp=1_000, received_at=90_000_000),
    message("add", interrupted=TIME_LIMIT),
    message("add", 1).with_options(**{PIPE: [{"actor_name": "double"}]}),
    message("add").with_options(**{GROUP: [{"id": "g1", "at": 0, "of": 2, "pipe": [{"actor_name": "report"}]}]}),
)
"""The default messages: new, retried, old, delivered often, interrupted, inside a workflow."""

OUTCOMES = (
    Outcome.success(3),
    Outcome.success().also(Enqueue(message("other"), 5), Store("m1", Success(1), 5)),
    Outcome.failure(ValueError("no")),
    Outcome.failure(RetryAfter(70)),
    Outcome.failure(TimeLimitExceeded("too slow")),
    Outcome.drop("not today"),
    Outcome(Failure(Retry(message("add", retries=1), 5, ValueError("later")))),
)
"""The default outcomes of the inner handler: one of each kind."""


def check_step(layer: Middleware, *, messages: Iterable[Message] = MESSAGES, outcomes: Iterable[Outcome] = OUTCOMES) -> None:
    """
    Check that *layer* obeys the laws, with each of *messages* and each of *outcomes* of the inner handler.

    A layer is a value: equal to a layer with equal fields, never changed, and its repr evaluates to it, unless it holds functions. Its options
    are its fields. Called twice, it returns the same. It does not change its arguments. It never raises, except for `MiddlewareError` on purpose,
    and `OptionError` for an impossible option. It treats async actors like sync ones, and behaves in a stack, which skips idle layers, as it does
    alone.

    >>> from attrs import frozen
    >>> from fq import Step
    >>> @frozen
    ... class Tenant(Step):
    ...     tenant: str = "nobody"
    ...
    ...     def before(self, message: Message) -> Message:
    ...         return message.with_options(seen_by=message.options["tenant"])
    >>> check_step(Tenant())
    Traceback (most recent call last):
    AssertionError: Tenant(tenant='nobody') breaks a law of layers: it never raises
      message: add(1, 2)
      inside: Outcome(result=<Success: 3>, effects=())
      raised: KeyError: 'tenant'

    Raises:
        AssertionError: the layer breaks a law; the text says which, and with which message.
    """
    _check_value(layer)
    _check_options(layer)
    tried = list(outcomes)
    with closing(CoroutineRunner()) as aside:
        for sent in messages:
            _check_send(layer, sent)
            for inside in tried:
                _check_handler(layer, sent, inside, aside)


def _check_value(layer: Middleware) -> None:
    twin = copy(layer)
    if twin != layer or hash(twin) != hash(layer):
        _broken(layer, "it is equal to another one with equal fields", hint="decorate its class with attrs.frozen")
    fields = {field.name: getattr(layer, field.name) for field in _attributes(layer)}
    for name, value in fields.items():
        try:
            setattr(layer, name, value)
        except FrozenInstanceError:
            continue
        _broken(layer, "it is never changed", field=name, hint="decorate its class with attrs.frozen")
    if not any(callable(value) for value in fields.values()):
        _check_repr(layer)


def _check_repr(layer: Middleware) -> None:
    kind = type(layer)
    names = {**vars(sys.modules["fq"]), **vars(sys.modules[kind.__module__]), kind.__name__: kind}
    try:
        read = eval(repr(layer), names)  # noqa: S307  # the repr of an object that the caller has made
    except Exception as error:
        _broken(layer, "its repr evaluates to it", raised=f"{type(error).__name__}: {error}")
    if read != layer:
        _broken(layer, "its repr evaluates to it", read=repr(read))


def _check_options(layer: Middleware) -> None:
    for name in sorted(layer.accepted_options()):
        if name in NON_LAYER_OPTIONS or name in FQ_OWN:
            _broken(layer, "its options have names of their own", option=name, hint="fq itself gives this one a meaning")
        try:
            same = layer.with_options({name: layer.option(name)})
        except (AttributeError, OptionError, TypeError) as error:
            _broken(layer, "its options are its fields", option=name, raised=f"{type(error).__name__}: {error}")
        if same != layer:
            _broken(layer, "a field takes its own value", option=name, found=repr(same))


def _check_send(layer: Middleware, sent: Message) -> None:
    enqueue, shown = Enqueue(sent, 5), repr(sent)
    try:
        first, then = layer.on_enqueue(enqueue), layer.on_enqueue(Enqueue(evolve_message(sent), 5))
    except Exception as error:
        if not isinstance(error, MiddlewareError | OptionError):
            _broken(layer, "it never raises", sent, raised=f"on_enqueue: {type(error).__name__}: {error}")
        return
    if not isinstance(first, Enqueue):
        _broken(layer, "on_enqueue returns an Enqueue", sent, found=repr(first))
    if not _same(first, then):
        _broken(layer, "asked twice, it answers the same", sent, first=f"on_enqueue: {first!r}", then=repr(then))
    if repr(sent) != shown:
        _broken(layer, "it leaves what it is given as it was", sent, given=shown)


def _check_handler(layer: Middleware, sent: Message, inside: Outcome, aside: CoroutineRunner) -> None:
    broken = partial(_broken, layer, sent=sent, inside=inside)
    message_shown, inside_shown = repr(sent), repr(inside)

    async def answers(_: Message) -> Outcome:
        return inside

    async def asynchronously() -> Outcome:
        return await layer.awrap(answers)(sent)

    handle = layer.wrap(lambda _: inside)
    first, then, later = handle(sent), handle(sent), layer.wrap(lambda _: inside)(evolve_message(sent))
    setback = None if first.succeeded else first.result.failure()
    error = setback.error if isinstance(setback, Dead) else None
    if isinstance(error, LayerError) and not isinstance(error.error, MiddlewareError | OptionError):
        broken("it never raises", raised=f"{type(error.error).__name__}: {error.error}")
    for other in (then, later):
        if not _same(first, other):
            broken("asked twice, it answers the same", first=repr(first), then=repr(other))
    if (repr(sent), repr(inside)) != (message_shown, inside_shown):
        broken("it leaves what it is given as it was", given=f"{message_shown} and {inside_shown}")
    if not _same(first, passed := compose(layer).wrap(lambda _: inside)(sent)):
        broken("a message that passes by an idle layer gets the same of it", in_it=repr(first), in_a_stack=repr(passed))
    if not _same(first, coloured := aside.run(asynchronously())):
        broken("an async actor gets the same of it as a sync one", sync=repr(first), asynchronous=repr(coloured))


def _same(first: object, other: object) -> bool:
    """Are these equal, or do their reprs agree? Exceptions compare by identity unless they define otherwise."""
    return first == other or repr(first) == repr(other)


def _attributes(layer: Middleware) -> tuple["attrs.Attribute[object]", ...]:
    return getattr(type(layer), "__attrs_attrs__", ())


def _unusual(sent: Message) -> Iterator[tuple[str, object]]:
    """Yield the fields of a message that differ from their defaults."""
    for name, usual in (("options", {}), ("message_timestamp", 0), ("received_at", 0), ("deliveries", 1), ("interrupted", "")):
        if (value := getattr(sent, name)) != usual:
            yield name, value


def _broken(layer: Middleware, law: str, sent: Message | None = None, inside: Outcome | None = None, **details: str) -> NoReturn:
    lines = [f"{layer!r} breaks a law of layers: {law}"]
    if sent is not None:
        lines.append(f"  message: {sent}" + "".join(f", {name}={value!r}" for name, value in _unusual(sent)))
    if inside is not None:
        lines.append(f"  inside: {inside!r}")
    raise AssertionError("\n".join(lines + [f"  {name}: {text}" for name, text in details.items()]))
