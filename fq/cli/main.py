"""`main`: the group of all commands."""

from importlib.metadata import version

import click

from fq.cli.database_file import backup, shrink
from fq.cli.doctor import doctor
from fq.cli.message import cancel, dead, show
from fq.cli.queues import pause, purge, queues, resume
from fq.cli.send import send
from fq.cli.stack import stack
from fq.cli.worker import worker
from fq.cli.workers import health, workers


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("fq"), prog_name="fq")
def main() -> None:
    """Run and inspect fq, a task queue. APP names your application: module:attribute, such as tasks:app."""


COMMANDS = (worker, stack, send, queues, pause, resume, purge, show, cancel, dead, workers, health, doctor, backup, shrink)

for command in COMMANDS:
    main.add_command(command)
