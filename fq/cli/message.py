"""Commands about one message, or some: ``fq show``, ``fq cancel``, ``fq dead``."""

from datetime import UTC, datetime

import click
from attrs import asdict

from fq.app.app import App
from fq.brokers.records import DeadLetter
from fq.cli.common import Refused, app_path, as_json, load_app, plain_errors, print_json, say
from fq.cli.tables import Kind
from fq.cli.tables import show as show_table
from fq.core.printable import indented, printable

COLUMNS: dict[str, Kind] = {"message": "name", "queue": "name", "actor": "name", "died": "name", "error": "text"}

MANY = 1_000
"""Dead letters are listed, requeued and discarded so many at a time."""


@click.command()
@app_path
@click.argument("message_id")
@as_json
def show(app_path: str, message_id: str, as_json: bool) -> None:
    """Show where message MESSAGE_ID of APP is: ready, delayed, running, dead, done or unknown, and its latest error. Exit code 1 if it is unknown."""
    with plain_errors():
        status = load_app(app_path).broker.status(message_id)
        if as_json:
            print_json(asdict(status))
        else:
            shown = {name: value for name, value in asdict(status, recurse=False).items() if value and name != "fault"}
            say("\n".join(f"{name}: {printable(str(value))}" for name, value in shown.items()), lines=True)
            if status.fault is not None:
                say(indented(f"{status.fault.type}: {status.fault.message}\n{status.fault.traceback}".rstrip()), lines=True)
        raise SystemExit(1 if status.state == "unknown" else 0)


@click.command()
@app_path
@click.argument("message_ids", nargs=-1, required=True)
def cancel(app_path: str, message_ids: tuple[str, ...]) -> None:
    """
    Cancel messages of APP.

    What waits never starts, a running async actor is cancelled, a running sync actor is interrupted if it is declared with cancellable=True. Exit code 1
    if any of them neither waits nor runs.
    """
    with plain_errors():
        broker = load_app(app_path).broker
        missed = [message_id for message_id in message_ids if not broker.cancel(message_id)]
        for message_id in missed:
            say(f"{message_id} neither waits nor runs", err=True)
        raise SystemExit(1 if missed else 0)


@click.command()
@app_path
@click.option("--queue", help="Only those of this queue.")
@click.option("--actor", help="Only those of this actor.")
@click.option("--error", help="Only those that died of this type of error.")
@click.option("--id", "ids", multiple=True, help="Only this one; may be repeated.")
@click.option("--requeue", is_flag=True, help="Put them back on their queues.")
@click.option("--discard", is_flag=True, help="Delete them.")
@click.option("--yes", is_flag=True, help="Do not ask before all dead letters are requeued or discarded.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Show so many at most.")
@as_json
def dead(
    app_path: str,
    queue: str | None,
    actor: str | None,
    error: str | None,
    ids: tuple[str, ...],
    requeue: bool,
    discard: bool,
    yes: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List the dead letters of APP, the latest first; or requeue or discard all that fit. Without a filter, these two ask first."""
    if requeue and discard:
        raise Refused("found --requeue and --discard, expected one of them")
    with plain_errors():
        app = load_app(app_path)
        if requeue or discard:
            if not (yes or queue or actor or error or ids):
                _confirm(app, "Requeue" if requeue else "Discard")
            count = _all(app, queue, actor, error, ids, requeue)
            click.echo(f"{count} {'requeued' if requeue else 'discarded'}")
            return
        letters = [
            letter for letter in app.broker.dead(queue=queue, actor=actor, error=error, limit=limit) if not ids or letter.message_id in ids
        ]
        if as_json:
            print_json([{**asdict(letter), "body": letter.body.decode(errors="replace")} for letter in letters])
        else:
            show_table(str(app.broker), COLUMNS, list(map(_row, letters)))


def _confirm(app: App, what: str) -> None:
    """Ask whether to do *what* to all dead letters; raises what ends the command if the answer is no."""
    count = sum(queue.dead for queue in app.broker.queues())
    click.confirm(f"{what} all {count} dead letters of {printable(str(app.broker))}?", abort=True)


def _all(app: App, queue: str | None, actor: str | None, error: str | None, ids: tuple[str, ...], requeue: bool) -> int:
    """
    Requeue or discard all dead letters that fit, a thousand at a time, and return how many there were.

    Each of them once, and no others: those that die while this goes on, perhaps again, are left.
    """
    change = app.requeue if requeue else app.broker.discard
    if ids:
        return change(ids)
    until, seen, count = app.broker.now(), set[str](), 0
    while True:
        most = MANY + len(seen)  # all that were changed may have died again within the same millisecond
        letters = app.broker.dead(queue=queue, actor=actor, error=error, until=until, limit=most)
        chosen = [letter.message_id for letter in letters if letter.message_id not in seen]
        if not chosen:
            return count
        seen.update(chosen)
        count += change(chosen)


def _row(letter: DeadLetter) -> list[str]:
    died = datetime.fromtimestamp(letter.died_at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return [letter.message_id, letter.queue_name, letter.actor_name, died, f"{letter.fault.type}: {letter.fault.message}"]
