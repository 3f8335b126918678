"""A hook or an actor puts the message that runs right now back on its queue: this is the outcome of the message, and so cannot be lost."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from returns.result import Failure

from fq import App, BrokerError, Message, Outcome, Results, Retry, SkipMessage, compose, default_middleware, hooks, retries
from fq.brokers.memory import MemoryBroker
from fq.class_style import BrokerView, MessageView
from fq.class_style.adapter import DETACHED_BROKER
from fq.testing import message
from tests.wait_until import wait_until

BOOM = ValueError("boom")
MESSAGE = message("task", 1, received_at=7, retries=2)
Does = Callable[[Any, Any], None]


class Hooked:
    """Does something before, and something after the actor; notes which hooks are called."""

    def __init__(self, before: Does = lambda broker, message: None, after: Does = lambda broker, message: None) -> None:
        self.before, self.after = before, after
        self.called: list[str] = []

    def before_process_message(self, broker: Any, message: Any) -> None:
        self.called.append("before")
        self.before(broker, message)

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        self.called.append("after")
        self.after(broker, message)

    def after_skip_message(self, broker: Any, message: Any) -> None:
        self.called.append("skip")


def again(broker: Any, message: Any) -> None:
    broker.enqueue(message, delay=100)


def again_and_skip(broker: Any, message: Any) -> None:
    again(broker, message)
    raise SkipMessage("not now")


def again_and_raise(broker: Any, message: Any) -> None:
    again(broker, message)
    raise BOOM


def run(layer: Any, outcome: Outcome, colour: str) -> Outcome:
    if colour == "sync":
        return layer.wrap(lambda _: outcome)(MESSAGE)

    async def handler(_: Message) -> Outcome:
        return outcome

    return asyncio.run(layer.awrap(handler)(MESSAGE))


both = pytest.mark.parametrize("colour", ["sync", "async"])


@pytest.fixture(autouse=True)
def nothing_stays_behind() -> object:
    yield
    assert len(DETACHED_BROKER.deliveries) == 0
    assert DETACHED_BROKER.deliveries.uncommitted(MESSAGE.message_id) is None


@both
@pytest.mark.parametrize(
    "hooked",
    [Hooked(again_and_skip), Hooked(again), Hooked(after=again), Hooked(after=again_and_raise)],
    ids=["skip", "before", "after", "after-raises"],
)
def test_a_message_that_is_put_back_runs_again_and_uses_up_no_attempt(colour: str, hooked: Hooked) -> None:
    assert run(hooks(hooked), Outcome.success(1), colour) == Outcome(Failure(Retry(MESSAGE, 100)))


def test_a_message_that_was_dropped_further_inside_may_be_put_back() -> None:
    class Skipped:
        def after_skip_message(self, broker: Any, message: Any) -> None:
            broker.enqueue(message)

    assert run(hooks(Skipped()), Outcome.drop("not now"), "sync") == Outcome(Failure(Retry(MESSAGE)))


@both
@pytest.mark.parametrize(
    "stack",
    [lambda layer: layer, lambda layer: compose(layer, retries()), lambda layer: compose(retries(), layer)],
    ids=["alone", "outside", "inside"],
)
def test_a_message_that_fails_and_is_put_back_runs_again_by_that_and_by_nothing_else(colour: str, stack: Callable[[Any], Any]) -> None:
    retried = run(stack(hooks(Hooked(after=again))), Outcome.failure(BOOM), colour).result.failure()

    assert isinstance(retried, Retry)
    assert (retried.delay, retried.error) == (100, BOOM)
    assert retried.message.message_id == MESSAGE.message_id


@both
def test_a_hook_that_puts_a_message_back_and_raises_has_put_it_back(colour: str) -> None:
    retried = run(hooks(Hooked(again_and_raise)), Outcome.success(1), colour).result.failure()

    assert isinstance(retried, Retry)
    assert str(retried.error) == "Hooked raised ValueError: boom"


def test_hooks_further_outside_hear_that_the_message_was_put_off() -> None:
    outer, inner = Hooked(), Hooked(again_and_skip)

    run(compose(hooks(outer), hooks(inner)), Outcome.success(1), "sync")

    assert outer.called == ["before", "skip"]
    assert inner.called == ["before", "skip"]


def test_a_message_is_put_back_as_it_was_sent_and_not_as_it_was_changed_afterwards() -> None:
    def changes(broker: Any, message: Any) -> None:
        message.options["mine"] = 1
        broker.enqueue(message.copy(queue_name="slow", options={"mine": 2}), delay=5)
        message.options["mine"] = 3

    expected = evolve(MESSAGE.with_options(mine=2), queue_name="slow")

    assert run(hooks(Hooked(changes)), Outcome.success(1), "sync") == Outcome(Failure(Retry(expected, 5)))


def test_of_several_times_that_a_message_is_put_back_the_last_counts() -> None:
    inner = Hooked(lambda broker, message: broker.enqueue(message, delay=1))
    outer = Hooked(after=lambda broker, message: broker.enqueue(message, delay=2))

    assert run(compose(hooks(outer), hooks(inner)), Outcome.failure(BOOM), "sync").result.failure() == Retry(MESSAGE, 2, BOOM)


def test_a_foreign_object_with_the_id_of_the_message_puts_it_back_with_its_priority_and_place() -> None:
    class Theirs:
        def __init__(self, view: MessageView) -> None:
            self.__dict__.update(view.asdict())
            self.message_timestamp = 12.7

    given = evolve(MESSAGE, priority=3)
    outcome = hooks(Hooked(lambda broker, message: broker.enqueue(Theirs(message)))).wrap(lambda _: Outcome.success(1))(given)

    assert outcome == Outcome(Failure(Retry(evolve(given, message_timestamp=13))))


def test_nothing_that_follows_from_a_result_is_left_of_a_message_that_is_put_back() -> None:
    app = App(broker=MemoryBroker(), middleware=compose(hooks(Hooked(after=put_back_once())), default_middleware))
    ran: list[str] = []

    @app.actor
    def first() -> int:
        ran.append("first")
        return len(ran)

    @app.actor
    def second(n: int) -> int:
        ran.append("second")
        return n

    handle = (first.call() | second).send()
    app.run_until_idle()

    assert ran == ["first", "first", "second"]
    assert handle.get_result() == 2


def put_back_once() -> Does:
    done: list[str] = []

    def once(broker: Any, message: Any) -> None:
        if message.actor_name == "first" and not done:
            done.append(message.message_id)
            broker.enqueue(message, delay=10)

    return once


@pytest.mark.parametrize("url", ["memory://", "sqlite:///{}/jobs.db"])
@both
def test_in_a_worker_a_message_put_back_and_skipped_runs_when_the_hook_lets_it(url: str, colour: str, tmp_path: Path) -> None:
    asked: list[str] = []

    def not_yet(broker: Any, message: Any) -> None:
        asked.append(message.message_id)
        if len(asked) < 3:
            broker.enqueue(message, delay=1)
            raise SkipMessage("not now")

    app = App(url.format(tmp_path), middleware=default_middleware.add(hooks(Hooked(not_yet))))

    def task() -> str:
        return "done"

    async def atask() -> str:
        return "done"

    actor = app.actor(name="task")(task if colour == "sync" else atask)
    with app.worker(threads=1):
        handle = actor.send()

        assert handle.get_result(block=True, timeout=10_000) == "done"
    assert asked == [handle.message_id] * 3


def test_an_actor_may_put_its_own_message_back() -> None:
    app = App(broker=MemoryBroker(), middleware=default_middleware.add(hooks(Hooked())))
    views: list[Any] = []

    @app.actor
    def task() -> int:
        views.append(app.singleton(BrokerView).deliveries.uncommitted(handle.message_id))
        if len(views) == 1:
            app.singleton(BrokerView).enqueue(views[0], delay=100)
        return len(views)

    handle = task.send()
    app.run_until_idle()

    assert handle.get_result() == 2


def test_it_is_an_error_to_put_a_message_back_once_its_outcome_is_decided() -> None:
    errors: list[BrokerError] = []

    class Late:
        def before_ack(self, broker: Any, message: Any) -> None:
            with pytest.raises(BrokerError) as raised:
                broker.enqueue(message)
            errors.append(raised.value)

    app = App(broker=MemoryBroker(), middleware=default_middleware.add(hooks(Late())))
    app.actor(name="task")(lambda: None).send()

    assert app.run_until_idle() == 1
    assert str(errors[0]).startswith("task() runs now, and its outcome can no longer be changed: put it back in before_process_message")


@pytest.mark.parametrize("how", ["worker", "run_until_idle"])
def test_when_a_message_is_acknowledged_one_of_its_id_may_be_sent_like_any_other(how: str) -> None:
    acknowledged: list[str] = []

    class Repeats:
        def after_ack(self, broker: Any, message: Any) -> None:
            acknowledged.append(message.message_id)
            if len(acknowledged) == 1:
                broker.enqueue(message)

    app = App(broker=MemoryBroker(), middleware=default_middleware.without(Results).add(hooks(Repeats())))
    app.actor(name="task")(lambda: None).send()
    if how == "worker":
        with app.worker(threads=1):
            wait_until(lambda: len(acknowledged) == 2)
    else:
        app.run_until_idle()

    assert len(acknowledged) == 2
