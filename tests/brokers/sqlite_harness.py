"""The SQLite broker joins the suite."""

from pathlib import Path

from fq.brokers import Broker, SqliteBroker
from fq.brokers.clock import ManualClock


class SqliteHarness:
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

    def close(self) -> None:
        for broker in self._brokers:
            broker.close()


HARNESSES = {"sqlite": SqliteHarness}
