"""Resources in a worker: opened before it claims, tried again until they open, closed at its end, whatever runs then. Real threads and a real loop."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from fq import Actor, TimeLimitExceeded, injected
from fq.testing import simulate
from fq.worker.process import resource_lifespan
from tests.resources.rig import Rig
from tests.wait_until import wait_until


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture
def work(rig: Rig, is_async: bool) -> Actor:
    """An actor that is not tried again, and returns what it gets: a pool of the process."""
    pool = rig.resource("pool", "process", is_async=is_async)

    def work(*, pool: str = injected(pool)) -> str:
        return pool

    async def awork(*, pool: str = injected(pool)) -> str:
        return pool

    return rig.app.actor(max_retries=0, name="work")(awork if is_async else work)


def retry_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource_lifespan, "RETRY_SECONDS", (0.01, 0.02))


def test_a_worker_claims_nothing_until_they_are_open_and_no_attempt_is_used_up(
    rig: Rig, work: Actor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    retry_soon(monkeypatch)
    rig.failures["pool"] = [OSError(f"no database {n}") for n in range(5)]
    handle = work.send()
    with caplog.at_level(logging.ERROR, "fq"), rig.app.worker(threads=1):
        assert handle.get_result(block=True) == "pool"

    assert handle.status().deliveries <= 1
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == (
        "resource pool could not be opened: OSError: no database 4; this worker claims no messages until it is open. Trying again in 0.01 s"
    )
    assert len(said) == 5
    assert caplog.records[0].exc_info is not None
    assert rig.notes == ["open pool", "close pool"]


def test_a_worker_that_cannot_open_them_ends_when_it_is_stopped_and_leaves_the_messages(
    rig: Rig, work: Actor, caplog: pytest.LogCaptureFixture
) -> None:
    rig.failures["pool"] = [OSError("no database") for _ in range(100)]
    handle = work.send()
    with caplog.at_level(logging.ERROR, "fq"), rig.app.worker(threads=1):
        wait_until(lambda: caplog.records)

    status = handle.status()
    assert (status.state, status.deliveries) == ("ready", 0)


def test_one_that_hangs_while_it_opens_is_cancelled_at_the_stop(rig: Rig) -> None:
    begun = threading.Event()

    @rig.app.resource(scope="process")
    async def pool(notes: list[str] = rig.notes) -> AsyncIterator[int]:
        begun.set()
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            notes.append("cancelled")
            raise
        yield 1

    @rig.app.actor
    async def work(*, pool: int = injected(pool)) -> int:
        return pool

    with rig.app.worker(threads=1):
        begun.wait(60)

    assert rig.notes == ["cancelled"]


def test_one_that_hangs_while_it_closes_does_not_keep_the_worker(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(resource_lifespan, "CLOSE_SECONDS", 0.05)
    go_on = threading.Event()

    @rig.app.resource(scope="process")
    def pool() -> Iterator[int]:
        yield 1
        go_on.wait(60)

    @rig.app.actor
    def work(*, pool: int = injected(pool)) -> int:
        return pool

    with caplog.at_level(logging.ERROR, "fq"), rig.app.worker(threads=1):
        assert work.send().get_result(block=True) == 1
    go_on.set()

    assert "resource pool has not closed within 0.05 s" in caplog.text


def test_a_worker_opens_what_the_actors_of_its_queues_need_and_no_more(rig: Rig) -> None:
    mail, pool = rig.resource("mail", "process"), rig.resource("pool", "process")

    @rig.app.actor(queue="mail")
    def send_mail(*, mail: str = injected(mail)) -> str:
        return mail

    @rig.app.actor(queue="reports")
    def report(*, pool: str = injected(pool)) -> str:
        return pool

    with rig.app.worker(threads=1, queues=["mail"]):
        assert send_mail.send().get_result(block=True) == "mail"

    assert rig.notes == ["open mail", "close mail"]


@pytest.mark.parametrize("late_is_async", [False, True], ids=["sync", "async"])
def test_a_message_of_an_actor_that_came_later_waits_for_its_resource_without_an_attempt(rig: Rig, late_is_async: bool) -> None:
    with rig.app.worker(threads=1):
        late = rig.resource("late", "process", is_async=late_is_async)

        @rig.app.actor(max_retries=0)
        async def work(*, late: str = injected(late)) -> str:
            return late

        assert work.send().get_result(block=True, timeout=60_000) == "late"

    assert rig.notes == ["open late", "close late"]


@pytest.mark.usefixtures("silent")
def test_a_sync_actor_past_its_time_limit_leaves_its_resources_closed(rig: Rig) -> None:
    session = rig.resource("session")

    @rig.app.actor(time_limit=30, max_retries=0)
    def spin(*, session: str = injected(session)) -> None:
        while True:
            pass

    spin.send()
    with rig.app.worker(threads=1):
        wait_until(lambda: rig.app.broker.dead_letters())
        assert rig.app.broker.dead_letters()[0].fault.type == "TimeLimitExceeded"

    assert rig.notes == ["open session", "session saw TimeLimitExceeded", "close session"]


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("hangs", ["actor", "resource"])
def test_an_async_actor_past_its_time_limit_leaves_them_closed_and_the_limit_holds_for_opening(rig: Rig, hangs: str) -> None:
    session = rig.resource("session", is_async=True)

    @rig.app.resource
    async def slow(session: str = injected(session)) -> AsyncIterator[int]:
        await asyncio.sleep(600 if hangs == "resource" else 0)
        yield 1

    @rig.app.actor(time_limit=30, max_retries=0)
    async def wait(*, slow: int = injected(slow)) -> int:
        await asyncio.sleep(600)
        return slow

    with rig.app.worker(threads=1):
        fault = wait.send().get().failure()

    assert fault.type == "TimeLimitExceeded"
    assert rig.notes == ["open session", "session saw CancelledError", "close session"]


def test_what_runs_at_the_stop_is_cancelled_and_closed_before_the_pool(rig: Rig) -> None:
    pool = rig.resource("pool", "process", is_async=True)
    session = rig.resource("session", is_async=True)
    begun = threading.Event()

    @rig.app.actor
    async def wait(*, pool: str = injected(pool), session: str = injected(session)) -> None:
        begun.set()
        await asyncio.sleep(600)

    handle = wait.send()
    with rig.app.worker(threads=1, shutdown_timeout=0):
        begun.wait(60)

    assert rig.notes == ["open pool", "open session", "session saw CancelledError", "close session", "close pool"]
    assert handle.status().state == "ready"


def test_a_failure_of_an_interrupted_actor_stands_when_the_close_fails_too(rig: Rig, silent: None) -> None:
    @rig.app.resource
    def session() -> Iterator[int]:
        try:
            yield 1
        except TimeLimitExceeded as error:
            raise OSError("rollback failed") from error

    @rig.app.actor(time_limit=30, max_retries=0, store_results=True)
    def spin(*, session: int = injected(session)) -> None:
        while True:
            pass

    with rig.app.worker(threads=1):
        assert spin.send().get().failure().type == "TimeLimitExceeded"


def test_a_simulation_opens_them_once_and_closes_them_at_its_end(rig: Rig, work: Actor) -> None:
    report = simulate(rig.app, lambda run: [work.send() for _ in range(3)], seeds=range(2))

    assert report.messages == 6
    assert rig.notes == ["open pool", "close pool"]
