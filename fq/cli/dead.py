"""``fq dead``: dead letters, grouped by what failed; requeues or discards them."""

from collections.abc import Sequence

import click
from attrs import define
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
from fq.cli.dead_groups import Group, Groups, first_line, read_groups
from fq.cli.selection import Selection, change
from fq.cli.tables import INDENT, indented_text, packed, wide_console
from fq.cli.times import moment, relative
from fq.core.counted import counted
from fq.core.printable import printable
from fq.execution.refused_letters import refused_letters


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
        groups = read_groups(app, chosen, limit)
        if as_json:
            shown = [_as_json(app, group, shows_values) for group in groups.shown]
            print_json({"groups": shown, "group_count": len(groups.found.groups), "more": not groups.found.is_complete})
        else:
            _print(app, groups, limit, shows_values)


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


def _print(app: App, groups: Groups, limit: int, shows_values: bool) -> None:
    console, now, found = wide_console(), app.broker.now(), groups.found
    total = counted(found.count, "dead letter", more=found.is_at_least)
    console.print(Text(printable(f"{app.broker}   {total}"), style="bold"))
    for group in groups.shown:
        latest, first = (relative(at, now) for at in (group.group.last, group.group.first))
        since = "" if latest == first else f", first {first}"
        name = Text(printable(f"{group.group.actor_name}  {group.group.error}"), style="bold red")
        more = "+" if group.group.is_at_least else ""
        console.print()
        console.print(Text.assemble(f"{group.group.count:,}{more} × ", name, f"  latest {latest}{since}"))
        console.print(indented_text(Text(printable(group.text)), console.width))
        for record in group.records:
            for line in packed(_parts(app, group, record, now, shows_values), console.width, INDENT):
                console.print(line, no_wrap=True, overflow="ignore", crop=False)
        if group.group.count > limit:
            console.print(Text(f"    and {group.group.count - limit:,}{more} more"), style="italic")
    if len(found.groups) > len(groups.shown):
        console.print(f"these are the largest of {len(found.groups):,} groups")
    if not found.is_complete:
        console.print("these are the latest; there are more")


def _parts(app: App, group: Group, record: MessageRecord, now: int, shows_values: bool) -> list[Text]:
    own = first_line(record.error.message) if record.error else ""
    text = [] if own == group.text else [own]
    call = call_text(app.registry, record, shows_values)
    return [Text(printable(part)) for part in (record.message_id, moment(record.since, now), record.queue_name, call, *text)]


def _as_json(app: App, group: Group, shows_values: bool) -> dict[str, object]:
    return {
        "actor_name": group.group.actor_name,
        "error": group.group.error,
        "message": group.text,
        "count": group.group.count,
        "is_at_least": group.group.is_at_least,
        "first": group.group.first,
        "last": group.group.last,
        "messages": [record_as_json(app.registry, record, shows_values) for record in group.records],
    }
