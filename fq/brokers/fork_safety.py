"""Connections and forks: `register` calls the methods of a broker before and after each fork of this process."""

import os
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
