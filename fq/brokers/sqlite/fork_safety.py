"""
What happens to connections when the process forks.

SQLite cannot bear a connection in a forked child, nor even the locks of one: the child believes that it holds them, and does not. So connections are
closed just before a fork and opened again when they are next needed, on either side.
"""

import ctypes
import os
import sqlite3
from typing import Protocol
from weakref import WeakSet


class ForkSafe(Protocol):
    """What has something to do before and after a fork."""

    def before_fork(self) -> None:
        """Let go of connections, and keep other threads from opening them."""

    def after_fork_in_parent(self) -> None:
        """Let other threads go on."""

    def after_fork_in_child(self) -> None:
        """Begin anew: there are no other threads here."""


_registered: "WeakSet[ForkSafe]" = WeakSet()


def register(one: ForkSafe) -> None:
    """Tell *one*, as long as it lives, of every fork."""
    _registered.add(one)


def abandon(connection: sqlite3.Connection) -> None:
    """
    Keep *connection*, which a fork that Python was not told of has copied from the parent, from ever being closed here.

    Closing it could delete the parent's log. One reference too many outlives even the end of the interpreter, unlike a list of them.
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


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
