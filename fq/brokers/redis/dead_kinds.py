"""The kinds of dead letters, those of one queue, actor and type of error, among the latest: nothing in Redis has the letters of each kind side by side."""

from collections.abc import Iterable, Iterator

from fq.brokers.browsing import MAX_LOOKED_AT, Entry
from fq.brokers.redis.browsing import Search, browse
from fq.brokers.redis.namespace import Namespace
from fq.brokers.sights import DeadKind, DeadKinds


def dead_kinds(namespace: Namespace) -> DeadKinds:
    """See `Browser.dead_kinds`."""
    page = browse(namespace, Search("dead", "", ""), None, "", MAX_LOOKED_AT)
    is_complete = page.after == ""
    return DeadKinds(tuple(_kinds(page.entries, not is_complete)), is_complete)


def _kinds(letters: Iterable[Entry], is_at_least: bool) -> Iterator[DeadKind]:
    """Yield the kinds of *letters*, the latest of which come first."""
    by_kind: dict[tuple[str, str, str], list[Entry]] = {}
    for letter in letters:
        status = letter.status
        by_kind.setdefault((status.queue_name, status.actor_name, status.fault.type if status.fault else ""), []).append(letter)
    for kind, found in by_kind.items():
        fault = found[0].status.fault
        yield DeadKind(*kind, len(found), found[-1].since, found[0].since, fault.message if fault else "", is_at_least)
