"""
asgiref's `sync_to_async`, on which Django's async ORM is built: it runs sync code in the thread of the hooks. So both have the same connections.

asgiref is never imported here: code that uses it has imported it already.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import Context, copy_context
from types import ModuleType


@contextmanager
def thread_sensitive(thread: Executor, context: Context) -> Iterator[None]:
    """Let the thread-sensitive calls of `sync_to_async` in *context* run in *thread*, if asgiref is imported."""
    sync = _asgiref()
    if sync is None:
        yield
        return
    place = sync.ThreadSensitiveContext()
    context.run(sync.SyncToAsync.thread_sensitive_context.set, place)
    sync.SyncToAsync.context_to_thread_executor[place] = thread
    try:
        yield
    finally:
        sync.SyncToAsync.context_to_thread_executor.pop(place, None)
        place._exited = True  # a task that outlives the message gets an error of asgiref's, and not the thread of another message


def rehome_locals() -> None:
    """Make asgiref's ``Local`` variables of this context visible in this thread: asgiref hides those that another thread has set."""
    restore = getattr(_asgiref(), "_restore_context", None)
    if restore is not None:
        restore(copy_context())


def _asgiref() -> ModuleType | None:
    return sys.modules.get("asgiref.sync")
