"""Interrupts hit actors, and nothing else: neither what comes before their call, nor what they call of fq's own."""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fq import App, Cancelled, Fault, TimeLimitExceeded
from fq.brokers import broker_from_url
from fq.core.message import Message, with_time_limit
from fq.limits import Barrier
from fq.runtime.interrupt_mask import checkpoint, current, shielded
from fq.testing import message
from fq.worker.executors.interrupts import Interrupter
from fq.worker.executors.lost_interrupts import install_hook

LATE: Message = with_time_limit(message("late"), 0)
"""A message whose limit is over when it begins."""


@pytest.fixture
def interrupter() -> Iterator[Interrupter]:
    """Its watcher is not started: a test strikes by hand, from the thread that is struck."""
    yield Interrupter()
    current.shield = None


def spin(rounds: int = 1_000) -> None:
    """Give an interrupt that is on its way a bytecode to strike at."""
    for _ in range(rounds):
        pass


def test_what_comes_before_the_call_is_not_struck_though_the_limit_is_over(interrupter: Interrupter) -> None:
    rang: list[str] = []

    class Bell(threading.Event):
        def set(self) -> None:
            interrupter.interrupt_overdue()
            spin()
            rang.append("undisturbed")  # struck in here, it would keep its lock for ever, and the watcher would wait for that

    interrupter._wakeup = Bell()
    interrupter.run(LATE, spin, (), {})

    assert rang == ["undisturbed"]


def test_a_message_that_is_about_to_begin_is_wakeup_again_when_it_has(interrupter: Interrupter) -> None:
    seen: list[bool] = []

    class Bell(threading.Event):
        def set(self) -> None:
            seen.append(interrupter.interrupt_overdue() < float("inf"))

    interrupter._wakeup = Bell()
    interrupter.run(LATE, spin, (), {})

    assert seen == [True]


def test_an_actor_is_struck_at_its_next_bytecode_and_told_why(interrupter: Interrupter) -> None:
    def actor() -> None:
        interrupter.interrupt_overdue()
        spin()
        pytest.fail("it was not struck")

    with pytest.raises(TimeLimitExceeded, match="late ran longer than its time limit of 0 ms"):
        interrupter.run(LATE, actor, (), {})


def test_a_strike_during_a_shielded_call_waits_for_its_end(interrupter: Interrupter) -> None:
    done: list[str] = []

    @shielded
    def send() -> None:
        interrupter.interrupt_overdue()
        spin()
        done.append("all of it")

    def actor() -> None:
        send()
        pytest.fail("it was not struck")

    with pytest.raises(TimeLimitExceeded, match="time limit of 0 ms"):
        interrupter.run(LATE, actor, (), {})
    assert done == ["all of it"]


def test_only_the_outermost_of_nested_shields_lets_it_through(interrupter: Interrupter) -> None:
    done: list[str] = []
    inner = shielded(interrupter.interrupt_overdue)

    @shielded
    def outer() -> None:
        inner()
        done.append("all of it")

    with pytest.raises(TimeLimitExceeded):
        interrupter.run(LATE, outer, (), {})
    assert done == ["all of it"]


def test_a_shielded_call_that_waits_lets_it_through(interrupter: Interrupter) -> None:
    @shielded
    def wait() -> None:
        interrupter.interrupt_overdue()
        checkpoint()
        pytest.fail("it was not struck")

    with pytest.raises(TimeLimitExceeded):
        interrupter.run(LATE, wait, (), {})


def test_a_strike_that_was_held_back_is_forgotten_with_its_message(interrupter: Interrupter) -> None:
    def actor() -> int:
        current.shield.mask()  # type: ignore[union-attr]
        interrupter.interrupt_overdue()
        return 1

    assert interrupter.run(LATE, actor, (), {}) == 1
    assert interrupter.run(with_time_limit(message("next"), 60_000), shielded(lambda: 2), (), {}) == 2


def test_a_strike_that_python_swallowed_in_a_finalizer_is_repeated(interrupter: Interrupter) -> None:
    class Thing:
        def __del__(self) -> None:
            interrupter.interrupt_overdue()
            spin()
            pytest.fail("it was not struck")

    def actor() -> None:
        thing = Thing()
        del thing
        interrupter.interrupt_overdue()
        spin()
        pytest.fail("it was not struck again")

    install_hook()
    with pytest.raises(TimeLimitExceeded, match="time limit of 0 ms"):
        interrupter.run(LATE, actor, (), {})


def test_and_what_was_swallowed_is_forgotten_with_its_message(interrupter: Interrupter) -> None:
    class Thing:
        def __del__(self) -> None:
            interrupter.interrupt_overdue()
            spin()

    install_hook()
    interrupter.run(LATE, Thing, (), {})
    interrupter.interrupt_overdue()

    assert interrupter.run(message("next"), lambda: spin() or 2, (), {}) == 2


def test_what_else_goes_wrong_in_a_finalizer_is_reported_as_before(interrupter: Interrupter, monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    install_hook.__wrapped__()  # once more, although this process has

    class Thing:
        def __del__(self) -> None:
            raise ValueError("boom")

    interrupter.run(message("it"), lambda: Thing() and None, (), {})

    assert len(reported) == 1


def test_threads_that_run_no_actor_have_no_mask() -> None:
    assert shielded(lambda: current.shield)() is None
    checkpoint()


# With a worker.


@pytest.fixture(params=["memory", "sqlite"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    logging.getLogger("fq").setLevel(logging.CRITICAL)
    app = App(broker=broker_from_url("memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'jobs.db'}"))
    yield app
    app.broker.close()
    logging.getLogger("fq").setLevel(logging.NOTSET)


def failure_of(result: object) -> str:
    failure: object = getattr(result, "failure")()  # noqa: B009  # of any Result
    assert isinstance(failure, Fault)
    return failure.type


def test_actors_that_are_struck_while_they_send_leave_the_broker_as_it_should_be(app: App) -> None:
    sent: list[str] = []

    @app.actor(queue="later")
    def later() -> None:
        pass

    @app.actor(time_limit=2, max_retries=0)
    def sender() -> int:
        with suppress(TimeLimitExceeded):
            while True:
                sent.append(later.send().message_id)
        return 1

    with app.worker(threads=3, queues=("default",)):
        handles = app.send_many(sender.call() for _ in range(60))
        assert all(handle.get(timeout=60_000).unwrap() == 1 for handle in handles)

    (queue,) = (queue for queue in app.broker.queues() if queue.queue_name == "later")
    assert len(sent) <= queue.ready <= len(sent) + len(handles), "of each sender, the last one may have gone out unnoticed"


@pytest.mark.parametrize("waits", ["for a result", "at a barrier"])
def test_an_actor_that_only_waits_is_struck_while_it_waits(app: App, waits: str) -> None:
    @app.actor(queue="elsewhere")
    def never() -> int:
        return 1

    pending = never.send()
    barrier = Barrier(app, "b", ttl=600_000)
    barrier.create(2)
    wait: dict[str, Callable[[], object]] = {"for a result": lambda: pending.get(timeout=600_000), "at a barrier": barrier.wait}

    @app.actor(time_limit=50, max_retries=0)
    def waiter() -> int:
        wait[waits]()
        return 1

    with app.worker(threads=1, queues=("default",)):
        assert failure_of(waiter.send().get(timeout=60_000)) == "TimeLimitExceeded"


def test_one_that_is_cancelled_while_it_waits_for_a_result_is_too(app: App) -> None:
    began = threading.Event()

    @app.actor(queue="elsewhere")
    def never() -> int:
        return 1

    pending = never.send()

    @app.actor(cancellable=True, max_retries=0)
    def waiter() -> int:
        began.set()
        pending.get(timeout=600_000)
        return 1

    with app.worker(threads=1, queues=("default",)):
        handle = waiter.send()
        began.wait(60)
        handle.cancel()
        assert failure_of(handle.get(timeout=60_000)) == Cancelled.__name__


PROFILED = """
import sys
from fq import App

app = App("memory://")

@app.actor(max_retries=0, time_limit=20)
def endless():
    while True:
        pass

with app.worker(threads=1):
    print(endless.send().get(60_000).failure().type)
calls = []
sys.setprofile(lambda frame, event, argument: calls.append(event))
for number in range(100):
    (lambda: number)()
sys.setprofile(None)
print(calls.count("return"))
"""


def test_a_profiler_works_in_a_process_that_has_interrupted_an_actor() -> None:
    ran = subprocess.run([sys.executable, "-c", PROFILED], capture_output=True, text=True, timeout=60)

    assert ran.stdout.split() == ["TimeLimitExceeded", "100"], ran.stderr
