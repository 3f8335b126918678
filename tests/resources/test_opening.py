"""When resources are opened and closed, what they see of a failure, and what becomes of the message; in both colours, with and without a worker."""

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import pytest
from returns.result import Failure, Result, Success

from fq import Actor, ResourceError, Retries, Snooze, injected
from fq.core.outcome import Retry
from fq.testing import outcome_of
from tests.resources.rig import Rig
from tests.wait_until import wait_until

Run = Callable[[Rig], None]


def run_inline(rig: Rig) -> None:
    rig.app.run_until_idle()


def run_in_a_worker(rig: Rig) -> None:
    with rig.app.worker(threads=1):
        wait_until(lambda: not any(queue.ready + queue.in_flight for queue in rig.app.broker.queues()))


@pytest.fixture(params=[run_inline, run_in_a_worker], ids=["inline", "worker"])
def run(request: pytest.FixtureRequest) -> Run:
    return request.param


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture
def divide(rig: Rig, is_async: bool) -> Actor:
    """An actor with a pool of the process, a session of the message, which needs the pool, and a cursor, which needs the session."""
    pool = rig.resource("pool", "process", is_async=is_async)
    cursor = rig.resource("cursor", is_async=is_async)

    @rig.app.resource
    def session(pool: str = injected(pool)) -> Iterator[str]:
        with contextmanager(rig.opener("session"))():
            yield f"session of {pool}"

    def run(n: int, *, cursor: str = injected(cursor), session: str = injected(session)) -> str:
        rig.notes.append(f"run with {cursor}, {session}")
        return str(6 // n)

    async def arun(n: int, *, cursor: str = injected(cursor), session: str = injected(session)) -> str:
        return run(n, cursor=cursor, session=session)

    return rig.app.actor(max_retries=0, name="divide")(arun if is_async else run)


OPENED = ["open pool", "open cursor", "open session", "run with cursor, session of pool"]


def test_they_are_opened_in_order_and_closed_in_reverse(rig: Rig, divide: Actor, run: Run) -> None:
    handle = divide.send(2)
    run(rig)

    assert handle.get_result() == "3"
    assert rig.notes == [*OPENED, "close session", "close cursor", "close pool"]


def test_each_message_has_its_own_and_all_share_those_of_the_process(rig: Rig, divide: Actor, run: Run) -> None:
    rig.app.send_many(divide.call(n) for n in (1, 2, 3))
    run(rig)

    assert [rig.notes.count(f"open {name}") for name in ("pool", "session", "cursor")] == [1, 3, 3]
    assert (rig.notes[0], rig.notes[-1]) == ("open pool", "close pool")


@pytest.mark.usefixtures("silent")
def test_those_of_the_message_see_the_exception_of_the_actor_and_those_of_the_process_do_not(rig: Rig, divide: Actor, run: Run) -> None:
    handle = divide.send(0)
    run(rig)

    assert handle.get().failure().type == "ZeroDivisionError"
    seen = ["session saw ZeroDivisionError", "close session", "cursor saw ZeroDivisionError", "close cursor"]
    assert rig.notes == [*OPENED, *seen, "close pool"]


@pytest.mark.usefixtures("silent")
def test_a_returned_failure_is_seen_as_an_exception(rig: Rig, is_async: bool, run: Run) -> None:
    session = rig.resource("session", is_async=is_async)

    def fails(*, session: str = injected(session)) -> Result[int, ValueError]:
        return Failure(ValueError("no"))

    async def afails(*, session: str = injected(session)) -> Result[int, ValueError]:
        return Failure(ValueError("no"))

    handle = rig.app.actor(max_retries=0, name="fails")(afails if is_async else fails).send()
    run(rig)

    assert handle.get().failure().type == "ValueError"
    assert rig.notes == ["open session", "session saw ValueError", "close session"]


@pytest.mark.usefixtures("silent")
def test_a_result_that_cannot_be_stored_is_a_failure_that_a_session_sees_before_it_commits(rig: Rig, run: Run) -> None:
    session = rig.resource("session")

    @rig.app.actor(max_retries=0)
    def wrong(*, session: str = injected(session)) -> int:
        return "no number"  # type: ignore[return-value]

    handle = wrong.send()
    run(rig)

    assert handle.get().failure().type == "InvalidResult"
    assert rig.notes == ["open session", "session saw InvalidResult", "close session"]


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("what", ["swallows it", "raises another"])
def test_a_resource_cannot_change_a_failure(rig: Rig, is_async: bool, run: Run, what: str) -> None:
    def handle_error() -> None:
        if what == "raises another":
            raise OSError("rollback failed")

    def opener() -> Iterator[int]:
        try:
            yield 1
        except ZeroDivisionError:
            handle_error()

    async def async_opener() -> AsyncIterator[int]:
        try:
            yield 1
        except ZeroDivisionError:
            handle_error()

    session = rig.app.resource(name="session")(async_opener if is_async else opener)

    def divide(*, session: int = injected(session)) -> int:
        return session // 0

    async def adivide(*, session: int = injected(session)) -> int:
        return session // 0

    handle = rig.app.actor(max_retries=0, name="divide")(adivide if is_async else divide).send()
    run(rig)

    fault = handle.get().failure()
    assert fault.type == "ZeroDivisionError"
    assert "opener" not in fault.traceback


@pytest.mark.usefixtures("silent")
def test_an_error_at_the_close_after_a_success_is_the_failure_of_the_attempt(rig: Rig, run: Run) -> None:
    outer = rig.resource("outer")

    @rig.app.resource
    def session(outer: str = injected(outer)) -> Iterator[int]:
        yield 1
        raise OSError("commit failed")

    @rig.app.actor(max_retries=0)
    def work(*, session: int = injected(session)) -> int:
        return session

    handle = work.send()
    run(rig)

    fault = handle.get().failure()
    assert (fault.type, fault.message) == ("OSError", "commit failed")
    assert rig.notes == ["open outer", "outer saw OSError", "close outer"]


@pytest.mark.usefixtures("silent")
def test_one_of_a_message_that_cannot_be_opened_fails_the_attempt_which_is_tried_again(rig: Rig, divide: Actor, is_async: bool) -> None:
    rig.failures["session"] = [OSError("no database")]
    outcome = outcome_of(divide.call(2))

    error = outcome.result.failure().error
    assert isinstance(error, ResourceError)
    assert str(error) == "resource session could not be opened: OSError: no database"
    assert isinstance(error.__cause__, OSError)
    assert rig.notes == ["open pool", "open cursor", "cursor saw ResourceError", "close cursor", "close pool"]


@pytest.mark.usefixtures("silent")
def test_the_next_attempt_succeeds(rig: Rig, run: Run) -> None:
    session = rig.resource("session")
    rig.failures["session"] = [OSError("no database")]

    @rig.app.actor(Retries.options(max_retries=1, min_backoff=0))
    def work(*, session: str = injected(session)) -> str:
        return session

    handle = work.send()
    run(rig)
    wait_until(lambda: handle.status().state != "delayed")
    run(rig)

    assert handle.get_result() == "session"


def test_what_a_resource_raises_on_purpose_is_left_as_it_is(rig: Rig) -> None:
    session = rig.resource("session")
    rig.failures["session"] = [Snooze(5_000)]

    @rig.app.actor
    def work(*, session: str = injected(session)) -> str:
        return session

    setback = outcome_of(work.call()).result.failure()

    assert isinstance(setback, Retry)
    assert (setback.delay, setback.error) == (5_000, None)


def test_an_override_takes_its_place_and_nothing_that_only_it_needs_is_opened(rig: Rig, divide: Actor, run: Run) -> None:
    session = next(each for name, each in rig.app.registry.needs_of("divide").items() if name == "session")
    with rig.app.override(session, "fake"):
        handle = divide.send(3)
        run(rig)

    assert handle.get_result() == "2"
    assert rig.notes == ["open cursor", "run with cursor, fake", "close cursor"]
    handle = divide.send(3)
    run(rig)
    assert "open session" in rig.notes


def test_a_task_group_may_stay_open_across_the_yield(rig: Rig, run: Run) -> None:
    async def opener(notes: list[str] = rig.notes) -> AsyncIterator[asyncio.TaskGroup]:
        async with asyncio.timeout(600), asyncio.TaskGroup() as group:
            yield group
        notes.append("closed")

    groups = rig.app.resource(scope="process", name="groups")(opener)

    @rig.app.actor
    async def spawn(n: int, *, groups: asyncio.TaskGroup = injected(groups)) -> int:
        return await groups.create_task(asyncio.sleep(0, n))

    handles = rig.app.send_many(spawn.call(n) for n in (1, 2))
    run(rig)

    assert [handle.get() for handle in handles] == [Success(1), Success(2)]
    assert rig.notes == ["closed"]


def test_an_error_at_the_close_of_one_of_the_process_is_raised_where_there_is_no_worker(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    @rig.app.resource(scope="process")
    def pool(outer: str = injected(rig.resource("outer", "process"))) -> Iterator[int]:
        yield 1
        raise OSError("close failed")

    @rig.app.actor
    def work(*, pool: int = injected(pool)) -> int:
        return pool

    work.send()
    with pytest.raises(OSError, match="close failed"):
        rig.app.run_until_idle()
    work.send()
    with caplog.at_level(logging.ERROR, "fq"):
        run_in_a_worker(rig)

    assert rig.notes == ["open outer", "close outer"] * 2
    assert "resource pool raised an error when it was closed" in caplog.text


def test_one_of_the_process_that_cannot_be_opened_ends_run_until_idle_and_leaves_the_message(rig: Rig, divide: Actor) -> None:
    rig.failures["pool"] = [OSError("no database")]
    handle = divide.send(1)

    with pytest.raises(ResourceError, match="resource pool could not be opened: OSError: no database"):
        rig.app.run_until_idle()

    assert handle.status().state == "ready"
    rig.app.run_until_idle()
    assert handle.get_result() == "6"


def test_an_actor_that_asks_for_nothing_has_no_injection(rig: Rig, divide: Actor) -> None:
    @rig.app.actor
    def plain(n: int) -> int:
        return n

    plain.send(1)
    run_in_a_worker(rig)

    assert rig.app.registry.needs_of("plain") == {}
    assert rig.notes == ["open pool", "close pool"]


@pytest.mark.usefixtures("silent")
def test_an_exception_that_a_resource_has_seen_is_freed_with_its_message(rig: Rig, is_async: bool, run: Run) -> None:
    class Boom(Exception):
        pass

    session = rig.resource("session", is_async=is_async)
    raised: list[weakref.ref[Boom]] = []

    def fails(*, session: str = injected(session)) -> None:
        error = Boom()
        raised.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    async def afails(*, session: str = injected(session)) -> None:
        fails(session=session)

    rig.app.actor(max_retries=0, name="fails")(afails if is_async else fails).send()
    gc.disable()
    try:
        run(rig)

        assert [error() for error in raised] == [None]
    finally:
        gc.enable()
    assert rig.notes == ["open session", "session saw Boom", "close session"]


def test_overrides_that_overlap_end_each_alone(rig: Rig, divide: Actor, run: Run) -> None:
    """As those of two threads do, or of two async tests."""
    session = next(each for name, each in rig.app.registry.needs_of("divide").items() if name == "session")
    first, second = rig.app.override(session, "first"), rig.app.override(session, "second")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    handle = divide.send(3)
    run(rig)
    second.__exit__(None, None, None)
    divide.send(3)
    run(rig)

    assert handle.get_result() == "2"
    assert [note for note in rig.notes if note.startswith("run")] == [
        "run with cursor, second",
        "run with cursor, session of pool",
    ]
