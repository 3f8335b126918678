"""Bad input, from a caller or from another producer: one clear error each."""

from datetime import timedelta
from decimal import Decimal

import pytest
from returns.result import Success

from fq import (
    App,
    DeclarationError,
    Fault,
    InvalidArguments,
    InvalidResult,
    OptionError,
    current_message,
    default_middleware,
)
from fq.brokers.records import EnqueueOp
from tests.calls.actors import Order, fault_of, lambda_named


def test_an_argument_that_does_not_fit_is_refused_where_it_is_sent(memory: App) -> None:
    @memory.actor
    def ship(orders: list[Order], express: bool = False) -> None: ...

    with pytest.raises(InvalidArguments) as caught:
        ship.send([Order(1, Decimal(1)), Order(2, "abc")])  # type: ignore[arg-type]

    assert str(caught.value) == "ship(orders, express): orders[1].price: expected Decimal, found 'abc'"
    with pytest.raises(InvalidArguments, match=r"^ship\(\) missing a required argument: 'orders'$"):
        ship.send()  # type: ignore[call-arg]
    with pytest.raises(InvalidArguments, match=r"^ship\(\) got an unexpected keyword argument 'fast'$"):
        ship.send([], fast=True)  # type: ignore[call-arg]
    with pytest.raises(InvalidArguments, match=r"^ship\(\) takes from 1 to 2 positional arguments but 3 were given$"):
        ship.call([], True, 3)  # type: ignore[call-arg]
    assert memory.broker.queues() == ()


def test_an_argument_that_does_not_fit_at_the_worker_is_a_dead_letter_once_no_other_worker_has_taken_it(memory: App) -> None:
    """As when the sender runs yesterday's version of the actor."""
    app, before = memory, memory.broker.now()
    ran: list[object] = []
    producer = App(broker=app.broker)

    @producer.actor(name="ship")
    def ship_yesterday(order: dict[str, object]) -> None: ...

    @app.actor
    def ship(order: Order) -> None:
        ran.append(order)

    ship_yesterday.send({"number": 1, "price": [9]})
    app.run_until_idle()

    assert ran == []
    assert app.broker.now() - before == 60_000
    assert fault_of(app) == Fault("InvalidArguments", "ship(order): order.price: expected Decimal, found [9]", fault_of(app).traceback)


def test_an_argument_without_annotation_that_is_not_json_is_refused(memory: App) -> None:
    @memory.actor
    def anything(value):  # type: ignore[no-untyped-def]
        return value

    with pytest.raises(InvalidArguments, match=r"^anything\(value\): value\.a\[0\]: found .* of type object, expected a JSON value"):
        anything.send({"a": [object()]})


def test_a_result_that_does_not_fit_or_is_not_json_is_a_dead_letter_at_once_with_its_path(app: App) -> None:
    @app.actor
    def wrong() -> list[int]:
        return [1, "two"]  # type: ignore[list-item]

    @app.actor
    def unencodable():  # type: ignore[no-untyped-def]
        return {"rows": [object()]}

    handles = [wrong.send(), unencodable.send()]
    assert app.run_until_idle() == 2
    first, second = (handle.get().failure() for handle in handles)

    assert isinstance(first, Fault)
    assert isinstance(second, Fault)
    assert first.type == second.type == InvalidResult.__name__
    assert first.message == "result[1]: expected int, found 'two'"
    assert second.message.startswith("result.rows[0]: found <object object at ")


def test_bytes_that_are_no_message_are_a_dead_letter_as_they_came_and_other_messages_run(app: App) -> None:
    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    handles = [add.send(1, 2)]
    app.broker.enqueue([EnqueueOp("garbage", "default", "add", 0, 0, b"\xff{not json")])
    handles.append(add.send(3, 4))
    app.run_until_idle()
    (letter,) = app.broker.dead_letters()

    assert [handle.get() for handle in handles] == [Success(3), Success(7)]
    assert (letter.message_id, letter.body, letter.fault.type) == ("garbage", b"\xff{not json", "DecodeError")
    assert letter.fault.message.startswith("found b'\\xff{not json', expected a message as JSON: UnicodeDecodeError")


POISON = {
    "a priority past every range": (b'"priority":99999999999999999999', "found priority=99999999999999999999, expected a whole number"),
    "a backoff without end": (
        b'"options":{"min_backoff":1e400}',
        "Retries raised OptionError: min_backoff: found inf, expected a duration",
    ),
    "retries that are no number": (b'"options":{"max_retries":"abc"}', "Retries raised OptionError: max_retries: found 'abc', expected"),
    "throws as a text": (b'"options":{"throws":"ValueError"}', "Retries raised OptionError: throws: found 'ValueError', expected"),
    "a count that is none": (b'"options":{"retries":"many"}', "option retries of message m1: found 'many', expected int"),
    "arguments that are no list": (b'"args":{"n":1}', "expected a message: its args is {'n': 1}, expected list"),
}


@pytest.mark.parametrize(("fields", "said"), POISON.values(), ids=POISON)
def test_a_bad_message_of_a_foreign_producer_becomes_a_dead_letter_that_says_what_is_wrong(app: App, fields: bytes, said: str) -> None:
    @app.actor(max_retries=1, min_backoff=0)
    def fails(n: int = 0) -> int:
        raise ValueError("no")

    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    app.broker.enqueue([EnqueueOp("m1", "default", "fails", 0, 0, b'{"message_id":"m1","actor_name":"fails",' + fields + b"}")])
    handle = add.send(1, 2)
    app.run_until_idle()

    assert handle.get() == Success(3)
    assert said in fault_of(app).message


def test_an_unknown_option_of_a_call_is_refused(memory: App) -> None:
    declared = memory.actor(lambda_named("add"))  # type: ignore[arg-type, var-annotated]

    with pytest.raises(OptionError, match=r"^unknown option max_retrys: did you mean max_retries\?$"):
        declared.call().with_options(max_retrys=3)  # type: ignore[call-arg]
    with pytest.raises(OptionError, match=r"^max_retries: found 'x', expected a whole number from 0, or None for no limit$"):
        declared.call().with_options(max_retries="x")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"^throws=.* cannot travel in a message, which is JSON: give it to the actor$"):
        declared.call().with_options(throws=ValueError)  # type: ignore[call-arg]
    with pytest.raises(DeclarationError, match=r"^found the queue name '\$', expected"):
        declared.call().with_options(queue="$")
    with pytest.raises(OptionError, match=r"^found 'soon', expected a duration"):
        declared.call().delay("soon")  # type: ignore[arg-type]


def test_an_open_option_that_is_not_json_is_refused_where_it_is_sent(memory: App) -> None:
    declared = memory.actor(lambda_named("add"))  # type: ignore[arg-type, var-annotated]

    with pytest.raises(InvalidResult, match=r"^add\.options\.when: found .* of type timedelta, expected a JSON value"):
        declared.call().with_options(options={"when": timedelta(1)}).send()
    assert memory.broker.queues() == ()


def test_a_message_for_an_unknown_actor_is_left_to_other_workers_and_then_a_dead_letter(memory: App) -> None:
    other = App(broker=memory.broker)

    @other.actor
    def elsewhere(n: int) -> None: ...

    memory.actor(lambda_named("add"))  # type: ignore[arg-type]
    sent_at = memory.broker.now()
    handle = elsewhere.send(1)
    memory.run_until_idle()
    (letter,) = memory.broker.dead_letters()

    assert letter.fault.type == "ActorNotFound"
    assert letter.fault.message.startswith("this worker declares no actor called elsewhere; import the module that declares it")
    assert 60_000 <= letter.died_at - sent_at <= 70_000
    assert b'"args":[1]' in letter.body
    assert letter.message_id == handle.message_id


def test_a_message_for_an_actor_that_is_declared_later_is_not_lost(memory: App) -> None:
    producer, newer = App(broker=memory.broker), App(broker=memory.broker)

    @producer.actor
    def added_today(n: int) -> int: ...  # type: ignore[empty-body]

    handle = added_today.send(5)
    newer.actor(name="added_today")(lambda n: n + 1)
    newer.run_until_idle()

    assert handle.get() == Success(6)


def test_the_default_stack_is_what_an_actor_runs_in(memory: App) -> None:
    declared = memory.actor(lambda_named("add"))  # type: ignore[arg-type, var-annotated]

    assert [type(layer) for layer in memory.stack_of(declared)] == [type(layer) for layer in default_middleware]
    assert list(memory.stack_of(declared))[-1] == current_message()
