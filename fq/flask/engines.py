"""`forget_inherited_connections`: a forked worker must not use the database connections of its parent."""

from collections.abc import Mapping
from typing import Protocol, cast

from flask import Flask


class Engine(Protocol):
    """An engine of SQLAlchemy, from 1.4.33 on."""

    def dispose(self, close: bool = True) -> None:
        """Begin with an empty pool; without *close*, leave the connections as they are."""
        ...


class HasEngines(Protocol):
    """Flask-SQLAlchemy, from 3.0 on."""

    @property
    def engines(self) -> Mapping[str | None, Engine]:
        """The engines of the current site, by the name of their bind."""
        ...


def forget_inherited_connections(site: Flask) -> None:
    """Let Flask-SQLAlchemy, if *site* has it, connect anew. The parent goes on using its connections, so they are not closed."""
    database = site.extensions.get("sqlalchemy")
    if not hasattr(type(database), "engines"):
        return
    with site.app_context():
        for engine in cast(HasEngines, database).engines.values():
            engine.dispose(close=False)
