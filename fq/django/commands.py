"""`project_commands`: all commands of ``fq``, for the app of the project, without the argument APP. ``manage.py fq`` runs them."""

import copy
from importlib.util import find_spec
from pathlib import Path

import click
from django.conf import settings

from fq.cli.common import DJANGO_PROJECT
from fq.cli.lazy_commands import LazyCommands
from fq.cli.main import HOMES
from fq.cli.of_project import without_app

PROJECT = f"{DJANGO_PROJECT}:app"
"""Where the commands find the app of the project."""


def project_commands() -> click.Group:
    """Return the group of all commands."""
    settings = {"help_option_names": ["-h", "--help"]}
    return click.Group("fq", LazyCommands(HOMES, _of_project), help="Run and inspect the tasks of this project.", context_settings=settings)


def _of_project(command: click.Command) -> click.Command:
    own = without_app(command, PROJECT, "the project")
    return _reloading(own) if command.name == "worker" else own


def _reloading(worker: click.Command) -> click.Command:
    """Return the command *worker* that reloads the code when it changes, as ``runserver`` does, if the project is one that is developed."""
    inner = worker.callback
    own = copy.copy(worker)
    own.params = [
        *worker.params,
        click.Option(["--noreload"], is_flag=True, help="With DEBUG = True: do not reload the code when it changes."),
    ]

    def run(noreload: bool, watch: str | None, **options: object) -> object:
        if watch is None and settings.DEBUG and not noreload:
            watch = _watched_folder()
        return None if inner is None else inner(watch=watch, **options)

    own.callback = run
    return own


def _watched_folder() -> str | None:
    if find_spec("watchfiles") is None:
        click.echo("fq worker: a change of the code is not noticed: pip install 'fq[watch]', or stop this message by --noreload", err=True)
        return None
    return str(Path(getattr(settings, "BASE_DIR", ".")).resolve())
