"""The event loop goes on, whatever async actors and their tasks do to it."""

import asyncio
import logging
import sys
import threading
from collections.abc import Awaitable, Callable

import pytest
from attrs import frozen
from returns.result import Success

from fq import App, Fault, Message, Outcome, default_middleware
from fq.brokers.memory import MemoryBroker
from fq.middleware.base import AsyncHandler, Middleware
from tests.wait_until import wait_until


def fault(result: object) -> str:
    failure: object = getattr(result, "failure")()  # noqa: B009  # of any Result
    assert isinstance(failure, Fault)
    return failure.type


async def exits() -> None:
    sys.exit(3)


async def gathers() -> int:
    await asyncio.gather(exits())
    return 1


async def stops_the_loop() -> int:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.01)
    return 1


@pytest.mark.parametrize(("culprit", "end"), [(gathers, "SystemExit"), (stops_the_loop, "")])
def test_others_run_on_when_a_task_exits_or_the_loop_is_stopped(app: App, culprit: Callable[[], Awaitable[int]], end: str) -> None:
    actor = app.actor(name="culprit", max_retries=0)(culprit)

    @app.actor
    async def quick(n: int) -> int:
        await asyncio.sleep(0.001)
        return n

    with app.worker(threads=1):
        handles = app.send_many(quick.call(n) for n in range(20))
        guilty = actor.send()
        more = app.send_many(quick.call(n) for n in range(20, 40))

        assert [handle.get() for handle in [*handles, *more]] == [Success(n) for n in range(40)]
        assert fault(guilty.get()) == end if end else guilty.get() == Success(1)


async def raises() -> int:
    raise asyncio.CancelledError


async def awaits_what_was_cancelled() -> int:
    task = asyncio.ensure_future(asyncio.sleep(60))
    task.cancel()
    await task
    return 1


@pytest.mark.parametrize("actor", [raises, awaits_what_was_cancelled])
def test_a_cancellation_that_no_other_code_asked_for_is_a_failure_like_any_other(app: App, actor: Callable[[], Awaitable[int]]) -> None:
    runs: list[int] = []

    async def counted() -> int:
        runs.append(1)
        return await actor()

    declared = app.actor(name="cancels", max_retries=2, min_backoff=1, max_backoff=1)(counted)
    with app.worker(threads=1):
        assert fault(declared.send().get()) == "SelfCancelled"
    assert len(runs) == 3


def test_that_an_actor_cancels_its_own_task_is_a_failure_like_any_other(app: App) -> None:
    runs: list[int] = []

    @app.actor(max_retries=2, min_backoff=1, max_backoff=1)
    async def suicidal() -> int:
        runs.append(1)
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(60)
        return 1

    with app.worker(threads=1):
        assert fault(suicidal.send().get()) == "SelfCancelled"
    assert len(runs) == 3


def test_messages_whose_tasks_another_actor_cancels_before_their_first_step_are_failures_like_any_other(app: App) -> None:
    @app.actor(max_retries=1, min_backoff=1, max_backoff=1)
    async def quick(n: int) -> int:
        return n

    running = threading.Event()

    @app.actor(max_retries=0)
    async def keeps_the_loop_in_use() -> None:
        running.set()
        await asyncio.sleep(60)

    @app.actor(max_retries=0)
    async def cancels_everybody() -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    with app.worker(threads=1):
        keeps_the_loop_in_use.send()
        assert running.wait(60)
        _, *handles = app.send_many([cancels_everybody.call(), *(quick.call(n) for n in range(5))])
        assert [handle.get(10_000) for handle in handles] == [Success(n) for n in range(5)]


def test_a_layer_may_bound_an_actor_by_a_timeout_of_its_own(app: App) -> None:
    @frozen
    class Hurry(Middleware):
        def awrap(self, next: AsyncHandler) -> AsyncHandler:
            async def handler(message: Message) -> Outcome:
                try:
                    async with asyncio.timeout(0.02):
                        return await next(message)
                except TimeoutError as error:
                    return Outcome.failure(error)

            return handler

    app = App(broker=MemoryBroker(), middleware=default_middleware.inside(type(default_middleware.layers[-1]), Hurry()))

    @app.actor(max_retries=0)
    async def wait() -> int:
        await asyncio.sleep(60)
        return 1

    with app.worker(threads=1):
        assert fault(wait.send().get()) == "TimeoutError"


def test_the_actor_of_a_task_that_blocks_the_loop_is_named(app: App, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("fq").setLevel(logging.WARNING)
    go_on = threading.Event()

    async def blocks() -> None:
        go_on.wait(30)

    @app.actor
    async def rude() -> int:
        await asyncio.wait_for(asyncio.ensure_future(blocks()), 60)
        return 1

    with app.worker(threads=1):
        handle = rude.send()
        wait_until(lambda: "rude has kept the event loop from turning" in caplog.text)
        go_on.set()
        assert handle.get() == Success(1)


def test_a_task_that_outlives_its_message_keeps_nothing_waiting(app: App) -> None:
    done: list[int] = []
    tasks: set[asyncio.Task[None]] = set()

    async def later() -> None:
        await asyncio.sleep(0.01)
        done.append(1)

    @app.actor
    async def starts() -> int:
        tasks.add(asyncio.create_task(later()))
        return 1

    with app.worker(threads=1):
        assert starts.send().get() == Success(1)
        wait_until(lambda: done)
