"""Every broker: async calls do not block the event loop, even if the broker is slow."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from fq import App
from fq.brokers.protocol import Broker
from fq.brokers.single_flight import SingleFlight
from tests.brokers.builders import enqueue_ops
from tests.wait_until import wait_until

CALLS: dict[str, Callable[[Broker], Awaitable[object]]] = {
    "anow": lambda broker: broker.anow(),
    "aenqueue": lambda broker: broker.aenqueue(enqueue_ops("m")),
    "aplace": lambda broker: broker.aplace(enqueue_ops("m")),
    "await_result": lambda broker: broker.await_result("m", 100),
    "asend": lambda broker: sender(broker),
}


def sender(broker: Broker) -> Awaitable[object]:
    app = App(broker=broker)

    @app.actor
    def act() -> None: ...

    return act.asend()


@pytest.fixture
def held(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let the broker, which has not been used before, answer no thread until this is set; an event loop must not ask it."""
    opened, loop_asked = threading.Event(), "the event loop's own thread waits for the broker"
    for holder, name in blocking(broker):
        original = getattr(holder, name)

        def wait(*args: object, original: Callable[..., object] = original, **kwargs: object) -> object:
            assert threading.current_thread() is not threading.main_thread(), loop_asked
            opened.wait(30)
            return original(*args, **kwargs)

        monkeypatch.setattr(holder, name, wait)
    return opened


def blocking(broker: Broker) -> list[tuple[object, str]]:
    """Return the methods by which *broker* reads and writes."""
    match type(broker).__name__:
        case "SqliteBroker":
            return [(each, "_enter") for each in (broker._writer, broker._reader)]
        case "RedisBroker":
            return [(broker._endpoint.__class__, "connect")]
        case _:
            return []


@pytest.mark.parametrize("name", CALLS)
def test_the_event_loop_goes_on_while_the_broker_takes_its_time(broker: Broker, held: threading.Event, name: str) -> None:
    async def call() -> int:
        turns = 0
        waiting = asyncio.ensure_future(CALLS[name](broker))
        while turns < 10:
            await asyncio.sleep(0.005)
            turns += 1
        held.set()
        await waiting
        return turns

    assert asyncio.run(call()) == 10


def test_a_call_that_is_wanted_by_many_is_made_once() -> None:
    opened, calls = threading.Event(), []

    def call() -> int:
        calls.append(1)
        opened.wait(30)
        return len(calls)

    async def want() -> list[int]:
        waiting = [asyncio.ensure_future(together.result()) for _ in range(100)]
        await asyncio.sleep(0.01)
        opened.set()
        return [*(await asyncio.gather(*waiting)), await together.result()]

    together = SingleFlight(call)

    assert asyncio.run(want()) == [1] * 100 + [2]


def test_an_error_is_that_of_all_who_wait_and_of_nobody_later() -> None:
    answers = iter([ValueError("away"), 2])

    def call() -> int:
        time.sleep(0.02)
        answer = next(answers)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    async def want() -> list[int | BaseException]:
        together = SingleFlight(call)
        first = await asyncio.gather(*(together.result() for _ in range(3)), return_exceptions=True)
        return [*first, await together.result()]

    *errors, later = asyncio.run(want())

    assert [type(error) for error in errors] == [ValueError] * 3
    assert later == 2
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name == "fq-together"])
