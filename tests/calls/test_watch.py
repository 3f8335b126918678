"""`Handle.watch`: what a message tells while it runs, then its result, for sync and async callers."""

import asyncio
import gc
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from fq import App, Handle, OptionError, Progress, ResultFailure, ResultMissing, ResultNotStored, ResultTimeout, progress
from fq.brokers.memory import MemoryBroker
from fq.calls.watch import Ask, Item, watching
from tests.brokers.harness import Harness

SOON = 20
"""How often the watchers of these tests look, ms."""


class Gate:
    """Lets an actor go on step by step."""

    def __init__(self) -> None:
        self._steps = threading.Semaphore(0)

    def open(self, steps: int = 1) -> None:
        """Let it take *steps* more."""
        self._steps.release(steps)

    def wait(self) -> None:
        """Wait for the next step."""
        assert self._steps.acquire(timeout=60)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def app(harness: Harness) -> App:
    return App(broker=harness.broker())


def counting(app: App, gate: Gate) -> Handle[int]:
    """Send an actor that counts to three, one step of *gate* each."""

    @app.actor
    def count() -> int:
        for n in range(3):
            progress(n, of=3)
            gate.wait()
        return 3

    return count.send()


def test_a_watcher_sees_progress_and_then_the_result(app: App, gate: Gate) -> None:
    handle = counting(app, gate)
    seen: list[object] = []
    with app.worker(threads=1):
        for found in handle.watch(timeout=60_000, interval=SOON):
            seen.append(found.done if isinstance(found, Progress) else ("result", found))
            gate.open()

    assert seen == [0, 1, 2, ("result", 3)]


def test_so_does_an_async_watcher(app: App, gate: Gate) -> None:
    handle = counting(app, gate)

    async def watch() -> list[object]:
        seen: list[object] = []
        async for found in handle.watch(timeout=timedelta(minutes=1), interval=SOON):
            seen.append(found.done if isinstance(found, Progress) else ("result", found))
            gate.open()
        return seen

    with app.worker(threads=1):
        assert asyncio.run(watch()) == [0, 1, 2, ("result", 3)]


def test_the_same_progress_is_seen_once(memory: App, gate: Gate) -> None:
    handle = counting(memory, gate)
    flow = watching(handle, _Constant(), 60_000, SOON)
    items = [step.value for step in _answers(flow, 20) if isinstance(step, Item)]

    assert items == ["once"]


class _Constant:
    """A source that finds one thing, once."""

    def __init__(self) -> None:
        self.left = ["once"]

    def look(self) -> list[str]:
        found, self.left = self.left, []
        return found

    def restarted(self) -> None: ...


def _answers(flow: object, steps: int) -> Iterator[object]:
    """Drive *flow* for some steps, without waiting: results are looked at once."""
    answer: object = None
    for _ in range(steps):
        step = flow.send(answer)  # type: ignore[attr-defined]
        yield step
        answer = step.ask() if isinstance(step, Ask) else None


def test_a_message_that_has_ended_gives_its_result_at_once(memory: App) -> None:
    @memory.actor
    def add(a: int, b: int) -> int:
        return a + b

    handle = add.send(1, 2)
    memory.run_until_idle()

    assert list(handle.watch()) == [3]


def test_a_failure_is_raised(memory: App, silent: None) -> None:
    @memory.actor(max_retries=0)
    def fail() -> int:
        raise ValueError("out of paper")

    handle = fail.send()
    memory.run_until_idle()

    with pytest.raises(ResultFailure, match="out of paper"):
        list(handle.watch())


def test_a_timeout_is_raised(memory: App) -> None:
    @memory.actor
    def add() -> int:
        return 1

    with pytest.raises(ResultTimeout, match="has not ended within 30 ms"):
        list(add.send().watch(timeout=30, interval=10))


def test_without_a_stored_result_the_iterator_ends_with_the_message(app: App, gate: Gate) -> None:
    @app.actor
    def quiet() -> None:
        progress(1)
        gate.wait()

    handle = quiet.send()
    seen: list[object] = []
    with app.worker(threads=1):
        for found in handle.watch(timeout=60_000, interval=SOON):
            seen.append(found)
            gate.open()

    assert [isinstance(found, Progress) for found in seen] == [True]


def test_a_dead_letter_without_a_stored_result_is_raised(memory: App, silent: None) -> None:
    @memory.actor(max_retries=0)
    def fail() -> None:
        raise ValueError("out of paper")

    handle = fail.send()
    memory.run_until_idle()

    with pytest.raises(ResultFailure, match="out of paper"):
        list(handle.watch(interval=SOON))


def test_a_result_that_has_expired_is_missing(memory: App) -> None:
    @memory.actor(result_ttl=1_000)
    def add() -> int:
        return 1

    handle = add.send()
    memory.run_until_idle()
    broker = memory.broker
    assert isinstance(broker, MemoryBroker)
    broker.advance(24 * 3_600_000)

    with pytest.raises(ResultMissing):
        list(handle.watch(interval=SOON))


def test_a_pipeline_is_watched_to_the_end_of_its_last_step(app: App) -> None:
    @app.actor
    def double(n: int) -> int:
        return 2 * n

    handle = (double.call(1) | double | double).send()
    with app.worker(threads=1):
        assert list(handle.watch(timeout=60_000, interval=SOON)) == [8]


def test_a_group_tells_how_many_have_ended(app: App, gate: Gate) -> None:
    @app.actor
    def step(n: int) -> int:
        gate.wait()
        return n

    handle = app.group([step.call(n) for n in range(3)]).send()
    seen: list[object] = []
    with app.worker(threads=1):
        for found in handle.watch(timeout=60_000, interval=SOON):
            seen.append(found.done if isinstance(found, Progress) else found)
            gate.open()

    assert seen[0] == 0
    assert seen[-1] == [0, 1, 2]
    assert seen[:-1] == sorted(seen[:-1], key=str)


def test_a_group_whose_members_store_nothing_cannot_be_watched(memory: App) -> None:
    @memory.actor
    def quiet() -> None: ...

    with pytest.raises(ResultNotStored):
        list(memory.group([quiet.call()]).send().watch())


def test_a_watcher_that_is_cancelled_leaves_nothing_behind(memory: App) -> None:
    @memory.actor
    def add() -> int:
        return 1

    handle = add.send()
    broker = memory.broker
    assert isinstance(broker, MemoryBroker)

    async def watch() -> None:
        async for _ in handle.watch(interval=60_000):
            pass

    async def cancel_it() -> int:
        task = asyncio.create_task(watch())
        while not broker._waiters.ids():  # noqa: ASYNC110  # nothing tells that the thread has asked
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(asyncio.all_tasks())

    assert asyncio.run(cancel_it()) == 1
    gc.collect()
    assert broker._waiters.ids() == []


def test_a_watcher_may_be_left(memory: App, gate: Gate) -> None:
    handle = counting(memory, gate)
    with memory.worker(threads=1):
        for _ in handle.watch(interval=SOON):
            break
        gate.open(3)
        assert handle.get_result(block=True, timeout=60_000) == 3


def test_a_watcher_that_would_look_without_a_pause_is_refused(memory: App) -> None:
    @memory.actor
    def quiet() -> int:
        return 1

    @memory.actor(emits=str)
    def loud() -> int:
        return 1

    for handle in (quiet.send(), loud.send()):
        with pytest.raises(OptionError, match="interval: found 0, expected 1 ms at least"):
            handle.watch(interval=0)
