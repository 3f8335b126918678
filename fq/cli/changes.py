"""Commands that change messages, one or many: ``fq retry``, ``fq discard``, ``fq promote``, ``fq cancel``."""

from collections.abc import Callable, Sequence

import click

from fq.app.app import App
from fq.calls.message_record import MessageState
from fq.cli.common import app_path, as_json, load_app, plain_errors, print_json, print_text
from fq.cli.selection import Selection, change, selecting
from fq.core.counted import counted

STATE = "Only messages in this state."

CANCELLABLE: tuple[MessageState, ...] = ("ready", "delayed", "running")  # a message that is retried is delayed, too


def _run(
    app_path: str,
    words: tuple[str, str],
    selection: Callable[[], Selection],
    yes: bool,
    as_json: bool,
    apply: Callable[[App, Sequence[str]], int],
) -> None:
    """Apply a change to what is selected, and say how many messages it changed. *words* are what it does, and what it has done."""
    with plain_errors():
        app = load_app(app_path)
        ids = selection().find(app)
        count = change(app, ids, words[0], yes, lambda batch: apply(app, batch))
        if as_json:
            print_json({words[1]: count, "missed": len(ids) - count})
        else:
            missed = f"; {counted(len(ids) - count, 'message')} could not be" if count < len(ids) else ""
            click.echo(f"{counted(count, 'message')} {words[1]}{missed}")
        raise SystemExit(1 if count < len(ids) else 0)


@click.command()
@app_path
@selecting
@click.option("--state", type=click.Choice(["dead", "retrying"]), help=STATE + " Default: both.")
@as_json
def retry(app_path: str, state: MessageState | None, yes: bool, as_json: bool, **chosen: object) -> None:
    """
    Run failed messages of APP again, now.

    Dead letters go back to their queues as if sent now. Messages that wait for their next attempt do not wait any longer. Name them by ID, or select
    them; the command says how many there are, and asks.

    Exit code 1 if a message could not be retried.
    """
    states: tuple[MessageState, ...] = (state,) if state else ("dead", "retrying")
    _run(app_path, ("Retry", "retried"), lambda: _selection(states, chosen), yes, as_json, _retry)


@click.command()
@app_path
@selecting
@click.option("--state", type=click.Choice(["ready", "delayed", "retrying", "dead"]), default="dead", show_default=True, help=STATE)
@as_json
def discard(app_path: str, state: MessageState, yes: bool, as_json: bool, **chosen: object) -> None:
    """
    Delete messages of APP that do not run.

    Name dead letters and waiting messages by ID, or select those of one state; the command says how many there are, and asks. They are gone: nothing
    is run and no callback is called. To end waiting messages with their callbacks, cancel them.

    Exit code 1 if a message could not be discarded.
    """
    _run(app_path, ("Discard", "discarded"), lambda: _selection((state,), chosen), yes, as_json, lambda app, ids: app.broker.discard(ids))


@click.command()
@app_path
@selecting
@click.option("--state", type=click.Choice(["delayed", "retrying"]), default="delayed", show_default=True, help=STATE)
@as_json
def promote(app_path: str, state: MessageState, yes: bool, as_json: bool, **chosen: object) -> None:
    """
    Make delayed messages of APP ready now.

    Name them by ID, or select those of one state; the command says how many there are, and asks.

    Exit code 1 if a message does not wait.
    """
    _run(app_path, ("Promote", "promoted"), lambda: _selection((state,), chosen), yes, as_json, _promote)


@click.command()
@app_path
@selecting
@click.option("--state", type=click.Choice(["ready", "delayed", "retrying", "running"]), help=STATE + " Default: all of these.")
@as_json
def cancel(app_path: str, state: MessageState | None, yes: bool, as_json: bool, **chosen: object) -> None:
    """
    Cancel messages of APP.

    A waiting message never starts. A running async actor is cancelled; a running sync actor is interrupted if it is declared with
    cancellable=True. Name them by ID, or select them; the command says how many there are, and asks.

    Exit code 1 if a message neither waits nor runs.
    """
    states = (state,) if state else CANCELLABLE
    _run(app_path, ("Cancel", "cancelled"), lambda: _selection(states, chosen), yes, as_json, _cancel)


def _selection(states: tuple[MessageState, ...], chosen: dict[str, object]) -> Selection:
    return Selection(states=states, **chosen)  # type: ignore[arg-type]  # click gives what `selecting` declares


def _retry(app: App, ids: Sequence[str]) -> int:
    dead = [message_id for message_id in ids if app.broker.status(message_id).state == "dead"]
    waiting = set(ids).difference(dead)
    return (app.requeue(dead) if dead else 0) + _promote(app, [message_id for message_id in ids if message_id in waiting])


def _promote(app: App, ids: Sequence[str]) -> int:
    return app.broker.run_now(ids)


def _cancel(app: App, ids: Sequence[str]) -> int:
    missed = {message_id for message_id in ids if app.broker.status(message_id).state not in CANCELLABLE}
    for message_id in filter(missed.__contains__, ids):
        print_text(f"{message_id} neither waits nor runs", err=True)
    return app.broker.cancel_all([message_id for message_id in ids if message_id not in missed])
