"""What can never be an argument or a result is refused when the actor is declared, not after it has run."""

import socket
from collections.abc import Awaitable

import pytest
from returns.result import Result

from fq import App, DeclarationError, actor, register
from fq.brokers.memory import MemoryBroker


class Door:
    """A class without a JSON form."""


@pytest.fixture
def app() -> App:
    return App(broker=MemoryBroker())


def returns(annotation: object) -> object:
    def make() -> object: ...

    make.__annotations__["return"] = annotation
    return make


@pytest.mark.parametrize(
    "annotation", [Door, list[Door], dict[str, tuple[int, Door]], Door | None, Result[Door, str], Awaitable[Door]], ids=str
)
def test_a_result_that_could_not_be_stored_is_refused_with_what_to_write(app: App, annotation: object) -> None:
    with pytest.raises(DeclarationError) as caught:
        app.actor(returns(annotation))  # type: ignore[call-overload]

    assert str(caught.value).startswith("make: its result is ")
    assert "fq has no JSON for Door" in str(caught.value)
    assert "store_results=False" in str(caught.value)
    assert "make" not in app.actors


@pytest.mark.parametrize("annotation", [int, None, "Unknown", list["Unknown"], object, socket.AddressFamily], ids=str)  # type: ignore[name-defined]  # noqa: F821
def test_what_may_be_known_later_or_needs_no_type_is_accepted(app: App, annotation: object) -> None:
    app.actor(returns(annotation))  # type: ignore[call-overload]

    assert "make" in app.actors


def test_an_actor_that_stores_nothing_may_return_anything(app: App) -> None:
    app.actor(store_results=False)(returns(Door))  # type: ignore[arg-type]

    assert "make" in app.actors


def test_a_type_that_is_registered_before_can_be_a_result(app: App) -> None:
    class Money:
        def __init__(self, cents: int) -> None:
            self.cents = cents

    register(Money, lambda money: money.cents, Money)

    @app.actor
    def price() -> Money:
        return Money(5)

    handle = price.send()
    app.run_until_idle()

    assert handle.get().unwrap().cents == 5


@pytest.mark.parametrize("decorator", [actor, App("memory://").actor])
def test_a_class_is_told_what_to_write(decorator: object) -> None:
    with pytest.raises(DeclarationError) as caught:

        @decorator  # type: ignore[operator]
        class SendMail:
            def perform(self) -> None: ...

    assert str(caught.value).startswith("found the class SendMail, expected a function: write `@app.actor def send_mail(...)`")
