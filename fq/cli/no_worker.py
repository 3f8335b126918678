"""``fq worker`` on Windows, where it says what does not run, and what does."""

import click

from fq.cli.common import UsageError

ADVICE = (
    "fq worker starts its processes in ways that Windows lacks. Sending works here, and a worker inside a program of yours does, too: "
    "with app.worker(): ... Or run fq worker in WSL or in a container"
)


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def worker() -> None:
    """Run messages: not on Windows."""
    raise UsageError(ADVICE)
