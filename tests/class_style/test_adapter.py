"""Which hooks are called, in which order and in which thread, in a real worker."""

import asyncio
import gc
import logging
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from fq import App, SkipMessage, compose, hooks, pipelines, results, retries
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import EnqueueOp
from fq.class_style import BrokerView
from fq.class_style.hook_names import HOOKS
from fq.core.events import ProcessBooted
from tests.class_style.recorder import MESSAGE_HOOKS, Call, Recorder, names
from tests.wait_until import wait_until

SENDER, WORKER, DISPATCHER, LOOP = "MainThread", "fq-worker-0", "fq-dispatcher", "fq-loop"


@pytest.fixture
def calls() -> list[Call]:
    return []


@pytest.fixture
def app(calls: list[Call]) -> App:
    return App(
        broker=MemoryBroker(),
        middleware=compose(hooks(Recorder("a", calls)), retries(max_retries=1, min_backoff=0), hooks(Recorder("b", calls))),
    )


def trace(app: App, calls: list[Call], last: str, fn: Callable[[], object]) -> list[Call]:
    """Return the calls about messages, from *fn* until a worker has made the call *last*."""
    calls.clear()
    fn()
    with app.worker(threads=1):
        wait_until(lambda: last in names(calls))
    return [call for call in calls if call[0].partition(".")[2] in MESSAGE_HOOKS]


def spread(hook: str, thread: str, order: str = "ab") -> list[Call]:
    return [(f"{name}.{hook}", thread) for name in order]


SENT = spread("before_enqueue", SENDER) + spread("after_enqueue", SENDER, "ba")
RETRIED = (
    spread("before_process_message", WORKER)
    + spread("after_process_message", WORKER, "ba")
    + spread("before_enqueue", WORKER)
    + spread("before_ack", WORKER)
    + spread("after_enqueue", DISPATCHER, "ba")
    + spread("after_ack", DISPATCHER, "ba")
)


def processed(verdict: str, thread: str = WORKER) -> list[Call]:
    return (
        spread("before_process_message", thread)
        + spread("after_process_message", thread, "ba")
        + spread(f"before_{verdict}", thread)
        + spread(f"after_{verdict}", DISPATCHER, "ba")
    )


def test_a_success(app: App, calls: list[Call]) -> None:
    @app.actor
    def fine() -> None: ...

    assert trace(app, calls, "a.after_ack", fine.send) == SENT + processed("ack")


def test_an_async_actor_has_its_hooks_called_in_the_event_loops_thread(app: App, calls: list[Call]) -> None:
    @app.actor
    async def fine() -> None:
        await asyncio.sleep(0)

    assert trace(app, calls, "a.after_ack", fine.send) == SENT + processed("ack", LOOP)


def test_a_failure_a_retry_and_a_dead_letter(app: App, calls: list[Call]) -> None:
    @app.actor
    def fails() -> None:
        raise ValueError("no")

    assert trace(app, calls, "a.after_nack", fails.send) == SENT + RETRIED + processed("nack")


def test_a_retry_that_has_to_wait(app: App, calls: list[Call]) -> None:
    @app.actor(min_backoff=50)
    def fails() -> None:
        raise ValueError("no")

    seen = trace(app, calls, "a.after_nack", fails.send)
    waits = seen.index(("a.before_delay_message", DISPATCHER))

    assert seen[waits : waits + 4] == spread("before_delay_message", DISPATCHER) + spread("after_enqueue", DISPATCHER, "ba")
    assert [call for call in seen if "delay" not in call[0]] == SENT + RETRIED + processed("nack")


def test_a_message_that_is_sent_with_a_delay(app: App, calls: list[Call]) -> None:
    @app.actor
    def fine() -> None: ...

    sent = spread("before_enqueue", SENDER) + spread("before_delay_message", SENDER) + spread("after_enqueue", SENDER, "ba")

    assert trace(app, calls, "a.after_ack", fine.call().delay(30).send) == sent + processed("ack")


def test_a_skip(calls: list[Call]) -> None:
    class Skips:
        def before_process_message(self, broker: Any, message: Any) -> None:
            raise SkipMessage("no")

    app = App(broker=MemoryBroker(), middleware=compose(hooks(Recorder("a", calls)), hooks(Skips()), hooks(Recorder("b", calls))))

    @app.actor
    def never() -> None: ...

    assert trace(app, calls, "a.after_ack", never.send) == [
        *SENT,
        ("a.before_process_message", WORKER),
        ("a.after_skip_message", WORKER),
        *spread("before_ack", WORKER),
        *spread("after_ack", DISPATCHER, "ba"),
    ]


def test_a_follow_up_is_enqueued_with_the_commit(calls: list[Call]) -> None:
    app = App(broker=MemoryBroker(), middleware=compose(hooks(Recorder("a", calls)), results(), pipelines()))

    @app.actor
    def one() -> int:
        return 1

    @app.actor
    def add(n: int, more: int) -> int:
        return n + more

    seen = trace(app, calls, "a.after_ack", one.call().then(add, 2).send)

    assert [name for name, _ in seen[:8]] == [
        "a.before_enqueue", "a.after_enqueue",
        "a.before_process_message", "a.after_process_message", "a.before_enqueue", "a.before_ack", "a.after_enqueue", "a.after_ack",
    ]  # fmt: skip


def test_a_result_that_cannot_be_encoded_is_a_dead_letter_for_the_hooks_too(calls: list[Call]) -> None:
    app = App(broker=MemoryBroker(), middleware=compose(hooks(Recorder("a", calls)), results()))

    @app.actor(store_results=True)
    def odd():
        return object()

    seen = trace(app, calls, "a.after_nack", odd.send)

    assert ("a.before_nack", WORKER) in seen
    assert not any(name.endswith("_ack") for name, _ in seen)


def test_a_message_for_an_unknown_actor_is_told_when_it_becomes_a_dead_letter(calls: list[Call]) -> None:
    app = App(broker=MemoryBroker(), middleware=compose(hooks(Recorder("a", calls))))

    @app.actor
    def known() -> None: ...

    body = b'{"message_id":"m1","actor_name":"stranger"}'
    app.broker.enqueue([EnqueueOp("m1", "default", "stranger", 0, 0, body)])
    with app.worker(threads=1, unknown_actor_grace=0):
        wait_until(lambda: "a.after_nack" in names(calls))

    assert names(calls) == ["a.before_nack", "a.after_nack"]


def test_every_hook_is_called_in_the_thread_that_the_docs_promise(calls: list[Call]) -> None:
    recorder = Recorder("a", calls)
    app = App(broker=MemoryBroker(), middleware=compose(hooks(recorder), retries(max_retries=0)))

    @app.actor
    def fine() -> None: ...

    @app.actor
    async def afine() -> None: ...

    @app.actor
    def fails() -> None:
        raise ValueError("no")

    @app.actor
    def skips() -> None:
        raise SkipMessage("no")

    for call in (fine.call().delay(5), afine.call(), fails.call(), skips.call()):
        call.send()
    with app.worker(threads=1):
        wait_until(lambda: sum(name in ("a.after_ack", "a.after_nack") for name, _ in calls) == 4)
    app.registry.emit(ProcessBooted())  # which a child process of fq worker does

    places: dict[str, set[str]] = {}
    for name, thread in calls:
        places.setdefault(name.partition(".")[2], set()).add(thread)
    main, run = {SENDER}, {WORKER, LOOP}
    assert places == {
        "after_process_boot": main,
        "before_declare_actor": main,
        "after_declare_actor": main,
        "before_declare_queue": main,
        "after_declare_queue": main,
        "after_declare_delay_queue": main,
        "before_enqueue": main,
        "after_enqueue": main,
        "before_delay_message": main,
        "before_process_message": run,
        "after_process_message": run,
        "after_skip_message": {WORKER},
        "before_ack": run,
        "after_ack": {DISPATCHER},
        "before_nack": {WORKER},
        "after_nack": {DISPATCHER},
        "before_worker_boot": main,
        "after_worker_boot": main,
        "before_worker_shutdown": main,
        "after_worker_shutdown": main,
        "after_consumer_thread_boot": {DISPATCHER},
        "before_consumer_thread_shutdown": {DISPATCHER},
        "after_worker_thread_boot": {
            WORKER,
            LOOP,
            *(thread for thread in places["after_worker_thread_boot"] if thread.startswith("fq-worker")),
        },
        "before_worker_thread_shutdown": places["before_worker_thread_shutdown"],
    }
    assert set(places) == set(HOOKS)


def test_declarations_come_queue_by_queue(calls: list[Call]) -> None:
    app = App(broker=MemoryBroker(), middleware=compose(hooks(Recorder("a", calls)), hooks(Recorder("b", calls))))

    @app.actor(queue="mail")
    def send() -> None: ...

    assert [name for name, _ in calls] == [
        "a.before_declare_actor", "b.before_declare_actor",
        "a.before_declare_queue", "b.before_declare_queue",
        "b.after_declare_queue", "b.after_declare_delay_queue", "a.after_declare_queue", "a.after_declare_delay_queue",
        "b.after_declare_actor", "a.after_declare_actor",
    ]  # fmt: skip


def test_nothing_is_kept_of_a_message_that_is_done_or_handed_back(app: App) -> None:
    started, deliveries = threading.Event(), app.singleton(BrokerView).deliveries

    @app.actor
    def fine() -> None: ...

    @app.actor
    def waits() -> None:
        started.set()
        time.sleep(0.3)

    for _ in range(20):
        fine.send()
    with app.worker(threads=2, shutdown_timeout=0):
        wait_until(lambda: not any(queue.ready + queue.in_flight for queue in app.broker.queues()))
        wait_until(lambda: not len(deliveries))
        waits.send()
        started.wait()
        assert len(deliveries) == 1

    wait_until(lambda: not len(deliveries))


def test_nothing_is_kept_of_a_message_whose_actor_exits(calls: list[Call]) -> None:
    app = App(broker=MemoryBroker(), middleware=compose(hooks(Recorder("a", calls))))

    @app.actor
    def exits() -> None:
        raise SystemExit

    seen = [name for name, _ in trace(app, calls, "a.after_nack", exits.send)]

    assert seen.count("a.before_process_message") == seen.count("a.after_process_message") == 1
    assert seen.count("a.before_nack") == 1
    wait_until(lambda: not len(app.singleton(BrokerView).deliveries))


@pytest.mark.parametrize("colour", ["sync", "async", "thread"])
def test_an_actors_exception_is_freed_without_the_cyclic_collector(calls: list[Call], colour: str) -> None:
    outer, inner = (hooks(Recorder(name, calls), thread=colour == "thread") for name in "ab")
    app = App(broker=MemoryBroker(), middleware=compose(outer, retries(max_retries=1, min_backoff=0), inner))

    class Odd(Exception): ...

    errors: list[weakref.ref[Odd]] = []

    def failure() -> Odd:
        error = Odd("no")
        errors.append(weakref.ref(error))
        return error

    def fails() -> None:
        raise failure()

    async def afails() -> None:
        raise failure()

    actor = app.actor(fails) if colour == "sync" else app.actor(afails)
    logging.getLogger("fq").setLevel(logging.CRITICAL)  # pytest keeps what is logged
    gc.collect()
    gc.disable()
    try:
        trace(app, calls, "a.after_nack", actor.send)
        wait_until(lambda: [error() for error in errors] == [None, None])
    finally:
        gc.enable()
        logging.getLogger("fq").setLevel(logging.NOTSET)
