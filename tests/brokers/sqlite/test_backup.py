"""SQLite: copies of a database in use, and the room that a backlog leaves."""

import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from fq.brokers import SqliteBroker
from fq.brokers.sqlite import diagnostics
from fq.errors import BrokerError, ConfigError
from tests.brokers.builders import claim, claim_one, commit, enqueue_op, enqueue_ops, ids


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "copies").mkdir()
    return tmp_path / "copies" / "copy.db"


def large(count: int) -> list:
    return [enqueue_op(f"m{number}", body=b"x" * 10_000) for number in range(count)]


def test_a_copy_is_whole_while_others_write(path: Path, copy: Path, broker: SqliteBroker) -> None:
    broker.enqueue(large(500))
    other, done, batches = SqliteBroker(path), threading.Event(), []

    def write() -> None:
        while not done.is_set():
            batches.append(other.enqueue(enqueue_ops(*(f"{len(batches)}-{number}" for number in range(100)))))

    writer = threading.Thread(target=write)
    writer.start()
    counts = []
    for _ in range(5):
        broker.backup(copy)
        with closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            counts.append(connection.execute("SELECT count(*) FROM messages").fetchone()[0])
    done.set()
    writer.join()
    other.close()

    assert counts == sorted(counts)
    assert all(count % 100 == 0 for count in counts), "half of a call is in the copy"
    assert [file.name for file in copy.parent.iterdir()] == ["copy.db"]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_copy_that_is_put_in_place_goes_on_and_is_another_database(path: Path, copy: Path, broker: SqliteBroker) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    broker.backup(copy)
    late = claim_one(broker)
    broker.close()
    copy.rename(path)
    again = claim_one(broker, "w2")

    assert (late.message_id, again.message_id) == ("a", "a")
    assert commit(broker, late) == ("a",)
    assert commit(broker, again, worker="w2") == ()
    assert ids(claim(broker)) == ["b"]


def test_a_copy_takes_the_place_of_an_older_one_only_when_it_is_whole(
    path: Path, copy: Path, broker: SqliteBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.enqueue(large(100))
    copy.write_text("the older one")
    broker.close()
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'messages'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xab" * size)
    with pytest.raises(BrokerError, match="damaged"):
        broker.backup(copy)

    assert copy.read_text() == "the older one"
    assert [file.name for file in copy.parent.iterdir()] == ["copy.db"]


@pytest.mark.parametrize("end", ["", "-wal", "-shm"])
def test_no_copy_is_put_where_the_database_is(path: Path, broker: SqliteBroker, end: str) -> None:
    broker.enqueue(enqueue_ops("m"))
    with pytest.raises(ConfigError, match="the database itself"):
        broker.backup(f"{path}{end}")

    assert ids(claim(broker)) == ["m"]


def test_no_copy_is_put_over_a_database_in_use_or_where_there_is_no_folder(tmp_path: Path, copy: Path, broker: SqliteBroker) -> None:
    broker.enqueue(enqueue_ops("m"))
    other = SqliteBroker(copy)
    other.enqueue(enqueue_ops("n"))
    with pytest.raises(ConfigError, match="is a database in use"):
        broker.backup(copy)
    with pytest.raises(ConfigError, match="found no folder"):
        broker.backup(tmp_path / "nowhere" / "copy.db")

    assert ids(claim(other)) == ["n"]
    other.close()


def test_what_a_backlog_has_left_free_is_given_back(path: Path, broker: SqliteBroker) -> None:
    broker.enqueue(large(500))
    other = SqliteBroker(path)
    other.purge("q")
    other.enqueue(enqueue_ops("m"))
    before = broker.room()
    after = broker.shrink()
    other.enqueue(enqueue_ops("n"))

    assert before.free > 4_000_000
    assert after.free == 0
    assert path.stat().st_size == after.size < 200_000
    assert ids(claim(other)) == ["m", "n"]
    other.close()


def test_a_checkup_finds_damage_a_log_without_end_room_and_rights_for_all(
    path: Path, broker: SqliteBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.enqueue(large(50))
    broker.purge("q")
    sound = {finding.what: finding.level for finding in broker.diagnose()}
    path.chmod(0o644)
    monkeypatch.setattr(diagnostics, "LARGE_LOG_BYTES", 0)
    monkeypatch.setattr(diagnostics, "LARGE_FREE_BYTES", 0)
    sick = {finding.what: finding.level for finding in broker.diagnose()}

    assert {sound[what] for what in ("rights", "soundness", "log", "room")} == {"good"}
    assert {sick[what] for what in ("rights", "log", "room")} == {"warn"}


def test_a_checkup_finds_damage(path: Path, broker: SqliteBroker) -> None:
    broker.enqueue(large(100))
    broker.close()
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'messages_ready'").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * 4_096 + 100)
        file.write(b"\xab" * 2_000)
    (found,) = [finding for finding in broker.diagnose() if finding.what == "soundness"]

    assert found.level == "bad"
    assert ".recover" in found.advice


def test_a_short_checkup_leaves_the_check_of_a_large_file_to_a_long_one(broker: SqliteBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "CHECKED_BYTES_PER_SECOND", 1_000)
    broker.enqueue(enqueue_ops("m"))
    short, long = ([each.found for each in broker.diagnose(seconds) if each.what == "soundness"] for seconds in (1, 5))

    assert short == ["not checked here, since 0 MB take longer than 1 s: fq doctor does"]
    assert long == ["no damage found"]


def test_a_checkup_looks_for_damage_for_a_bounded_time(broker: SqliteBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.enqueue(enqueue_ops(*(f"m{number}" for number in range(5_000))))
    monkeypatch.setattr(diagnostics, "DAMAGE_CHECK_SECONDS", -1)
    (found,) = [finding for finding in broker.diagnose(-1) if finding.what == "soundness"]

    assert found.level == "good"
    assert "the rest was not checked" in found.found
