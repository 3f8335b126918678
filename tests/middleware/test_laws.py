"""The laws of composition, exhaustively over small sets of layers, for sync and for async handlers."""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from itertools import combinations, permutations, product
from typing import Any, ClassVar, TypeAlias

import pytest
from attrs import frozen
from returns.result import Failure, Success

import fq.layers
from fq import (
    AgeLimit,
    Around,
    AsyncHandler,
    CurrentMessage,
    Drop,
    Enqueue,
    Handler,
    LayerError,
    Message,
    Middleware,
    Outcome,
    Pipelines,
    PoisonLimit,
    Results,
    Retries,
    Retry,
    SkipMessage,
    Stack,
    StackError,
    Step,
    Store,
    TimeLimit,
    compose,
    default_middleware,
)
from fq.errors import FqError
from tests.middleware.handlers import MESSAGE

Colour: TypeAlias = Callable[[Middleware, Handler, Message], Outcome]


class Boom(FqError):
    """An error that equals another one with the same text, as errors of fq do."""


class Repeatable(Step):
    repeatable: ClassVar[bool] = True


@frozen
class Nothing(Repeatable):
    """The identity, as a layer."""


@frozen
class Stamp(Repeatable):
    """Leaves its name on the way in and on the way out."""

    name: str

    def before(self, message: Message) -> Message:
        return message.with_options(path=f"{message.options.get('path', '')}{self.name}")

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        return outcome.also(Store(self.name, Success(message.options["path"]), len(outcome.effects)))


@frozen
class OnlyOut(Repeatable):
    def after(self, message: Message, outcome: Outcome) -> Outcome:
        return outcome.alt(lambda _: Drop("out"))


@frozen
class Answers(Repeatable):
    def before(self, message: Message) -> Outcome:
        return Outcome.success("answered")


@frozen
class RaisesBefore(Repeatable):
    def before(self, message: Message) -> Message:
        raise Boom("before")


@frozen
class RaisesAfter(Repeatable):
    def after(self, message: Message, outcome: Outcome) -> Outcome:
        raise Boom("after")


@frozen
class Skips(Repeatable):
    def before(self, message: Message) -> Message:
        raise SkipMessage("not today")


@frozen
class Again(Repeatable):
    def after(self, message: Message, outcome: Outcome) -> Outcome:
        return outcome.alt(lambda _: Retry(message, 5))


@frozen
class RawRaisesEarly(Middleware):
    repeatable: ClassVar[bool] = True

    def wrap(self, next: Handler) -> Handler:
        def handler(message: Message) -> Outcome:
            raise Boom("early")

        return handler

    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        async def handler(message: Message) -> Outcome:
            raise Boom("early")

        return handler


@frozen
class RawRaisesLate(Middleware):
    repeatable: ClassVar[bool] = True

    def wrap(self, next: Handler) -> Handler:
        def handler(message: Message) -> Outcome:
            raise Boom(f"late, after {next(message).succeeded}")

        return handler

    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        async def handler(message: Message) -> Outcome:
            raise Boom(f"late, after {(await next(message)).succeeded}")

        return handler


@frozen
class RawTwice(Middleware):
    repeatable: ClassVar[bool] = True

    def wrap(self, next: Handler) -> Handler:
        return lambda message: next(message).also(*next(message.with_options(path="second")).effects)

    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        async def handler(message: Message) -> Outcome:
            return (await next(message)).also(*(await next(message.with_options(path="second"))).effects)

        return handler


@contextmanager
def nothing_special(_: Message) -> Iterator[None]:
    yield


LAYERS: tuple[Middleware, ...] = (
    Nothing(),
    Stamp("a"),
    Stamp("b"),
    OnlyOut(),
    Answers(),
    RaisesBefore(),
    RaisesAfter(),
    Skips(),
    Again(),
    RawRaisesEarly(),
    RawRaisesLate(),
    RawTwice(),
    Around(nothing_special),
)
HANDLERS: tuple[Handler, ...] = (
    lambda message: Outcome.success(dict(message.options)),
    lambda message: Outcome.failure(Boom("no")).also(Enqueue(message, 7)),
    lambda message: Outcome(Failure(Retry(message.with_options(retries=1), 10, Boom("later")))),
)


def drive(coroutine: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Return what *coroutine*, which waits for nothing, returns."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waited")


def awaitable(handler: Handler) -> AsyncHandler:
    async def ahandler(message: Message) -> Outcome:
        return handler(message)

    return ahandler


def in_sync(layer: Middleware, handler: Handler, message: Message) -> Outcome:
    return layer.wrap(handler)(message)


def in_async(layer: Middleware, handler: Handler, message: Message) -> Outcome:
    return drive(layer.awrap(awaitable(handler))(message))


both_colours = pytest.mark.parametrize("colour", [in_sync, in_async])
every_handler = pytest.mark.parametrize("handler", HANDLERS, ids=["succeeds", "fails", "retries"])


def test_a_stack_without_layers_is_the_handler_itself() -> None:
    handler, ahandler = HANDLERS[0], awaitable(HANDLERS[0])

    assert Stack().wrap(handler) is handler
    assert Stack().awrap(ahandler) is ahandler
    assert compose() == Stack() == compose(compose(), Stack())


@pytest.mark.parametrize("layer", LAYERS, ids=[f"{type(layer).__name__}-{n}" for n, layer in enumerate(LAYERS)])
def test_the_empty_stack_is_the_identity_of_compose(layer: Middleware) -> None:
    assert compose(compose(), layer) == compose(layer, compose()) == compose(layer)


def test_nesting_does_not_matter() -> None:
    for a, b, c in product(LAYERS, repeat=3):
        assert compose(a, compose(b, c)) == compose(compose(a, b), c) == compose(a, b, c) == Stack((a, Stack((b, c))))


@both_colours
@every_handler
def test_nesting_does_not_matter_to_what_a_stack_does(colour: Colour, handler: Handler) -> None:
    for a, b, c in product(LAYERS, repeat=3):
        assert colour(compose(a, compose(b, c)), handler, MESSAGE) == colour(compose(compose(a, b), c), handler, MESSAGE)


@every_handler
def test_compose_is_the_composition_of_functions(handler: Handler) -> None:
    ahandler = awaitable(handler)
    for a, b in product(LAYERS, repeat=2):
        assert compose(a, b).wrap(handler)(MESSAGE) == a.wrap(b.wrap(handler))(MESSAGE)
        assert drive(compose(a, b).awrap(ahandler)(MESSAGE)) == drive(a.awrap(b.awrap(ahandler))(MESSAGE))


@every_handler
def test_both_colours_agree(handler: Handler) -> None:
    for layers in product(LAYERS, repeat=2):
        assert in_sync(compose(*layers), handler, MESSAGE) == in_async(compose(*layers), handler, MESSAGE)


def test_layers_really_differ_by_order() -> None:
    there, back = (in_sync(compose(Stamp(x), Stamp(y)), HANDLERS[0], MESSAGE) for x, y in ("ab", "ba"))

    assert there.result.unwrap() == {"path": "ab"}
    assert back.result.unwrap() == {"path": "ba"}
    assert [effect.message_id for effect in there.effects if isinstance(effect, Store)] == ["b", "a"]


@both_colours
@pytest.mark.parametrize("layer", [RaisesBefore(), RaisesAfter(), RawRaisesEarly(), RawRaisesLate()], ids=repr)
def test_a_layer_that_raises_is_a_failure_at_its_own_ring(layer: Middleware, colour: Colour) -> None:
    outcome = colour(compose(Stamp("outside"), layer, Stamp("inside")), HANDLERS[0], MESSAGE)

    assert isinstance(outcome.error, LayerError)
    assert outcome.error.layer == layer
    assert isinstance(outcome.error.error, Boom)
    assert [effect.message_id for effect in outcome.effects if isinstance(effect, Store)] == ["outside"]


@both_colours
def test_what_a_layer_raises_is_retried_inside_retries_and_a_dead_letter_outside(colour: Colour) -> None:
    class Wrong(Step):
        def before(self, message: Message) -> Message:
            raise Boom("wrong")

    inside = colour(compose(Retries(), Wrong()), HANDLERS[0], MESSAGE)
    outside = colour(compose(Wrong(), Retries()), HANDLERS[0], MESSAGE)

    assert isinstance(inside.result.failure(), Retry)
    assert outside == Outcome.failure(LayerError(outside.error.layer, Boom("wrong")))  # type: ignore[union-attr]


def test_the_sending_side_is_a_fold_from_the_outside_in() -> None:
    @frozen
    class Delays(Middleware):
        repeatable: ClassVar[bool] = True
        change: Callable[[int], int]

        def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
            return Enqueue(enqueue.message, self.change(enqueue.delay))

    layers = (Delays(lambda ms: ms + 1), Delays(lambda ms: ms * 10), Stamp("a"))
    for a, b in product(layers, repeat=2):
        enqueue = Enqueue(MESSAGE, 3)
        assert compose(a, b).on_enqueue(enqueue) == b.on_enqueue(a.on_enqueue(enqueue))
    assert compose(*layers).on_enqueue(Enqueue(MESSAGE, 3)) == Enqueue(MESSAGE, 40)


BUILT_IN: tuple[Middleware, ...] = (
    Results(store_results=False, result_ttl=1_000),
    Pipelines(),
    AgeLimit(max_age=500),
    PoisonLimit(max_deliveries=3),
    Retries(max_retries=None, throws=(ValueError, KeyError)),
    TimeLimit(time_limit=float("inf")),
    CurrentMessage(),
)


@pytest.mark.parametrize("size", range(len(BUILT_IN) + 1))
def test_a_stack_reads_back_from_its_repr(size: int) -> None:
    for layers in combinations(BUILT_IN, size):
        stack = compose(*layers)
        assert eval(repr(stack)) == stack


def test_the_default_stack_reads_back_from_its_repr() -> None:
    assert eval(repr(default_middleware), {"compose": compose}, vars(fq.layers)) == default_middleware


def test_stacks_are_equal_by_value_and_so_are_their_hashes() -> None:
    stacks = [compose(*layers) for size in range(len(BUILT_IN) + 1) for layers in combinations(BUILT_IN, size)]

    assert len(set(stacks)) == len(stacks)
    for stack in stacks:
        again = eval(repr(stack))
        assert again == stack
        assert hash(again) == hash(stack)


def test_stacks_with_layers_in_another_order_are_not_equal() -> None:
    assert compose(Results(), Pipelines()) != compose(Pipelines(), Results())
    assert compose(Retries(max_retries=1)) != compose(Retries(max_retries=2))


def test_replacing_twice_is_replacing_once() -> None:
    for layer in BUILT_IN:
        once = default_middleware.replace(layer)
        assert once.replace(layer) == once
        assert once.get(type(layer)) == layer
        assert [type(each) for each in once] == [type(each) for each in default_middleware]


def test_replacements_of_different_classes_commute() -> None:
    for a, b in permutations(BUILT_IN, 2):
        assert default_middleware.replace(a).replace(b) == default_middleware.replace(b).replace(a)


def test_taking_out_what_was_put_in_gives_the_stack_back() -> None:
    for kind in map(type, default_middleware):
        stack = default_middleware
        assert stack.outside(kind, Stamp("x")).without(Stamp) == stack == stack.inside(kind, Stamp("x")).without(Stamp)


def test_every_order_of_the_built_in_layers_either_composes_or_says_which_rule_it_breaks() -> None:
    rules = [(type(layer), rule) for layer in BUILT_IN for rule in layer.outside_of]
    for layers in permutations(BUILT_IN):
        at = {type(layer): place for place, layer in enumerate(layers)}
        broken = [
            f"{kind.__name__} must be outside {rule.inner.__name__}: {rule.reason}" for kind, rule in rules if at[kind] > at[rule.inner]
        ]
        if broken:
            with pytest.raises(StackError) as caught:
                compose(*layers)
            assert str(caught.value).splitlines()[0] in broken
        else:
            assert tuple(compose(*layers)) == layers
