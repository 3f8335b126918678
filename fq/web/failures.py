"""`failure_groups`: what fails, by actor and type of error, from the latest dead letters and the messages that are retried."""

from collections import Counter
from collections.abc import Mapping

from attrs import define, field, frozen

from fq.brokers.browsing import MAX_LOOKED_AT, Entry
from fq.web.site import Site, View
from fq.web.text import first_line


@define
class Group:
    """Mutable: the failures of *actor_name* with one type of error."""

    actor_name: str
    error: str
    message: str = ""
    dead: int = 0
    retrying: int = 0
    died: list[int] = field(factory=list)
    next_try: int = 0

    def add(self, entry: Entry) -> None:
        """Count *entry*."""
        fault = entry.status.fault
        self.message = self.message or first_line(fault.message if fault else "")
        if entry.status.state == "dead":
            self.dead += 1
            self.died.append(entry.since)
        else:
            self.retrying += 1
            self.next_try = min(self.next_try or entry.since, entry.since)

    def as_view(self) -> View:
        """Return it as JSON."""
        return {
            "actor_name": self.actor_name,
            "error": self.error,
            "message": self.message,
            "dead": self.dead,
            "retrying": self.retrying,
            "first": min(self.died, default=0),
            "last": max(self.died, default=0),
            "next_try": self.next_try,
        }


@frozen
class Failures:
    """*groups*, the largest first, the number of *retrying* messages by queue, and whether there are more than were looked at."""

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
    """Return the failures among the 1,000 latest dead letters and the 1,000 delayed messages that are due next."""
    dead = site.app.broker.browse("dead", limit=MAX_LOOKED_AT)
    retrying = site.app.broker.browse("retrying", limit=MAX_LOOKED_AT)
    groups: dict[tuple[str, str], Group] = {}
    for entry in (*dead.entries, *retrying.entries):
        key = entry.status.actor_name, entry.status.fault.type if entry.status.fault else ""
        groups.setdefault(key, Group(*key)).add(entry)
    by_size = sorted(groups.values(), key=lambda group: -(group.dead + group.retrying))
    by_queue = Counter(entry.status.queue_name for entry in retrying.entries)
    return Failures(tuple(by_size), by_queue, bool(dead.after), bool(retrying.after))
