"""Actors end to end, on the memory and the SQLite broker: what is declared, sent, run and read back; and each mistake, with its error."""

import asyncio
import functools
import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import attrs
import pytest
from returns.result import Failure, Result, Success

from fq import (
    Actor,
    ActorFailure,
    AgeLimit,
    App,
    DeclarationError,
    Fault,
    InvalidArguments,
    InvalidResult,
    Message,
    OptionError,
    Outcome,
    Retries,
    RetryAfter,
    SkipMessage,
    Snooze,
    StackError,
    Step,
    TimeLimit,
    TimeLimitExceeded,
    actor,
    age_limit,
    current_message,
    default_middleware,
    get_current_message,
    retries,
    time_limit,
)
from fq.brokers.clock import ManualClock
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import EnqueueOp


@pytest.fixture(params=["memory", "sqlite"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    """An app on each broker that needs no server."""
    made = App("memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/jobs.db")
    yield made
    made.broker.close()


@pytest.fixture
def memory() -> App:
    """An app whose clock stands still but for delays, which it jumps over."""
    return App(broker=MemoryBroker(clock=ManualClock()))


@attrs.frozen
class Order:
    number: int
    price: Decimal


def fault_of(app: App) -> Fault:
    """Return why the only dead letter died."""
    (letter,) = app.broker.dead()
    return letter.fault


# Declaring


def test_a_decorated_function_is_an_actor_and_still_a_function(memory: App) -> None:
    @memory.actor
    def add(a: int, b: int) -> int:
        return a + b

    assert isinstance(add, Actor)
    assert add(1, b=2) == 3
    assert memory.actors == {"add": add}


def test_an_async_function_is_an_actor_and_still_a_coroutine_function(memory: App) -> None:
    @memory.actor
    async def add(a: int, b: int) -> int:
        return a + b

    assert isinstance(add, Actor)
    assert asyncio.run(add(1, b=2)) == 3


def test_an_actor_shows_its_name_and_its_queue(memory: App) -> None:
    assert repr(memory.actor(queue="mail")(lambda_named("send_mail"))) == "Actor('send_mail', queue='mail')"


def lambda_named(name: str) -> object:
    """Return a new function called *name*."""

    def fn() -> None: ...

    fn.__name__ = name
    return fn


def test_the_options_of_an_actor_are_kept_and_in_force(memory: App) -> None:
    @memory.actor(max_retries=32, time_limit=timedelta(seconds=1), queue="mail", priority=-3, options={"tenant": "a"})
    def add(a: int, b: int) -> int:
        return a + b

    stack = memory.stack_of(add)

    assert (add.name, add.queue_name, add.priority, add.extra) == ("add", "mail", -3, {"tenant": "a"})
    assert add.options == {"max_retries": 32, "time_limit": timedelta(seconds=1)}
    assert stack.get(Retries) == retries(max_retries=32)
    assert stack.get(TimeLimit) == time_limit(time_limit=1_000)


def test_a_layer_replaces_the_one_of_its_class_or_is_added(memory: App) -> None:
    class Tenant(Step):
        """A layer that the default stack does not have."""

    @memory.actor(retries(max_retries=5), Tenant())
    def add(a: int, b: int) -> int:
        return a + b

    stack = memory.stack_of(add)

    assert stack.get(Retries) == retries(max_retries=5)
    assert len(stack) == len(memory.stack) + 1
    assert Tenant in stack


def test_an_option_has_its_way_over_a_layer_of_the_actor_and_the_edit_comes_last(memory: App) -> None:
    first = memory.actor(retries(max_retries=5), max_retries=6, name="first")(lambda_named("x"))  # type: ignore[call-overload]
    last = memory.actor(max_retries=6, name="last", stack=lambda stack: stack.replace(retries(max_retries=7)).without(AgeLimit))(
        lambda_named("x")  # type: ignore[arg-type]
    )

    assert memory.stack_of(first).get(Retries) == retries(max_retries=6)
    assert memory.stack_of(last).get(Retries) == retries(max_retries=7)
    assert AgeLimit not in memory.stack_of(last)


def test_a_name_may_be_given(memory: App) -> None:
    @memory.actor(name="sum")
    def add(a: int, b: int) -> int:
        return a + b

    assert add.name == "sum"
    assert list(memory.actors) == ["sum"]


@pytest.mark.parametrize("name", ["default", "_", "a.b-c_1", "Mail.DQ"])
def test_a_queue_may_be_called_like_this(memory: App, name: str) -> None:
    assert memory.actor(queue=name)(lambda_named("add")).queue_name == name  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "$2@!@#", "1st", "a b", "ü", "a\n", 3])
def test_a_queue_may_not_be_called_like_that(memory: App, name: object) -> None:
    with pytest.raises(DeclarationError) as caught:
        memory.actor(queue=name)(lambda_named("add"))  # type: ignore[call-overload]

    assert str(caught.value) == (
        f"found the queue name {name!r}, expected a letter or underscore, then letters, digits, dots, dashes or underscores"
    )
    assert memory.actors == {}


def test_an_unknown_option_is_refused_where_it_is_written_with_the_nearest_name(memory: App) -> None:
    with pytest.raises(OptionError) as caught:

        @memory.actor(max_retrys=3)  # type: ignore[call-overload, untyped-decorator]
        def add(a: int, b: int) -> int:
            return a + b

    assert str(caught.value) == "actor add: unknown option max_retrys: did you mean max_retries?"
    assert memory.actors == {}


def test_a_value_that_an_option_cannot_take_is_refused_where_it_is_written(memory: App) -> None:
    with pytest.raises(OptionError, match=r"^actor add: max_retries: found 'three', expected a whole number from 0, or None for ever$"):
        memory.actor(max_retries="three")(lambda_named("add"))  # type: ignore[call-overload]


def test_a_layer_in_the_wrong_place_is_refused_where_it_is_written_with_reason_and_drawing(memory: App) -> None:
    with pytest.raises(StackError) as caught:
        memory.actor(stack=lambda stack: stack.without(AgeLimit).inside(Retries, age_limit(max_age=5)))(lambda_named("add"))  # type: ignore[arg-type]

    assert str(caught.value).startswith("AgeLimit must be outside Retries: an expired message must not be retried\n")
    assert "\n  AgeLimit(max_age=5)" in re.sub(r"\n +", "\n  ", str(caught.value))
    assert memory.actors == {}


def test_an_edit_that_returns_no_stack_is_refused(memory: App) -> None:
    with pytest.raises(StackError, match=r"^found None, expected a layer"):
        memory.actor(stack=lambda stack: None)(lambda_named("add"))  # type: ignore[call-overload, arg-type, return-value]


def test_a_class_in_the_place_of_a_layer_is_refused(memory: App) -> None:
    with pytest.raises(StackError, match=r"^found the class Retries, expected a layer: write Retries\(\)$"):
        memory.actor(Retries)


def test_two_actors_of_one_name_are_refused_with_both_places(memory: App) -> None:
    @memory.actor
    def add(a: int, b: int) -> int:
        return a + b

    with pytest.raises(DeclarationError) as caught:

        @memory.actor(name="add")
        def plus(a: int, b: int) -> int:
            return a + b

    here = f"{__name__}.test_two_actors_of_one_name_are_refused_with_both_places.<locals>"
    assert str(caught.value) == (f"two actors are called add: {here}.add and {here}.plus; give one of them another name with name=...")
    assert memory.actors == {"add": add}


def test_a_function_without_a_name_needs_one(memory: App) -> None:
    partial = functools.partial(int, base=2)

    with pytest.raises(DeclarationError, match=r"^functools\.partial\(<class 'int'>, base=2\) has no name: give it one with name=\.\.\.$"):
        memory.actor(partial)
    assert memory.actor(name="binary")(partial).name == "binary"


def test_an_actor_cannot_be_declared_twice(memory: App) -> None:
    declared = memory.actor(lambda_named("add"))  # type: ignore[arg-type, var-annotated]

    with pytest.raises(DeclarationError, match=r"^add is an actor already$"):
        memory.actor(declared)


def test_one_decorator_declares_any_number_of_actors(memory: App) -> None:
    mailing = memory.actor(queue="mail")

    assert [mailing(lambda_named(name)).name for name in "abc"] == ["a", "b", "c"]  # type: ignore[arg-type]


def test_an_actor_of_no_app_can_be_called_and_says_what_it_lacks_when_sent() -> None:
    @actor(max_retries=1)
    def add(a: int, b: int) -> int:
        return a + b

    assert add(1, 2) == 3
    with pytest.raises(DeclarationError) as caught:
        add.send(1, 2)

    assert str(caught.value) == "add belongs to no app: declare it with @app.actor, or call app.include(add)"


# Sending and running


def test_what_is_sent_runs_and_its_result_is_read_back(app: App) -> None:
    @app.actor
    def add(a: int, b: int = 10) -> int:
        return a + b

    handles = [add.send(1, 2), add.send(1), add.send(a=1, b=2), add.send(b=1, a=5)]

    assert app.run_until_idle() == 4
    assert [handle.get() for handle in handles] == [Success(3), Success(11), Success(3), Success(6)]
    assert [handle.get_result() for handle in handles] == [3, 11, 3, 6]


def test_an_async_actor_runs_and_its_result_is_read_back(app: App) -> None:
    @app.actor
    async def add(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    async def send() -> int:
        handle = await add.asend(1, 2)
        app_ran = await asyncio.to_thread(app.run_until_idle)
        assert app_ran == 1
        return (await handle.aget()).unwrap()

    assert asyncio.run(send()) == 3


def test_a_hundred_sends_are_a_hundred_runs(app: App) -> None:
    ran: list[int] = []

    @app.actor
    def remember(n: int) -> None:
        ran.append(n)

    for n in range(100):
        remember.send(n)
    app.run_until_idle()

    assert ran == list(range(100))


def test_messages_of_a_lower_priority_run_sooner(app: App) -> None:
    ran: list[str] = []

    @app.actor(priority=10)
    def low() -> None:
        ran.append("low")

    @app.actor(priority=-10)
    def high() -> None:
        ran.append("high")

    for _ in range(10):
        low.send()
        high.send()
    app.run_until_idle()

    assert ran == 10 * ["high"] + 10 * ["low"]


def test_a_call_may_have_a_priority_and_a_queue_of_its_own(app: App) -> None:
    ran: list[int] = []

    @app.actor
    def remember(n: int) -> None:
        ran.append(n)

    remember.send(1)
    remember.call(2).with_options(priority=-1).send()
    elsewhere = remember.call(3).with_options(queue="slow").send()

    assert elsewhere.status().queue_name == "slow"
    app.run_until_idle()
    assert sorted(ran) == [1, 2, 3]
    assert ran.index(2) < ran.index(1)


def test_delays_are_independent_of_the_order_of_sending(memory: App) -> None:
    ran: list[int] = []

    @memory.actor
    def remember(n: int) -> None:
        ran.append(n)

    remember.call(1).delay(1_500).send()
    remember.call(2).delay(timedelta(seconds=1)).send()
    memory.run_until_idle()

    assert ran == [2, 1]


def test_what_is_not_due_waits_where_no_clock_can_be_set(tmp_path: Path) -> None:
    app = App(f"sqlite:///{tmp_path}/jobs.db")

    @app.actor
    def remember(n: int) -> None: ...

    handle = remember.call(1).delay(timedelta(hours=1)).send()

    assert app.run_until_idle() == 0
    assert handle.status().state == "delayed"
    app.broker.close()


def test_a_paused_queue_keeps_its_messages_until_it_is_resumed(app: App) -> None:
    ran: list[int] = []

    @app.actor
    def remember(n: int) -> None:
        ran.append(n)

    app.broker.pause("default")
    remember.send(1)

    assert app.run_until_idle() == 0
    app.broker.resume("default")
    assert app.run_until_idle() == 1
    assert ran == [1]


def test_arguments_and_results_arrive_as_what_the_annotations_say(app: App) -> None:
    @app.actor
    def raised(order: Order, by: Decimal, on: list[Path]) -> tuple[Order, set[str]]:
        assert isinstance(on[0], Path)
        return Order(order.number, order.price + by), {path.name for path in on}

    handle = raised.send(Order(1, Decimal("9.99")), Decimal("0.01"), [Path("/a/b"), Path("c")])
    app.run_until_idle()

    assert handle.get_result() == (Order(1, Decimal("10.00")), {"b", "c"})


def test_open_options_of_actor_and_call_reach_the_actor(app: App) -> None:
    @app.actor(options={"tenant": "a", "region": "eu"})
    def options() -> dict[str, object]:
        message = get_current_message()
        assert message is not None
        return dict(message.options)

    plain, own = options.send(), options.call().with_options(options={"tenant": "b"}, max_retries=2).send()
    app.run_until_idle()

    assert plain.get_result() == {"tenant": "a", "region": "eu"}
    assert own.get_result() == {"tenant": "b", "region": "eu", "max_retries": 2}


def test_an_actor_sees_the_message_that_it_works_on_and_nobody_else_does(app: App) -> None:
    @app.actor
    def mine(n: int) -> tuple[str, list[int]]:
        message = get_current_message()
        assert message is not None
        return message.message_id, list(message.args)  # type: ignore[arg-type]

    @app.actor
    async def also_mine(n: int) -> tuple[str, list[int]]:
        return mine.fn(n)

    handles = [mine.send(1), also_mine.send(2), mine.send(3)]
    app.run_until_idle()

    assert [handle.get_result() for handle in handles] == [(handle.message_id, [n]) for n, handle in enumerate(handles, 1)]
    assert get_current_message() is None


def test_many_calls_are_sent_in_batches_and_handled_in_order(app: App) -> None:
    @app.actor
    def double(n: int) -> int:
        return 2 * n

    handles = app.send_many(double.call(n) for n in range(2_500))

    assert app.broker.queues()[0].ready == 2_500
    app.run_until_idle()
    assert [handle.get_result() for handle in handles[::500]] == [0, 1_000, 2_000, 3_000, 4_000]


def test_sending_nothing_sends_nothing(app: App) -> None:
    assert app.send_many([]) == []
    assert app.broker.queues() == ()


def test_a_call_can_be_sent_any_number_of_times(app: App) -> None:
    ran: list[int] = []

    @app.actor
    def remember(n: int) -> None:
        ran.append(n)

    call = remember.call(1)
    first, second = call.send(), call.send()
    app.run_until_idle()

    assert first.message_id != second.message_id
    assert ran == [1, 1]


# What comes of it


def test_a_failing_actor_is_tried_again_and_its_result_is_that_of_the_last_attempt(memory: App) -> None:
    attempts: list[int] = []

    @memory.actor(max_retries=3)
    def third_time_lucky() -> int:
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError("disk")
        return len(attempts)

    handle = third_time_lucky.send()

    assert memory.run_until_idle() == 3
    assert handle.get() == Success(3)
    assert memory.broker.dead() == ()


def test_an_actor_that_keeps_failing_ends_as_a_dead_letter_whose_fault_is_the_result(app: App) -> None:
    @app.actor(max_retries=0)
    def fails() -> int:
        raise OSError("disk")

    handle = fails.send()
    app.run_until_idle()
    fault = handle.get().failure()

    assert isinstance(fault, Fault)
    assert (fault.type, fault.message) == ("OSError", "disk")
    assert 'raise OSError("disk")' in fault.traceback
    assert fault_of(app) == fault
    assert handle.status().state == "dead"


def test_retry_after_and_snooze_run_again_after_exactly_their_delay(memory: App) -> None:
    at: list[int] = []

    @memory.actor(max_retries=1)
    def stubborn() -> None:
        message = get_current_message()
        assert message is not None
        at.append(message.received_at)
        if len(at) < 3:
            raise Snooze(timedelta(minutes=1))
        if len(at) == 3:
            raise RetryAfter(2_500)

    stubborn.send()
    memory.run_until_idle()

    assert [later - sooner for sooner, later in pairwise(at)] == [60_000, 60_000, 2_500]
    assert memory.broker.dead() == ()


def test_an_actor_may_return_a_result(app: App) -> None:
    @app.actor(max_retries=0)
    def divide(a: int, b: int) -> Result[float, ZeroDivisionError]:
        return Success(a / b) if b else Failure(ZeroDivisionError("by nought"))

    good, bad = divide.send(1, 2), divide.send(1, 0)
    app.run_until_idle()

    assert good.get() == Success(0.5)
    fault = bad.get().failure()
    assert isinstance(fault, Fault)
    assert (fault.type, fault.message) == ("ZeroDivisionError", "by nought")


def test_a_failure_of_something_that_is_no_exception_is_one_all_the_same(app: App) -> None:
    @app.actor(max_retries=0)
    def refuses() -> Result[int, str]:
        return Failure("out of paper")

    refuses.send()
    app.run_until_idle()

    assert fault_of(app) == Fault(ActorFailure.__name__, "out of paper")


def test_a_skipped_message_is_acknowledged_without_a_result(app: App) -> None:
    @app.actor
    def skips() -> int:
        raise SkipMessage("not on Sundays")

    handle = skips.send()

    assert app.run_until_idle() == 1
    assert app.broker.dead() == ()
    assert app.broker.result(handle.message_id) is None


def test_a_message_that_a_layer_skips_never_reaches_the_actor(app: App) -> None:
    class Sabbath(Step):
        def before(self, message: Message) -> Message | Outcome:
            raise SkipMessage("not on Sundays")

    ran: list[int] = []

    @app.actor(Sabbath())
    def remember() -> None:
        ran.append(1)

    remember.send()

    assert app.run_until_idle() == 1
    assert ran == []


def test_a_layer_that_raises_fails_closed(app: App) -> None:
    class Guard(Step):
        def before(self, message: Message) -> Message:
            raise PermissionError("the vault is shut")

    ran: list[int] = []

    @app.actor(Guard(), max_retries=0)
    def remember() -> None:
        ran.append(1)

    remember.send()
    app.run_until_idle()

    assert ran == []
    assert fault_of(app).message == "Guard raised PermissionError: the vault is shut"


def test_a_message_that_is_too_old_never_reaches_the_actor() -> None:
    ran: list[int] = []
    memory = App("memory://")

    @memory.actor(max_age=60_000)
    def remember(n: int) -> int:
        ran.append(n)
        return n

    late = remember.call(1).delay(60_000).send()
    soon = remember.call(2).delay(30_000).send()
    own = remember.call(3).with_options(max_age=timedelta(hours=1)).delay(120_000).send()
    memory.run_until_idle()

    assert ran == [2, 3]
    assert (soon.get(), own.get()) == (Success(2), Success(3))
    fault = late.get().failure()
    assert isinstance(fault, Fault)
    assert fault.type == "AgeLimitExceeded"
    assert fault == fault_of(memory) == late.get().failure()


# What is logged of it


def levels(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the levels of what the worker logged."""
    return [record.levelname for record in caplog.records if record.name.startswith("fq")]


def test_an_error_that_an_actor_raises_on_purpose_is_not_logged_as_an_error(memory: App, caplog: pytest.LogCaptureFixture) -> None:
    @memory.actor(throws=(KeyError, ValueError))
    def expects() -> None:
        raise ValueError("as it may")

    expects.send()
    with caplog.at_level(logging.INFO, "fq"):
        memory.run_until_idle()

    assert levels(caplog) == ["INFO"]
    assert "expects() failed, as it may: ValueError: as it may" in caplog.text


def test_a_retry_is_logged_as_a_warning_a_snooze_not_at_all_and_only_the_end_as_an_error(
    memory: App, caplog: pytest.LogCaptureFixture
) -> None:
    left = [Snooze(5), RetryAfter(5), OSError("disk"), OSError("disk")]

    @memory.actor(max_retries=2)
    def fails() -> None:
        raise left.pop(0)

    fails.send()
    with caplog.at_level(logging.INFO, "fq"):
        memory.run_until_idle()

    assert levels(caplog) == ["WARNING", "WARNING", "ERROR"]
    assert "fails() failed and is now a dead letter: OSError: disk" in caplog.text


# Time limits, with a worker


def spin() -> None:
    """Run until struck."""
    while True:
        pass


def test_an_actor_that_overruns_its_time_limit_is_cut_short(app: App) -> None:
    @app.actor(time_limit=50, interval=10, max_retries=0)
    def spins() -> int:
        spin()
        return 1

    @app.actor(time_limit=50, interval=10, max_retries=0)
    async def waits() -> int:
        await asyncio.Event().wait()
        return 1

    with app.worker(threads=2):
        faults = [actor.send().get(30_000).failure() for actor in (spins, waits)]

    assert faults[0] == Fault("TimeLimitExceeded", "spins ran longer than its time limit of 50 ms", faults[0].traceback)  # type: ignore[union-attr]
    assert faults[1] == Fault("TimeLimitExceeded", "waits ran longer than its time limit of 50 ms", faults[1].traceback)  # type: ignore[union-attr]


def test_a_message_may_have_a_time_limit_of_its_own(app: App) -> None:
    @app.actor(interval=10, max_retries=0)
    def spins() -> int:
        spin()
        return 1

    with app.worker(threads=1):
        fault = spins.call().with_options(time_limit=50).send().get(30_000).failure()

    assert isinstance(fault, Fault)
    assert fault.type == "TimeLimitExceeded"


def test_an_actor_may_catch_the_end_of_its_time_and_return_what_it_has(app: App) -> None:
    @app.actor(time_limit=50, interval=10, max_retries=0)
    def tidies_up() -> str:
        try:
            spin()
        except TimeLimitExceeded:
            return "as far as I got"
        return "all"

    with app.worker(threads=1):
        assert tidies_up.send().get_result(block=True, timeout=30_000) == "as far as I got"


# Bad input: one clear error each


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


def test_what_cannot_be_read_is_a_dead_letter_as_it_came_and_keeps_nobody_from_running(app: App) -> None:
    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    handles = [add.send(1, 2)]
    app.broker.enqueue([EnqueueOp("garbage", "default", "add", 0, 0, b"\xff{not json")])
    handles.append(add.send(3, 4))
    app.run_until_idle()
    (letter,) = app.broker.dead()

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
def test_whatever_a_foreign_producer_writes_becomes_a_dead_letter_that_says_what_is_wrong(app: App, fields: bytes, said: str) -> None:
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
    with pytest.raises(OptionError, match=r"^max_retries: found 'x', expected a whole number from 0, or None for ever$"):
        declared.call().with_options(max_retries="x")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"^throws=.* cannot travel in a message: give it to the actor$"):
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


def test_a_message_for_an_actor_that_nobody_declared_is_left_to_others_and_then_a_dead_letter(memory: App) -> None:
    other = App(broker=memory.broker)

    @other.actor
    def elsewhere(n: int) -> None: ...

    memory.actor(lambda_named("add"))  # type: ignore[arg-type]
    sent_at = memory.broker.now()
    handle = elsewhere.send(1)
    memory.run_until_idle()
    (letter,) = memory.broker.dead()

    assert letter.fault.type == "ActorNotFound"
    assert letter.fault.message == "no actor called elsewhere is declared in this worker"
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
