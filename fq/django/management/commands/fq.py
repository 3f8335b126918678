"""``manage.py fq``: runs a command of fq for the app of the project. ``fq.django.commands`` has the commands."""

from argparse import REMAINDER
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, cast

import click
from django.core.management.base import BaseCommand, CommandError, CommandParser, SystemCheckError

from fq.django.checks import TAG
from fq.django.commands import project_commands

DJANGO_OPTIONS = ("--settings", "--pythonpath")
"""Options that Django itself has used when it comes to the command."""


class Command(BaseCommand):
    """Runs and inspects fq: worker, web, ls and all others."""

    help = "Run and inspect the task queue of this project: manage.py fq worker, manage.py fq web, manage.py fq --help"
    requires_system_checks = ()  # type: ignore[mutable-override]  # as the docs of Django have it; those of fq run before a worker

    def add_arguments(self, parser: CommandParser) -> None:
        """Take everything, for `call_command`."""
        parser.add_argument("args", nargs=REMAINDER)

    def run_from_argv(self, argv: list[str]) -> None:
        """Run what the command line says, with the help and the exit codes of fq."""
        program = Path(argv[0]).name
        arguments = without_django_options(argv[2:])
        try:
            self._check(arguments)
        except SystemCheckError as error:
            click.echo(f"{error}", err=True)
            raise SystemExit(2) from None
        project_commands().main(arguments, prog_name=f"{'python -m django' if program == '__main__.py' else program} fq")

    def handle(self, *args: str, **_: Any) -> None:  # noqa: ANN401  # as Django has it
        """Run a command for `call_command`."""
        self._check(args)
        try:
            with redirect_stdout(cast("Any", self.stdout)):
                project_commands().main(list(args), prog_name="manage.py fq", standalone_mode=False)
        except click.ClickException as error:
            raise CommandError(error.format_message()) from error

    def _check(self, arguments: Sequence[str]) -> None:
        if list(arguments[:1]) == ["worker"]:
            self.check(tags=[TAG], display_num_errors=False)


def without_django_options(arguments: Sequence[str]) -> list[str]:
    """
    Return *arguments* without the options that Django has used.

    >>> without_django_options(["worker", "--settings", "shop.settings", "-p", "2", "--pythonpath=src"])
    ['worker', '-p', '2']
    """
    kept, rest = [], iter(arguments)
    for argument in rest:
        name, equals, _ = argument.partition("=")
        if name not in DJANGO_OPTIONS:
            kept.append(argument)
        elif not equals:
            next(rest, "")
    return kept
