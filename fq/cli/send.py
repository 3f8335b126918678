"""``fq send``."""

import click

from fq.cli.common import (
    PlainError,
    UsageError,
    app_path,
    as_json,
    check_actor,
    complete_actors,
    json_or_text,
    load_app,
    plain_errors,
    print_json,
    print_text,
)
from fq.cli.progress import result_with_progress
from fq.core.printable import indented
from fq.errors import ResultError


class TaskFailed(PlainError):
    """One line about a task that failed, or had no result in time; exit code 1."""

    def format_message(self) -> str:
        """Return the text of the error, with the lines of the task indented."""
        return indented(super().format_message())


@click.command()
@app_path
@click.argument("actor", shell_complete=complete_actors)
@click.argument("arguments", nargs=-1)
@click.option("--kwargs", default="{}", metavar="JSON", help="Keyword arguments, as a JSON object.")
@click.option("--delay", type=click.IntRange(0), default=0, metavar="MS", help="Run the message after this delay.")
@click.option("--wait", type=click.IntRange(0), metavar="MS", help="Wait up to this long for the result, and print it.")
@as_json
def send(*, app_path: str, actor: str, arguments: tuple[str, ...], kwargs: str, delay: int, wait: int | None, as_json: bool) -> None:
    """
    Send ACTOR of APP a message with ARGUMENTS.

    Each argument is read as JSON if that fits the parameter's annotation, or else as text. Prints the message id or, with --wait, the result as
    JSON; meanwhile, what the actor tells of its progress goes to standard error: as a bar in a terminal, as lines elsewhere.

    Exit code 1 if the task failed, or had no result in time.
    """
    with plain_errors():
        app = load_app(app_path)
        check_actor(app, actor)
        named = json_or_text(kwargs)
        if not isinstance(named, dict):
            raise UsageError(f"--kwargs: found {kwargs}, expected a JSON object")
        declared = app.get_actor(actor)
        args, keywords = declared.signature.read(arguments, named)
        handle = declared.call(*args, **keywords).delay(delay).send()
        if wait is None:
            if as_json:
                print_json({"message_id": handle.message_id})
            else:
                print_text(handle.message_id)
            return
        try:
            value = declared.signature.dump_result(result_with_progress(handle, wait))
        except ResultError as error:
            if not as_json:
                raise TaskFailed(str(error)) from None
            print_json({"message_id": handle.message_id, "succeeded": False, "error": str(error)})
            raise SystemExit(TaskFailed.exit_code) from None
        print_json({"message_id": handle.message_id, "succeeded": True, "result": value} if as_json else value)
