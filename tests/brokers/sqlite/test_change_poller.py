"""SQLite: noticing what other processes write."""

import threading
from pathlib import Path

import pytest

from fq.brokers import SqliteBroker
from fq.brokers.records import ClaimRequest
from fq.brokers.sqlite import change_poller
from fq.brokers.sqlite.change_poller import PollSchedule
from fq.brokers.sqlite.inotify import FileWatch
from tests.brokers.builders import PATIENCE_SECONDS, claim, commit, enqueue_ops, in_thread


def other_message_ends_the_wait(path: Path, broker: SqliteBroker | None = None) -> bool:
    broker, other = broker or SqliteBroker(path), SqliteBroker(path)
    for number in range(5):
        waiting = in_thread(lambda: broker.wait(ClaimRequest("w", ("q",), 1), int(PATIENCE_SECONDS * 1_000)))
        other.enqueue(enqueue_ops(f"m{number}"))
        waiting.result(PATIENCE_SECONDS / 2)
        for delivery in claim(broker):
            commit(broker, delivery)
    broker.close()
    other.close()
    return True


def test_without_word_from_the_kernel_the_poller_looks_for_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: str) -> FileWatch:
        raise OSError("no inotify here")

    monkeypatch.setattr(change_poller, "FileWatch", none)

    assert other_message_ends_the_wait(path)


@pytest.fixture
def link(path: Path) -> Path:
    """A link to a database in another folder."""
    (path.parent / "real").mkdir()
    path.symlink_to("real/jobs.db")
    return path


def test_behind_a_link_the_kernel_tells_of_writes_too(link: Path) -> None:
    broker = SqliteBroker(link)
    broker.enqueue(enqueue_ops("m"))  # the log exists from now on
    pace = PollSchedule(str(link))
    pace.wait(opened=1, changed=False)
    assert pace._watch is not None
    broker.enqueue(enqueue_ops("n"))

    assert pace._watch.wait(PATIENCE_SECONDS)
    broker.close()


def test_behind_a_link_a_message_ends_the_wait_too(link: Path) -> None:
    assert other_message_ends_the_wait(link)


def test_a_file_system_that_does_not_tell_is_found_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(FileWatch):
        def wait(self, seconds: float) -> bool:
            super().wait(0)
            return False

    monkeypatch.setattr(change_poller, "FileWatch", Deaf)

    assert other_message_ends_the_wait(path)


def test_a_listening_thread_that_could_not_be_started_is_started_by_the_next_who_waits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start, failed = threading.Thread.start, []

    def fail_once(thread: threading.Thread) -> None:
        if thread.name == "fq-sqlite-poller" and not failed:
            failed.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail_once)
    broker = SqliteBroker(path)
    with pytest.raises(RuntimeError):
        broker.wait_result("m", 0)
    broker.close()

    assert broker._listener._changes._watching == 0
    assert other_message_ends_the_wait(path, broker)


def test_looks_follow_a_write_at_growing_distances_and_a_missed_one_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    heard = iter([True] + [False] * 100)

    class Scripted:
        def __init__(self, path: str) -> None:
            """Hears nothing of its own."""

        def wait(self, seconds: float) -> bool:
            waits.append(seconds)
            return next(heard)

    monkeypatch.setattr(change_poller, "FileWatch", Scripted)
    monkeypatch.setattr(change_poller.time, "sleep", lambda seconds: waits.append(-seconds))
    pace = PollSchedule("log")
    for _ in range(15):
        pace.wait(opened=1, changed=False)
    assert waits[:4] == [
        change_poller.MIN_BACKOFF_SECONDS,
        change_poller.MIN_BACKOFF_SECONDS,
        2 * change_poller.MIN_BACKOFF_SECONDS,
        4 * change_poller.MIN_BACKOFF_SECONDS,
    ]
    assert waits[-1] == change_poller.MAX_BACKOFF_SECONDS

    pace.wait(opened=1, changed=True)
    assert waits[-1] == -change_poller.POLL_SECONDS, "a change that nobody was told of: look again and again from now on"

    pace.wait(opened=2, changed=True)
    assert waits[-1] > 0, "another file may be on another file system"
