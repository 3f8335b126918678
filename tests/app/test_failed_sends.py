"""Layers learn of a send that the broker refuses, once for each message, in each way to send."""

import asyncio
from collections.abc import Callable

import pytest
from attrs import field, frozen

from fq import App, BrokerUnavailable, Enqueue, Message, Middleware, default_middleware, unique
from fq.brokers.memory import MemoryBroker
from fq.core.events import Enqueued, Event, SendFailed


class Down(MemoryBroker):
    def place(self, ops: object) -> tuple[()]:
        raise BrokerUnavailable("down")

    enqueue = place  # type: ignore[assignment]

    async def aplace(self, ops: object) -> tuple[()]:
        raise BrokerUnavailable("down")

    aenqueue = aplace  # type: ignore[assignment]


@frozen
class Watches(Middleware):
    seen: list[Event] = field(factory=list, eq=False)

    def on_event(self, event: Event) -> None:
        if isinstance(event, Enqueued | SendFailed):
            self.seen.append(event)


async def asend(app: App, call: object) -> object:
    return await call.asend()  # type: ignore[attr-defined]


WAYS: dict[str, tuple[int, Callable[[App, object], object]]] = {
    "send": (1, lambda app, call: call.send()),  # type: ignore[attr-defined]
    "asend": (1, lambda app, call: asyncio.run(asend(app, call))),
    "send_many": (3, lambda app, call: app.send_many([call] * 3)),  # type: ignore[list-item]
    "asend_many": (3, lambda app, call: asyncio.run(app.asend_many([call] * 3))),  # type: ignore[arg-type, list-item]
    "enqueue": (1, lambda app, call: app.enqueue(Enqueue(Message(message_id="m1", actor_name="add", args=(1,)), 5))),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_unique", [False, True])
def test_each_message_that_could_not_be_sent_is_one_event(way: str, is_unique: bool) -> None:
    app = App(broker=Down(), middleware=default_middleware.add(Watches()))
    watches = app.stack.get(Watches)
    assert watches is not None

    @app.actor(*([unique()] if is_unique else []))
    def add(n: int) -> int:
        return n

    count, send = WAYS[way]
    with pytest.raises(BrokerUnavailable):
        send(app, add.call(1).delay(5))

    assert [type(event) for event in watches.seen] == [SendFailed] * count
    for event in watches.seen:
        assert isinstance(event, SendFailed)
        assert (event.message.actor_name, event.delay, str(event.error)) == ("add", 5, "down")


def test_an_actor_without_watching_layers_costs_no_event() -> None:
    app = App(broker=Down())

    @app.actor
    def add(n: int) -> int:
        return n

    with pytest.raises(BrokerUnavailable):
        app.send_many(add.call(n) for n in range(2_500))
