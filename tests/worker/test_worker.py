"""A worker inside this process: real threads and a real event loop over the memory broker."""

import asyncio
import gc
import logging
import threading
import time
import weakref
from contextvars import ContextVar

import pytest
from returns.result import Success

from fq import App, Handle, RetryAfter
from fq.brokers.records import EnqueueOp
from fq.errors import BrokerUnavailable
from tests.wait_until import wait_until


def idle(app: App) -> bool:
    return not any(queue.ready + queue.delayed + queue.in_flight for queue in app.broker.queues())


def test_sync_and_async_actors_run_and_their_results_come_back(app: App) -> None:
    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    @app.actor
    async def aadd(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    with app.worker(threads=2):
        results = [add.send(1, 2).get(), aadd.send(3, 4).get(), (add.call(1, 1) | _doubled(app)).send().get()]

    assert results == [Success(3), Success(7), Success(4)]


def _doubled(app: App):
    @app.actor
    def double(n: int) -> int:
        return 2 * n

    return double


def test_what_cannot_be_decoded_is_a_dead_letter_and_the_rest_of_the_batch_runs(app: App) -> None:
    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    app.broker.enqueue([EnqueueOp("garbage", "default", "add", 0, 0, b"{nonsense")])
    handles = app.send_many(add.call(n, 1) for n in range(50))
    with app.worker(threads=2):
        assert [handle.get() for handle in handles] == [Success(n + 1) for n in range(50)]
        wait_until(lambda: idle(app))

    (letter,) = app.broker.dead_letters()
    assert (letter.message_id, letter.body, letter.fault.type) == ("garbage", b"{nonsense", "DecodeError")


def test_a_message_for_an_unknown_actor_is_left_for_others_and_then_is_a_dead_letter(app: App) -> None:
    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    app.broker.enqueue([EnqueueOp("m1", "default", "gone", 0, 0, b'{"message_id":"m1","actor_name":"gone"}')])
    with app.worker(threads=1, unknown_actor_grace=60_000):
        wait_until(lambda: app.broker.status("m1").state == "delayed")
    app.broker.enqueue([EnqueueOp("m2", "default", "gone", 0, 0, b'{"message_id":"m2","actor_name":"gone"}')])
    with app.worker(threads=1, unknown_actor_grace=0):
        wait_until(lambda: app.broker.dead_letters())

    (letter,) = app.broker.dead_letters()
    assert (letter.message_id, letter.fault.type) == ("m2", "ActorNotFound")


def test_a_graceful_stop_finishes_what_runs_and_hands_back_the_rest(app: App) -> None:
    started, go_on = threading.Event(), threading.Event()

    @app.actor
    def hold(n: int) -> int:
        started.set()
        go_on.wait(60)
        return n

    handles = app.send_many(hold.call(n) for n in range(10))
    worker = app.worker(threads=1)
    worker.start()
    started.wait(60)
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    wait_until(lambda: sum(queue.ready for queue in app.broker.queues()) == 9)
    go_on.set()
    stopping.join(60)

    assert handles[0].get(timeout=0) == Success(0)
    assert [handle.status().state for handle in handles[1:]] == ["ready"] * 9
    assert all(handle.status().deliveries == 0 for handle in handles[1:])


def test_a_stop_that_runs_out_of_patience_hands_back_what_runs_and_its_late_outcome_is_stale(app: App) -> None:
    started, go_on, finished = threading.Event(), threading.Event(), threading.Event()

    @app.actor
    def hold() -> int:
        started.set()
        go_on.wait(60)
        finished.set()
        return 1

    handle = hold.send()
    worker = app.worker(threads=1)
    worker.start()
    started.wait(60)
    worker.stop(timeout=10)
    state = handle.status().state
    go_on.set()
    finished.wait(60)

    assert state == "ready"
    assert handle.get(timeout=0).failure() is not None


def test_a_worker_that_has_stopped_with_messages_running_may_be_stopped_again_at_once(app: App) -> None:
    started, go_on = threading.Event(), threading.Event()

    @app.actor
    def hold() -> None:
        started.set()
        go_on.wait(90)

    hold.send()
    with app.worker(threads=1) as worker:
        started.wait(60)
        worker.stop(timeout=0)
        began = time.monotonic()
        worker.stop(timeout=60_000)
        took = time.monotonic() - began
        go_on.set()

    assert took < 30


def test_a_sync_actor_sees_the_context_it_was_given_and_leaves_none_behind(app: App) -> None:
    colour: ContextVar[str] = ContextVar("colour", default="white")

    @app.actor
    def paint(value: str) -> str:
        before = colour.get()
        colour.set(value)
        return before

    with app.worker(threads=1):
        assert [paint.send(value).get() for value in ("red", "blue")] == [Success("white")] * 2


def test_one_thread_runs_messages_in_the_order_of_their_priority_and_arrival(app: App) -> None:
    ran: list[int] = []

    @app.actor
    def note(n: int) -> None:
        ran.append(n)

    app.send_many(note.call(n).with_options(priority=n % 2) for n in range(10))
    with app.worker(threads=1):
        wait_until(lambda: len(ran) == 10)

    assert ran == [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]


def test_a_retry_after_runs_again_after_exactly_that_delay(app: App) -> None:
    times: list[float] = []

    @app.actor
    def twice() -> int:
        times.append(time.monotonic())
        if len(times) == 1:
            raise RetryAfter(150)
        return len(times)

    with app.worker(threads=1):
        assert twice.send().get() == Success(2)

    assert times[1] - times[0] >= 0.149


def test_a_paused_worker_claims_nothing_until_it_goes_on(app: App) -> None:
    @app.actor
    def one() -> int:
        return 1

    with app.worker(threads=1) as worker:
        assert one.send().get() == Success(1)
        worker.dispatcher.pause(True)
        handle = one.send()
        assert handle.get(timeout=100).failure() is not None
        worker.dispatcher.pause(False)
        assert handle.get() == Success(1)


def test_outcomes_wait_for_a_broker_that_is_gone_and_are_committed_when_it_is_back(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    started, go_on = threading.Event(), threading.Event()
    runs: list[int] = []

    @app.actor
    def hold() -> int:
        runs.append(1)
        started.set()
        go_on.wait(60)
        return 1

    broker = app.broker
    turn = broker.turn
    refused = threading.Event()

    def down(*_: object) -> None:
        refused.set()
        raise BrokerUnavailable("the broker is down")

    with app.worker(threads=1):
        handle = hold.send()
        started.wait(60)
        monkeypatch.setattr(broker, "turn", down)
        go_on.set()
        refused.wait(60)
        monkeypatch.setattr(broker, "turn", turn)
        result = handle.get()

    assert result == Success(1)
    assert runs == [1]


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_an_actors_exception_is_freed_without_the_cyclic_collector(app: App, colour: str) -> None:
    alive: list[weakref.ref[Exception]] = []

    class Boom(Exception):
        pass

    def fail() -> int:
        error = Boom()
        alive.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    async def afail() -> int:
        return fail()

    actor = app.actor(name="fail", max_retries=1, min_backoff=1)(fail if colour == "sync" else afail)  # type: ignore[arg-type]
    gc.collect()
    gc.disable()
    try:
        with app.worker(threads=1):
            handle: Handle[int] = actor.send()
            assert handle.get().failure() is not None
            wait_until(lambda: idle(app))
            wait_until(lambda: [ref() for ref in alive] == [None, None])
    finally:
        gc.enable()


def test_a_burst_of_long_jobs_is_not_hoarded_by_one_worker(app: App) -> None:
    @app.actor(queue="fast")
    def fast() -> None:
        pass

    running: list[int] = []
    go_on = threading.Event()

    @app.actor(queue="slow")
    def slow(n: int) -> int:
        running.append(n)
        go_on.wait(60)
        return n

    with app.worker(threads=2) as one:
        app.send_many(fast.call() for _ in range(5_000))
        wait_until(lambda: idle(app))
        handles = app.send_many(slow.call(n) for n in range(8))
        wait_until(lambda: len(running) == 2)
        with app.worker(threads=2) as two:
            wait_until(
                lambda: len(running) == 4
            )  # what the first had claimed and could not run came to the second while its own were still at work
            go_on.set()
            assert [handle.get() for handle in handles] == [Success(n) for n in range(8)]
            assert (one.dispatcher.committed > 0, two.dispatcher.committed > 0) == (True, True)


def test_a_thousand_async_messages_wait_at_once(app: App) -> None:
    at_once = 0
    go_on = threading.Event()

    @app.actor
    async def wait() -> None:
        nonlocal at_once
        at_once += 1
        while not go_on.is_set():  # noqa: ASYNC110  # it is set by another thread
            await asyncio.sleep(0.01)

    app.send_many(wait.call() for _ in range(1_000))
    with app.worker(threads=1, concurrency=1_000):
        wait_until(lambda: at_once == 1_000)
        go_on.set()
        wait_until(lambda: idle(app))


def test_an_async_actor_that_blocks_the_loop_is_named_in_the_log(app: App, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("fq").setLevel(logging.WARNING)

    @app.actor
    async def rude() -> int:
        time.sleep(3)  # noqa: ASYNC251  # the fault under test
        return 1

    with app.worker(threads=1):
        assert rude.send().get() == Success(1)

    assert "rude has kept the event loop from turning" in caplog.text
