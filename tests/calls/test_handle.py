"""`Handle`: waiting for a result, and every reason why there is none."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from returns.result import Failure, Success

from fq import (
    App,
    Fault,
    Missing,
    NotStored,
    ResultError,
    ResultFailure,
    ResultMissing,
    ResultNotStored,
    ResultTimeout,
    TimedOut,
)


@pytest.fixture(params=["memory", "sqlite"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    """An app with four actors, on each broker that needs no server."""
    made = App("memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/jobs.db")

    @made.actor
    def add(a: int, b: int) -> int:
        return a + b

    @made.actor(max_retries=0)
    def fails() -> int:
        raise ValueError("no")

    @made.actor
    def nothing() -> None: ...

    @made.actor
    def when() -> datetime:
        return datetime(2030, 1, 31, tzinfo=UTC)

    yield made
    made.broker.close()


def test_a_result_can_be_read_any_number_of_times(app: App) -> None:
    handle = app.get_actor("add").send(1, 2)
    app.run_until_idle()

    assert [handle.get(), handle.get(0), handle.get()] == [Success(3)] * 3
    assert handle.get_result() == handle.get_result(block=True) == 3


def test_a_result_arrives_as_what_the_annotation_says(app: App) -> None:
    handle = app.get_actor("when").send()
    app.run_until_idle()

    assert handle.get_result() == datetime(2030, 1, 31, tzinfo=UTC)


def test_a_result_can_be_awaited(app: App) -> None:
    async def both() -> tuple[object, object]:
        handle = await app.get_actor("add").asend(1, 2)
        none = await handle.aget(0)
        await asyncio.to_thread(app.run_until_idle)
        return none, await handle.aget()

    none, some = asyncio.run(both())

    assert isinstance(none, Failure)
    assert isinstance(none.failure(), Missing)
    assert some == Success(3)


def test_a_missing_result_differs_from_one_that_did_not_come_in_time(app: App) -> None:
    handle = app.get_actor("add").send(1, 2)

    assert handle.get(0) == Failure(Missing(handle.message_id))
    assert handle.get(20) == Failure(TimedOut(20))
    with pytest.raises(ResultMissing) as missing:
        handle.get_result()
    with pytest.raises(ResultTimeout) as late:
        handle.get_result(block=True, timeout=20)

    assert (
        str(missing.value)
        == f"no result of add {handle.message_id} yet, or it has expired, or no message has this id: wait with get_result(block=True), "
        "or see handle.status()"
    )
    assert str(late.value) == f"no result of add {handle.message_id} within 20 ms: does a worker run? fq doctor and handle.status() say"


def test_a_failed_task_gives_its_fault_or_raises_it(app: App) -> None:
    handle = app.get_actor("fails").send()
    app.run_until_idle()
    fault = handle.get().failure()
    with pytest.raises(ResultFailure) as caught:
        handle.get_result()

    assert isinstance(fault, Fault)
    assert (caught.value.type, caught.value.message, caught.value.traceback) == ("ValueError", "no", fault.traceback)
    assert str(caught.value) == "the task failed with ValueError: no"


def test_an_actor_that_stores_nothing_says_so_at_once(app: App) -> None:
    handle = app.get_actor("nothing").send()

    assert handle.get() == Failure(NotStored("nothing"))
    assert asyncio.run(handle.aget()) == Failure(NotStored("nothing"))
    with pytest.raises(ResultNotStored) as caught:
        handle.get_result(block=True)

    assert str(caught.value) == "nothing stores no results: annotate its return type, or declare it with store_results=True"


def test_a_call_may_ask_for_its_result_to_be_kept_or_not(app: App) -> None:
    kept = app.get_actor("nothing").call().with_options(store_results=True).send()
    not_kept = app.get_actor("add").call(1, 2).with_options(store_results=False).send()
    app.run_until_idle()

    assert kept.get() == Success(None)
    assert not_kept.get() == Failure(NotStored("add"))


def test_every_error_of_get_result_is_a_result_error() -> None:
    assert all(issubclass(kind, ResultError) for kind in (ResultFailure, ResultMissing, ResultNotStored, ResultTimeout))


def test_a_message_can_be_followed(app: App) -> None:
    add, fails = app.get_actor("add").send(1, 2), app.get_actor("fails").send()
    later = app.get_actor("add").call(1, 2).delay(3_600_000).send()

    assert add.status().state == "ready"
    assert (add.status().actor_name, add.status().queue_name) == ("add", "default")
    assert later.status().state == "delayed"
    app.broker.discard([later.message_id])
    app.run_until_idle()

    assert add.status().state == "done"
    assert fails.status().state == "dead"
    assert (fails.status().fault or Fault("", "")).message == "no"


def test_a_result_goes_away_after_its_time() -> None:
    app = App("memory://")

    @app.actor(result_ttl=1_000)
    def add(a: int, b: int) -> int:
        return a + b

    handle = add.send(1, 2)
    app.run_until_idle()
    assert handle.get() == Success(3)
    app.broker.advance(1_001)  # type: ignore[attr-defined]

    assert handle.get(0) == Failure(Missing(handle.message_id))


def test_a_waiting_handle_gets_the_result() -> None:
    app = App("memory://")

    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    with app.worker(threads=1):
        assert add.send(1, 2).get_result(block=True) == 3
        assert asyncio.run(add.send(3, 4).aget()) == Success(7)
