"""
The broker in a SQLite file, the default of fq: no server, many processes, outlives them all.

Made of these, in reading order:

- ``schema.py``: the tables, and what a file must be to hold them;
- ``database.py``: one connection, transactions, forks; ``faults.py``: errors that say what to do;
- ``bulk.py``: many rows in one statement, and why that matters so much;
- ``claims.py``, ``commits.py``, ``groups.py``, ``upkeep.py``: the parts of a turn;
- ``inspection.py``: what operators ask for; ``poller.py``: hearing of what other processes do;
- ``broker.py``: `SqliteBroker`, which puts them together.
"""

from fq.brokers.sqlite.broker import SqliteBroker

__all__ = ["SqliteBroker"]
