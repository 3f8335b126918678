"""A layer with `on_send` hears what became of each message, in each way to send, and what one call sends together."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from attrs import field, frozen

from fq import App, BrokerUnavailable, Enqueue, Key, Message, Middleware, default_middleware, unique
from fq.brokers.clock import ManualClock
from fq.brokers.memory import MemoryBroker
from fq.errors import InvalidArguments
from fq.middleware.send_call import SendCall

SEEN = Key("seen", str, "")


@frozen
class Observes(Middleware):
    """Notes the end of each message: its actor, its number in its call, and the error."""

    ends: list[tuple[str, int, str]] = field(factory=list, eq=False)
    calls: list[SendCall] = field(factory=list, eq=False)

    def on_send(self, enqueue: Enqueue, call: SendCall) -> Enqueue:
        number = call.once(Counter).next()
        self.calls.append(call)
        call.at_end(lambda error: self.ends.append((enqueue.message.actor_name, number, type(error).__name__ if error else "")))
        return Enqueue(SEEN.set(enqueue.message, "yes"), enqueue.delay, enqueue.continues)


class Counter:
    def __init__(self, _: SendCall) -> None:
        self.count = 0

    def next(self) -> int:
        self.count += 1
        return self.count


class Fragile(MemoryBroker):
    """Refuses what is sent while it is down."""

    down = False

    def enqueue(self, ops: object) -> int:
        if self.down:
            raise BrokerUnavailable("down")
        return super().enqueue(ops)  # type: ignore[arg-type]

    async def aenqueue(self, ops: object) -> int:
        return self.enqueue(ops)

    def place(self, ops: object) -> object:  # type: ignore[override]
        if self.down:
            raise BrokerUnavailable("down")
        return super().place(ops)  # type: ignore[arg-type]

    async def aplace(self, ops: object) -> object:  # type: ignore[override]
        return self.place(ops)


def app_with(broker: MemoryBroker) -> tuple[App, Observes]:
    app = App(broker=broker, middleware=default_middleware.add(Observes()))
    layer = app.stack.get(Observes)
    assert layer is not None
    return app, layer


async def asend(_: App, call: object) -> object:
    return await call.asend()  # type: ignore[attr-defined]


WAYS: dict[str, tuple[list[int], Callable[[App, object], object]]] = {
    "send": ([1], lambda app, call: call.send()),  # type: ignore[attr-defined]
    "asend": ([1], lambda app, call: asyncio.run(asend(app, call))),
    "send_many": ([1, 2, 3], lambda app, call: app.send_many([call] * 3)),  # type: ignore[list-item]
    "asend_many": ([1, 2, 3], lambda app, call: asyncio.run(app.asend_many([call] * 3))),  # type: ignore[arg-type, list-item]
    "enqueue": ([1], lambda app, call: app.enqueue(Enqueue(Message(message_id="m1", actor_name="add", args=(1,)), 0))),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_unique", [False, True])
@pytest.mark.parametrize("down", [False, True])
def test_the_end_of_each_message_is_seen(way: str, is_unique: bool, down: bool) -> None:
    broker = Fragile()
    app, layer = app_with(broker)

    @app.actor(*([unique()] if is_unique else []))
    def add(n: int) -> int:
        return n

    broker.down = down
    numbers, send = WAYS[way]
    with suppress(BrokerUnavailable):
        send(app, add.call(1))

    assert layer.ends == [("add", number, "BrokerUnavailable" if down else "") for number in numbers]
    assert {call.is_batch for call in layer.calls} == {len(numbers) > 1}
    assert not any(call.is_commit for call in layer.calls)


def test_each_batch_is_a_call_of_its_own_and_what_cannot_be_made_ends_it() -> None:
    app, layer = app_with(Fragile())

    @app.actor
    def add(n: int) -> int:
        return n

    app.send_many(add.call(n) for n in range(2_500))
    assert len(set(layer.calls)) == 3
    assert [number for _, number, _ in layer.ends] == [*range(1, 1_001), *range(1, 1_001), *range(1, 501)]

    layer.ends.clear()
    with pytest.raises(InvalidArguments):
        app.send_many(add.call(n) for n in (1, 2, "three"))  # type: ignore[arg-type]
    assert layer.ends == [("add", 1, "InvalidArguments"), ("add", 2, "InvalidArguments")]


def test_the_members_of_a_group_are_one_call() -> None:
    app, layer = app_with(Fragile())

    @app.actor
    def add(n: int) -> int:
        return n

    app.group([add.call(1), add.call(2)]).send()

    assert layer.ends == [("add", 1, ""), ("add", 2, "")]
    assert [call.is_batch for call in layer.calls] == [True, True]


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("worker", ["inline", "threads"])
def test_what_an_outcome_sends_ends_when_it_is_committed(colour: str, worker: str) -> None:
    app, layer = app_with(MemoryBroker())
    errors: list[BaseException] = [ValueError("no")]

    def run(n: int) -> int:
        if errors:
            raise errors.pop()
        return n

    async def arun(n: int) -> int:
        return run(n)

    after = app.actor(name="after")(lambda n: n)
    first = app.actor(name="first", min_backoff=0, max_backoff=0)(run if colour == "sync" else arun)  # type: ignore[arg-type]
    handle = (first.call(1) | after).send()
    if worker == "inline":
        app.run_until_idle()
    else:
        with app.worker(threads=1):
            assert handle.get_result(block=True) == 1

    assert layer.ends == [("first", 1, ""), ("first", 1, ""), ("after", 1, "")]
    assert [call.is_commit for call in layer.calls] == [False, True, True]


def test_what_came_too_late_was_not_sent() -> None:
    app, layer = app_with(MemoryBroker(clock=ManualClock()))
    runs: list[str] = []

    @app.actor
    def after(n: int) -> None: ...

    @app.actor
    def first(n: int) -> int:
        runs.append("one")
        if len(runs) == 1:
            for worker in app.broker.workers():
                app.broker.release(worker.worker, {})  # as another worker does when this one is away for too long
        return n

    (first.call(1) | after).send()
    app.run_until_idle()

    assert layer.ends == [("first", 1, ""), ("after", 1, "BrokerError"), ("after", 1, "")]


def test_what_a_schedule_sends_is_seen() -> None:
    app, layer = app_with(MemoryBroker(clock=ManualClock()))

    @app.actor
    def tick() -> None: ...

    app.every(60_000, tick.call(), name="ticks")
    app.run_until_idle(until=datetime.fromtimestamp((app.broker.now() + 61_000) / 1_000, UTC))

    assert layer.ends == [("tick", 1, "")]
    assert layer.calls[0].is_commit


def test_a_layer_that_raises_at_the_end_of_a_send_stops_neither_the_send_nor_the_others(silent: None) -> None:
    @frozen
    class Buggy(Middleware):
        def on_send(self, enqueue: Enqueue, call: SendCall) -> Enqueue:
            call.at_end(lambda _: 1 / 0)  # type: ignore[arg-type, return-value]
            return enqueue

    app = App(broker=MemoryBroker(), middleware=default_middleware.add(Observes()).add(Buggy()))
    layer = app.stack.get(Observes)

    @app.actor
    def add(n: int) -> int:
        return n

    add.send(1)
    assert layer is not None
    assert layer.ends == [("add", 1, "")]
    assert app.run_until_idle() == 1


def test_without_such_a_layer_sends_are_not_observed() -> None:
    app = App(broker=MemoryBroker())
    assert not app.registry.observes_sends
    app.actor(Observes(), name="add")(lambda n: n)
    assert app.registry.observes_sends
