"""`progress` and `Handle.progress` on every broker: the latest that a running delivery has told, and nothing of an earlier one."""

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import date

import pytest
from attrs import frozen

from fq import App, Handle, InvalidResult, Progress, RetryAfter, keep, progress
from fq.brokers.operations import message_key
from fq.testing import outcome_of
from tests.brokers.harness import Harness

both_colours = pytest.mark.parametrize("colour", ["sync", "async"])


@pytest.fixture
def everywhere(harness: Harness) -> App:
    return App(broker=harness.broker())


def run(app: App, colour: str, behave: Callable[[], object], **options: object) -> Handle[object]:
    """Run an actor of this *colour* that does *behave*, and return its handle."""

    def sync_actor() -> object:
        return behave()

    async def async_actor() -> object:
        await asyncio.sleep(0)
        return behave()

    handles.clear()
    declared = app.actor(name="work", min_backoff=0, **options)(sync_actor if colour == "sync" else async_actor)  # type: ignore[call-overload]
    handles.append(declared.send())
    logging.getLogger("fq").setLevel(logging.CRITICAL)
    app.run_until_idle()
    logging.getLogger("fq").setLevel(logging.NOTSET)
    return handles[0]


handles: list[Handle[object]] = []


def now_seen() -> tuple[object, object, str] | None:
    """Return the progress that the holder of the handle sees now."""
    found = handles[0].progress()
    return None if found is None else (found.done, found.of, found.note)


@both_colours
def test_the_handle_sees_the_latest_until_the_message_has_ended(everywhere: App, colour: str) -> None:
    seen: list[object] = []

    def behave() -> None:
        seen.append(now_seen())
        progress(1, of=3, note="page 1")
        seen.append(now_seen())
        progress(2, 3)
        seen.append(now_seen())
        progress({"stage": "upload"})
        seen.append(now_seen())

    handle = run(everywhere, colour, behave)

    assert seen == [None, (1, 3, "page 1"), (2, 3, ""), ({"stage": "upload"}, None, "")]
    assert handle.progress() is None
    assert everywhere.broker.marks([message_key("progress", handle.message_id)]) == {}, "the commit has deleted it"


@both_colours
def test_a_thread_tells_progress_if_it_has_a_copy_of_the_context(everywhere: App, colour: str) -> None:
    seen: list[object] = []

    def behave() -> None:
        with ThreadPoolExecutor() as pool:
            pool.submit(progress, 1).result()
            seen.append(now_seen())
            pool.submit(copy_context().run, progress, 2).result()
            seen.append(now_seen())

    run(everywhere, colour, behave)

    assert seen == [None, (2, None, "")]


def test_the_status_has_it_too(everywhere: App) -> None:
    seen: list[Progress | None] = []

    def behave() -> None:
        progress(5, of=10)
        seen.append(handles[0].status().progress)

    run(everywhere, "sync", behave)

    assert [found and (found.done, found.fraction) for found in seen] == [(5, 0.5)]
    assert all(found is not None and abs(found.at - everywhere.broker.now()) < 60_000 for found in seen)


def test_an_attempt_begins_with_none(everywhere: App) -> None:
    seen: list[object] = []

    def behave() -> None:
        seen.append(now_seen())
        progress(80, of=100)
        if len(seen) == 1:
            raise RetryAfter(0)

    run(everywhere, "sync", behave)

    assert seen == [None, None]


def test_an_attempt_after_one_that_was_killed_and_failed_begins_with_none(everywhere: App, harness: Harness) -> None:
    seen: list[object] = []

    def behave() -> None:
        seen.append(now_seen())
        if len(seen) == 1:
            progress(80, of=100)
            raise KeyboardInterrupt  # the process dies
        if len(seen) == 2:
            raise RetryAfter(0)

    with pytest.raises(KeyboardInterrupt):
        run(everywhere, "sync", behave)
    everywhere.run_until_idle()
    harness.advance(60_000)
    everywhere.run_until_idle()

    assert seen == [None, None, None]


def test_async_callers_see_it(memory: App) -> None:
    seen: list[Progress | None] = []

    @memory.actor
    async def work() -> None:
        progress(1)
        seen.append(await handle.aprogress())

    handle = work.send()
    memory.run_until_idle()

    assert [found and found.done for found in seen] == [1]


def test_a_group_counts_its_members_that_have_ended(everywhere: App) -> None:
    @everywhere.actor
    def double(n: int) -> int:
        return 2 * n

    handle = everywhere.group([double.call(n) for n in range(3)]).send()
    before = handle.progress()
    everywhere.run_until_idle()

    assert (before, handle.progress()) == (Progress(0, of=3), Progress(3, of=3))


@frozen
class Point:
    x: int
    when: date


@dataclasses.dataclass
class Line:
    ends: list[int]


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (Point(1, date(2030, 1, 2)), {"x": 1, "when": "2030-01-02"}),
        (Line([1, 2]), {"ends": [1, 2]}),
        (date(2030, 1, 2), "2030-01-02"),
        ((1, "a"), [1, "a"]),
        (None, None),
        ("é\n\x00", "é\n\x00"),
    ],
)
def test_any_value_that_can_be_json_is_a_progress(memory: App, value: object, seen: object) -> None:
    found: list[object] = []

    def behave() -> None:
        progress(value)
        found.append(now_seen())

    run(memory, "sync", behave)

    assert found == [(seen, None, "")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("x" * 5_000,), "found 5,0.* bytes of JSON as the progress, expected 4,096 at most"),
        ((object(),), "done: found <object"),
        (([object()],), r"done\[0\]: found <object"),
        ((1, "2"), "found of='2', expected a number"),
        ((1, True), "found of=True, expected a number"),
        ((1, 2, 3), "found note=3, expected a text"),
    ],
)
def test_what_cannot_be_told_is_refused_in_an_actor_and_outside(memory: App, arguments: tuple[object, ...], said: str) -> None:
    said_inside: list[str] = []

    def behave() -> None:
        with pytest.raises(InvalidResult, match=said) as raised:
            progress(*arguments)  # type: ignore[arg-type]
        said_inside.append(str(raised.value))

    run(memory, "sync", behave)

    assert len(said_inside) == 1
    with pytest.raises(InvalidResult, match=said):
        progress(*arguments)  # type: ignore[arg-type]


def test_outside_of_a_worker_it_goes_nowhere(memory: App) -> None:
    @memory.actor
    def work(n: int) -> int:
        progress(n)
        return n

    assert work(1) == 1
    assert outcome_of(work.call(2)).result.unwrap() == 2


def test_the_record_of_a_message_has_the_latest_while_it_runs_and_once_it_has_ended(everywhere: App) -> None:
    seen: list[object] = []

    def shown() -> object:
        record = handles[0].history()
        return record and record.progress and (record.state, record.progress.done, record.progress.note)

    def behave() -> None:
        seen.append(shown())
        progress(1, of=2, note="half")
        seen.append(shown())
        progress(2, of=2)

    declared = everywhere.actor(keep())(function_of(behave))
    handles[:] = [declared.send()]
    everywhere.run_until_idle()

    assert seen == [None, ("running", 1, "half")]
    assert shown() == ("finished", 2, "")


def function_of(behave: Callable[[], None]) -> Callable[[], None]:
    """Return a function of its own that does *behave*."""

    def work() -> None:
        behave()

    return work


def test_a_long_message_id_has_a_progress_too(memory: App) -> None:
    seen: list[object] = []

    @memory.actor
    def work() -> None:
        progress(1)
        seen.append(handle.progress())

    handle = work.call().with_id("i" * 900 + "é" * 40).send()
    memory.run_until_idle()

    assert len(seen) == 1
    assert isinstance(seen[0], Progress)


@pytest.mark.parametrize(
    ("found", "fraction", "text"),
    [
        (Progress(3, of=10, note="page 3"), 0.3, "3 of 10: page 3"),
        (Progress(30, of=10), 1.0, "30 of 10"),
        (Progress(-1, of=10), 0.0, "-1 of 10"),
        (Progress(1, of=0), None, "1 of 0"),
        (Progress(10**400, of=10), 1.0, f"{10**400} of 10"),
        (Progress("half", of=10), None, "half of 10"),
        (Progress({"a": 1}), None, "{'a': 1}"),
    ],
)
def test_a_fraction_is_known_if_both_are_numbers(found: Progress, fraction: float | None, text: str) -> None:
    assert (found.fraction, str(found)) == (fraction, text)
