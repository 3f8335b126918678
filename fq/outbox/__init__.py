"""
The outbox: a table in a user's own database. A message in it is sent if the user's transaction commits, and only then.

- ``table.py``: the SQL of the table, for SQLite and PostgreSQL.
- ``connections.py``: the connections that take part: `sqlite3`, psycopg, SQLAlchemy, Django.
- ``rows.py``: what a row holds.
- ``outbox.py``: `Outbox`, the value that an app is given.
- ``broker_rows.py``: sends without an outbox, where the broker is in the same database.
- ``relay.py``: `Relay`, which moves rows to the broker inside a worker.

The pattern is known as the transactional outbox: https://microservices.io/patterns/data/transactional-outbox.html
"""

from fq.outbox.outbox import Outbox
from fq.outbox.table import create_statements

__all__ = ["Outbox", "create_statements"]
