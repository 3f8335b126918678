"""`read_groups`: dead letters in groups, each with its latest messages, for ``fq dead``."""

from collections.abc import Iterator, Sequence
from itertools import islice

from attrs import frozen

from fq.app.app import App
from fq.app.dead_groups import DeadGroup, DeadGroups, dead_groups
from fq.calls.message_record import MessageRecord
from fq.cli.selection import Selection

MOST_LOOKED_AT = 10_000
"""Of this many dead letters, the latest, the groups are made where the broker cannot find them all."""

MOST_SHOWN = 100
"""How many groups are shown."""


@frozen
class Group:
    """A *group* of dead letters, with some of their *records*, the latest first."""

    group: DeadGroup
    records: tuple[MessageRecord, ...]

    @property
    def text(self) -> str:
        """The first line of the latest error."""
        return first_line(self.group.message)


@frozen
class Groups:
    """The *shown* groups, the largest first, of those that were *found*."""

    found: DeadGroups
    shown: tuple[Group, ...]


def first_line(message: str) -> str:
    """Return the first line of the text of an error."""
    return message.strip().partition("\n")[0]


def read_groups(app: App, chosen: Selection, limit: int) -> Groups:
    """Return the groups of the dead letters that are *chosen*, with up to *limit* messages of each."""
    if not chosen.ids:
        found = dead_groups(app.broker, chosen.queue, chosen.actor, chosen.error)
        if found.is_complete:
            return Groups(found, tuple(Group(group, _latest(app, chosen, group, limit)) for group in found.groups[:MOST_SHOWN]))
    looked_at = list(islice(_records(app, chosen), MOST_LOOKED_AT + 1))
    return _grouped(looked_at[:MOST_LOOKED_AT], limit, len(looked_at) <= MOST_LOOKED_AT)


def _latest(app: App, chosen: Selection, group: DeadGroup, limit: int) -> tuple[MessageRecord, ...]:
    if limit == 0:
        return ()
    return app.messages(state="dead", queue=chosen.queue, actor=group.actor_name, error=group.error, limit=limit).records


def _records(app: App, chosen: Selection) -> Iterator[MessageRecord]:
    if not chosen.ids:
        yield from chosen.records(app, "dead")
        return
    for message_id in dict.fromkeys(chosen.ids):
        record = app.message(message_id)
        if record is not None and app.broker.status(message_id).state == "dead":
            yield record


def _grouped(records: Sequence[MessageRecord], limit: int, are_all: bool) -> Groups:
    by_group: dict[tuple[str, str], list[MessageRecord]] = {}
    for record in sorted(records, key=lambda record: -record.since):
        by_group.setdefault((record.actor_name, record.error.type if record.error else ""), []).append(record)
    groups = [Group(_group(key, found, are_all), tuple(found[:limit])) for key, found in by_group.items()]
    groups.sort(key=lambda each: -each.group.count)
    return Groups(DeadGroups(tuple(each.group for each in groups), are_all), tuple(groups[:MOST_SHOWN]))


def _group(key: tuple[str, str], records: Sequence[MessageRecord], are_all: bool) -> DeadGroup:
    message = records[0].error.message if records[0].error else ""
    return DeadGroup(*key, len(records), records[-1].since, records[0].since, message, not are_all)
