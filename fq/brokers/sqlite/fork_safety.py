"""
Connections and forks.

SQLite does not work over a connection that was copied by a fork, and the child does not hold the locks that the connection says it has. So connections are
closed before a fork, and opened again when they are needed, in the parent and in the child: see ``fq.brokers.fork_safety``.
"""

import ctypes
import sqlite3


def abandon(connection: sqlite3.Connection) -> None:
    """
    Never close *connection*, which was copied from the parent by a fork that Python did not make.

    Closing it could delete the parent's log. An extra reference keeps it even past the end of the interpreter, which a list would not.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
