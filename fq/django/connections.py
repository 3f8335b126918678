"""`DatabaseConnections`: a layer that closes Django's database connections around tasks, as Django does around requests; and none is shared by a fork."""

import os
import threading
from typing import ClassVar

from asgiref.sync import sync_to_async
from attrs import frozen
from django.db import connections, reset_queries
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from fq.core.events import Event, ProcessBooted, ThreadStopping
from fq.core.message import Message
from fq.core.outcome import Outcome
from fq.middleware.base import AsyncHandler, Handler, Middleware

LOADED_IN = os.getpid()
"""The process that imported this module: in a worker, the supervisor, which forks its children."""

_inherited: list[BaseDatabaseWrapper] = []
"""Connections of the parent process. They are never closed here, since closing them may tell the server to end the session of the parent."""


class _Thread(threading.local):
    runs_sync_actor = False


_thread = _Thread()
_async_actors_use_orm = threading.Event()
"""Set at the first connection outside of sync actors. Before that, an async actor has nothing to close, and pays nothing."""


def _note_connection(**_: object) -> None:
    if not _thread.runs_sync_actor:
        _async_actors_use_orm.set()


connection_created.connect(_note_connection, dispatch_uid="fq.django.connections")


@frozen
class DatabaseConnections(Middleware):
    """
    Closes database connections that are broken, or older than ``CONN_MAX_AGE``, before and after each run of an actor.

    It is in the stack of the project's app, inside of `Retries`. The ORM of async actors runs in one thread of the process, whose connections are closed in
    the same way. A worker's child uses no connection of its parent, and a thread closes its own ones when it ends.

    >>> from fq import Retries, default_middleware
    >>> stack = default_middleware.inside(Retries, database_connections())
    >>> DatabaseConnections in stack
    True
    """

    observes_messages: ClassVar[bool] = False

    def wrap(self, next: Handler) -> Handler:
        """Return *next* between two looks at the connections of this thread."""

        def handler(message: Message) -> Outcome:
            outside, _thread.runs_sync_actor = _thread.runs_sync_actor, True
            in_use = before()
            try:
                return next(message)
            finally:
                after(in_use)
                _thread.runs_sync_actor = outside

        return handler

    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        """Return *next* between two looks at the connections of the thread in which the ORM runs for async actors."""

        async def handler(message: Message) -> Outcome:
            in_use = await sync_to_async(before)() if _async_actors_use_orm.is_set() else frozenset[str]()
            outcome = await next(message)
            if _async_actors_use_orm.is_set():
                await sync_to_async(after)(in_use)
            return outcome

        return handler

    def on_event(self, event: Event) -> None:
        """Leave the parent's connections alone in a process that boots; close those of a thread that ends."""
        match event:
            case ProcessBooted():
                drop_inherited_connections()
            case ThreadStopping():
                connections.close_all()
            case _:
                pass


def before() -> frozenset[str]:
    """
    Close what is old or broken before a run, and return the aliases of connections that are in a transaction: that of a caller, as in Django's test cases.

    Those are left alone until the run has ended.
    """
    reset_queries()  # with DEBUG, Django keeps the text of every query
    in_use = frozenset(connection.alias for connection in connections.all(initialized_only=True) if connection.in_atomic_block)
    after(in_use)
    return in_use


def after(in_use: frozenset[str]) -> None:
    """Close what is old or broken, but for *in_use*. A transaction that a run has left open, because it was interrupted, ends with its connection."""
    for connection in connections.all(initialized_only=True):
        if connection.alias in in_use:
            continue
        if connection.in_atomic_block:
            connection.close()
            del connections[connection.alias]
        else:
            connection.close_if_unusable_or_obsolete()


def close_before_fork() -> None:
    """Close the connections and pools that imports have opened, in a process that is about to fork."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        if callable(close_pool := getattr(connection, "close_pool", None)):
            close_pool()


def drop_inherited_connections() -> None:
    """In a process that another one has forked: use none of its connections. Otherwise close those that imports have opened."""
    if os.getpid() == LOADED_IN:
        connections.close_all()
        return
    for connection in connections.all(initialized_only=True):
        _inherited.append(connection)
        del connections[connection.alias]
        if pools := getattr(type(connection), "_connection_pools", None):
            _inherited.extend(pools.values())
            pools.clear()


def database_connections() -> DatabaseConnections:
    """Return a `DatabaseConnections` layer, for a stack of your own."""
    return DatabaseConnections()
