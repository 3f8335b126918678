"""The options that fq reserves for itself in messages, and the options of users: they never collide."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from fq import App, Enqueue, Message, OptionError, hooks
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import ClaimRequest, EnqueueOp
from fq.class_style import Middleware
from fq.class_style.broker_view import BrokerView
from fq.core.reserved_options import FORMER_NAMES, RESERVED
from fq.wire.codec import decode
from tests.wait_until import wait_until

SLOT = {"id": "g", "at": 0, "of": 2}
LIKE_OURS: list[dict[str, object]] = [{"pipe": [{"actor_name": "work"}]}, {"group": [SLOT]}, {"gathered": {"takes": "last"}}]
NAMES = ("group", "gathered", "pipe", "unknown_since", "traceback", "requeue_timestamp", "pipe_target", "workflow")
VALUES: tuple[object, ...] = ("vip", 5, None, True, [], {}, ["a"], {"a": 1}, [[1]])


@pytest.fixture
def app() -> App:
    return App("memory://")


@pytest.mark.parametrize("name", NAMES)
def test_an_open_option_may_have_any_name_without_the_prefix(app: App, name: str) -> None:
    seen: list[object] = []

    class Reader(Middleware):
        def before_process_message(self, broker: object, message: Any) -> None:
            seen.append(message.options[name])

    app = App("memory://", middleware=app.stack.add(hooks(Reader())))

    @app.actor
    def work(number: int) -> int:
        return number

    @app.actor
    async def awork(number: int) -> int:
        return number

    handles = [actor.call(1).with_options(options={name: value}).send() for actor in (work, awork) for value in VALUES]

    assert app.run_until_idle() == len(handles)
    assert [handle.get_result() for handle in handles] == [1] * len(handles)
    assert seen == [*VALUES, *VALUES]


@pytest.mark.parametrize(
    "options", [{"fq.pipe": 1}, {"fq.": 1}, {"fq.tenant": "a"}, {"retries": "many"}, {"retries": -1}, *LIKE_OURS], ids=str
)
def test_what_belongs_to_fq_is_refused_where_a_user_gives_it(app: App, options: Mapping[str, object]) -> None:
    @app.actor
    def work() -> None: ...

    (name,) = options
    view = app.singleton(BrokerView)
    ways = [
        lambda: work.call().with_options(options=options),
        lambda: app.actor(name="other", options=options)(print),
        lambda: app.enqueue(Enqueue(Message(message_id="m1", actor_name="work", options=options))),
        lambda: view.get_actor("work").send_with_options(**options),
        lambda: view.enqueue(view.get_actor("work").message().copy(options=options)),
    ]
    for way in ways:
        with pytest.raises(OptionError, match=f"option '{name}' of a message: found .*; .*"):
            way()

    assert app.run_until_idle() == 0


@pytest.mark.parametrize("value", [*VALUES, [SLOT]], ids=str)
@pytest.mark.parametrize("name", [*RESERVED, *FORMER_NAMES, "retries"])
def test_a_message_with_any_value_in_a_reserved_option_comes_to_an_end(name: str, value: object) -> None:
    app = App(broker=MemoryBroker())
    runs: list[object] = []

    @app.actor(max_retries=0)
    def work(*args: object) -> int:
        runs.append(args)
        return 1

    body = {"message_id": "m1", "actor_name": "work", "args": [[[1]]], "options": {name: value}}
    app.broker.enqueue([EnqueueOp("m1", "default", "work", 0, 0, json.dumps(body).encode())])
    with app.worker(threads=1):
        wait_until(lambda: app.broker.status("m1").state in ("done", "dead"))

    assert app.broker.status("m1").state in ("done", "dead")
    assert len(runs) <= 1


def test_a_hook_cannot_write_what_belongs_to_fq(app: App) -> None:
    class Writes(Middleware):
        def before_enqueue(self, broker: object, message: Any, delay: object) -> None:
            message.options["fq.group"] = "vip"

    app = App("memory://", middleware=app.stack.add(hooks(Writes())))

    @app.actor
    def work() -> None: ...

    with pytest.raises(OptionError, match=r"'fq\.group'.*call it 'group'"):
        work.send()


def test_a_hook_that_empties_the_options_takes_nothing_of_fqs_away(app: App) -> None:
    class Empties(Middleware):
        def before_process_message(self, broker: object, message: Any) -> None:
            message.options.clear()

    app = App("memory://", middleware=app.stack.add(hooks(Empties())))

    @app.actor
    def work(*args: object) -> int:
        return 1

    (app.group([work.call(1), work.call(2)]) | work).send()

    assert app.run_until_idle() == 3


def test_what_the_release_before_wrote_is_read() -> None:
    former = {"pipe": [{"actor_name": "b"}], "group": [SLOT], "gathered": {"takes": "last", "aside": False, "below": 0}, "tenant": "a"}
    body = {"message_id": "m1", "actor_name": "a", "options": former}

    assert decode(json.dumps(body).encode()).options == {FORMER_NAMES.get(name, name): value for name, value in former.items()}


def test_a_message_that_was_received_may_be_sent_again(app: App) -> None:
    @app.actor
    def work(*args: int) -> int:
        return 1

    (work.call(1) | work | work).send()
    (op,) = app.broker.turn((), ClaimRequest("w", ("default",), 1)).deliveries
    message = decode(op.body)
    app.enqueue(Enqueue(Message(message_id="m2", actor_name="work", options=message.options)))

    assert app.run_until_idle() == 3
