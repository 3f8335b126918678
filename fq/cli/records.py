"""``fq ls``: lists messages, once or again and again."""

from functools import partial
from typing import get_args

import click
from attrs import evolve, frozen
from rich.console import Console, Group
from rich.text import Text

from fq.app.app import App
from fq.app.history import STATES, MessagePage
from fq.app.shown_messages import call_text, record_as_json
from fq.calls.message_record import MessageOutcome, MessageRecord, MessageState
from fq.cli.common import (
    UsageError,
    app_path,
    as_json,
    complete_actors,
    complete_queues,
    load_app,
    plain_errors,
    print_json,
    print_text,
    values,
)
from fq.cli.tables import Kind, drawn, show, state_text
from fq.cli.times import clock_time, moment
from fq.cli.watching import interval_option, watch
from fq.core.counted import counted
from fq.core.printable import printable

COLUMNS: dict[str, Kind] = {
    "message": "name",
    "state": "name",
    "queue": "name",
    "since or due": "name",
    "runs": "number",
    "call": "text",
    "error": "text",
}


@frozen
class Filter:
    """Which messages are listed, and how many on a page; as `App.messages` takes them."""

    state: MessageState | None
    queue: str | None
    actor: str | None
    error: str | None
    tag: str | None
    outcome: MessageOutcome | None
    after: str
    limit: int

    def page(self, app: App) -> MessagePage:
        """Return the page of messages of *app*."""
        return app.messages(
            state=self.state,
            queue=self.queue,
            actor=self.actor,
            error=self.error,
            tag=self.tag,
            outcome=self.outcome,
            after=self.after,
            limit=self.limit,
        )


@click.command()
@app_path
@click.option("--state", type=click.Choice(["retrying", *STATES]), help="Only messages in this state. Default: all.")
@click.option("--queue", shell_complete=complete_queues, help="Only messages of this queue.")
@click.option("--actor", shell_complete=complete_actors, help="Only messages of this actor.")
@click.option("--error", help="Only messages whose latest error is of this type.")
@click.option("--tag", help="Only messages with this tag.")
@click.option("--outcome", type=click.Choice(get_args(MessageOutcome)[1:]), help="Only messages that ended in this way.")
@click.option("--after", default="", help="Go on after an earlier page, which prints what to type here.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="List at most this many.")
@click.option("--watch", "watches", is_flag=True, help="List them again and again, until Ctrl-C.")
@interval_option
@values
@as_json
def ls(app_path: str, watches: bool, interval: float, shows_values: bool, as_json: bool, **chosen: object) -> None:
    """
    List messages of APP: running, ready, delayed, dead and finished ones.

    Finished messages are listed for actors that have the layer keep(). A page reads at most 1,000 messages of each state; when there may be more, the last
    line says how to go on.
    """
    if watches and as_json:
        raise UsageError("found both --watch and --json, expected one of them")
    with plain_errors():
        app, wanted = load_app(app_path), Filter(**chosen)  # type: ignore[arg-type]  # click gives what the options declare
        if watches:
            watch(partial(_screen, app, wanted, shows_values), interval)
            return
        page, now = wanted.page(app), app.broker.now()
        if as_json:
            print_json({"messages": [record_as_json(app.registry, record, shows_values) for record in page], "after": page.after})
            return
        show(str(app.broker), COLUMNS, [_row(app, record, now, shows_values) for record in page])
        if page.after:
            print_text(f"more: --after '{page.after}'")


def _screen(app: App, wanted: Filter, shows_values: bool, console: Console) -> Group:
    """Return as many messages as the terminal has lines for."""
    room = max(1, console.height - 4)
    page, now = evolve(wanted, limit=min(wanted.limit, room)).page(app), app.broker.now()
    title = f"{app.broker}   {clock_time(now)}, {counted(len(page), 'message')}{' and more' if page.after else ''}"
    rows = [_row(app, record, now, shows_values) for record in page]
    return Group(Text(printable(title), style="bold"), drawn(COLUMNS, rows, console.width) if rows else Text("none", style="italic"))


def _row(app: App, record: MessageRecord, now: int, shows_values: bool) -> list[str | Text]:
    error = "" if record.error is None else f"{record.error.type}: {record.error.message}"
    runs = record.attempts[-1].number if record.attempts else record.deliveries or ""
    when = moment(record.since, now)
    call = call_text(app.registry, record, shows_values)
    return [record.message_id, state_text(record.outcome or record.state), record.queue_name, when, str(runs), call, error]
