"""
The broker in a SQLite file, the default of fq: no server, many processes, and messages outlive them all.

In reading order:

- ``schema.py``: the tables, and the requirements on a file;
- ``turn.py``: a turn, in order; its parts are ``claims.py``, ``commits_in_order.py`` and ``commits.py`` (with ``enqueue.py``, ``groups.py`` and
  ``group_followups.py``), ``cancellation.py`` and ``maintenance.py``; ``turn_recovery.py``: a turn whose file was moved while it ran;
- ``placing.py`` and ``unique_keys.py``: messages with unique keys; ``replacing.py``: another message in the place of one; ``marks.py``, ``counters.py``;
- ``bulk_sql.py``: many rows in one statement, and why that matters;
- ``database.py``: one connection and its transactions; ``errors.py``: errors that say what to do; ``fork_safety.py``: no connection crosses a fork;
- ``file_check.py``: is the file still the one at its path, and whole; ``file_state.py``: the identity and the clock that a file stores;
- ``listener.py``: waiting for work and results; ``change_poller.py`` and ``inotify.py``: noticing what other processes write;
- ``inspection.py``, ``browsing.py``, ``deleting.py``, ``requeue.py`` and ``diagnostics.py``: for operators; ``whole_file.py`` and ``backup.py``: copying and
  shrinking;
- ``broker.py``: `SqliteBroker`, which puts the parts together; ``small_records.py`` and ``operator_calls.py`` have some of its calls.
"""

from fq.brokers.sqlite.broker import SqliteBroker

__all__ = ["SqliteBroker"]
