"""`commands`: the group ``flask fq``, with all commands of ``fq``. They are about the app of the site, so they take no APP."""

import os

import click
from flask.cli import ScriptInfo

from fq.cli.lazy_commands import LazyCommands
from fq.cli.main import HOMES
from fq.cli.of_project import without_app

PROJECT = "fq.flask.project:app"
"""Where the commands, and the processes that they start, find the app."""


def commands() -> click.Group:
    """Return the group."""
    commands = LazyCommands(HOMES, lambda command: without_app(command, PROJECT, "the site"))
    return click.Group("fq", commands, help="Run and inspect fq, the task queue of this site.", callback=_remember_site)


def _remember_site() -> None:
    """Let the processes of a worker find the site, which ``flask --app`` may have named."""
    info = click.get_current_context().find_object(ScriptInfo)
    if info is not None and info.app_import_path:
        os.environ["FLASK_APP"] = info.app_import_path
