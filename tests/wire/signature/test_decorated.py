"""A signature of a decorated function says which arguments the call has to give."""

import functools
import inspect
from decimal import Decimal

import pytest

from fq.wire.signature import Signature
from tests.wire.signature.functions import (
    Item,
    logged,
    refused,
    scale,
    travelled,
)

# --- decorators ----------------------------------------------------------------------------------


class Session:
    """What no message can carry."""

    def __init__(self, name: str) -> None:
        self.name = name


def load(session: Session, n: Decimal, tag: str = "-") -> str:
    return f"{session.name} {n!r} {tag}"


def with_session(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, session=Session("s"), **kwargs)

    return wrapper


def with_session_first(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(Session("s"), *args, **kwargs)

    return wrapper


def with_session_exactly(function):
    @functools.wraps(function)
    def wrapper(n, tag="-"):
        return function(Session("s"), n, tag)

    return wrapper


def with_signature(function):
    wrapper = with_session_first(function)
    inner = inspect.signature(function)
    wrapper.__signature__ = inner.replace(parameters=[p for name, p in inner.parameters.items() if name != "session"])
    return wrapper


def for_tenant(function):
    @functools.wraps(function)
    def wrapper(tenant, *args, **kwargs):
        return f"{tenant} {function(*args, **kwargs)}"

    return wrapper


def buy(item: Item) -> str:
    return str(item.price)


def called(function, *args, **kwargs):
    """Return what *function* returns in the worker."""
    args, kwargs = travelled(function, *args, **kwargs)
    return function(*args, **kwargs)


def test_an_argument_that_a_decorator_adds_is_not_asked_for_and_the_others_are_converted():
    assert called(with_session(load), n=Decimal("1.0"), tag="x") == "s Decimal('1.0') x"
    assert called(logged(with_session(load)), n=Decimal("1.0")) == "s Decimal('1.0') -"


@pytest.mark.parametrize("decorate", [with_session_exactly, with_signature])
def test_a_decorator_that_says_what_it_takes_is_held_to_that(decorate):
    function = decorate(load)

    assert called(function, Decimal("1.0"), tag="x") == "s Decimal('1.0') x"
    assert called(logged(function), Decimal("1.0")) == "s Decimal('1.0') -"
    assert refused(function, side="dump").endswith("missing a required argument: 'n'")
    assert refused(function, (1,), {"session": 1}).endswith("got an unexpected keyword argument 'session'")


def test_an_argument_that_a_decorator_adds_ahead_of_the_others_leaves_them_as_they_are():
    assert called(with_session_first(load), 1) == "s 1 -"
    assert called(with_session_first(load), "1.5") == "s '1.5' -"
    assert "session: expected a type that can be converted" in refused(with_session_first(load), ({1},), side="dump")


def test_a_parameter_of_a_wrapper_is_asked_for_besides_those_of_the_function_inside():
    function = for_tenant(logged(buy))

    assert str(Signature.of(function)).startswith("buy(tenant, item: ")
    assert called(function, "acme", Item(Decimal("1.50"))) == "acme 1.50"


def test_a_complete_call_of_a_decorated_function_is_held_against_its_annotations():
    assert "item.price: expected Decimal" in refused(logged(buy), [{"price": "x", "tags": []}])
    assert refused(logged(buy), [1, 2]).endswith("takes 1 positional argument but 2 were given")
    assert refused(logged(buy), (), {"items": 1}).endswith("got an unexpected keyword argument 'items'")


def test_a_cached_function_takes_what_it_takes_without_the_cache():
    assert refused(functools.lru_cache(scale)).endswith("missing a required argument: 'a'")
