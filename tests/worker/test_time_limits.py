"""Actors that run past their time limit are interrupted, and nothing else is: real threads and a real event loop over the memory broker."""

import asyncio
import time

from returns.result import Failure, Success

from fq import App, Fault, Shutdown, TimeLimitExceeded, compose, default_middleware
from fq.brokers.memory import MemoryBroker


def test_a_sync_actor_past_its_time_limit_is_interrupted(app: App) -> None:
    seen: list[str] = []

    @app.actor(time_limit=30, max_retries=0)
    def spin() -> int:
        try:
            while True:
                pass
        except TimeLimitExceeded:
            seen.append("interrupted")
            raise

    with app.worker(threads=1):
        result = spin.send().get()

    assert seen == ["interrupted"]
    assert result.failure() == Fault("TimeLimitExceeded", "spin ran longer than its time limit of 30 ms", result.failure().traceback)  # type: ignore[union-attr]


def test_a_blanket_except_does_not_swallow_the_time_limit(app: App) -> None:
    @app.actor(time_limit=30, max_retries=0)
    def stubborn() -> int:
        while True:
            try:
                while True:
                    pass
            except Exception:
                pass

    with app.worker(threads=1):
        result = stubborn.send().get()

    assert isinstance(result, Failure)


def test_an_async_actor_past_its_time_limit_is_cancelled_and_may_clean_up(app: App) -> None:
    seen: list[str] = []

    @app.actor(time_limit=30, max_retries=0)
    async def wait() -> int:
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("cleaned up")
        return 1

    with app.worker(threads=1):
        result = wait.send().get()

    assert seen == ["cleaned up"]
    assert isinstance(failure := result.failure(), Fault)
    assert failure.type == "TimeLimitExceeded"


def test_messages_after_an_interrupted_one_run_undisturbed(app: App) -> None:
    @app.actor(time_limit=5, max_retries=0)
    def spin() -> int:
        while True:
            pass

    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    with app.worker(threads=1):
        for n in range(20):
            spin.send()
            assert add.send(n, 1).get() == Success(n + 1)


def test_an_interrupt_never_strikes_a_layer(app: App) -> None:
    from attrs import frozen

    from fq import Message, Outcome, Step

    struck: list[BaseException] = []

    @frozen
    class Slow(Step):
        def after(self, message: Message, outcome: Outcome) -> Outcome:
            try:
                for _ in range(20_000):
                    pass
            except BaseException as error:
                struck.append(error)
                raise
            return outcome

    slow_app = App(broker=MemoryBroker(), middleware=default_middleware.inside(type(default_middleware.layers[-1]), Slow()))

    @slow_app.actor(time_limit=1, max_retries=0)
    def brief() -> int:
        deadline = time.monotonic() + 0.001
        while time.monotonic() < deadline:
            pass
        return 1

    with slow_app.worker(threads=4):
        handles = slow_app.send_many(brief.call() for _ in range(200))
        for handle in handles:
            handle.get()

    assert struck == []
    assert compose(Slow()).layers[0] == Slow()
    assert issubclass(Shutdown, BaseException)
