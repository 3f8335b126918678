"""`WholeFile`: what a `SqliteBroker` does with its whole file, on a connection of its own, so that other calls do not wait for it."""

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
        Copy the database to *target*, as one file, while others use it. A file at *target* is replaced once the copy is whole.

        Raises:
            BrokerError, ConfigError: why there is no copy; *target* has not changed.
        """
        with self._own_connection() as database, database.reading() as connection:
            back_up(connection, self.path, os.path.abspath(target))  # noqa: PTH100  # links stay as they are

    def room(self) -> Room:
        """Return the size of the database, and how much of it is free."""
        with self._own_connection() as database, database.reading() as connection:
            return room(connection)

    def shrink(self) -> Room:
        """Return free room in the file to the disk, and return the new size; other connections wait to write."""
        with self._own_connection() as database, database.alone() as connection:
            return shrink(connection, self.path, self._settings.busy_timeout)

    @contextmanager
    def _own_connection(self) -> Iterator[Database]:
        """Return a database for long work, so that other calls do not wait for it."""
        database = Database(self._settings, self.clock)
        try:
            yield database
        finally:
            database.close()
