"""Whatever is raised in a thread of a worker, from outside or by a layer, the worker goes on, or says that it cannot and is replaced."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from attrs import frozen
from returns.result import Success

from fq import App, Fault, Message, Middleware, Outcome, Step, compose, default_middleware
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import ClaimRequest, Turn
from fq.core.events import Claimed, Committed, Committing, Event, Started
from fq.worker.executors.interrupts import raise_thread_exception
from tests.wait_until import wait_until

RESTARTABLE = ["fq-interrupter", "fq-heartbeat", "fq-loop", "fq-loop-watch", "fq-worker-0"]


class Struck(BaseException):
    """Nothing that fq knows."""


def strike(name: str, known: set[threading.Thread]) -> None:
    """Raise something in the thread called *name*, of the worker that is not among the *known* ones."""
    found = [t.ident for t in threading.enumerate() if t.name == name and t.ident is not None and t not in known]
    assert [raise_thread_exception(ident, Struck) for ident in found] in (
        [True],
        [True, True],
    )  # the pool and the quarantine have threads of one name


@contextmanager
def working(app: App) -> Iterator[set[threading.Thread]]:
    known = set(threading.enumerate())  # not their idents, which are used again
    with app.worker(threads=1, heartbeat=50):
        yield known


@pytest.mark.parametrize("name", RESTARTABLE)
def test_a_worker_goes_on_after_what_is_struck_into_one_of_its_threads(app: App, name: str) -> None:
    @app.actor(max_retries=0, time_limit=50)
    def spin() -> int:
        while True:
            time.sleep(0.001)

    @app.actor(max_retries=0)
    async def aone() -> int:
        await asyncio.sleep(0.001)
        return 1

    @app.actor(max_retries=0)
    def one() -> int:
        return 1

    with working(app) as known:
        assert [one.send().get(), aone.send().get()] == [Success(1), Success(1)]
        for _ in range(3):
            strike(name, known)
            time.sleep(0.02)
            results = [one.send().get(), aone.send().get(), spin.send().get()]
            assert results[:2] == [Success(1), Success(1)]
            assert isinstance(fault := results[2].failure(), Fault)
            assert fault.type == "TimeLimitExceeded"


class Sick(MemoryBroker):
    """A broker with a bug, which ends the pump when it is *sick*."""

    sick = False

    def turn(self, commits: object, request: ClaimRequest) -> Turn:
        if self.sick and request.limit:
            raise Struck
        return super().turn(commits, request)  # type: ignore[arg-type]


def test_a_worker_whose_pump_is_lost_hands_back_what_it_holds_and_raises_at_its_end(silent: None) -> None:
    broker = Sick()
    app = App(broker=broker)
    started, go_on = threading.Event(), threading.Event()

    @app.actor(max_retries=0)
    def wait() -> int:
        started.set()
        go_on.wait(60)
        return 1

    @app.actor(max_retries=0)
    def one() -> int:
        return 1

    with pytest.raises(RuntimeError, match="could not go on") as raised, app.worker(threads=1) as worker:
        running, waiting = wait.send(), one.send()
        started.wait(60)
        broker.sick = True
        worker.dispatcher.pause(False)  # takes a turn
        go_on.set()  # its outcome makes the pump ask for more, which it does not survive
        wait_until(lambda: not worker.dispatcher.alive)
        assert running.status().state == waiting.status().state == "ready"
        broker.sick = False
    assert isinstance(raised.value.__cause__, Struck)
    with app.worker(threads=1):
        assert [running.get(), waiting.get()] == [Success(1), Success(1)]


@pytest.mark.parametrize("kind", [Claimed, Started, Committing, Committed])
@pytest.mark.parametrize("error", [SystemExit, Struck, RecursionError])
def test_a_layer_that_watches_may_raise_anything(silent: None, kind: type[Event], error: type[BaseException]) -> None:
    @frozen
    class Watches(Middleware):
        def on_event(self, event: Event) -> None:
            if isinstance(event, kind):
                raise error

    app = App(broker=MemoryBroker(), middleware=default_middleware.add(Watches()))

    @app.actor(max_retries=0)
    def one() -> int:
        return 1

    @app.actor(max_retries=0)
    async def aone() -> int:
        return 1

    with app.worker(threads=1) as worker:
        for _ in range(3):
            assert [one.send().get(), aone.send().get()] == [Success(1), Success(1)]
        assert worker.lost is None


@frozen
class Panics(Step):
    face: str

    def before(self, message: Message) -> Message:
        if self.face == "before":
            raise Struck
        return message

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        if self.face == "after":
            raise Struck
        return outcome


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("face", ["before", "after"])
def test_a_layer_that_panics_is_an_ordinary_failure_at_its_ring(silent: None, face: str, colour: str) -> None:
    app = App(broker=MemoryBroker(), middleware=compose(default_middleware, Panics(face)))
    runs: list[int] = []

    def one() -> int:
        runs.append(1)
        return 1

    async def aone() -> int:
        runs.append(1)
        return 1

    actor = app.actor(name="one", max_retries=1, min_backoff=1)(one if colour == "sync" else aone)  # type: ignore[call-overload]
    with app.worker(threads=1):
        fault = actor.send().get().failure()

    assert (fault.type, fault.message) == ("LayerError", "Panics raised Struck: ")
    assert len(runs) == (2 if face == "after" else 0)


def test_a_loop_that_cannot_be_started_is_tried_again(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    start, refused = threading.Thread.start, []

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "fq-loop" and len(refused) < 3:
            refused.append(1)
            raise RuntimeError("can't start new thread")
        start(thread)

    @app.actor(max_retries=0)
    async def aone() -> int:
        return 1

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with app.worker(threads=1) as worker:
        assert [aone.send().get(), aone.send().get()] == [Success(1), Success(1)]
        assert worker.lost is None
    assert len(refused) == 3
