"""The app as class-style middleware sees it."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from fq import (
    ActorNotFound,
    App,
    Hooks,
    InvalidResult,
    MiddlewareError,
    OptionError,
    ResultFailure,
    ResultMissing,
    Retries,
    StackError,
    TimeLimit,
    actor,
    compose,
    default_middleware,
    hooks,
    retries,
)
from fq.brokers.memory import MemoryBroker
from fq.class_style import BrokerView
from fq.testing import message
from tests.class_style.recorder import Recorder


class Options:
    actor_options = frozenset(("rate_limit", "tag"))

    def before_process_message(self, broker: Any, message: Any) -> None: ...


@pytest.fixture
def app() -> App:
    return App(broker=MemoryBroker(), middleware=default_middleware.outside(Retries, hooks(Options())))


@pytest.fixture
def broker(app: App) -> BrokerView:
    @app.actor(max_retries=3, queue="mail", priority=5, rate_limit=10, options={"tenant": "a"})  # type: ignore[call-overload]
    def send(to: str, n: int = 1) -> int:
        return n

    return app.singleton(BrokerView)


def test_an_app_has_one_view(app: App) -> None:
    assert app.singleton(BrokerView) is app.singleton(BrokerView)


def test_actors_are_found_by_name(broker: BrokerView) -> None:
    found = broker.get_actor("send")

    assert (found.actor_name, found.queue_name, found.priority) == ("send", "mail", 5)
    assert found.options == {"max_retries": 3, "rate_limit": 10, "tenant": "a"}
    assert found.broker is broker
    assert found is broker.get_actor("send") is broker.actors["send"]
    assert found.logger.name == f"{__name__}.send"
    assert found("x", n=2) == found.fn("x", n=2) == 2
    assert str(found) == "Actor(send)"


def test_an_actor_without_a_module_has_a_logger_all_the_same(app: App) -> None:
    def lost() -> None: ...

    lost.__module__ = None  # type: ignore[assignment]
    app.actor(lost)

    assert app.singleton(BrokerView).get_actor("lost").logger.name == "_.lost"


def test_an_unknown_actor_is_not_found(broker: BrokerView) -> None:
    with pytest.raises(ActorNotFound, match="no actor called nobody; the app declares send"):
        broker.get_actor("nobody")


def test_names_of_everything(broker: BrokerView) -> None:
    assert broker.get_declared_actors() == {"send"}
    assert broker.get_declared_queues() == set(broker.queues) == {"mail"}
    assert broker.get_declared_delay_queues() == broker.delay_queues == {"mail.DQ"}
    assert {"rate_limit", "tag", "max_retries", "time_limit"} <= broker.actor_options


def test_the_middleware_is_listed_as_it_was_before_it_was_adapted(app: App, broker: BrokerView) -> None:
    kinds = [type(middleware) for middleware in broker.middleware]

    assert Options in kinds
    assert kinds.index(Options) + 1 == kinds.index(Retries)


def test_actors_send(app: App, broker: BrokerView) -> None:
    sent = [
        broker.get_actor("send").send("a", n=2),
        broker.get_actor("send").send_with_options(args=["b"], kwargs={"n": 3}, delay=50, tag="x"),
        broker.enqueue(broker.get_actor("send").message("c")),
        broker.enqueue(message("send", "d", message_id="m4", queue_name="mail"), delay=10),
    ]

    assert [str(view) for view in sent] == ["send('a', n=2)", "send('b', n=3)", "send('c')", "send('d')"]
    assert sent[1].options == {"tenant": "a", "tag": "x"}
    assert (app.broker.queues()[0].ready, app.broker.queues()[0].delayed) == (2, 2)
    assert app.run_until_idle() == 4
    assert [view.get_result(block=True) for view in sent] == [2, 3, 1, 1]
    assert broker.get_results_backend().get_result(sent[0]) == 2


def test_anything_with_the_fields_of_a_message_may_be_sent(app: App, broker: BrokerView) -> None:
    class Foreign:
        queue_name, actor_name, args, kwargs, options, message_id, message_timestamp = "mail", "send", ("x",), {}, {"tag": 1}, "m1", 5

    assert broker.enqueue(Foreign()).options == {"tag": 1}
    with pytest.raises(TypeError, match="found 3, expected a message"):
        broker.enqueue(3)


def test_results_that_are_not_there_or_are_failures_are_raised(app: App, broker: BrokerView) -> None:
    @app.actor(max_retries=0)
    def fails() -> int:
        raise ValueError("no")

    sent = broker.get_actor("fails").send()
    with pytest.raises(ResultMissing):
        sent.get_result()
    app.run_until_idle()
    with pytest.raises(ResultFailure, match="ValueError: no"):
        sent.get_result(block=True, timeout=100)


def test_without_the_results_layer_there_is_no_backend() -> None:
    with pytest.raises(RuntimeError, match="no Results layer"):
        App(broker=MemoryBroker(), middleware=compose()).singleton(BrokerView).get_results_backend()


def test_free_actors_are_declared(app: App, broker: BrokerView) -> None:
    @actor
    def free() -> None: ...

    broker.declare_actor(free)
    broker.declare_actor(broker.get_actor("free"))

    assert "free" in broker.actors
    with pytest.raises(TypeError, match="found 3, expected an actor"):
        broker.declare_actor(3)


def test_signals_are_emitted_in_order_and_errors_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Bad:
        error: Exception = ValueError("no")

        def before_ack(self, broker: Any, message: Any) -> None:
            raise self.error

        def after_ack(self, broker: Any, message: Any) -> None:
            raise self.error

    calls: list[tuple[str, str]] = []
    bad = Bad()
    app = App(broker=MemoryBroker(), middleware=compose(hooks(Recorder("a", calls)), hooks(bad), hooks(Recorder("b", calls))))
    view = app.singleton(BrokerView)

    view.emit_before("ack", "m")
    view.emit_after("ack", "m")
    assert [name for name, _ in calls] == ["a.before_ack", "b.before_ack", "b.after_ack", "a.after_ack"]
    assert caplog.text.count("ValueError: no") == 2

    bad.error = MiddlewareError("meant")
    view.emit_after("ack", "m")
    with pytest.raises(MiddlewareError, match="meant"):
        view.emit_before("ack", "m")


class One:
    def before_process_message(self, broker: Any, message: Any) -> None: ...


def kinds(app: App) -> list[str]:
    return [layer.matched_class.__name__ for layer in app.stack]


def test_middleware_may_be_added_outside_inside_or_innermost() -> None:
    app = App(broker=MemoryBroker(), middleware=compose(retries()))
    view = app.singleton(BrokerView)

    view.add_middleware(One(), before=Retries)
    view.add_middleware(Options(), after=One)
    view.add_middleware(TimeLimit())

    assert kinds(app) == ["One", "Options", "Retries", "TimeLimit"]


def test_middleware_that_is_added_later_hears_of_what_was_declared(app: App, broker: BrokerView) -> None:
    calls: list[tuple[str, str]] = []
    recorder = Recorder("a", calls)

    broker.add_middleware(recorder)

    assert [name for name, _ in calls] == ["a.after_declare_queue", "a.after_declare_delay_queue", "a.after_declare_actor"]
    assert recorder.subjects == ["mail", "mail.DQ", broker.get_actor("send")]


def test_actors_that_are_declared_already_get_it_too(app: App, broker: BrokerView) -> None:
    calls: list[tuple[str, str]] = []

    broker.add_middleware(Recorder("a", calls, {"before_process_message"}))
    broker.get_actor("send").send("x")
    app.run_until_idle()

    assert [name for name, _ in calls] == ["a.before_process_message"]


def test_a_place_that_is_not_there_or_not_one_is_refused(broker: BrokerView) -> None:
    with pytest.raises(StackError, match="no One in this stack"):
        broker.add_middleware(One(), before=One)
    with pytest.raises(StackError, match="found both before=Retries and after=TimeLimit, expected one of them"):
        broker.add_middleware(One(), before=Retries, after=TimeLimit)


def test_a_second_one_of_a_class_is_added_with_a_warning(app: App, broker: BrokerView, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        broker.add_middleware(Options())

    assert kinds(app).count("Options") == 2
    assert "the stack already has a Options; now it has one more" in caplog.text


def test_an_option_that_no_middleware_takes_is_refused_with_the_nearest_name(app: App) -> None:
    with pytest.raises(ValueError, match=r"did you mean rate_limit\?"):

        @app.actor(rate_limt=3)  # type: ignore[call-overload]
        def send() -> None: ...


def test_an_option_of_a_message_is_not_checked_and_travels(app: App, broker: BrokerView) -> None:
    seen: list[object] = []

    class Looks:
        def before_process_message(self, broker: Any, message: Any) -> None:
            seen.append((message.options["rate_limit"], broker.get_actor(message.actor_name).options["rate_limit"]))

    broker.add_middleware(Looks())
    app.get_actor("send").call("x").with_options(rate_limit=3).send()
    app.get_actor("send").call("x").with_options(options={"rate_limit": 4}).send()
    app.run_until_idle()

    assert seen == [(3, 10), (4, 10)]


class Cron:
    """An option that is no JSON."""


class Schedules:
    actor_options = ("periodic",)

    def __init__(self) -> None:
        self.seen: list[object] = []

    def before_process_message(self, broker: Any, message: Any) -> None:
        self.seen += [message.options.get("periodic"), broker.get_actor(message.actor_name).options.get("periodic")]


CRON = Cron()
GIVEN: dict[str, Callable[[Hooks], Callable[[App], Any]]] = {
    "keyword": lambda layer: lambda app: app.actor(periodic=CRON),  # type: ignore[call-overload]
    "options": lambda layer: lambda app: app.actor(options={"periodic": CRON, "tenant": "a"}),
    "layer": lambda layer: lambda app: app.actor(layer.with_options({"periodic": CRON})),
    "stack": lambda layer: lambda app: app.actor(stack=lambda stack: stack.with_options({"periodic": CRON})),
}


@pytest.mark.parametrize("how", GIVEN.values(), ids=GIVEN.keys())
def test_an_option_of_an_actor_that_is_no_json_stays_with_the_actor_and_hooks_find_it(how: Callable[[Hooks], Callable[[App], Any]]) -> None:
    schedules = Schedules()
    layer = hooks(schedules)
    app = App(broker=MemoryBroker(), middleware=compose(layer) if how is not GIVEN["layer"] else compose())

    @how(layer)(app)
    def task() -> None: ...

    task.send()
    app.run_until_idle()

    assert schedules.seen == [CRON, CRON]
    assert app.singleton(BrokerView).get_actor("task").options["periodic"] is CRON


def test_an_option_that_is_no_json_does_not_travel_with_a_single_call() -> None:
    app = App(broker=MemoryBroker(), middleware=compose(hooks(Schedules())))
    task = app.actor(name="task")(lambda: None)

    with pytest.raises(
        OptionError, match=r"^periodic=.*Cron object at .* cannot travel in a message, which is JSON: give it to the actor$"
    ):
        task.call().with_options(periodic=CRON)  # type: ignore[call-arg]
    with pytest.raises(InvalidResult, match=r"^task\.options\.periodic: found .* of type Cron, expected a JSON value"):
        task.call().with_options(options={"periodic": CRON}).send()


def test_an_option_that_is_no_json_of_an_actor_without_an_app_is_found_when_an_app_includes_it() -> None:
    schedules = Schedules()
    app = App(broker=MemoryBroker(), middleware=compose(hooks(schedules)))

    @actor(options={"periodic": CRON})
    def task() -> None: ...

    app.include(task)
    task.send()
    app.run_until_idle()

    assert schedules.seen == [CRON, CRON]
