"""`main`: the group of all commands."""

import sys

import click

from fq.cli.lazy_commands import LazyCommands

HOMES = {
    "worker": "fq.cli.no_worker" if sys.platform == "win32" else "fq.cli.worker",
    "actors": "fq.cli.actors",
    "stack": "fq.cli.stack",
    "send": "fq.cli.send",
    "queues": "fq.cli.queues",
    "pause": "fq.cli.queues",
    "resume": "fq.cli.queues",
    "purge": "fq.cli.queues",
    "workers": "fq.cli.workers",
    "health": "fq.cli.workers",
    "top": "fq.cli.top",
    "schedules": "fq.cli.schedules",
    "outbox": "fq.cli.outbox",
    "ls": "fq.cli.records",
    "show": "fq.cli.show",
    "reschedule": "fq.cli.reschedule",
    "dead": "fq.cli.dead",
    "tail": "fq.cli.tail",
    "cancel": "fq.cli.changes",
    "retry": "fq.cli.changes",
    "promote": "fq.cli.changes",
    "discard": "fq.cli.changes",
    "metrics": "fq.cli.metrics",
    "web": "fq.cli.web",
    "doctor": "fq.cli.doctor",
    "migrate": "fq.cli.migrate",
    "backup": "fq.cli.database_file",
    "shrink": "fq.cli.database_file",
    "bench": "fq.cli.bench",
}
"""The module of each command, which is imported when the command is used."""


@click.group(commands=LazyCommands(HOMES), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fq", prog_name="fq")
def main() -> None:
    """Run and inspect fq, a task queue. APP names your application: module:attribute, such as tasks:app."""
