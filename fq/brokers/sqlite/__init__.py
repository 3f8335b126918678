"""
The broker in a SQLite file, the default of fq: no server, many processes, outlives them all.

Made of these, in reading order:

- ``schema.py``: the tables, and what a file must be to hold them;
- ``turn.py``: a turn, the heart of it all, in its order; its parts are ``claims.py``, ``commits.py`` (with ``posts.py`` and ``groups.py``),
  ``cancels.py`` and ``maintenance.py``;
- ``bulk.py``: many rows in one statement, and why that matters so much;
- ``database.py``: one connection and its transactions; ``faults.py``: errors that say what to do; ``forks.py``: why no connection crosses a fork;
- ``filecheck.py``: is the file still the one at the path, and whole; ``meta.py``: what the file says of itself for that, and what time it is;
- ``listening.py``: who waits, and how they hear; ``poller.py`` and ``filewatch.py``: of what other processes do;
- ``inspection.py`` and ``checkup.py``: what operators ask for; ``wholefile.py`` and ``copies.py``: copying and shrinking;
- ``broker.py``: `SqliteBroker`, which puts them together.
"""

from fq.brokers.sqlite.broker import SqliteBroker

__all__ = ["SqliteBroker"]
