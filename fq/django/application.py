"""`project_app`: the `App` of a Django project, made of its settings once."""

import threading
from collections.abc import Callable

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils.asyncio import async_unsafe

from fq.app.app import App
from fq.django.connections import DatabaseConnections
from fq.django.settings import FqSettings, read_settings
from fq.errors import FqError
from fq.layers import Retries, default_middleware
from fq.middleware.base import Middleware
from fq.middleware.stack import Stack
from fq.outbox import Outbox

default_stack: Stack = default_middleware.inside(Retries, DatabaseConnections())
"""The layers of the project's app, unless ``FQ["STACK"]`` says otherwise."""

_lock = threading.Lock()
_made: list[App] = []


def project_app() -> App:
    """
    Return the app of the project. Its first call makes it.

    Raises:
        ImproperlyConfigured: the setting ``FQ`` has a key or a value that fq does not know.
    """
    with _lock:
        if not _made:
            _made.append(make_app(read_settings()))
        return _made[0]


def make_app(found: FqSettings) -> App:
    """
    Return a new app with these settings.

    Raises:
        ImproperlyConfigured: a URL, a queue or a stack that fq cannot use.
    """
    try:
        outbox = Outbox(f"django:{found.outbox}") if found.outbox else None
        return App(found.url, middleware=_stack(found), queues=found.queues, redact=found.redact, on_commit=on_commit, outbox=outbox)
    except FqError as error:
        raise ImproperlyConfigured(f"FQ: {error}") from error


def _stack(found: FqSettings) -> Middleware:
    if found.stack is None:
        return default_stack
    if isinstance(found.stack, Middleware):
        return found.stack
    stack = found.stack(default_stack)
    if isinstance(stack, Middleware):
        return stack
    raise ImproperlyConfigured(f"FQ['STACK']: {found.stack!r} returned {stack!r}, expected a stack: fq.default_middleware, changed")


@async_unsafe("send_on_commit and transactions belong to sync code: call it inside a function that you pass to sync_to_async.")
def on_commit(send: Callable[[], object], using: str | None) -> None:
    """Call *send* once the open transaction of the database *using* is committed."""
    transaction.on_commit(send, using)
