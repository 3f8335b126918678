"""The mutable view of a message."""

from datetime import UTC, datetime

import pytest

from fq import ConfigError, Message, OptionError
from fq.class_style import BrokerView, MessageView
from fq.testing import message
from fq.wire.codec import decode

GIVEN = message("add", 1, [2], message_id="m1", queue_name="q", kwargs={"c": 3}, message_timestamp=1_500, retries=1)


def view(given: Message = GIVEN) -> MessageView:
    return MessageView(BrokerView(), given)


def test_it_shows_the_fields_of_the_message() -> None:
    shown = view()

    assert (shown.message_id, shown.actor_name, shown.queue_name, shown.message_timestamp) == ("m1", "add", "q", 1_500)
    assert (shown.args, shown.kwargs, shown.options) == ((1, [2]), {"c": 3}, {"retries": 1})


def test_it_shows_what_else_a_message_of_fq_has() -> None:
    assert view().deliveries == 1
    assert view().priority == 0


def test_an_attribute_that_was_not_set_is_missing() -> None:
    with pytest.raises(AttributeError, match="span"):
        _ = view().span


def test_any_attribute_may_be_set() -> None:
    shown = view()
    shown.span = "s1"  # type: ignore[attr-defined]

    assert shown.span == "s1"


def test_asdict_has_the_seven_fields_that_travel_with_what_hooks_wrote() -> None:
    shown = view()
    shown.options["tenant"] = "a"

    assert shown.asdict() == {
        "queue_name": "q",
        "actor_name": "add",
        "args": (1, [2]),
        "kwargs": {"c": 3},
        "options": {"retries": 1, "tenant": "a"},
        "message_id": "m1",
        "message_timestamp": 1_500,
    }


def test_encode_is_the_wire_form() -> None:
    shown = view()
    shown.options["tenant"] = "a"

    assert decode(shown.encode()) == GIVEN.with_options(tenant="a")


def test_a_copy_has_changed_fields_and_more_options() -> None:
    shown = view()
    copy = shown.copy(queue_name="other", args=[4], options={"x": 1})

    assert (copy.queue_name, copy.args, copy.options) == ("other", (4,), {"retries": 1, "x": 1})
    assert shown.options == {"retries": 1}
    assert copy.message_id == "m1"


def test_a_copy_has_no_fields_that_messages_have_not() -> None:
    with pytest.raises(TypeError, match="colour"):
        view().copy(colour="red")


def test_its_text_is_the_messages_and_its_repr_holds_the_messages() -> None:
    assert str(view()) == str(GIVEN) == "add(1, [2], c=3)"
    assert repr(GIVEN) in repr(view())


def test_it_equals_the_message_and_another_view_of_it() -> None:
    assert view() == view()
    assert view() == GIVEN
    assert view() != view(GIVEN.with_options(x=1))
    assert view() != 3
    assert {view(): 1}[view()] == 1


def test_the_time_is_in_utc() -> None:
    assert view().message_datetime == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)


def test_it_may_be_failed_and_unfailed() -> None:
    shown = view()

    assert not shown.failed
    shown.fail()
    assert shown.failed
    shown.failed = False
    assert not shown.failed


def test_an_exception_may_be_kept_with_it() -> None:
    shown, error = view(), ValueError("no")

    shown.stuff_exception(error)
    assert shown._exception is error
    shown.clear_exception()
    assert shown._exception is None


def test_an_option_taken_out_is_gone_from_the_message() -> None:
    shown = view()
    del shown.options["retries"]

    assert dict(shown.to_message().options) == {}


def test_options_may_be_replaced_as_a_whole() -> None:
    shown = view()
    shown.options = {"only": 1}

    assert dict(shown.to_message().options) == {"only": 1}


def test_a_message_of_which_nothing_was_changed_is_the_same_one() -> None:
    assert view().to_message() is GIVEN


def test_defaults_of_the_actor_do_not_travel_unless_changed() -> None:
    shown = MessageView(BrokerView(), GIVEN, {"limit": 10, "retries": 99, "tags": ["a"]})

    assert shown.options == {"limit": 10, "retries": 1, "tags": ["a"]}
    assert shown.to_message() is GIVEN

    shown.options["limit"] = 11

    assert shown.to_message().options["limit"] == 11


def test_the_message_behind_it_is_there() -> None:
    assert view()._message is GIVEN


def test_a_view_outside_of_an_app_has_no_result() -> None:
    with pytest.raises(RuntimeError, match="no Results layer"):
        view().get_result()


def test_a_broker_view_outside_of_an_app_says_so() -> None:
    broker = BrokerView()

    assert broker.actors == {}
    assert broker.get_declared_queues() == set()
    with pytest.raises(ConfigError, match="belongs to no app"):
        broker.enqueue(GIVEN)


def test_a_float_as_the_timestamp_is_rounded_as_class_style_code_writes_it() -> None:
    assert view().copy(message_timestamp=1_700.6).message_timestamp == 1_701
    with pytest.raises(OptionError, match="message_timestamp: found nan"):
        view().copy(message_timestamp=float("nan"))
