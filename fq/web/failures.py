"""`failure_groups`: what fails, by actor and type of error: the dead letters, and the messages that are retried."""

from collections import Counter
from collections.abc import Mapping

from attrs import define, frozen

from fq.app.dead_groups import DeadGroup, dead_groups
from fq.brokers.browsing import MAX_LOOKED_AT, Entry
from fq.web.site import Site, View
from fq.web.text import first_line


@define
class Group:
    """Mutable: the failures of *actor_name* with one type of error: its *dead* letters, if there are any, and how many messages are *retrying*."""

    actor_name: str
    error: str
    message: str = ""
    dead: DeadGroup | None = None
    retrying: int = 0
    next_try: int = 0

    def add(self, entry: Entry) -> None:
        """Count *entry*, which is retried."""
        fault = entry.status.fault
        self.message = self.message or first_line(fault.message if fault else "")
        self.retrying += 1
        self.next_try = min(self.next_try or entry.since, entry.since)

    @property
    def size(self) -> int:
        """How many messages it has."""
        return self.retrying + (self.dead.count if self.dead else 0)

    def as_view(self) -> View:
        """Return it as JSON."""
        return {
            "actor_name": self.actor_name,
            "error": self.error,
            "message": self.message,
            "dead": self.dead.count if self.dead else 0,
            "dead_is_at_least": self.dead is not None and self.dead.is_at_least,
            "retrying": self.retrying,
            "first": self.dead.first if self.dead else 0,
            "last": self.dead.last if self.dead else 0,
            "next_try": self.next_try,
        }


@frozen
class Failures:
    """*groups*, the largest first, the number of *retrying* messages by queue, and whether there may be more groups of dead letters, or more that retry."""

    groups: tuple[Group, ...]
    retrying: Mapping[str, int]
    more_dead: bool
    more_retrying: bool

    def as_view(self, most: int) -> View:
        """Return it as JSON, with the *most* largest groups."""
        groups = [group.as_view() for group in self.groups[:most]]
        return {
            "groups": groups,
            "group_count": len(self.groups),
            "looked_at": MAX_LOOKED_AT,
            "more_dead": self.more_dead,
            "more_retrying": self.more_retrying,
        }


def failure_groups(site: Site) -> Failures:
    """Return the failures: all groups of dead letters that the broker finds, and the 1,000 messages whose next attempt is due first."""
    dead = dead_groups(site.app.broker)
    retrying = site.app.broker.browse("retrying", limit=MAX_LOOKED_AT)
    groups = {(each.actor_name, each.error): Group(each.actor_name, each.error, first_line(each.message), each) for each in dead.groups}
    for entry in retrying.entries:
        key = entry.status.actor_name, entry.status.fault.type if entry.status.fault else ""
        groups.setdefault(key, Group(*key)).add(entry)
    by_size = sorted(groups.values(), key=lambda group: -group.size)
    by_queue = Counter(entry.status.queue_name for entry in retrying.entries)
    return Failures(tuple(by_size), by_queue, not dead.is_complete, bool(retrying.after))
