"""`run_until_idle`, wherever it is called from: a plain test, an async test, a notebook."""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from contextvars import ContextVar
from datetime import timedelta

import pytest
from attrs import frozen

from fq import App, AsyncHandler, Message, Middleware, Outcome, Retries, SelfCancelled, age_limit
from fq.brokers.clock import ManualClock
from fq.brokers.memory import MemoryBroker
from fq.testing import check_step, drain, memory, simulate
from tests.new_threads import new_threads

tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


@pytest.fixture
def app() -> App:
    return App("memory://")


def call_directly(test: Callable[[], None]) -> None:
    test()


def inside_a_loop(test: Callable[[], None]) -> None:
    """As in an async test or a notebook, whose loop leaves the keyboard alone."""

    async def main() -> None:
        test()

    with closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(main())


both_ways = pytest.mark.parametrize("run", [call_directly, inside_a_loop], ids=lambda run: run.__name__)


@both_ways
def test_sync_and_async_actors_run_in_pipelines_and_groups(app: App, run: Callable[[Callable[[], None]], None]) -> None:
    ran: list[str] = []

    @app.actor
    def add(a: int, b: int) -> int:
        ran.append(f"add {a} {b}")
        return a + b

    @app.actor
    async def double(n: int) -> int:
        await asyncio.sleep(0)
        ran.append(f"double {n}")
        return 2 * n

    @app.actor
    async def total(numbers: list[int]) -> int:
        ran.append(f"total {numbers}")
        return sum(numbers)

    def test() -> None:
        piped = (add.call(1, 2) | double | add.call(10)).send()
        grouped = app.group([add.call(1, 1), double.call(4), add.call(2, 2) | double]).then(total).send()

        assert app.run_until_idle() == 8
        assert piped.get_result() == 16
        assert grouped.get_result() == 18
        assert app.run_until_idle() == 0

    run(test)
    assert ran == ["add 1 2", "add 1 1", "double 4", "add 2 2", "double 3", "double 4", "add 10 6", "total [2, 8, 8]"]


def test_a_sync_actor_runs_on_the_calling_thread_inside_a_loop_and_needs_no_other(app: App) -> None:
    threads = []

    @app.actor
    def where() -> None:
        threads.append((threading.current_thread(), threading.active_count()))

    def test() -> None:
        before = threading.active_count()
        where.send()
        drain(app)

        assert threads == [(threading.current_thread(), before)]

    inside_a_loop(test)


@both_ways
def test_async_actors_share_one_loop_which_is_not_that_of_the_caller(app: App, run: Callable[[Callable[[], None]], None]) -> None:
    loops = []

    @app.actor
    async def where() -> None:
        loops.append(asyncio.get_running_loop())

    def test() -> None:
        where.send()
        where.send()
        drain(app)

    run(test)
    assert loops[0] is loops[1]
    assert loops[0].is_closed()


@both_ways
def test_async_actors_see_the_context_of_the_caller_and_not_that_of_each_other(app: App, run: Callable[[Callable[[], None]], None]) -> None:
    seen = []

    @app.actor
    async def look(mine: str) -> None:
        seen.append(tenant.get())
        tenant.set(mine)

    def test() -> None:
        tenant.set("shop")
        look.send("a")
        look.send("b")
        drain(app)

        assert tenant.get() == "shop"

    run(test)
    assert seen == ["shop", "shop"]


@both_ways
def test_nothing_is_left_of_an_actor_that_exits(app: App, run: Callable[[Callable[[], None]], None]) -> None:
    @app.actor(max_retries=0)
    async def leave() -> int:
        sys.exit(3)

    def test() -> None:
        left = new_threads()
        handle = leave.send()
        app.run_until_idle()

        assert left() == []
        assert handle.status().state == "dead"

    run(test)


def test_ctrl_c_reaches_the_caller(app: App) -> None:
    @app.actor(max_retries=0)
    def interrupted() -> int:
        raise KeyboardInterrupt

    interrupted.send()
    with pytest.raises(KeyboardInterrupt):
        app.run_until_idle()


@both_ways
def test_that_an_actor_cancels_itself_is_an_ordinary_failure(app: App, run: Callable[[Callable[[], None]], None]) -> None:
    @app.actor(max_retries=0)
    async def cancelled() -> None:
        raise asyncio.CancelledError

    def test() -> None:
        with memory(app) as broker:
            cancelled.send()
            app.run_until_idle()

            assert [letter.fault.type for letter in broker.dead_letters()] == [SelfCancelled.__name__]

    run(test)


@frozen
class Closes(Middleware):
    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        async def handler(message: Message) -> Outcome:
            await next(message)
            raise GeneratorExit

        return handler


@both_ways
def test_a_generator_exit_of_a_layer_is_an_ordinary_failure(app: App, run: Callable[[Callable[[], None]], None]) -> None:
    @app.actor(stack=lambda stack: stack.inside(Retries, Closes()), max_retries=1)
    async def closed() -> None:
        return

    def test() -> None:
        with memory(app) as broker:
            closed.send()

            assert app.run_until_idle() == 2, "it was tried again"
            assert [letter.fault.type for letter in broker.dead_letters()] == [GeneratorExit.__name__]

    run(test)


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """A shell starts what runs in the background with this signal ignored."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@both_ways
@pytest.mark.usefixtures("hears_ctrl_c")
def test_an_interrupt_from_the_keyboard_ends_an_actor_that_hangs(app: App, run: Callable[[Callable[[], None]], None]) -> None:
    ended = []

    @app.actor
    async def hangs() -> None:
        try:
            asyncio.get_running_loop().call_soon(signal.pthread_kill, threading.main_thread().ident, signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    def test() -> None:
        hangs.send()
        with pytest.raises(KeyboardInterrupt):
            app.run_until_idle()

    run(test)
    assert ended == [True]


@both_ways
def test_the_other_tools_for_tests_may_be_called_there_too(app: App, run: Callable[[Callable[[], None]], None]) -> None:
    @app.actor
    async def double(n: int) -> int:
        await asyncio.sleep(1)
        return 2 * n

    run(lambda: check_step(age_limit(max_age=5)))
    run(lambda: simulate(app, lambda _: double.send(2), seeds=3))


@pytest.mark.parametrize("days", [1, 5 * 365, 50_000 * 365])
def test_the_clock_jumps_to_a_far_future_in_one_step(days: int) -> None:
    clock = ManualClock(1_000)
    app = App(broker=MemoryBroker(clock=clock))
    jumps: list[int] = []
    clock.watch(lambda: jumps.append(clock.now))

    @app.actor
    def renew() -> None: ...

    renew.call().delay(timedelta(days=days)).send()
    renew.call().delay(timedelta(days=days, seconds=1)).send()

    assert app.run_until_idle() == 2
    assert clock.now == 1_000 + days * 86_400_000 + 1_000
    assert len(jumps) < 10


def test_the_clock_stays_where_only_a_paused_queue_has_work() -> None:
    clock = ManualClock(0)
    app = App(broker=MemoryBroker(clock=clock))

    @app.actor
    def renew() -> None: ...

    renew.send()
    app.broker.pause("default")

    assert app.run_until_idle() == 0
    assert clock.now == 0
