"""
The system checks of fq, with the tag ``fq``: ``manage.py check --tag fq``, and ``--deploy`` for those about production.

=========  ==========================================================================================================
id         finds
=========  ==========================================================================================================
fq.E001    a broker in memory, with ``--deploy``: other processes do not see its messages, and a restart loses them
fq.E002    a broker whose file is a database of Django
fq.W001    a stack without `DatabaseConnections`: connections stay open, and broken ones are used again
fq.W002    a task in a module that no worker imports
fq.W003    ``fq.django`` is not in ``INSTALLED_APPS``
=========  ==========================================================================================================
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

from fq.app.app import App
from fq.brokers.memory import MemoryBroker
from fq.brokers.sqlite import SqliteBroker
from fq.django.application import project_app
from fq.django.connections import DatabaseConnections
from fq.django.discovery import task_modules

TAG = "fq"


def check_project(**_: Any) -> list[CheckMessage]:  # noqa: ANN401  # as Django calls it
    """Check the app of the project."""
    app = project_app()
    return [*_shared_file(app), *_connections(app), *_unknown_modules(app)]


def check_deployment(**_: Any) -> list[CheckMessage]:  # noqa: ANN401  # as Django calls it
    """Check what matters in production alone."""
    if not isinstance(project_app().broker, MemoryBroker):
        return []
    return [
        Error(
            "the broker keeps messages in memory: a worker is another process, and does not see them, and a restart loses them",
            hint='Set FQ = {"URL": "redis://localhost:6379/0"}, or a SQLite file: "sqlite:////var/lib/shop/fq.db".',
            id="fq.E001",
        )
    ]


def check_installed() -> list[CheckMessage]:
    """Check that ``fq.django`` is installed: `FqBackend` works without it, but nothing else does."""
    if apps.is_installed("fq.django"):
        return []
    hint = 'Add "fq.django" to INSTALLED_APPS: then there are manage.py fq, the other checks, and the entry in the admin.'
    return [CheckWarning("TASKS uses fq.django.FqBackend, and fq.django is not installed", hint=hint, id="fq.W003")]


def register_checks() -> None:
    """Let Django run the checks."""
    register(check_project, TAG)
    register(check_deployment, TAG, deploy=True)


def _shared_file(app: App) -> Iterator[CheckMessage]:
    if not isinstance(app.broker, SqliteBroker):
        return
    own = Path(str(app.broker).removeprefix("sqlite:///").partition("?")[0])
    for alias, database in settings.DATABASES.items():
        name = database.get("NAME")
        if str(database.get("ENGINE", "")).endswith("sqlite3") and name and Path(name).absolute() == own.absolute():
            yield Error(
                f"the broker and the database {alias!r} are one file: {own}",
                hint='Give the broker a file of its own: FQ = {"URL": "sqlite:///fq.db"}.',
                id="fq.E002",
            )


def _connections(app: App) -> Iterator[CheckMessage]:
    if DatabaseConnections not in app.stack:
        yield CheckWarning(
            "the stack has no layer DatabaseConnections: connections of tasks stay open, and broken ones are used again",
            hint="Let FQ['STACK'] be a function that changes the stack that it gets, or add fq.django.database_connections() inside of Retries.",
            id="fq.W001",
        )


def _unknown_modules(app: App) -> Iterator[CheckMessage]:
    known, packages = set(task_modules()), tuple(f"{config.name}." for config in apps.get_app_configs())
    for name, actor in app.actors.items():
        module = getattr(actor.fn, "__module__", "")
        is_imported_when_needed = name.startswith(f"{module}.") and name.startswith(packages)  # a task of Django
        if module not in known and not is_imported_when_needed:
            yield CheckWarning(
                f"{name} is declared in {module}, which workers do not import",
                hint="Move it into the module tasks of an installed app, or name its module in FQ['TASK_MODULES'].",
                id="fq.W002",
            )
