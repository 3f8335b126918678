"""``fq send``."""

import click

from fq.cli.common import PlainError, Refused, app_path, as_json, known_actor, load_app, parsed, plain_errors, print_json, say
from fq.core.printable import indented
from fq.errors import ResultError


class Failed(PlainError):
    """One line about a task that failed, or did not end in time; exit code 1."""

    def format_message(self) -> str:
        """Return the text of the error, which the task's own lines cannot leave."""
        return indented(super().format_message())


@click.command()
@app_path
@click.argument("actor")
@click.argument("arguments", nargs=-1)
@click.option("--kwargs", default="{}", metavar="JSON", help="Keyword arguments, as a JSON object.")
@click.option("--delay", type=click.IntRange(0), default=0, metavar="MS", help="Start no sooner than this.")
@click.option("--wait", type=click.IntRange(0), metavar="MS", help="Wait so long for the result, and print it.")
@as_json
def send(*, app_path: str, actor: str, arguments: tuple[str, ...], kwargs: str, delay: int, wait: int | None, as_json: bool) -> None:
    """
    Send ACTOR of APP a message with ARGUMENTS: each is JSON where that fits the annotation, or else text.

    Prints the message id or, with --wait, the result as JSON. Exit code 1: the task failed, or was not done in time.
    """
    with plain_errors():
        app = load_app(app_path)
        known_actor(app, actor)
        named = parsed(kwargs)
        if not isinstance(named, dict):
            raise Refused(f"--kwargs: found {kwargs}, expected a JSON object")
        declared = app.get_actor(actor)
        args, keywords = declared.signature.read(arguments, named)
        handle = declared.call(*args, **keywords).delay(delay).send()
        if wait is None:
            if as_json:
                print_json({"message_id": handle.message_id})
            else:
                say(handle.message_id)
            return
        try:
            value = declared.signature.dump_result(handle.get_result(block=True, timeout=wait))
        except ResultError as error:
            if not as_json:
                raise Failed(str(error)) from None
            print_json({"message_id": handle.message_id, "succeeded": False, "error": str(error)})
            raise SystemExit(Failed.exit_code) from None
        print_json({"message_id": handle.message_id, "succeeded": True, "result": value} if as_json else value)
