"""SQLite in bad places and at bad times: the errors, that nothing is half done, and that it works again once the cause is gone."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fq.brokers import SqliteBroker
from fq.brokers.records import ACK, StoreResultOp
from fq.brokers.sqlite import database, errors, schema
from fq.errors import BrokerError, BrokerUnavailable, ConfigError
from tests.brokers.builders import claim, claim_one, claim_request, commit, enqueue_op, enqueue_ops, ids, in_thread, outcome, state

NOBODY = 65_534


@pytest.fixture
def broker(path: Path) -> Iterator[SqliteBroker]:
    broker = SqliteBroker(path, busy_timeout=100)
    yield broker
    broker.close()


def raw(path: Path) -> "closing[sqlite3.Connection]":
    return closing(sqlite3.connect(path, isolation_level=None, timeout=0))


def refusal(broker: SqliteBroker, kind: type[Exception]) -> str:
    """What the broker says when it cannot be used."""
    with pytest.raises(kind) as caught:
        broker.enqueue(enqueue_ops("refused"))
    return str(caught.value)


def works(broker: SqliteBroker, name: str = "works") -> bool:
    broker.enqueue(enqueue_ops(name))
    return name in ids(claim(broker))


# Bad places.


def test_a_missing_folder(tmp_path: Path) -> None:
    broker = SqliteBroker(tmp_path / "data" / "jobs.db")
    said = refusal(broker, ConfigError)
    (tmp_path / "data").mkdir()

    assert f"{tmp_path}/data/jobs.db: found no folder {tmp_path}/data" in said
    assert f"mkdir -p {tmp_path}/data" in said
    assert works(broker)


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    broker = SqliteBroker(tmp_path / "data" / "jobs.db")
    said = refusal(broker, ConfigError)
    (tmp_path / "data").unlink()
    (tmp_path / "data").mkdir()

    assert f"found a file {tmp_path}/data, expected a folder" in said
    assert works(broker)


def test_a_folder_where_the_file_should_be(path: Path, broker: SqliteBroker) -> None:
    path.mkdir()
    said = refusal(broker, ConfigError)
    path.rmdir()

    assert f"{path}: found a folder, expected a file" in said
    assert works(broker)


def test_a_file_that_is_no_database(path: Path, broker: SqliteBroker) -> None:
    path.write_text("Dear diary, " * 1_000)
    said = refusal(broker, ConfigError)
    text = path.read_text()
    path.unlink()

    assert f"{path}: found a file that is not a SQLite database" in said
    assert text == "Dear diary, " * 1_000
    assert works(broker)


def test_a_database_of_another_application_is_left_alone(path: Path, broker: SqliteBroker) -> None:
    with raw(path) as connection:
        connection.execute("CREATE TABLE messages (text)")
    said = refusal(broker, ConfigError)
    with raw(path) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()

    assert f"{path}: found tables of another application" in said
    assert tables == [("messages",)]


def test_a_database_of_a_newer_fq(path: Path, broker: SqliteBroker) -> None:
    assert works(broker)
    broker.close()
    with raw(path) as connection:
        connection.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    said = refusal(broker, ConfigError)

    assert f"found version {schema.SCHEMA_VERSION + 1} of fq's tables, expected at most {schema.SCHEMA_VERSION}" in said
    assert "pip install --upgrade fq" in said


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc here")
def test_a_folder_where_nothing_can_be_made() -> None:
    said = refusal(SqliteBroker("/proc/jobs.db"), ConfigError)

    assert said.startswith("SQLite database /proc/jobs.db: found")


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder in which rights matter, even if the tests are run by root, who may do anything: with the rights of nobody."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    me = os.geteuid()
    if me == 0:
        os.seteuid(NOBODY)
    yield folder
    os.seteuid(me)
    shutil.rmtree(folder)


def test_a_read_only_folder(as_nobody: Path) -> None:
    folder = as_nobody / "data"
    folder.mkdir()
    folder.chmod(0o555)
    broker = SqliteBroker(folder / "jobs.db")
    said = refusal(broker, ConfigError)
    folder.chmod(0o755)

    assert f"{folder}/jobs.db: found the folder {folder} read-only" in said
    assert f"chmod u+w {folder}" in said
    assert works(broker)
    broker.close()


def test_a_read_only_file(as_nobody: Path) -> None:
    path = as_nobody / "jobs.db"
    broker = SqliteBroker(path)
    assert works(broker)
    broker.close()
    path.chmod(0o444)
    said = refusal(broker, ConfigError)
    path.chmod(0o644)

    assert f"{path}: found that {path} cannot be read and written" in said
    assert f"chmod u+rw {path}" in said
    assert works(broker, "again")
    broker.close()


def test_a_path_is_absolute_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    broker = SqliteBroker("jobs.db")
    monkeypatch.chdir("/")

    assert broker.path == f"{tmp_path}/jobs.db"
    assert works(broker)
    broker.close()


def test_an_old_sqlite(broker: SqliteBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.34.1")

    assert "found SQLite 3.34.1, expected 3.35.0 or newer" in refusal(broker, ConfigError)


def test_a_setting_that_sqlite_does_not_have(path: Path) -> None:
    with pytest.raises(ConfigError, match="found synchronous='SOMETIMES', expected one of OFF, NORMAL, FULL, EXTRA"):
        SqliteBroker(path, synchronous="SOMETIMES")


@pytest.mark.parametrize("setting", database.SYNCHRONOUS)
def test_every_setting_that_sqlite_has(path: Path, setting: str) -> None:
    broker = SqliteBroker(path, synchronous=setting)
    works_then = works(broker)
    found = broker._writer.query("PRAGMA synchronous")
    broker.close()

    assert works_then
    assert database.SYNCHRONOUS[found[0][0]] == setting


# Bad times.


def fill(broker: SqliteBroker) -> Callable[[], None]:
    """Let the disk be full, and return what makes room again."""
    connection = broker._writer._connection
    assert connection is not None
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    return lambda: connection.execute("PRAGMA max_page_count = 1000000")


def test_a_full_disk_takes_all_of_a_call_or_none(path: Path, broker: SqliteBroker) -> None:
    assert works(broker)
    make_room = fill(broker)
    many = [enqueue_op(f"m{number}", "elsewhere", body=b"x" * 1_000) for number in range(100)]
    with pytest.raises(BrokerError) as caught:
        broker.enqueue(many)
    states = {state(broker, message.message_id) for message in many}
    make_room()
    broker.enqueue(many)

    assert f"{path}: found no free space" in str(caught.value)
    assert states == {"unknown"}
    assert len(claim(broker, "w1", "elsewhere", limit=200)) == 100
    assert [queue.queue_name for queue in broker.queues()] == ["elsewhere", "q"]


def test_a_commit_that_finds_the_disk_full_can_be_made_again(broker: SqliteBroker) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    a, b = claim(broker)
    make_room = fill(broker)
    commits = [outcome(a, ACK, StoreResultOp("a", b"x" * 100_000, 60_000)), outcome(b, ACK, enqueue_op("follow-up", body=b"y" * 100_000))]
    with pytest.raises(BrokerError, match="found no free space"):
        broker.turn(commits, claim_request())
    during = [state(broker, name) for name in ("a", "b", "follow-up")], broker.result("a")
    make_room()
    turn = broker.turn(commits, claim_request(limit=0))

    assert during == (["running", "running", "unknown"], None)
    assert turn.stale == ()
    assert [state(broker, name) for name in ("a", "b", "follow-up")] == ["done", "unknown", "ready"]


def test_a_lock_that_stays_is_an_error_in_time(path: Path, broker: SqliteBroker) -> None:
    assert works(broker)
    with raw(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        said = refusal(broker, BrokerUnavailable)
        during = state(broker, "works")
        connection.execute("ROLLBACK")

    assert f"{path}: found it locked by another process for longer than busy_timeout=100 ms" in said
    assert f"fuser {path}" in said
    assert during == "running", "who reads is not locked out"
    assert commit(broker, claim_one_again(broker)) == ()


def claim_one_again(broker: SqliteBroker):
    broker.release("w1", {})
    return claim_one(broker)


def test_a_lock_that_goes_is_waited_for(path: Path) -> None:
    broker = SqliteBroker(path, busy_timeout=60_000)
    assert works(broker)
    with raw(path) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        waiting = in_thread(lambda: broker.enqueue(enqueue_ops("m")))
        with pytest.raises(TimeoutError):
            waiting.result(0.1)
        connection.execute("COMMIT")

    assert waiting.result(30) == 1
    assert state(broker, "m") == "ready"
    broker.close()


def test_a_damaged_file(path: Path, broker: SqliteBroker) -> None:
    broker.enqueue([enqueue_op(f"m{number}", body=b"x" * 500) for number in range(200)])
    broker.close()
    sound = path.read_bytes()
    path.write_bytes(sound[:4_096] + b"\xab" * (len(sound) - 4_096))
    with pytest.raises((BrokerError, ConfigError)) as caught:
        broker.turn((), claim_request())
    path.write_bytes(sound)

    assert f"SQLite database {path}: found it damaged" in str(caught.value)
    assert len(claim(broker, limit=300)) == 200


def test_an_error_of_another_kind_leaves_no_transaction_open(broker: SqliteBroker) -> None:
    def fail() -> None:
        with broker._writer.writing() as connection:
            connection.execute("INSERT INTO queues (name) VALUES ('half')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert broker.queues() == ()
    assert works(broker)


def test_a_queue_is_listed_even_if_the_call_that_named_it_first_failed(broker: SqliteBroker) -> None:
    assert works(broker)
    make_room = fill(broker)
    with pytest.raises(BrokerError):
        broker.enqueue([enqueue_op("m", "new", body=b"x" * 100_000)])
    make_room()
    broker.enqueue([enqueue_op("m", "new")])

    assert [queue.queue_name for queue in broker.queues()] == ["new", "q"]


def test_a_body_beyond_what_sqlite_takes(broker: SqliteBroker) -> None:
    assert works(broker)
    broker._writer._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)  # type: ignore[union-attr]
    with pytest.raises(BrokerError, match="found a message or result larger than SQLite takes"):
        broker.enqueue([enqueue_op("m", body=b"x" * 200_000)])

    assert state(broker, "m") == "unknown"


@pytest.mark.parametrize("number", [sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_CORRUPT_VTAB])
def test_whatever_else_goes_wrong_is_said_with_the_path(number: int) -> None:
    error = sqlite3.OperationalError("strange")
    error.sqlite_errorcode = number

    said = errors.translate(error, "/data/jobs.db", 100)
    assert isinstance(said, BrokerError)
    assert "SQLite database /data/jobs.db: " in str(said) and "strange" in str(said)
