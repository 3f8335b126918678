"""``fq tail``: what happens to messages, as it happens: they end, or an attempt fails and there will be another."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress

import click
from rich.text import Text

from fq.app.app import App
from fq.app.shown_messages import call_text, record_as_json
from fq.calls.message_record import MessageRecord
from fq.cli.common import app_path, complete_actors, complete_queues, load_app, plain_errors, print_text, values
from fq.cli.tables import STATE_STYLES, packed, wide_console
from fq.cli.times import clock_time, duration, relative
from fq.core.printable import printable
from fq.errors import BrokerError

POLL_SECONDS = 0.5
"""How often the broker is asked for what has happened since."""

PAGE_SIZE = 200

MOST_RETRYING = 1_000
"""Failed attempts are seen of the messages that are tried again next, as many as this."""

MAX_SEEN = 10_000
"""How many of the latest events are remembered, so that none is shown twice."""

HAS_RECORD = 0
"""In the place of the time at which a message ended: it was shown by its record, and its dead letter, which is a little younger, is the same ending."""


@click.command()
@app_path
@click.option("--queue", shell_complete=complete_queues, help="Only messages of this queue.")
@click.option("--actor", shell_complete=complete_actors, help="Only messages of this actor.")
@click.option("--last", "count", type=click.IntRange(0), default=10, show_default=True, help="Begin with this many of the latest endings.")
@click.option("--no-follow", is_flag=True, help="End after these.")
@values
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
def tail(app_path: str, queue: str | None, actor: str | None, count: int, no_follow: bool, shows_values: bool, as_json: bool) -> None:
    """
    Print what happens to messages of APP, one line each, until Ctrl-C.

    A message becomes a dead letter; an attempt fails and there will be another one; or, for actors that have the layer keep(), a message succeeds or ends
    in another way.
    """
    with plain_errors():
        app = load_app(app_path)
        ended = Ended(app, queue, actor)
        show = _json_line if as_json else _print
        for record in list(ended.new())[-count:] if count else ():
            show(app, record, shows_values)
        ended.new_retries()

        def show_new() -> None:
            for record in (*ended.new_retries(), *ended.new()):
                show(app, record, shows_values)

        if not no_follow:
            again_and_again(show_new)


def again_and_again(show_new: Callable[[], None], sleep: Callable[[float], None] = time.sleep) -> None:
    """Call *show_new* until Ctrl-C. While the broker is away, which standard error says once, go on: it may come back."""
    is_away = False
    with suppress(KeyboardInterrupt):
        while True:
            sleep(POLL_SECONDS)
            try:
                show_new()
            except BrokerError as error:
                if not is_away:
                    print_text(f"{error}; trying again until it is back", err=True)
                is_away = True
            else:
                if is_away:
                    print_text("the broker is back", err=True)
                is_away = False


class Ended:
    """Mutable: the messages of *app* that have ended, or failed and are tried again, and which of them it has returned."""

    def __init__(self, app: App, queue: str | None, actor: str | None) -> None:
        self._app, self._queue, self._actor = app, queue, actor
        self._seen: set[tuple[str, int]] = set()
        self._order: deque[tuple[str, int]] = deque()

    def new(self) -> list[MessageRecord]:
        """Return the messages that have ended since the last call, the earliest first."""
        found = sorted(self._latest(), key=lambda record: record.since)
        for record in found:
            self._note((record.message_id, record.since))
            if record.outcome:
                self._note((record.message_id, HAS_RECORD))
        return found

    def new_retries(self) -> list[MessageRecord]:
        """Return the messages that have failed since the last call and are tried again, those that are tried next first."""
        found = list(self._page("retrying", MOST_RETRYING))
        for record in found:
            self._note((record.message_id, record.since))
        return found

    def _note(self, key: tuple[str, int]) -> None:
        self._seen.add(key)
        self._order.append(key)
        while len(self._order) > MAX_SEEN:
            self._seen.discard(self._order.popleft())

    def _latest(self) -> Iterator[MessageRecord]:
        letters = list(self._page("dead"))  # first: the record of a letter is written in the same step, so it is on the next page, too
        kept = {record.message_id: record for record in self._page("finished")}
        yield from kept.values()
        yield from (one for one in letters if one.message_id not in kept and (one.message_id, HAS_RECORD) not in self._seen)

    def _page(self, state: str, limit: int = PAGE_SIZE) -> Iterator[MessageRecord]:
        page = self._app.messages(state=state, queue=self._queue, actor=self._actor, limit=limit)  # type: ignore[arg-type]  # some of its states
        return (record for record in page if (record.message_id, record.since) not in self._seen)


def _event(record: MessageRecord) -> str:
    return record.outcome or record.state


def _print(app: App, record: MessageRecord, shows_values: bool) -> None:
    """Print one line; in a terminal that is too narrow, two."""
    console, now, event = wide_console(), app.broker.now(), _event(record)
    tried_again = record.state == "retrying"
    took = duration(record.took) if record.attempts else "-"
    parts = [record.queue_name, call_text(app.registry, record, shows_values), record.message_id]
    if record.error is not None:
        parts.append(f"{record.error.type}: {record.error.message}")
    if tried_again:
        parts.append(f"next try {relative(record.since, now)}")
    head = Text.assemble(
        clock_time(now if tried_again else record.since), "  ", Text(f"{event:<9}", style=STATE_STYLES.get(event, "")), f"  {took:>8}"
    )
    for line in packed([head, *(Text(printable(part)) for part in parts)], console.width):
        console.print(line, no_wrap=True, overflow="ignore", crop=False)


def _json_line(app: App, record: MessageRecord, shows_values: bool) -> None:
    click.echo(json.dumps({"event": _event(record), **record_as_json(app.registry, record, shows_values)}))
