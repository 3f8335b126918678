"""A layer that sets a context variable around an actor, and resets it, is still in force when the messages of the outcome leave."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar

import pytest
from attrs import frozen

from fq import App, Around, Enqueue, Key, Message, Middleware, compose, default_middleware
from fq.brokers.clock import ManualClock
from fq.brokers.memory import MemoryBroker

tenant: ContextVar[str] = ContextVar("tenant", default="")
TENANT = Key("tenant", str, "")


@frozen
class Stamp(Middleware):
    """Writes the tenant of the sender into each message that leaves."""

    def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
        if "tenant" in enqueue.message.options:
            return enqueue
        return Enqueue(TENANT.set(enqueue.message, tenant.get()), enqueue.delay, enqueue.continues)


@contextmanager
def as_tenant(message: Message) -> Iterator[None]:
    token = tenant.set(TENANT.get(message))
    try:
        yield
    finally:
        tenant.reset(token)


@pytest.fixture
def app() -> App:
    return App(broker=MemoryBroker(clock=ManualClock()), middleware=default_middleware.add(Stamp()).add(Around(as_tenant)))


def actors_of(app: App, colour: str) -> tuple[list[tuple[str, str]], object]:
    """Declare ``first``, ``second`` and ``report``, which note the tenant that they run for."""
    seen: list[tuple[str, str]] = []

    def declare(name: str, **options: object) -> object:
        def run(*_: object) -> int:
            seen.append((name, tenant.get()))
            return len(seen)

        async def arun(*_: object) -> int:
            seen.append((name, tenant.get()))
            return len(seen)

        return app.actor(name=name, **options)(run if colour == "sync" else arun)  # type: ignore[call-overload]

    return seen, declare


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("worker", ["inline", "threads"])
def test_steps_callbacks_and_what_follows_a_group_know_the_tenant(app: App, colour: str, worker: str) -> None:
    seen, declare = actors_of(app, colour)
    report = declare("report")  # type: ignore[operator]
    first, second, total = declare("first", on_success=report), declare("second"), declare("total")  # type: ignore[operator]
    token = tenant.set("acme")
    handle = (app.group([first.call(), first.call()]) | second | total).send()  # type: ignore[operator]
    tenant.reset(token)
    if worker == "inline":
        app.run_until_idle()
    else:
        with app.worker(threads=2):
            handle.get()
        app.run_until_idle()

    assert sorted(seen) == [("first", "acme")] * 2 + [("report", "acme")] * 2 + [("second", "acme"), ("total", "acme")]
    assert tenant.get() == ""


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_what_follows_a_message_that_never_reached_its_actor_knows_the_tenant(colour: str) -> None:
    app = App(broker=MemoryBroker(clock=ManualClock()), middleware=compose(Around(as_tenant), default_middleware.add(Stamp())))
    seen, declare = actors_of(app, colour)
    report = declare("report")  # type: ignore[operator]
    late = declare("late", on_failure=report, max_age=1_000)  # type: ignore[operator]
    token = tenant.set("acme")
    late.call().delay(5_000).send()
    tenant.reset(token)
    app.run_until_idle()

    assert seen == [("report", "acme")]


def test_nothing_keeps_the_copies_alive(app: App) -> None:
    _, declare = actors_of(app, "sync")
    actor = declare("one")  # type: ignore[operator]
    app.send_many(actor.call() for _ in range(100))
    gc.collect()
    gc.disable()
    try:
        before = sum(type(each) is Context for each in gc.get_objects())
        app.run_until_idle()
        assert sum(type(each) is Context for each in gc.get_objects()) <= before + 2
    finally:
        gc.enable()
