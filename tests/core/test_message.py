"""`Message` and `Key`."""

import copy
import pickle

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError

from fq import Key, Message, OptionError
from fq.core.message import RETRIES, evolve_message
from fq.testing import message

MESSAGE = message("add", 1, 2, message_id="m1", retries=1, tenant="a")


def test_only_an_id_and_an_actor_are_required() -> None:
    bare = Message(message_id="m1", actor_name="add")

    assert (bare.queue_name, bare.args, bare.kwargs, bare.options) == ("default", (), {}, {})
    assert (bare.message_timestamp, bare.priority, bare.received_at, bare.deliveries, bare.interrupted) == (0, 0, 0, 1, "")
    assert bare.time_limit == float("inf")


@pytest.mark.parametrize("missing", ["message_id", "actor_name"])
def test_an_empty_name_is_refused(missing: str) -> None:
    with pytest.raises(ValueError, match=missing):
        Message(**{"message_id": "m1", "actor_name": "add", missing: ""})  # type: ignore[arg-type]


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        MESSAGE.priority = 3  # type: ignore[misc]
    with pytest.raises(TypeError, match="build a new one"):
        MESSAGE.options["retries"] = 2  # type: ignore[index]


def test_a_message_does_not_share_what_it_was_built_from() -> None:
    args, kwargs, options = [1], {"k": 1}, {"tenant": "a"}
    built = Message(message_id="m1", actor_name="add", args=args, kwargs=kwargs, options=options)  # type: ignore[arg-type]
    args.append(2)
    kwargs["k"] = options["tenant"] = 2  # type: ignore[assignment]

    assert (built.args, built.kwargs, built.options) == ((1,), {"k": 1}, {"tenant": "a"})


def test_messages_are_equal_by_value_and_can_be_keys() -> None:
    twin = message("add", 1, 2, message_id="m1", retries=1, tenant="a")

    assert twin == MESSAGE
    assert len({twin, MESSAGE, MESSAGE.with_options(retries=2)}) == 2
    assert evolve_message(MESSAGE, deliveries=2) != MESSAGE


def test_with_options_adds_and_replaces() -> None:
    assert MESSAGE.with_options(retries=2, extra=None).options == {"retries": 2, "tenant": "a", "extra": None}
    assert MESSAGE.options == {"retries": 1, "tenant": "a"}


def test_without_options_takes_out_and_does_not_mind_absent_ones() -> None:
    assert MESSAGE.without_options("retries", "absent").options == {"tenant": "a"}


def test_a_message_shows_the_call_that_it_stands_for() -> None:
    assert str(Message(message_id="m1", actor_name="add", args=(1, "two"), kwargs={"k": None})) == "add(1, 'two', k=None)"


def test_a_message_survives_copying_and_pickling() -> None:
    assert copy.copy(MESSAGE) == copy.deepcopy(MESSAGE) == pickle.loads(pickle.dumps(MESSAGE)) == MESSAGE


def test_a_test_message_takes_every_other_keyword_as_an_option() -> None:
    built = message("add", 1, kwargs={"b": 2}, queue_name="q", received_at=5, deliveries=2, interrupted="time_limit", max_retries=3)

    assert built == Message(
        message_id="test",
        actor_name="add",
        queue_name="q",
        args=(1,),
        kwargs={"b": 2},
        options={"max_retries": 3},
        received_at=5,
        deliveries=2,
        interrupted="time_limit",
    )


def test_a_key_reads_and_writes_its_slot() -> None:
    attempts = Key("attempts", int, 0)
    written = attempts.set(MESSAGE, 2)

    assert attempts.get(MESSAGE) == 0
    assert attempts.get(written) == 2
    assert written.options == {"retries": 1, "tenant": "a", "attempts": 2}
    assert RETRIES.get(MESSAGE) == 1


@pytest.mark.parametrize("value", ["1", None, 1.0, [1]])
def test_a_key_refuses_a_value_of_another_type(value: object) -> None:
    with pytest.raises(OptionError) as caught:
        RETRIES.get(message("add", message_id="m1", retries=value))

    assert str(caught.value) == f"option retries of message m1: found {value!r}, expected int"


@pytest.mark.parametrize("value", [1.5, 1.0, "1", None, True])
@pytest.mark.parametrize("name", ["message_timestamp", "priority"])
def test_a_number_that_the_wire_form_has_no_room_for_is_refused_at_once(name: str, value: object) -> None:
    with pytest.raises(OptionError, match=f"{name}: found {value!r}, expected a whole number"):
        Message(**{"message_id": "m1", "actor_name": "add", name: value})  # type: ignore[arg-type]
    with pytest.raises(OptionError):
        evolve(Message(message_id="m1", actor_name="add"), **{name: value})  # type: ignore[arg-type]
