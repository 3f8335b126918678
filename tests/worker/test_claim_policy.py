"""What a worker claims, and what it hands back: nothing waits in one worker that another could run."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from returns.result import Success

from fq import App
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import MAX_CLAIM_BYTES, ClaimRequest, Commit, Turn
from fq.core.events import Event, ThreadBooted, ThreadStopping
from fq.middleware.base import Middleware
from fq.worker.scoreboard import Scoreboard
from tests.new_threads import new_threads
from tests.wait_until import wait_until


class Gate:
    """Actors that wait until they may go on."""

    def __init__(self) -> None:
        self.running: list[int] = []
        self.opened = threading.Event()

    def wait(self, n: int = 0) -> int:
        self.running.append(n)
        assert self.opened.wait(60)
        return n


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.mark.parametrize("queue", ["default", "slow"])
def test_a_full_worker_that_also_runs_async_actors_leaves_sync_ones_to_others(app: App, gate: Gate, queue: str) -> None:
    slow = app.actor(name="slow", queue=queue)(gate.wait)

    @app.actor
    async def quick() -> int:
        return 1

    with app.worker(threads=2) as one:
        assert quick.send().get() == Success(1)  # from now on it asks for async messages, too
        handles = app.send_many(slow.call(n) for n in range(12))
        wait_until(lambda: len(gate.running) == 2)
        with app.worker(threads=10):
            wait_until(lambda: len(gate.running) == 12)
            gate.opened.set()
            assert [handle.get() for handle in handles] == [Success(n) for n in range(12)]
        assert one.dispatcher.committed >= 3


def test_async_messages_pass_a_worker_whose_threads_are_full(app: App, gate: Gate) -> None:
    slow = app.actor(name="slow", queue="slow")(gate.wait)

    @app.actor
    async def quick(n: int) -> int:
        return n

    with app.worker(threads=1):
        app.send_many(slow.call(n) for n in range(5))
        wait_until(lambda: len(gate.running) == 1)

        assert [handle.get() for handle in app.send_many(quick.call(n) for n in range(500))] == [Success(n) for n in range(500)]
        gate.opened.set()


def test_a_worker_whose_event_loop_is_blocked_leaves_async_messages_to_others(app: App, gate: Gate) -> None:
    @app.actor(queue="rude")
    async def rude() -> int:
        return gate.wait()

    @app.actor
    async def quick(n: int) -> int:
        return n

    with app.worker(threads=1):
        rude.send()
        wait_until(lambda: gate.running)
        with app.worker(threads=1, queues=("default",)):
            assert [quick.send(n).get() for n in range(50)] == [Success(n) for n in range(50)]
            assert [handle.get() for handle in app.send_many(quick.call(n) for n in range(50))] == [Success(n) for n in range(50)]
            assert len(gate.running) == 1
            gate.opened.set()


class Asked(MemoryBroker):
    """Records how many messages its worker asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.limits: list[int] = []

    def turn(self, commits: Sequence[Commit], want: ClaimRequest) -> Turn:
        self.limits.append(want.limit)
        return super().turn(commits, want)


def test_a_worker_of_async_actors_whose_event_loop_is_full_asks_for_nothing_though_its_threads_are_idle() -> None:
    broker, end = Asked(), asyncio.Event()
    app = App(broker=broker)

    @app.actor
    async def waits() -> None:
        await end.wait()

    app.send_many(waits.call() for _ in range(20))
    worker = app.worker(threads=8, concurrency=2)
    worker.start()
    try:
        wait_until(lambda: [queue.in_flight for queue in broker.queues()] == [2], what="the hand-back of what cannot begin")
        broker.limits.clear()
        wait_until(lambda: len(broker.limits) >= 2, what="two turns that look for cancelled messages")
    finally:
        worker.stop(timeout=100)

    assert set(broker.limits) == {0}


def suspects(app: App, worker: str = "dead") -> None:
    """Let everything that waits have been claimed twice by workers that died."""
    for _ in range(2):
        app.broker.turn((), ClaimRequest(worker, app.queues, 100))
        app.broker.release(worker, {}, None)


def test_messages_in_quarantine_are_shared_among_workers_and_others_pass_them(app: App, gate: Gate) -> None:
    slow = app.actor(name="slow")(gate.wait)

    @app.actor
    def quick(n: int) -> int:
        return n

    handles = app.send_many(slow.call(n) for n in range(6))
    suspects(app)
    with app.worker(threads=1), app.worker(threads=1), app.worker(threads=1):
        wait_until(lambda: len(gate.running) == 3)
        assert [handle.get() for handle in app.send_many(quick.call(n) for n in range(20))] == [Success(n) for n in range(20)]
        assert len(gate.running) == 3
        gate.opened.set()
        assert [handle.get() for handle in handles] == [Success(n) for n in range(6)]


def test_a_worker_that_is_stopped_leaves_no_thread_and_no_lease(app: App) -> None:
    told: list[Event] = []

    class Watches(Middleware):
        def on_event(self, event: Event) -> None:
            told.append(event)

    app = App(broker=MemoryBroker(), middleware=Watches())

    @app.actor
    def quick(n: int) -> int:
        return n

    @app.actor
    async def aquick(n: int) -> int:
        await asyncio.sleep(0)
        return n

    left = new_threads()
    for _ in range(3):
        with app.worker(threads=50):
            app.send_many([*(quick.call(n) for n in range(20)), *(aquick.call(n) for n in range(20))])
            wait_until(lambda: not any(queue.ready + queue.in_flight for queue in app.broker.queues()))
        assert app.broker.workers() == ()

    wait_until(lambda: not left())
    booted = sorted(event.name for event in told if isinstance(event, ThreadBooted))
    wait_until(lambda: sorted(event.name for event in told if isinstance(event, ThreadStopping)) == booted)


def test_a_dispatcher_is_stuck_while_a_layer_does_not_return(app: App, gate: Gate) -> None:
    blocks: list[Callable[[], int]] = []

    class Blocks(Middleware):
        def on_event(self, event: Event) -> None:
            if blocks and type(event).__name__ == "Committed":
                blocks[0]()

    app = App(broker=MemoryBroker(), middleware=Blocks())

    @app.actor
    def quick() -> None:
        pass

    with app.worker(threads=1) as worker:
        worker.dispatcher.stuck_after_seconds = 0.05
        assert not worker.dispatcher.stuck
        blocks.append(gate.wait)
        quick.send()
        wait_until(lambda: gate.running)
        wait_until(lambda: worker.dispatcher.stuck)
        assert "gate.wait" in worker.dispatcher.stack() or "self.opened.wait" in worker.dispatcher.stack()
        scoreboard = Scoreboard(1)
        worker.heartbeat(scoreboard)
        assert scoreboard.read().last_heartbeat == 0.0
        blocks.clear()
        gate.opened.set()
        wait_until(lambda: not worker.dispatcher.stuck)
        worker.heartbeat(scoreboard)
        assert scoreboard.read().last_heartbeat > 0.0
    scoreboard.close()


class Weighing(MemoryBroker):
    """Notes how many bytes its worker has held at most."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, int] = {}
        self.most = 0

    def turn(self, commits: Sequence[Commit], request: ClaimRequest) -> Turn:
        turn = super().turn(commits, request)
        for commit in commits:
            del self.held[commit.message_id]
        self.held |= {delivery.message_id: len(delivery.body) for delivery in turn.deliveries}
        self.most = max(self.most, sum(self.held.values()))
        return turn


def test_a_fast_worker_lets_no_more_large_messages_wait_in_it_than_a_claim_or_two() -> None:
    broker = Weighing()
    app = App(broker=broker)
    seen: list[int] = []

    @app.actor
    def weigh(text: str) -> None:
        seen.append(len(text))

    app.send_many(weigh.call("") for _ in range(2_000))
    with app.worker(threads=1):
        wait_until(lambda: len(seen) == 2_000)
        app.send_many(weigh.call(1_500_000 * "x") for _ in range(40))
        wait_until(lambda: len(seen) == 2_040)
        wait_until(lambda: not broker.held)

    assert 1_500_000 < broker.most < 2.5 * MAX_CLAIM_BYTES
