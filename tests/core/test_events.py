"""The watching face: who is told, in which order, and what an exception does."""

import typing

import attrs
import pytest
from attrs import frozen

from fq import Message, Middleware, Outcome, Stack, compose
from fq.core import events
from fq.core.events import ANNOUNCING, Event
from fq.testing import message

MESSAGE = message("add")
VALUES = {
    tuple[str, ...]: ("a", "b"),
    BaseException: ValueError("no"),
    Message: MESSAGE,
    Outcome: Outcome.success(),
    str: "x",
    int: 5,
    bool: False,
}


def built(kind: type) -> Event:
    """Return an event of class *kind*."""
    event: Event = kind(*(VALUES[field.type] for field in attrs.fields(kind)))
    return event


EVENTS: dict[type, Event] = {kind: built(kind) for kind in typing.get_args(Event)}


class Watches(Middleware):
    repeatable = True

    def __init__(self, name: str, seen: list[str]) -> None:
        self.name = name
        self.seen = seen

    def on_event(self, event: Event) -> None:
        self.seen.append(self.name)


@frozen
class Breaks(Middleware):
    error: Exception

    def on_event(self, event: Event) -> None:
        raise self.error


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: type(event).__name__)
def test_what_announces_is_told_from_the_outside_in_and_the_rest_from_the_inside_out(event: Event) -> None:
    seen: list[str] = []
    compose(Watches("a", seen), Middleware(), Watches("b", seen), Watches("c", seen)).on_event(event)

    assert seen == (["a", "b", "c"] if type(event) in ANNOUNCING else ["c", "b", "a"])


def test_every_event_is_described_in_the_table_of_the_module() -> None:
    table = events.__doc__ or ""

    assert [kind for kind in EVENTS if f"\n{kind.__name__} " not in table] == []


def test_a_layer_that_raises_does_not_keep_the_others_from_being_told() -> None:
    seen: list[str] = []
    error = ValueError("no")

    with pytest.raises(ExceptionGroup) as caught:
        compose(Watches("a", seen), Breaks(error), Watches("b", seen)).on_event(EVENTS[events.Started])

    assert seen == ["b", "a"]
    assert caught.value.exceptions == (error,)
    assert caught.value.message == "layers raised while watching Started"


def test_a_layer_without_the_face_and_a_stack_without_layers_watch_nothing() -> None:
    Stack().on_event(EVENTS[events.ProcessBooted])
    Middleware().on_event(EVENTS[events.ProcessBooted])
