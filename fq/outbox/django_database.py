"""How an outbox reaches a database of Django: by a connection of its own, or in a test case of Django by that of the test. Shell."""

from importlib import import_module
from typing import cast

from attrs import frozen

from fq.outbox.connections import Joined, SqlConnection, join


@frozen
class Borrowed:
    """Stands for the connection of a test, whose transaction is left open: the test case rolls it back when the test has ended."""

    def commit(self) -> None:
        """Leave the transaction to the test case."""

    def rollback(self) -> None:
        """Leave the transaction to the test case."""

    def close(self) -> None:
        """Leave the connection open."""


def connect_django(alias: str) -> tuple[SqlConnection, Joined]:
    """
    Return a new connection to the database *alias*.

    In a ``TestCase`` of Django nothing is ever committed, so no other connection could see the rows. There it is the connection of the test, as long as no
    transaction is open but those of the test case.
    """
    connections = import_module("django.db").connections
    blocks = connections[alias].atomic_blocks
    if blocks and all(block._from_testcase for block in blocks):
        return Borrowed(), join(connections[alias])
    connection = connections.create_connection(alias)
    connection.set_autocommit(False)
    return cast(SqlConnection, connection), join(connection)
