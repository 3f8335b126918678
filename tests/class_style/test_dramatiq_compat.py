"""
Middleware that derives from Dramatiq's own classes and raises Dramatiq's own exceptions, unmodified in an fq stack; and the same
without Dramatiq.
"""

import re
import subprocess
import sys
from typing import Any

import pytest

from fq import (
    ActorNotFound,
    App,
    Dead,
    Enqueue,
    Outcome,
    Retries,
    SkipMessage,
    StackError,
    TimeLimit,
    compose,
    default_middleware,
    get_current_message,
    hooks,
    retries,
)
from fq.brokers.memory import MemoryBroker
from fq.class_style import BrokerView
from fq.class_style.dramatiq_compat import dramatiq_exception, is_deliberate, is_interrupt, is_skip
from fq.testing import message
from tests.wait_until import wait_until

try:
    import dramatiq
    import dramatiq.middleware
    import dramatiq.results.backends
except ImportError:  # pragma: no cover
    pytest.skip("Dramatiq is not installed: it is a development dependency", allow_module_level=True)

MESSAGE = message("add", 1, 2)


class Audit(dramatiq.Middleware):
    """Overrides some hooks of Dramatiq's base class, and inherits the rest."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @property
    def actor_options(self) -> set[str]:
        return {"audited"}

    def before_process_message(self, broker: Any, message: Any) -> None:
        if message.options.get("skip"):
            raise dramatiq.middleware.SkipMessage("asked to")
        self.seen.append(f"in {message}")

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        self.seen.append(f"out {result} {exception}")

    def after_skip_message(self, broker: Any, message: Any) -> None:
        self.seen.append("skipped")


class Raises(dramatiq.Middleware):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def before_process_message(self, broker: Any, message: Any) -> None:
        raise self.error


@pytest.fixture
def without_dramatiq(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "dramatiq"]:
        monkeypatch.delitem(sys.modules, name)


def test_hooks_that_are_only_inherited_are_not_called() -> None:
    assert set(hooks(Audit()).hooks) == {"before_process_message", "after_process_message", "after_skip_message"}


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_middleware_of_dramatiq_runs_in_a_worker(colour: str) -> None:
    audit = Audit()
    app = App(broker=MemoryBroker(), middleware=default_middleware.inside(Retries, hooks(audit)))

    def add(a: int, b: int) -> int:
        return a + b

    async def aadd(a: int, b: int) -> int:
        return a + b

    actor = app.actor(name="add", audited=True)(add if colour == "sync" else aadd)  # type: ignore[call-overload]
    with app.worker(threads=1):
        assert actor.send(1, 2).get_result(block=True) == 3
        actor.call(1, 2).with_options(options={"skip": True}).send()
        wait_until(lambda: len(audit.seen) == 3)

    assert audit.seen == ["in add(1, 2)", "out 3 None", "skipped"]


def test_its_skip_is_a_skip_wherever_it_is_raised() -> None:
    skip = dramatiq.middleware.SkipMessage("no")
    calls: list[Any] = []
    audit = Audit()

    assert hooks(Raises(skip)).wrap(calls.append)(MESSAGE) == Outcome.drop("no")  # type: ignore[arg-type]
    assert hooks(audit).wrap(lambda _: Outcome.failure(skip))(MESSAGE) == Outcome.drop("no")
    assert calls == []
    assert audit.seen == ["in add(1, 2)", "skipped"]


def test_its_middleware_errors_are_meant_and_stay_as_they_are() -> None:
    error = dramatiq.middleware.MiddlewareError("no")

    assert hooks(Raises(error), fail_open=True).wrap(lambda _: Outcome.success())(MESSAGE).error is error


def test_its_interrupts_are_failures_that_retries_sees() -> None:
    class Abort(dramatiq.middleware.Interrupt):
        pass

    def interrupted(_: object) -> Outcome:
        raise Abort("stop")

    audit = Audit()
    outcome = compose(retries(max_retries=0), hooks(audit)).wrap(interrupted)(MESSAGE)

    assert isinstance(outcome.result.failure(), Dead)
    assert isinstance(outcome.error, Abort)  # type: ignore[unreachable]  # it is none of fq's errors
    assert audit.seen == ["in add(1, 2)", "out None stop"]


def test_its_interrupts_are_dead_letters_in_a_worker() -> None:
    class Abort(dramatiq.middleware.Interrupt):
        pass

    app = App(broker=MemoryBroker(), middleware=compose(retries(max_retries=0), hooks(Audit())))

    @app.actor
    def task() -> None:
        raise Abort("stop")

    task.send()
    app.run_until_idle()

    assert [letter.fault.type for letter in app.broker.dead_letters()] == ["Abort"]


def test_an_actor_that_is_not_found_is_its_exception_too() -> None:
    broker = App(broker=MemoryBroker()).singleton(BrokerView)

    with pytest.raises(dramatiq.ActorNotFound):
        broker.get_actor("nobody")
    with pytest.raises(ActorNotFound):
        broker.get_actor("nobody")


def test_its_messages_may_be_sent() -> None:
    app = App(broker=MemoryBroker())

    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    sent = app.singleton(BrokerView).enqueue(dramatiq.Message("default", "add", (1, 2), {}, {"tag": 1}))
    app.run_until_idle()

    assert sent.get_result() == 3
    assert sent.options == {"tag": 1}


def test_its_classes_name_the_layers_of_fq_that_took_their_place() -> None:
    app = App(broker=MemoryBroker(), middleware=compose(retries()))
    view = app.singleton(BrokerView)

    view.add_middleware(Audit(), before=dramatiq.middleware.Retries)
    view.add_middleware(TimeLimit(), after=dramatiq.middleware.Retries)

    assert [layer.matched_class for layer in app.stack] == [Audit, Retries, TimeLimit]


def test_its_current_message_middleware_runs_unmodified() -> None:
    seen: list[object] = []
    app = App(broker=MemoryBroker(), middleware=compose(hooks(dramatiq.middleware.CurrentMessage())))

    @app.actor
    def task() -> None:
        current = dramatiq.middleware.CurrentMessage.get_current_message()
        seen.append(current and current.message_id)

    handle = task.send()
    app.run_until_idle()

    assert seen == [handle.message_id]
    assert dramatiq.middleware.CurrentMessage.get_current_message() is None


def test_its_age_limit_runs_unmodified() -> None:
    app = App(broker=MemoryBroker(), middleware=compose(retries(), hooks(dramatiq.middleware.AgeLimit())))

    @app.actor(max_age=50)  # type: ignore[call-overload]
    def task() -> None: ...

    app.enqueue(Enqueue(message("task", message_timestamp=1_000)))  # long ago
    app.run_until_idle()

    (letter,) = app.broker.dead_letters()
    assert (letter.fault.type, letter.fault.message) == ("SkipMessage", "Message age limit exceeded")


def test_without_dramatiq_nothing_is_foreign(without_dramatiq: None) -> None:
    assert dramatiq_exception("SkipMessage") == ()
    assert is_skip(SkipMessage("no"))
    assert not is_skip(dramatiq.middleware.SkipMessage("no"))
    assert not is_deliberate(ValueError("no"))
    assert not is_interrupt(ValueError("no"))


def test_fq_does_not_import_dramatiq() -> None:
    code = """
import sys, fq, fq.class_style
from fq.class_style.dramatiq_compat import dramatiq_exception
dramatiq_exception('Interrupt')
print('dramatiq' in sys.modules)
"""

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


REFUSED = {
    "Retries": "retries()",
    "TimeLimit": "time_limit()",
    "Pipelines": "pipelines()",
    "GroupCallbacks": "group_callbacks()",
    "ShutdownNotifications": "shutdown_notifications()",
}


@pytest.mark.parametrize(("name", "layer"), REFUSED.items(), ids=REFUSED.keys())
def test_its_middleware_that_decides_what_becomes_of_a_message_is_refused_with_the_layer_to_use(name: str, layer: str) -> None:
    kind = getattr(dramatiq.middleware, name)
    derived = type("Mine", (kind,), {})
    view = App(broker=MemoryBroker()).singleton(BrokerView)

    for middleware in (kind.__new__(kind), derived.__new__(derived)):
        with pytest.raises(StackError, match=re.escape(f"put fq's layer {layer} into the stack instead")):
            hooks(middleware)
        with pytest.raises(StackError, match="decides the outcome of a message"):
            view.add_middleware(middleware)


def test_its_callbacks_and_results_run_unmodified() -> None:
    backend = dramatiq.results.backends.StubBackend()
    theirs = (dramatiq.middleware.Callbacks(), dramatiq.results.Results(backend=backend, store_results=True))
    app = App(broker=MemoryBroker(), middleware=compose(retries(max_retries=0), *map(hooks, theirs)))
    told: list[object] = []

    @app.actor
    def tell(data: dict[str, Any], said: object) -> None:
        told.append((data["args"], said))

    @app.actor(on_success="tell", on_failure="tell")
    def task(n: int) -> int:
        return 6 // n

    good, bad = task.send(2), task.send(0)
    app.run_until_idle()

    assert told == [([2], 3), ([0], {"type": "ZeroDivisionError", "message": "integer division or modulo by zero"})]
    assert backend.get_result(dramatiq.Message("default", "task", (), {}, {}, message_id=good.message_id)) == 3
    with pytest.raises(dramatiq.results.ResultFailure, match="ZeroDivisionError"):
        backend.get_result(dramatiq.Message("default", "task", (), {}, {}, message_id=bad.message_id))


def test_a_view_that_was_encoded_is_a_message_of_its_and_may_be_sent_again() -> None:
    encoded: list[bytes] = []

    class Stores:
        def after_enqueue(self, broker: Any, message: Any, delay: Any) -> None:
            encoded.append(message.encode())

    app = App(broker=MemoryBroker(), middleware=default_middleware.add(hooks(Stores())))
    seen: list[int] = []

    @app.actor(priority=7)
    def task(n: int) -> None:
        current = get_current_message()
        seen.append(0 if current is None else current.priority)

    task.call(3).with_options(options={"tenant": "a"}).send()
    theirs = dramatiq.Message.decode(encoded[0])
    app.singleton(BrokerView).enqueue(theirs.copy(message_id="another"))
    app.run_until_idle()

    assert (theirs.actor_name, theirs.args, theirs.options) == ("task", (3,), {"tenant": "a"})
    assert seen == [7, 7]
