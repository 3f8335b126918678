"""What `simulate` makes of actors that hang, exit, or cancel themselves: what a worker makes of them, and always with the seed."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from itertools import count

import pytest
from returns.result import Success

from fq import App
from fq.testing import Faults, Run, SimulationError, simulate
from fq.testing.simulation import loop

QUIET = Faults(requeue=0, repeat=0)


def stuck(fn: Callable[[], Awaitable[object]]) -> str:
    """Simulate *fn*, an async actor that never ends, and return what was found."""
    app = App("memory://")
    actor = app.actor(fn)
    with pytest.raises(SimulationError) as error:
        simulate(app, lambda _: actor.send(), seeds=[7])

    assert [violation.kind for violation in error.value.violations] == ["stuck"]
    assert str(error.value).startswith("seed 7:")
    return str(error.value)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the wait for something that never happens."""
    monkeypatch.setattr(loop, "REAL_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(loop, "MAX_LOOP_TURNS", 500)


@pytest.mark.usefixtures("hurried")
def test_an_actor_that_waits_for_what_never_comes_is_stuck_and_may_clean_up() -> None:
    ended = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waits")

    said = stuck(waits)

    assert "stuck: waits#1 never ends: it waits, and nothing on its event loop can wake it" in said
    assert "runs waits#1, which never ends" in said
    assert ended == ["waits"]


@pytest.mark.usefixtures("hurried")
def test_an_actor_that_asks_again_and_again_is_stuck() -> None:
    async def asks() -> None:
        for _ in count():
            await asyncio.sleep(1)

    assert "asks#1 never ends: its event loop ran 500 iterations" in stuck(asks)


@pytest.mark.usefixtures("hurried")
def test_an_actor_that_will_not_even_be_cancelled_is_stuck_too() -> None:
    given_up = []

    async def clings() -> None:
        while not given_up:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if asyncio.current_task().cancelling() > 2:
                    given_up.append(True)

    assert "clings#1 never ends" in stuck(clings)


@pytest.mark.usefixtures("hurried")
def test_a_thread_may_take_its_time() -> None:
    app = App("memory://")

    @app.actor
    async def threaded() -> int:
        turn = asyncio.Event()
        began = asyncio.get_running_loop().call_soon_threadsafe
        await asyncio.to_thread(began, turn.set)
        await turn.wait()
        return await asyncio.to_thread(slow)

    def slow() -> int:
        done = asyncio.run(asyncio.sleep(4 * loop.REAL_WAIT_SECONDS, 3))
        assert done == 3
        return done

    def returned(run: Run) -> None:
        assert run.result(run.sent) == Success(3)

    simulate(app, lambda _: threaded.send(), seeds=1, faults=Faults.none(), check=returned)


async def exits() -> None:
    sys.exit(3)


async def gathered() -> None:
    await asyncio.gather(exits(), asyncio.sleep(1))


async def grouped() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(exits())


async def on_its_own() -> None:
    task = asyncio.create_task(exits())
    await asyncio.sleep(1)
    await task


@pytest.mark.parametrize("fn", [exits, gathered, grouped, on_its_own], ids=lambda fn: fn.__name__)
def test_an_exit_of_an_actor_or_of_a_task_of_it_is_an_ordinary_failure(
    fn: Callable[[], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    app = App("memory://")
    leaves = app.actor(max_retries=2, min_backoff=1, store_results=True)(fn)

    @app.actor
    async def stays() -> int:
        await asyncio.sleep(1)
        return 3

    def only_one_failed(run: Run) -> None:
        left, stayed = run.sent
        assert run.result(left).failure().type == "SystemExit"
        assert run.calls[leaves.name] >= 3
        assert run.result(stayed) == Success(3)

    simulate(app, lambda _: (leaves.send(), stays.send()), seeds=20, faults=QUIET, check=only_one_failed)

    assert caplog.records == []


async def cancels_itself() -> None:
    raise asyncio.CancelledError


async def awaits_what_was_cancelled() -> None:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def cancels_its_task() -> None:
    asyncio.current_task().cancel()
    await asyncio.sleep(1)


@pytest.mark.parametrize("fn", [cancels_itself, awaits_what_was_cancelled, cancels_its_task], ids=lambda fn: fn.__name__)
def test_that_an_actor_cancels_itself_is_an_ordinary_failure(fn: Callable[[], Awaitable[None]]) -> None:
    app = App("memory://")
    actor = app.actor(max_retries=1, min_backoff=1, store_results=True)(fn)

    def failed(run: Run) -> None:
        fault = run.result(run.sent).failure()
        assert fault.type == "SelfCancelled"
        assert "raised CancelledError, but was not cancelled" in fault.message
        assert run.ended == {"dead": 1}

    simulate(app, lambda _: actor.send(), seeds=20, faults=QUIET, check=failed)


def test_a_sync_actor_that_raises_that_it_was_cancelled_fails_as_in_a_worker() -> None:
    app = App("memory://")

    @app.actor(max_retries=0, store_results=True)
    def cut() -> None:
        raise asyncio.CancelledError

    def failed(run: Run) -> None:
        assert run.result(run.sent).failure().type == "SelfCancelled"

    simulate(app, lambda _: cut.send(), seeds=20, faults=QUIET, check=failed)


def test_ctrl_c_ends_a_simulation_and_names_the_seed() -> None:
    app = App("memory://")

    @app.actor
    def ends() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as error:
        simulate(app, lambda _: ends.send(), seeds=[7])

    assert error.value.__notes__ == ["in seed 7 of a simulation; reproduce with seeds=[7]"]
