"""Messages: those of a state, by queue, actor, error, tag and argument."""

from collections.abc import Sequence

from fq.app.dead_groups import dead_groups
from fq.brokers.operations import FINISHED
from fq.brokers.records import QueueStats
from fq.brokers.sights import has_more
from fq.web.rows import message_row
from fq.web.search import STATES, Wanted, search
from fq.web.site import Page, Query, Site, View
from fq.web.text import natural

LIMIT = 50

COUNTED = {"ready": "ready", "running": "in_flight", "delayed": "delayed", "dead": "dead"}
"""By state, the name of its count in `QueueStats`."""


def view(site: Site, query: Query) -> View:
    """Return one page of messages, and how many there are in each state."""
    queues = site.queues.get()
    wanted = Wanted.of(query)
    results = search(site, wanted, query.text("after") or "", LIMIT)
    own = [queue for queue in queues if wanted.queue in (None, queue.queue_name)]
    return {
        "wanted": wanted.params(),
        "is_filtered": wanted != Wanted(wanted.state),
        "states": [{"name": state, "count": count_of(site, state, queues), "more": there_are_more(state, queues)} for state in STATES],
        "messages": [message_row(site, record, query.shows_values) for record in results.records],
        "after": results.after,
        "looked_at": results.looked_at + natural(query.text("seen") or "", 0),
        **_total(site, wanted, own),
        "shows_values": query.shows_values,
        "queues": sorted({*site.app.queues, *(queue.queue_name for queue in queues)}),
        "actors": sorted(site.app.actors),
    }


def _total(site: Site, wanted: Wanted, own: Sequence[QueueStats]) -> View:
    """Return how many messages a search for *wanted* has to look at; *own* are the queues that it is about."""
    if wanted.state == "dead" and (wanted.actor or wanted.error):
        found = dead_groups(site.app.broker, wanted.queue, wanted.actor, wanted.error)
        if found.is_complete:
            return {"total": found.count, "total_is_more": found.is_at_least}
    total = None if wanted.state == "finished" and wanted.queue else count_of(site, wanted.state, own)
    return {"total": total, "total_is_more": there_are_more(wanted.state, own)}


def count_of(site: Site, state: str, queues: Sequence[QueueStats]) -> int | None:
    """Return how many messages are in *state*; None if the broker does not count them."""
    if state == "finished":
        return site.app.broker.count_marks(FINISHED)
    field = COUNTED.get(state)
    return None if field is None else sum(getattr(queue, field) for queue in queues)


def there_are_more(state: str, queues: Sequence[QueueStats]) -> bool:
    """Are there more messages in *state* than `count_of` says?"""
    return state in COUNTED and has_more(queues, COUNTED[state])


MESSAGES = Page("messages", "/messages", "Messages", view, "m")
