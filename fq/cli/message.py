"""Commands for single messages and dead letters: ``fq show``, ``fq cancel``, ``fq dead``."""

from datetime import UTC, datetime

import click
from attrs import asdict

from fq.app.app import App
from fq.brokers.records import DeadLetter
from fq.cli.common import UsageError, app_path, as_json, counted, load_app, plain_errors, print_json, print_text
from fq.cli.tables import Kind
from fq.cli.tables import show as show_table
from fq.core.printable import indented, printable

COLUMNS: dict[str, Kind] = {"message": "name", "queue": "name", "actor": "name", "died": "name", "error": "text"}

BATCH_SIZE = 1_000
"""How many dead letters are requeued or discarded at a time."""


@click.command()
@app_path
@click.argument("message_id")
@as_json
def show(app_path: str, message_id: str, as_json: bool) -> None:
    """
    Show the state and the latest error of MESSAGE_ID of APP.

    The state is ready, delayed, running, dead, done or unknown. Exit code 1 if it is unknown.
    """
    with plain_errors():
        status = load_app(app_path).broker.status(message_id)
        if as_json:
            print_json(asdict(status))
        else:
            shown = {name: value for name, value in asdict(status, recurse=False).items() if value and name != "fault"}
            print_text("\n".join(f"{name}: {printable(str(value))}" for name, value in shown.items()), lines=True)
            if status.fault is not None:
                print_text(indented(f"{status.fault.type}: {status.fault.message}\n{status.fault.traceback}".rstrip()), lines=True)
        raise SystemExit(1 if status.state == "unknown" else 0)


@click.command()
@app_path
@click.argument("message_ids", nargs=-1, required=True)
def cancel(app_path: str, message_ids: tuple[str, ...]) -> None:
    """
    Cancel messages of APP.

    A waiting message never starts. A running async actor is cancelled; a running sync actor is interrupted if it is declared with
    cancellable=True.

    Exit code 1 if a message neither waits nor runs.
    """
    with plain_errors():
        broker = load_app(app_path).broker
        missed = [message_id for message_id in message_ids if not broker.cancel(message_id)]
        for message_id in missed:
            print_text(f"{message_id} neither waits nor runs", err=True)
        raise SystemExit(1 if missed else 0)


@click.command()
@app_path
@click.option("--queue", help="Only dead letters of this queue.")
@click.option("--actor", help="Only dead letters of this actor.")
@click.option("--error", help="Only dead letters with this type of error.")
@click.option("--id", "ids", multiple=True, help="Only this message; may be repeated.")
@click.option("--requeue", is_flag=True, help="Put them back on their queues.")
@click.option("--discard", is_flag=True, help="Delete them.")
@click.option("--yes", is_flag=True, help="Do not ask before requeueing or discarding all dead letters.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="List at most this many.")
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
    """
    List, requeue or discard dead letters of APP.

    Without --requeue or --discard, dead letters are listed, the latest first. --queue, --actor, --error and --id select dead letters; without
    any of these, --requeue and --discard apply to all of them, and ask first.
    """
    if requeue and discard:
        raise UsageError("found both --requeue and --discard, expected one of them")
    with plain_errors():
        app = load_app(app_path)
        if requeue or discard:
            if not (yes or queue or actor or error or ids):
                _confirm(app, "Requeue" if requeue else "Discard")
            count = _all(app, queue, actor, error, ids, requeue)
            click.echo(f"{counted(count, 'dead letter')} {'requeued' if requeue else 'discarded'}")
            return
        letters = [
            letter
            for letter in app.broker.dead_letters(queue=queue, actor=actor, error=error, limit=limit)
            if not ids or letter.message_id in ids
        ]
        if as_json:
            print_json([{**asdict(letter), "body": letter.body.decode(errors="replace")} for letter in letters])
        else:
            show_table(str(app.broker), COLUMNS, list(map(_row, letters)))


def _confirm(app: App, what: str) -> None:
    """Ask whether to do *what* to all dead letters; raises `click.Abort` if the answer is no."""
    count = sum(queue.dead for queue in app.broker.queues())
    click.confirm(f"{what} all dead letters of {printable(str(app.broker))} ({count})?", abort=True)


def _all(app: App, queue: str | None, actor: str | None, error: str | None, ids: tuple[str, ...], requeue: bool) -> int:
    """
    Requeue or discard all selected dead letters, in batches, and return their number.

    Each is changed once. Messages that die while this runs, perhaps again, are left alone.
    """
    change = app.requeue if requeue else app.broker.discard
    if ids:
        return change(ids)
    until, seen, count = app.broker.now(), set[str](), 0
    while True:
        most = BATCH_SIZE + len(seen)  # every changed message may have died again within the same millisecond
        letters = app.broker.dead_letters(queue=queue, actor=actor, error=error, until=until, limit=most)
        chosen = [letter.message_id for letter in letters if letter.message_id not in seen]
        if not chosen:
            return count
        seen.update(chosen)
        count += change(chosen)


def _row(letter: DeadLetter) -> list[str]:
    died = datetime.fromtimestamp(letter.died_at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return [letter.message_id, letter.queue_name, letter.actor_name, died, f"{letter.fault.type}: {letter.fault.message}"]
