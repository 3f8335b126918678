"""`FqSettings`: the setting ``FQ`` of a Django project, checked. `read_settings` reads it."""

import os
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Never, cast

from attrs import frozen
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from fq.core.shown_call import Redact
from fq.middleware.base import Middleware

Value = object

DEFAULT_TASK_MODULES = ("tasks",)
"""The modules of each installed app in which a worker looks for actors and tasks."""


@frozen
class FqSettings:
    """
    What the setting ``FQ`` says; every key may be missing.

    Attributes:
        url: ``URL``, that of the broker. Default: ``$FQ_URL``, else the file ``fq.db`` in ``BASE_DIR``.

        stack: ``STACK``, the layers of all actors: a stack, a function from the default stack to a stack, or the dotted path of either. Default: fq's own
            stack, with `DatabaseConnections`.

        queues: ``QUEUES``, queues that workers claim from beside those of the actors.

        redact: ``REDACT``, how logs show arguments: see `App`. A function may be given by its dotted path.

        task_modules: ``TASK_MODULES``, the modules in which workers look for actors and tasks: names inside each installed app, or whole dotted paths.
            Default: ``["tasks"]``.

        access: ``ACCESS``, a function, or its dotted path, that says for a request of a logged-in member of staff what they may do on the web pages. Default:
            as the permissions of the user say.

        outbox: ``OUTBOX``, the alias of the database with the table of ``fq.django.outbox``, for ``call.send(on=connection)``. Default: no outbox.
    """

    url: str
    stack: Middleware | Callable[..., object] | None = None
    queues: tuple[str, ...] = ()
    redact: Redact = True
    task_modules: tuple[str, ...] = DEFAULT_TASK_MODULES
    access: Callable[..., object] | None = None
    outbox: str = ""


def read_settings() -> FqSettings:
    """
    Return what the setting ``FQ`` says.

    Raises:
        ImproperlyConfigured: a key or a value that fq does not know; says what to write.
    """
    given = getattr(settings, "FQ", {})
    if not isinstance(given, Mapping):
        _refuse("FQ", given, 'a dict such as {"URL": "redis://localhost:6379/0"}')
    for key in given:
        if key not in READERS:
            near = get_close_matches(str(key).upper(), READERS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(READERS)}"
            raise ImproperlyConfigured(f"FQ: found the key {key!r}: {hint}")
    found = {key.lower(): READERS[key](f"FQ[{key!r}]", value) for key, value in given.items()}
    return FqSettings(**{"url": default_url(), **found})  # type: ignore[arg-type]  # each reader returns what its field takes


def default_url() -> str:
    """Return the URL of the broker if ``FQ`` has none: one place for all processes of the project, whatever folder they work in."""
    base = getattr(settings, "BASE_DIR", None)
    return os.environ.get("FQ_URL") or f"sqlite:///{'fq.db' if base is None else Path(base).resolve() / 'fq.db'}"


def _refuse(name: str, found: Value, expected: str) -> Never:
    raise ImproperlyConfigured(f"{name}: found {found!r}, expected {expected}")


def _url(name: str, value: Value) -> str:
    return value if isinstance(value, str) and "://" in value else _refuse(name, value, "a URL such as 'redis://localhost:6379/0'")


def _stack(name: str, value: Value) -> object:
    found = _imported(name, value)
    return found if isinstance(found, Middleware) or callable(found) else _refuse(name, value, "a stack, or a function from stack to stack")


def _names(name: str, value: Value) -> tuple[str, ...]:
    if isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(each, str) and each for each in value):
        return tuple(value)
    _refuse(name, value, "a list of names")


def _alias(name: str, value: Value) -> str:
    return (
        value if isinstance(value, str) and value in settings.DATABASES else _refuse(name, value, f"one of {', '.join(settings.DATABASES)}")
    )


def _redact(name: str, value: Value) -> Redact:
    if isinstance(value, bool):
        return value
    return cast("Redact", _function(name, value, "True, False, or a function of the name and the value of an argument"))


def _access(name: str, value: Value) -> object:
    return _function(name, value, "a function of a request")


def _function(name: str, value: Value, expected: str) -> object:
    found = _imported(name, value)
    return found if callable(found) else _refuse(name, value, expected)


def _imported(name: str, value: Value) -> object:
    """Return *value*, or what a dotted path names."""
    if not isinstance(value, str):
        return value
    try:
        return cast("object", import_string(value))
    except ImportError as error:
        raise ImproperlyConfigured(f"{name}: {value!r} cannot be imported: {error}") from error


READERS: Mapping[str, Callable[[str, Value], object]] = {
    "URL": _url,
    "STACK": _stack,
    "QUEUES": _names,
    "REDACT": _redact,
    "TASK_MODULES": _names,
    "ACCESS": _access,
    "OUTBOX": _alias,
}
"""The keys of ``FQ``, and what reads each."""
