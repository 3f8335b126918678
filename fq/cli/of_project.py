"""`without_app`: a command of ``fq`` that is about one app, for the command lines of web frameworks, whose project has its app; `as_typed` there."""

import copy
import re
from functools import partial

import click

from fq.cli.common import DJANGO_PROJECT


def without_app(command: click.Command, app_path: str, called: str) -> click.Command:
    """Return *command* with the app at *app_path* in the place of its argument APP, which its help calls *called*."""
    params = [param for param in command.params if param.name != "app_path"]
    if len(params) == len(command.params) or command.callback is None:
        return command
    own = copy.copy(command)
    own.params, own.callback = params, partial(command.callback, app_path=app_path)
    own.help = re.sub(r"\bAPP\b", called, command.help or "")
    return own


PROGRAMS = {"fq.flask.project": "flask fq", DJANGO_PROJECT: "python manage.py fq"}


def as_typed(advice: str) -> str:
    """
    Return *advice* with its commands as people type them in the project of a web framework.

    >>> as_typed("start a worker, fq worker fq.flask.project:app --queues mail")
    'start a worker, flask fq worker --queues mail'
    """
    for module, program in PROGRAMS.items():
        advice = re.sub(rf"\bfq ([\w-]+) {re.escape(module)}:app\b", rf"{program} \1", advice)
    return advice
