"""An actor may change the lists and dicts in its arguments and its message: retries and callbacks still get what was sent."""

from copy import deepcopy
from typing import Any

import pytest
from attrs import frozen

from fq import App, RetryAfter, Snooze, Step, default_middleware, get_current_message, hooks
from fq.class_style import Middleware
from fq.core.message import Message
from fq.core.outcome import Outcome
from fq.wire.codec import decode
from tests.brokers.harness import Harness

SENT: tuple[Any, ...] = ([], [1, [2]], {"a": {"b": [1]}}, [{"k": 1}], "text")
OPTIONS = {"tags": ["a"], "headers": {"trace": [1]}}


def spoil(value: Any) -> None:
    """Change whatever can be changed in *value*."""
    if isinstance(value, list):
        for item in value:
            spoil(item)
        value.append("spoilt")
    elif isinstance(value, dict):
        for item in value.values():
            spoil(item)
        value["spoilt"] = True


def drain(app: App, harness: Harness) -> None:
    """Run all messages, delayed ones included."""
    while app.run_until_idle():
        harness.advance(100)


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("error", [ValueError("no"), RetryAfter(0), Snooze(0)], ids=lambda error: type(error).__name__)
def test_a_retry_gets_what_was_sent(harness: Harness, colour: str, error: Exception) -> None:
    app = App(broker=harness.broker())
    seen: list[Any] = []

    def work(*values: Any, named: list[int]) -> None:
        current = get_current_message()
        assert current is not None
        options = {name: current.options[name] for name in OPTIONS}
        seen.append(deepcopy((values, named, options)))
        for value in (*values, named, *options.values(), *current.args, *current.kwargs.values()):
            spoil(value)
        if len(seen) < 3:
            raise error

    async def awork(*values: Any, named: list[int]) -> None:
        work(*values, named=named)

    declare = app.actor(name="work", min_backoff=1, max_backoff=1, options=OPTIONS)
    actor: Any = declare(work) if colour == "sync" else declare(awork)
    actor.send(*deepcopy(SENT), named=[1])
    drain(app, harness)

    assert seen == [(SENT, [1], OPTIONS)] * 3


@pytest.mark.parametrize("annotation", [Any, list[dict[str, object]], list[Any], "unannotated"], ids=str)
def test_a_retry_gets_what_was_sent_with_any_annotation(annotation: Any) -> None:
    app = App("memory://")
    seen: list[str] = []

    def work(items):  # type: ignore[no-untyped-def]
        seen.append(str(items))
        spoil(items)
        raise ValueError

    if annotation != "unannotated":
        work.__annotations__["items"] = annotation
    app.actor(max_retries=2)(work).send([{"a": 1}])
    app.run_until_idle()

    assert seen == [str([{"a": 1}])] * 3


@pytest.mark.parametrize("takes_first", [False, True])
def test_so_does_a_retry_of_what_gets_the_results_of_a_group(harness: Harness, takes_first: bool) -> None:
    app = App(broker=harness.broker())
    seen: list[Any] = []

    @app.actor
    def part(n: int) -> list[int]:
        return [n]

    @app.actor(min_backoff=1, max_backoff=1)
    def report(first: list[Any], second: list[Any]) -> int:
        seen.append(deepcopy((first, second)))
        spoil(first)
        spoil(second)
        if len(seen) < 3:
            raise ValueError("no")
        return 1

    group = app.group([part.call(1), app.group([part.call(2)]), part.call(3)])  # type: ignore[list-item]
    then: Any = group.then(report, [9]) if takes_first else group | report.call([9])  # type: ignore[call-arg]
    then.send()
    drain(app, harness)

    values = [[1], [[2]], [3]]
    assert seen == [(values, [9]) if takes_first else ([9], values)] * 3


@pytest.mark.parametrize("kind", ["on_success", "on_failure"])
def test_a_callback_gets_the_arguments_that_were_sent(kind: str) -> None:
    app = App("memory://")
    heard: list[Any] = []

    @app.actor
    def hear(data: dict[str, Any], _: object) -> None:
        heard.append(data["args"])

    @app.actor(max_retries=1, **{kind: "hear"})  # type: ignore[arg-type]
    def work(items: list[int]) -> int:
        spoil(items)
        if kind == "on_failure":
            raise ValueError
        return 1

    work.send([1])
    app.run_until_idle()

    assert heard == [[[1]]]


def test_class_style_code_that_sends_the_message_again_sends_what_was_sent() -> None:
    seen: list[Any] = []

    class Repeats(Middleware):
        def after_process_message(self, broker: Any, message: Any, *, result: object = None, exception: object = None) -> None:
            if message.message_id != "again":
                broker.enqueue(message.copy(message_id="again"))
            seen.append(message.asdict()["args"])

    app = App("memory://", middleware=default_middleware.add(hooks(Repeats())))

    @app.actor
    def work(items: list[int]) -> None:
        spoil(items)

    work.send([1])
    app.run_until_idle()

    assert seen == [([1],), ([1],)]


def test_what_a_layer_has_replaced_stays_replaced() -> None:
    @frozen
    class Doubles(Step):
        def before(self, message: Message) -> Message:
            return message.with_options(doubled=["yes"])

        def after(self, message: Message, outcome: Outcome) -> Outcome:
            return outcome

    app = App("memory://", middleware=default_middleware.outside(type(default_middleware.layers[0]), Doubles()))

    @app.actor(max_retries=5)
    def work(items: list[int]) -> None:
        spoil(items)
        raise ValueError

    work.send([1])
    assert app.run_until_idle() == 6
    (letter,) = app.broker.dead_letters()
    assert decode(letter.body).options == {"doubled": ["yes"], "retries": 5}
    assert decode(letter.body).args == ([1],)
