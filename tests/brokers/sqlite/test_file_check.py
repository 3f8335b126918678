"""A SQLite file that is moved, deleted, replaced or written over while it is in use: nothing is acknowledged into it, and the error says so."""

import logging
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from fq.brokers import SqliteBroker
from fq.brokers.sqlite import database, file_check, schema
from tests.brokers.builders import claim, claim_one, commit, enqueue_ops, ids, state
from tests.brokers.sqlite.database_files import files, move, others, refusal

pytestmark = pytest.mark.usefixtures("at_once")


def copy_of(path: Path) -> Path:
    """A copy as SQLite makes it while the file is in use."""
    copy = path.with_name("copy.db")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
    return copy


def copy_back_log(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0] == 0


# Moved and deleted.


def test_a_file_that_is_gone_is_not_made_again_by_who_had_it_open(path: Path, broker: SqliteBroker) -> None:
    broker.enqueue(enqueue_ops("before"))
    move(path, "aside.db")
    said = refusal(lambda: broker.enqueue(enqueue_ops("during")))
    left = files(path)
    move(path.with_name("aside.db"), "jobs.db")
    broker.enqueue(enqueue_ops("after"))

    assert f"{path}: found that the file in use has been moved or deleted" in said
    assert left == []
    assert ids(claim(broker)) == ["before", "after"]


def test_a_file_without_its_log_and_a_log_without_its_file_are_not_taken_for_an_empty_database(path: Path, broker: SqliteBroker) -> None:
    broker.enqueue(enqueue_ops("m"))
    path.rename(path.with_name("aside.db"))
    said = refusal(lambda: broker.enqueue(enqueue_ops("during")))
    said_to_others = refusal(lambda: others(path).enqueue(enqueue_ops("during")))
    path.with_name("aside.db").rename(path)

    assert "moved or deleted" in said
    assert f"found its log ({path}-wal" in said_to_others
    assert ids(claim(broker)) == ["m"]


def test_after_close_a_file_that_was_deleted_is_made_again(path: Path, broker: SqliteBroker) -> None:
    broker.enqueue(enqueue_ops("lost"))
    broker.close()
    path.unlink()
    broker.enqueue(enqueue_ops("m"))

    assert ids(claim(broker)) == ["m"]


def test_another_database_at_the_path_is_gone_on_with_and_said(path: Path, broker: SqliteBroker, caplog: pytest.LogCaptureFixture) -> None:
    broker.enqueue(enqueue_ops("lost"))
    for file in files(path):
        file.unlink()
    other = others(path)
    other.enqueue(enqueue_ops("m"))
    with caplog.at_level(logging.WARNING, "fq.sqlite"):
        found = ids(claim(broker))
    other.close()

    assert found == ["m"]
    assert f"{path}: found another file at this path" in caplog.text


def test_what_was_known_of_the_former_file_is_not_believed_of_the_next(path: Path, broker: SqliteBroker) -> None:
    for name in ("a", "b", "c"):
        broker.enqueue(enqueue_ops(name))
        copy_back_log(path)
    broker.enqueue(enqueue_ops("lost"))
    for file in files(path):
        file.unlink()
    other = others(path)
    other.enqueue(enqueue_ops("m"))
    broker.enqueue(enqueue_ops("n"))
    third = others(path)
    third.enqueue(enqueue_ops("o"))

    assert ids(claim(third)) == ["m", "n", "o"]
    third.close()
    other.close()


def test_a_file_that_is_replaced_while_it_is_opened_is_not_taken_for_the_one_at_the_path(
    path: Path, broker: SqliteBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = others(path)

    def replaced_meanwhile(connection: sqlite3.Connection, path_: str) -> None:
        schema.prepare(connection, path_)
        monkeypatch.setattr(database, "prepare", schema.prepare)
        move(path, "aside.db")
        other.enqueue(enqueue_ops("m"))

    monkeypatch.setattr(database, "prepare", replaced_meanwhile)
    said = refusal(lambda: broker.enqueue(enqueue_ops("during")))
    broker.enqueue(enqueue_ops("after"))

    assert "replaced while it was being opened" in said
    assert ids(claim(other)) == ["m", "after"]
    other.close()


def test_what_is_written_while_the_file_goes_is_not_acknowledged(path: Path, broker: SqliteBroker) -> None:
    broker.enqueue(enqueue_ops("before"))

    def send() -> None:
        with broker._writer.writing() as connection:
            connection.execute("INSERT INTO queues (name) VALUES ('unheard')")
            move(path, "aside.db")

    said = refusal(send)
    move(path.with_name("aside.db"), "jobs.db")

    assert "while this call was applied to it" in said
    assert ids(claim(broker)) == ["before"]


def test_no_claim_of_the_former_file_can_commit_in_a_restored_one(path: Path, broker: SqliteBroker) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    copy = copy_of(path)
    late = claim_one(broker)
    move(path, "aside.db")
    copy.rename(path)
    again = claim_one(broker, "w2")

    assert (late.message_id, again.message_id) == ("a", "a")
    assert late.token != again.token
    assert commit(broker, late) == ("a",)
    assert commit(broker, again, worker="w2") == ()


# Written over.


def written_over(path: Path, broker: SqliteBroker) -> Path:
    """A copy of the file, that then goes on, up to where its log is copied back and begins anew."""
    broker.enqueue(enqueue_ops("a"))
    copy = copy_of(path)
    broker.enqueue(enqueue_ops(*(f"m{number}" for number in range(2_000))))
    copy_back_log(path)
    broker.enqueue(enqueue_ops("b"))
    return copy


def test_a_copy_that_is_written_over_the_file_is_refused_by_who_has_it_open(
    path: Path, broker: SqliteBroker, caplog: pytest.LogCaptureFixture
) -> None:
    copy = written_over(path, broker)
    shutil.copy(copy, path)
    said = {refusal(lambda: broker.enqueue(enqueue_ops("during"))), refusal(broker.queues), refusal(lambda: claim(broker))}

    assert len(said) == 1
    assert f"{path}: found that something else has written over it" in said.pop()
    assert f"move {path}-wal and {path}-shm away" in caplog.text


def test_a_copy_that_is_written_over_the_file_is_refused_by_who_comes_later(path: Path, broker: SqliteBroker) -> None:
    copy = written_over(path, broker)
    shutil.copy(copy, path)
    file_check._refused.clear()

    assert "found that something else has written over it" in refusal(lambda: others(path).enqueue(enqueue_ops("during")))


def test_a_copy_that_is_put_beside_the_log_of_another_file_is_refused(path: Path, broker: SqliteBroker) -> None:
    copy = written_over(path, broker)
    copy.rename(path)

    assert "in the place of another, without its log" in refusal(lambda: broker.enqueue(enqueue_ops("during")))


def test_a_file_that_is_being_written_over_is_refused_for_as_long(path: Path, broker: SqliteBroker) -> None:
    copy = written_over(path, broker)
    with path.open("r+b") as file:
        file.truncate(0)
        said = refusal(lambda: broker.enqueue(enqueue_ops("during")))
        file.write(copy.read_bytes())
    said_then = refusal(lambda: broker.enqueue(enqueue_ops("during")))

    assert "something else is writing over it" in said
    assert "something else has written over it" in said_then


def test_who_refuses_a_file_writes_nothing_to_it_even_at_its_end(path: Path, broker: SqliteBroker) -> None:
    copy = written_over(path, broker)
    shutil.copy(copy, path)
    refusal(lambda: broker.enqueue(enqueue_ops("during")))
    refusal(broker.queues)
    broker.close()

    assert path.read_bytes() == copy.read_bytes()


def test_a_file_that_was_written_over_and_is_restored_as_it_should_be_is_used_again_elsewhere(path: Path, broker: SqliteBroker) -> None:
    copy = written_over(path, broker)
    shutil.copy(copy, path)
    refusal(lambda: broker.enqueue(enqueue_ops("during")))
    for file in files(path):
        file.unlink()
    copy.rename(path)

    assert ids(claim(broker)) == ["a"]


def test_a_log_that_is_copied_back_by_others_is_no_cause_for_alarm(path: Path, broker: SqliteBroker) -> None:
    other = others(path)
    for number in range(20):
        broker.enqueue(enqueue_ops(f"m{number}"))
        other.enqueue(enqueue_ops(f"n{number}"))
        copy_back_log(path)
    other.close()

    assert len(claim(broker)) == 40


# Locks, rights, links.


def test_looking_at_the_main_file_lets_go_of_no_lock(path: Path, broker: SqliteBroker) -> None:
    broker.enqueue(enqueue_ops("m"))
    copy_back_log(path)
    broker.enqueue(enqueue_ops("n"))
    code = f"import sqlite3; c = sqlite3.connect({str(path)!r}); print(c.execute('SELECT count(*) FROM messages').fetchone()[0]); c.close()"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert said == "2\n"
    assert path.with_name("jobs.db-wal").exists(), "the other process took itself for the last one, and took the log with it"


def test_only_its_owner_may_read_a_new_file_and_its_log(path: Path, broker: SqliteBroker) -> None:
    broker.enqueue(enqueue_ops("m"))

    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in files(path)} == {
        "jobs.db": 0o600,
        "jobs.db-wal": 0o600,
        "jobs.db-shm": 0o600,
    }


def test_the_rights_of_a_file_that_is_there_are_left_alone(path: Path, broker: SqliteBroker) -> None:
    path.touch()
    path.chmod(0o660)
    broker.enqueue(enqueue_ops("m"))

    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_of_a_link_it_is_the_log_of_the_file_that_is_listened_to(path: Path) -> None:
    (path.parent / "real").mkdir()
    path.symlink_to("real/jobs.db")
    broker = SqliteBroker(path)
    broker.enqueue(enqueue_ops("m"))
    log = file_check.log_of(str(path))
    is_there = os.path.exists(log)  # noqa: PTH110  # a text, as SQLite has it
    broker.close()

    assert log == f"{os.path.realpath(path.parent)}/real/jobs.db-wal"
    assert is_there


def test_a_link_that_is_turned_to_another_database_is_another_file(path: Path, broker: SqliteBroker) -> None:
    first, second = path.with_name("first.db"), path.with_name("second.db")
    there = others(second)
    there.enqueue(enqueue_ops("m"))
    path.symlink_to(first)
    broker.enqueue(enqueue_ops("lost"))
    path.unlink()
    path.symlink_to(second)

    assert ids(claim(broker)) == ["m"]
    assert state(there, "m") == "running"
    there.close()


def test_a_file_of_before_there_were_marks_gets_them(path: Path, broker: SqliteBroker) -> None:
    broker.enqueue(enqueue_ops("m"))
    broker.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE meta")
    broker.enqueue(enqueue_ops("n"))

    assert ids(claim(broker)) == ["m", "n"]
    assert broker._reader.query("SELECT marks > 0 FROM meta") == [(1,)]
