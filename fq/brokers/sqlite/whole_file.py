"""`WholeFile`: what a `SqliteBroker` does with its file as a whole, on a connection of its own, so that no other call waits for it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from fq.brokers.clock import Clock
from fq.brokers.sqlite.backup import Room, back_up, room, shrink
from fq.brokers.sqlite.database import Database, Settings


class WholeFile:
    """The part of a broker at *path* that copies and shrinks."""

    path: str
    clock: Clock
    _settings: Settings

    def backup(self, target: str | os.PathLike[str]) -> None:
        """
        Copy the database to *target*, one whole file, while others use it; what was there is replaced when the copy is whole.

        Raises:
            BrokerError, ConfigError: why there is no copy; *target* is as it was.
        """
        with self._own_connection() as database, database.reading() as connection:
            back_up(connection, self.path, os.path.abspath(target))  # noqa: PTH100  # links stay as they are

    def room(self) -> Room:
        """Return how large the database is, and how much of that is free."""
        with self._own_connection() as database, database.reading() as connection:
            return room(connection)

    def shrink(self) -> Room:
        """Give back to the disk what is free in the file, and return how large it is then; others that write wait for it."""
        with self._own_connection() as database, database.alone() as connection:
            return shrink(connection, self.path, self._settings.busy_timeout)

    @contextmanager
    def _own_connection(self) -> Iterator[Database]:
        """Return a database of its own for what takes long, so that no other call waits for it."""
        database = Database(self._settings, self.clock)
        try:
            yield database
        finally:
            database.close()
