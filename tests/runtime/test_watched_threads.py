"""`watched_thread` threads: what they raise is logged, and they go on as long as that helps."""

import logging

import pytest

from fq.runtime.watched_threads import MAX_RESTARTS, current_stack, watched_thread


class Panic(BaseException):
    """As an extension in another language has it."""


@pytest.mark.parametrize("kind", [ValueError, Panic, SystemExit, KeyboardInterrupt, MemoryError])
def test_a_thread_goes_on_after_any_exception(kind: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    runs: list[int] = []

    def run() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise kind("no")

    thread = watched_thread("fq-test", run)
    thread.start()
    thread.join(60)

    assert len(runs) == 3
    assert caplog.text.count(f"thread fq-test goes on after {kind.__name__}") == 2
    assert "in run" in caplog.text


def test_one_that_raises_again_and_again_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "fq.worker")
    runs: list[int] = []
    told: list[tuple[str, BaseException]] = []

    def run() -> None:
        runs.append(1)
        raise Panic(len(runs))

    thread = watched_thread("fq-test", run, lambda name, error: told.append((name, error)))
    thread.start()
    thread.join(60)

    assert len(runs) == MAX_RESTARTS + 1
    assert [(name, error.args) for name, error in told] == [("fq-test", (len(runs),))]


def test_one_that_cannot_be_called_again_is_lost_at_once() -> None:
    told: list[str] = []

    def run() -> None:
        raise Panic

    thread = watched_thread("fq-test", run, lambda name, _: told.append(name), restart=False)
    thread.start()
    thread.join(60)

    assert told == ["fq-test"]
    assert current_stack(thread) == ""
