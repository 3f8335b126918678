"""A SQLite broker on a file of its own for each test, and a broker that checks its file at every call."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fq.brokers import SqliteBroker
from fq.brokers.sqlite import database, file_check


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def broker(path: Path) -> Iterator[SqliteBroker]:
    broker = SqliteBroker(path)
    yield broker
    broker.close()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look and sign every time, and do not wait for a file to be written to the end."""
    monkeypatch.setattr(database, "MARK_SECONDS", 0.0)
    monkeypatch.setattr(file_check, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(file_check, "REREAD_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(file_check, "_refused", {})
