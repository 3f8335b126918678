"""
The broker in PostgreSQL: many machines, and messages that can be sent in the transaction of an application's own data.

In reading order:

- ``sql/tables.sql`` and ``sql/functions.sql``: the tables, and the functions that a turn calls; ``migrations.py``: their versions;
- ``database.py``: a connection, and its transactions: those that are alone, and those that run side by side; ``arrays.py``: arrays as parameters;
  ``errors.py``: errors that say what to do;
- ``turn.py``: a turn: ``plain_turns.py`` for those in one statement, ``claims.py``, ``commits.py`` and ``maintenance.py`` for the others;
  ``turn_recovery.py``: a turn whose connection broke;
- ``sending.py``: what producers call; ``enqueue.py``, ``placing.py``, ``unique_keys.py``, ``replacing.py``, ``groups.py``, ``cancellation.py``,
  ``marks.py``, ``counters.py``: what commits and producers do; ``fq.brokers.planning`` decides it;
- ``transactional.py``: sends in the transaction of a user's own connection;
- ``listener.py`` and ``change_listener.py``: waiting for work and results, by NOTIFY;
- ``inspection.py``, ``browsing.py``, ``deleting.py``, ``requeue.py`` and ``diagnostics.py``: for operators; ``limit_store.py``: for limiters;
- ``broker.py``: `PostgresBroker`, which puts the parts together; ``small_records.py`` and ``operator_calls.py`` have some of its calls; ``urls.py``: its URL.
"""

from fq.brokers.postgres.broker import PostgresBroker

__all__ = ["PostgresBroker"]
