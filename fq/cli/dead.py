"""``fq dead``: dead letters, grouped by what failed; requeues or discards them."""

from collections.abc import Iterator, Sequence
from itertools import islice

import click
from attrs import define, field
from rich.text import Text

from fq.app.app import App
from fq.app.shown_messages import call_text, record_as_json
from fq.brokers.protocol import Broker
from fq.calls.message_record import MessageRecord
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
from fq.cli.selection import Selection, change
from fq.cli.tables import INDENT, indented_text, packed, wide_console
from fq.cli.times import moment, relative
from fq.core.counted import counted
from fq.core.printable import printable
from fq.execution.refused_letters import refused_letters

MOST_LOOKED_AT = 10_000
"""Of this many dead letters, the latest, the groups are made."""


@click.command()
@app_path
@click.option("--queue", shell_complete=complete_queues, help="Only dead letters of this queue.")
@click.option("--actor", shell_complete=complete_actors, help="Only dead letters of this actor.")
@click.option("--error", help="Only dead letters with this type of error.")
@click.option("--id", "ids", multiple=True, help="Only this message; may be repeated.")
@click.option("--requeue", is_flag=True, help="Put them back on their queues.")
@click.option("--discard", is_flag=True, help="Delete them.")
@click.option("--yes", is_flag=True, help="Do not ask before requeueing or discarding.")
@click.option("--limit", type=click.IntRange(0), default=3, show_default=True, help="Show at most this many messages of each group.")
@values
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
    shows_values: bool,
    as_json: bool,
) -> None:
    """
    Show what has failed for good in APP, or requeue or discard dead letters.

    Dead letters are grouped by actor and type of error, the largest group first, each with its latest messages. --queue, --actor, --error and --id select
    dead letters; without any of these, --requeue and --discard apply to all of them. They say how many there are, and ask.
    """
    if requeue and discard:
        raise UsageError("found both --requeue and --discard, expected one of them")
    with plain_errors():
        app = load_app(app_path)
        everything = not (ids or queue or actor or error)
        chosen = Selection(ids, ("dead",), queue=queue, actor=actor, error=error, everything=everything)
        if requeue or discard:
            _change(app, chosen.find(app), discard, yes, as_json)
            return
        groups, more = groups_of(app, chosen)
        if as_json:
            print_json({"groups": [_as_json(app, group, limit, shows_values) for group in groups], "more": more})
        else:
            _print(app, groups, limit, shows_values)
            if more:
                print_text(f"these are the latest {MOST_LOOKED_AT:,}; there are more")


def _change(app: App, ids: Sequence[str], discard: bool, yes: bool, as_json: bool) -> None:
    refusals = Refusals(app.broker)
    apply = app.broker.discard if discard else refusals.requeue
    count = change(app, ids, "Discard" if discard else "Requeue", yes, apply, "dead letter")
    done = "discarded" if discard else "requeued"
    if as_json:
        print_json({done: count, "refused": refusals.count})
    else:
        click.echo(f"{counted(count, 'dead letter')} {done}{refusals.summary}")


@define
class Refusals:
    """Mutable: requeues dead letters of *broker*, prints why some of them stay, and counts these."""

    broker: Broker
    count: int = 0

    def requeue(self, message_ids: Sequence[str]) -> int:
        """Requeue dead letters, and return how many."""
        requeued = self.broker.requeue(message_ids)
        for refused in refused_letters(self.broker, message_ids) if requeued < len(set(message_ids)) else ():
            print_text(str(refused), err=True)
            self.count += 1
        return requeued

    @property
    def summary(self) -> str:
        """How many stay, as the end of a sentence."""
        return f"; {self.count} stayed, since their unique keys are held" if self.count else ""


@define
class Group:
    """Mutable: the dead letters of *actor_name* with one type of error, the latest first."""

    actor_name: str
    error: str
    records: list[MessageRecord] = field(factory=list)

    @property
    def text(self) -> str:
        """The text of the latest error."""
        return text_of(self.records[0])


def text_of(record: MessageRecord) -> str:
    """Return the first line of the error of *record*."""
    return record.error.message.strip().partition("\n")[0] if record.error else ""


def groups_of(app: App, chosen: Selection) -> tuple[list[Group], bool]:
    """Return the dead letters that are *chosen* in groups, the largest first, and whether there are more than were looked at."""
    groups: dict[tuple[str, str], Group] = {}
    looked_at = list(islice(_records(app, chosen), MOST_LOOKED_AT + 1))
    for record in looked_at[:MOST_LOOKED_AT]:
        key = record.actor_name, record.error.type if record.error else ""
        groups.setdefault(key, Group(*key)).records.append(record)
    return sorted(groups.values(), key=lambda group: -len(group.records)), len(looked_at) > MOST_LOOKED_AT


def _records(app: App, chosen: Selection) -> Iterator[MessageRecord]:
    if not chosen.ids:
        yield from chosen.records(app, "dead")
        return
    for message_id in chosen.ids:
        record = app.message(message_id)
        if record is not None and app.broker.status(message_id).state == "dead":
            yield record


def _print(app: App, groups: Sequence[Group], limit: int, shows_values: bool) -> None:
    console, now = wide_console(), app.broker.now()
    total = sum(len(group.records) for group in groups)
    console.print(Text(printable(f"{app.broker}   {counted(total, 'dead letter')}"), style="bold"))
    for group in groups:
        latest, first = (relative(record.since, now) for record in (group.records[0], group.records[-1]))
        since = "" if latest == first else f", first {first}"
        name = Text(printable(f"{group.actor_name}  {group.error}"), style="bold red")
        console.print()
        console.print(Text.assemble(f"{len(group.records):,} × ", name, f"  latest {latest}{since}"))
        console.print(indented_text(Text(printable(group.text)), console.width))
        for record in group.records[:limit]:
            for line in packed(_parts(app, group, record, now, shows_values), console.width, INDENT):
                console.print(line, no_wrap=True, overflow="ignore", crop=False)
        if len(group.records) > limit:
            console.print(Text(f"    and {len(group.records) - limit:,} more"), style="italic")


def _parts(app: App, group: Group, record: MessageRecord, now: int, shows_values: bool) -> list[Text]:
    text = [] if text_of(record) == group.text else [text_of(record)]
    call = call_text(app.registry, record, shows_values)
    return [Text(printable(part)) for part in (record.message_id, moment(record.since, now), record.queue_name, call, *text)]


def _as_json(app: App, group: Group, limit: int, shows_values: bool) -> dict[str, object]:
    return {
        "actor_name": group.actor_name,
        "error": group.error,
        "message": group.text,
        "count": len(group.records),
        "first": group.records[-1].since,
        "last": group.records[0].since,
        "messages": [record_as_json(app.registry, record, shows_values) for record in group.records[:limit]],
    }
