"""
Connections and forks.

SQLite does not work over a connection that was copied by a fork, and the child does not hold the locks that the connection says it has. So connections are
closed before a fork, and opened again when they are needed, in the parent and in the child.
"""

import ctypes
import os
import sqlite3
from typing import Protocol
from weakref import WeakSet


class ForkSafe(Protocol):
    """An object that must act before and after a fork."""

    def before_fork(self) -> None:
        """Close connections, and prevent other threads from opening them."""

    def after_fork_in_parent(self) -> None:
        """Let other threads continue."""

    def after_fork_in_child(self) -> None:
        """Start afresh: there are no other threads here."""


_registered: "WeakSet[ForkSafe]" = WeakSet()


def register(one: ForkSafe) -> None:
    """Call the methods of *one* at every fork, while it lives."""
    _registered.add(one)


def abandon(connection: sqlite3.Connection) -> None:
    """
    Never close *connection*, which was copied from the parent by a fork that Python did not make.

    Closing it could delete the parent's log. An extra reference keeps it even past the end of the interpreter, which a list would not.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _before() -> None:
    for one in list(_registered):
        one.before_fork()


def _after_in_parent() -> None:
    for one in list(_registered):
        one.after_fork_in_parent()


def _after_in_child() -> None:
    for one in list(_registered):
        one.after_fork_in_child()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
