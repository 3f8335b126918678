"""Outages of a broker, in each way that it can be out of reach: each is a context that lasts as long as the outage does."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.brokers.redis.servers import Server


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """A program that is no worker writes to the file, and does not come to an end."""
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def moved(path: Path) -> Iterator[None]:
    """
    The file is elsewhere, with its log. It goes first and comes back last, so that it is never there without its log.

    Only for workers that are there: one that starts meanwhile makes a new file.
    """
    aside = path.with_name("aside")
    aside.mkdir(exist_ok=True)
    path.rename(aside / path.name)
    for file in path.parent.glob(f"{path.name}-*"):
        file.rename(aside / file.name)
    yield
    for file in aside.glob(f"{path.name}-*"):
        file.rename(path.with_name(file.name))
    (aside / path.name).rename(path)


@contextmanager
def unmounted(folder: Path) -> Iterator[None]:
    """The folder of the file is gone, at once and with all that is in it."""
    aside = folder.with_name(f"{folder.name}-aside")
    folder.rename(aside)
    yield
    aside.rename(folder)


@contextmanager
def killed(server: Server) -> Iterator[None]:
    """The server is killed, and started again from its disk."""
    server.kill()
    yield
    server.start()


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    """The server stands still, and goes on with whatever has been sent to it meanwhile."""
    server.freeze()
    yield
    server.thaw()
