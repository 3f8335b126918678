"""``fq backup`` and ``fq shrink``."""

from pathlib import Path

import pytest

from fq.brokers import SqliteBroker
from fq.brokers.records import EnqueueOp
from fq.cli import database_file
from tests.cli.conftest import Fq


def test_a_backup_is_said_with_its_size_and_opens(fq: Fq, project: Path) -> None:
    fq("send", "tasks:app", "add", "1")
    ran = fq("backup", "tasks:app", "copy.db")
    copy = SqliteBroker("copy.db")
    queues = copy.queues()
    copy.close()

    assert (ran.exit_code, ran.stdout.startswith("copy.db, 0.")) == (0, True)
    assert queues[0].ready == 1


def test_a_backup_that_cannot_be_made_is_one_line(fq: Fq) -> None:
    ran = fq("backup", "tasks:app", "nowhere/copy.db")

    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "found no folder" in ran.stderr


def test_a_broker_without_a_file_has_no_backup(fq: Fq, project: Path) -> None:
    (project / "other.py").write_text("from fq import App\napp = App('memory://')\n")

    assert "fq backup works on SQLite" in fq("backup", "other:app", "copy.db").stderr
    assert fq("shrink", "other:app").exit_code == 2


def test_shrinking_asks_first_if_it_takes_long_and_says_what_came_of_it(fq: Fq, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = SqliteBroker("jobs.db")
    broker.enqueue([EnqueueOp(f"m{number}", "default", "add", 0, 0, b"x" * 10_000) for number in range(300)])
    broker.purge("default")
    broker.close()
    monkeypatch.setattr(database_file, "CONFIRM_ABOVE_BYTES", 0)
    asked = fq("shrink", "tasks:app")
    ran = fq("shrink", "tasks:app", "--yes")

    assert asked.exit_code == 1
    assert "Nothing else can write to the database meanwhile" in asked.stderr
    assert " before, 0." in ran.stdout
    assert Path("jobs.db").stat().st_size < 200_000
