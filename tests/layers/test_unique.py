"""`Unique`: which messages share a key. A pure table; what a key does is in ``tests/calls/test_unique.py``."""

from typing import Any

import pytest

from fq import App, Enqueue, Message, OptionError, Unique, default_middleware, unique
from fq.core.reserved_options import UNIQUE
from fq.core.uniqueness import Uniqueness
from tests.messages import message

app = App("memory://")


def sync(account: int, reason: str = "", *, full: bool = False) -> int:
    return account


def option(layer: Unique, sent: Message) -> object:
    return layer.on_enqueue(Enqueue(sent)).message.options[UNIQUE]


def key(layer: Unique, *args: object, **kwargs: object) -> str:
    found = option(layer, message("sync", *args, kwargs=kwargs))
    assert isinstance(found, dict)
    return str(found["key"])


def on_sync(**fields: Any) -> Unique:
    """The layer as it is on an actor made of `sync`."""
    app = App("memory://")
    declared = app.actor(unique(**fields))(sync)
    layer = app.stack_of(declared).get(Unique)
    assert layer is not None
    return layer


@pytest.mark.parametrize(
    ("by", "one", "other", "same"),
    [
        (None, ((7,), {}), ((7,), {}), True),
        (None, ((7,), {}), ((), {"account": 7}), True),
        (None, ((7,), {}), ((7, ""), {}), True),
        (None, ((7,), {}), ((7,), {"full": False}), True),
        (None, ((7,), {}), ((8,), {}), False),
        (None, ((7,), {}), ((7, "x"), {}), False),
        (None, ((7,), {}), ((7,), {"full": True}), False),
        (("account",), ((7,), {}), ((7, "x"), {"full": True}), True),
        (("account",), ((7,), {}), ((8,), {}), False),
        (["account"], ((7,), {}), ((), {"account": 7}), True),
        (("account", "full"), ((7,), {}), ((7, "x"), {}), True),
        (("account", "full"), ((7,), {}), ((7,), {"full": True}), False),
        ("all", ((7,), {}), ((8, "x"), {}), True),
        (lambda message: str(message.args[0] % 2), ((7,), {}), ((9,), {}), True),
        (lambda message: str(message.args[0] % 2), ((7,), {}), ((8,), {}), False),
    ],
)
def test_messages_share_a_key_if_what_it_is_made_of_is_equal(by: Any, one: Any, other: Any, same: bool) -> None:
    layer = on_sync(by=by)

    assert (key(layer, *one[0], **one[1]) == key(layer, *other[0], **other[1])) is same


def test_the_key_begins_with_the_actor_or_with_what_actors_share() -> None:
    assert key(on_sync(by="all"), 7) == "sync:all"
    assert key(on_sync(by="all", across="accounts"), 7) == "accounts:all"
    assert key(on_sync(), 7).startswith("sync:")
    assert key(on_sync(across="accounts"), 7).startswith("accounts:")


def test_neither_the_queue_nor_the_priority_counts() -> None:
    layer = on_sync()

    assert option(layer, message("sync", 7, queue_name="other", priority=3)) == option(layer, message("sync", 7))


def test_arguments_beyond_the_parameters_count() -> None:
    app = App("memory://")

    @app.actor(unique())
    def work(*numbers: int, **names: int) -> None: ...

    layer = app.stack_of(work).get(Unique)
    assert layer is not None
    assert key(layer, 1, 2) == key(layer, 1, 2)
    assert len({key(layer, 1, 2), key(layer, 1), key(layer, 1, a=2), key(layer, 1, b=2)}) == 4


def test_a_message_that_has_a_key_keeps_it() -> None:
    layer = on_sync(by="all")

    assert option(layer, message("sync", 7, **{UNIQUE: {"key": "mine"}})) == {"key": "mine"}
    assert option(layer, message("sync", 7, **{UNIQUE: False})) is False


def test_options_of_the_message_are_in_force() -> None:
    layer = on_sync(by="all")

    assert option(layer, message("sync", 7, by=["account"])) == option(on_sync(by=("account",)), message("sync", 7))
    assert option(layer, message("sync", 7, until="start", window=5)) == {"key": "sync:all", "until": "start", "window": 5}


def test_the_terms_travel_with_the_key() -> None:
    layer = on_sync(by="all", until="start", window=5, on_conflict="replace", max_wait=9)

    assert Uniqueness.in_options({UNIQUE: option(layer, message("sync", 7))}) == Uniqueness("sync:all", "start", 5, "replace", 9)


def test_in_the_stack_of_an_app_it_makes_a_key_of_what_it_sees() -> None:
    layer = unique()

    assert key(layer, 7) == key(layer, 7)
    assert key(layer, 7) != key(layer, 8)
    assert key(unique(by=("account",)), account=7) == key(unique(by=("account",)), account=7, reason="x")


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"by": ("acount",)}, "by: found 'acount', expected a parameter: one of account, reason, full"),
        ({"by": "account"}, "write by=('account',)"),
        ({"by": 5}, "by: found 5"),
        ({"by": ""}, "by: found ''"),
        ({"by": ()}, "by: found ()"),
        ({"until": "never"}, "found 'never'"),
        ({"max_wait": 5}, "expected 'replace'"),
        ({"on_conflict": "after", "until": "start"}, "expected until='end'"),
        ({"window": -5}, "found -5"),
        ({"across": 5}, "across: found 5"),
    ],
    ids=str,
)
def test_a_mistake_is_found_when_the_actor_is_declared(fields: dict[str, Any], found: str) -> None:
    with pytest.raises(OptionError) as caught:
        App("memory://").actor(unique(), **fields)(sync)

    assert found in str(caught.value)


@pytest.mark.parametrize("returned", ["", 5, None], ids=str)
def test_a_function_must_return_a_text(returned: Any) -> None:
    with pytest.raises(OptionError, match="expected a text that is not empty"):
        on_sync(by=lambda message: returned).on_enqueue(Enqueue(message("sync", 7)))


def test_a_call_without_the_argument_that_the_key_is_made_of_is_refused() -> None:
    app = App("memory://")

    @app.actor(unique(by=("account",)))
    def work(**names: int) -> None: ...

    with pytest.raises(OptionError, match="a call of work has no argument account"):
        work.send(other=1)


def test_a_key_that_is_too_long_is_refused() -> None:
    with pytest.raises(OptionError, match="a unique key of 2,005 bytes"):
        on_sync(by="x" * 2_000).on_enqueue(Enqueue(message("sync", 7)))


def test_it_prints_as_it_is_written_and_is_no_part_of_the_default_stack() -> None:
    assert eval(repr(unique(by=("a",), until="start", window=5)), {"Unique": Unique}) == unique(by=("a",), until="start", window=5)
    assert "signature" not in repr(on_sync())
    assert Unique not in default_middleware
    assert "signature" not in Unique.option_names()
