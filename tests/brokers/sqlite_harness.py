"""The SQLite broker joins the suite."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from unittest.mock import patch

from fq.brokers import Broker, SqliteBroker
from fq.brokers.clock import ManualClock
from fq.brokers.sqlite.file_check import AppliedElsewhereError, FileCheck


class SqliteHarness:
    loses_replies = True
    shards = 1
    slack = 0

    def __init__(self, folder: Path) -> None:
        self._path = folder / "jobs.db"
        self._clock = ManualClock()
        self._brokers: list[SqliteBroker] = []

    def broker(self) -> Broker:
        self._brokers.append(SqliteBroker(self._path, clock=self._clock))
        return self._brokers[-1]

    def advance(self, ms: int) -> None:
        self._clock.advance(ms)

    @contextmanager
    def lost_replies(self, broker: Broker) -> Iterator[None]:
        with patch.object(FileCheck, "after_write", side_effect=AppliedElsewhereError("the file was moved")):
            yield

    def deafness(self, broker: Broker, deaf: bool) -> AbstractContextManager[None]:
        return nullcontext()

    def await_publication(self, worker: str) -> None:
        pass

    def close(self) -> None:
        for broker in self._brokers:
            broker.close()


HARNESSES = {"sqlite": SqliteHarness}
