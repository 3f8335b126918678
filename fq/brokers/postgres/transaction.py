"""`Transaction`: what runs inside a transaction of a PostgreSQL database."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias, cast

import psycopg
from attrs import frozen

Row: TypeAlias = tuple[Any, ...]
Connection: TypeAlias = psycopg.Connection[Row]


@lru_cache(4_096)
def in_schema(statement: str, schema: str) -> str:
    """
    Return *statement*, in which ``fq.`` stands for the schema, for *schema*.

    >>> in_schema("SELECT 1 FROM fq.messages", "jobs")
    'SELECT 1 FROM "jobs".messages'
    """
    return statement.replace("fq.", f'"{schema}".')


@frozen
class Transaction:
    """
    What runs inside a transaction: its *connection*, and the time at which it began, ms since the epoch on the server's clock.

    With a *pipeline*, statements go to the server together, up to one whose answer is read: so `ask` first, and read later.
    """

    connection: Connection
    schema: str
    now: int = 0
    pipeline: "psycopg.Pipeline | None" = None

    def rows(self, statement: str, *parameters: object) -> list[Row]:
        """Return the rows of *statement*."""
        return self.ask(statement, *parameters).fetchall()

    def row(self, statement: str, *parameters: object) -> Row:
        """Return the one row of *statement*."""
        return cast(Row, self.ask(statement, *parameters).fetchone())

    def first(self, statement: str, *parameters: object) -> Row | None:
        """Return the first row of *statement*, if there is one."""
        return self.ask(statement, *parameters).fetchone()

    def column(self, statement: str, *parameters: object) -> list[Any]:
        """Return the first column of *statement*."""
        return [row[0] for row in self.rows(statement, *parameters)]

    def run(self, statement: str, *parameters: object) -> None:
        """Run *statement*."""
        self.ask(statement, *parameters)

    def changed(self, statement: str, *parameters: object) -> int:
        """Run *statement*, and return how many rows it changed."""
        cursor = self.ask(statement, *parameters)
        self.settle()
        return cursor.rowcount

    def settle(self) -> None:
        """Wait for the answers to all statements so far."""
        if self.pipeline is not None:
            self.pipeline.sync()

    def ask(self, statement: str, *parameters: object) -> "psycopg.Cursor[Row]":
        """Run *statement*; its rows come with the next answer that is read, and so does the number of rows that it changed."""
        cursor = self.connection.cursor(binary=True)
        named = parameters[0] if parameters and isinstance(parameters[0], Mapping) else parameters
        return cursor.execute(in_schema(statement, self.schema).encode(), named or None)
