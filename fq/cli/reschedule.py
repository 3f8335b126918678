"""``fq reschedule``: gives waiting messages another time or priority."""

from contextlib import suppress
from datetime import datetime

import click

from fq.cli.common import UsageError, app_path, as_json, load_app, plain_errors, print_json, print_text


@click.command()
@app_path
@click.argument("message_ids", nargs=-1, required=True)
@click.option("--now", is_flag=True, help="Make them ready at once.")
@click.option("--delay", type=click.IntRange(0), metavar="MS", help="Make them ready after this delay.")
@click.option("--at", metavar="TIME", help="Make them ready at this time, such as 2030-03-01T09:00+01:00.")
@click.option("--priority", type=int, help="Give them this priority; lower runs sooner.")
@as_json
def reschedule(
    app_path: str, message_ids: tuple[str, ...], now: bool, delay: int | None, at: str | None, priority: int | None, as_json: bool
) -> None:
    """
    Give messages of APP that wait another time or priority.

    A message that waits for a retry is one of them. A message that runs, is dead or has ended stays as it is.

    Exit code 1 if a message does not wait.
    """
    if sum((now, delay is not None, at is not None)) > 1:
        raise UsageError("found more than one of --now, --delay and --at, expected one of them")
    if not now and delay is None and at is None and priority is None:
        raise UsageError("found nothing to change, expected --now, --delay, --at or --priority")
    moment = None if at is None else _moment(at)
    with plain_errors():
        app = load_app(app_path)
        waits = {
            message_id: app.handle(message_id).reschedule(delay=0 if now else delay, at=moment, priority=priority)
            for message_id in message_ids
        }
        missed = [message_id for message_id, done in waits.items() if not done]
        if as_json:
            print_json({"rescheduled": [message_id for message_id, done in waits.items() if done], "missed": missed})
        for message_id in missed:
            print_text(f"{message_id} does not wait: it is {app.broker.status(message_id).state}", err=True)
        raise SystemExit(1 if missed else 0)


def _moment(text: str) -> datetime:
    with suppress(ValueError):
        if (moment := datetime.fromisoformat(text)).tzinfo is not None:
            return moment
    raise UsageError(f"--at: found {text!r}, expected a time with its offset from UTC, such as 2030-03-01T09:00+01:00")
