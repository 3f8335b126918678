"""What tests do with the file of a SQLite broker: move it, count what is in it, be refused by it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from fq.brokers import SqliteBroker
from fq.errors import BrokerUnavailable


def others(path: Path) -> SqliteBroker:
    return SqliteBroker(path)


def files(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}*"))


def move(path: Path, name: str) -> None:
    for file in files(path):
        file.rename(file.with_name(file.name.replace(path.name, name)))


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(BrokerUnavailable) as caught:
        call()
    return str(caught.value)


def counts(path: Path) -> dict[str, int]:
    return _counts(path, "messages", "results", "groups", "members", "dead", "workers")


def small_counts(path: Path) -> dict[str, int]:
    return _counts(path, "marks", "mark_counts", "unique_keys", "counters")


def _counts(path: Path, *tables: str) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}
