"""`Wanted`: which messages a page shows, or an action changes. `search` finds them, and looks at a bounded number of messages."""

import json
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from fq.app.history import MessagePage
from fq.brokers.browsing import MAX_LOOKED_AT
from fq.calls.message_record import MessageRecord, MessageState
from fq.errors import OptionError
from fq.web.site import Forbidden, Query, Site

STATES: tuple[MessageState, ...] = ("ready", "running", "delayed", "retrying", "dead", "finished")

MOST_CALLS = 3
"""How many calls of the broker a search makes, each of which looks at 1,000 messages."""


@frozen
class Argument:
    """
    An argument to look for: *text* as it was typed, ``name=value``, ``name.key=value``, or only the value.

    >>> Argument("order.id=17").fits((), {"order": {"id": 17}}, ())
    True
    >>> Argument("order=17").fits((17,), {}, ("order",))
    True
    >>> Argument("17").fits(("17",), {}, ())
    True
    """

    text: str

    def fits(self, args: Sequence[object], kwargs: Mapping[str, object], names: Sequence[str]) -> bool:
        """Is it among the arguments *args* and *kwargs*? *names* are those of the positional parameters."""
        path, equals, value = self.text.partition("=")
        if not equals:
            return any(_is(each, self.text) for each in (*args, *kwargs.values()))
        name, *keys = path.strip().split(".")
        known = {**{str(at): each for at, each in enumerate(args)}, **dict(zip(names, args, strict=False)), **kwargs}
        found = known.get(name, _MISSING)
        for key in keys:
            found = found.get(key, _MISSING) if isinstance(found, Mapping) else _MISSING
        return _is(found, value.strip())


_MISSING = object()


def _is(value: object, text: str) -> bool:
    """Is *text* how a person writes *value*: as JSON, or a text without quotes?"""
    if value is _MISSING:
        return False
    if value == text:
        return True
    try:
        typed = json.loads(text)
    except ValueError:
        return False
    return json.dumps(typed, sort_keys=True) == json.dumps(value, sort_keys=True)  # 1 is not True, and 1.0 is not 1


@frozen
class Wanted:
    """
    Messages in *state*; of one *queue*, *actor*, type of the latest *error*, *tag*, and with one *argument*. None is any.

    Of dead ones, those that died by *until*, ms since the epoch.
    """

    state: MessageState
    queue: str | None = None
    actor: str | None = None
    error: str | None = None
    tag: str | None = None
    argument: Argument | None = None
    until: float = float("inf")

    @classmethod
    def of(cls, query: Query, state: str | None = None) -> "Wanted":
        """
        Return what *query* asks for.

        Raises:
            OptionError: an unknown state.
            Forbidden: an argument, from a person who may not see arguments.
        """
        state = state or query.text("state") or "ready"
        if state not in STATES:
            raise OptionError(f"state: found {state!r}, expected one of {', '.join(STATES)}")
        argument = query.text("argument")
        if argument and not query.permissions.values:
            raise Forbidden("argument: your access does not include the values of arguments, so you cannot search for one")
        queue, actor, error, tag = (query.text(name) for name in ("queue", "actor", "error", "tag"))
        return cls(state, queue, actor, error, tag, Argument(argument) if argument else None)

    def params(self) -> dict[str, str]:
        """Return the parameters of a request that stand for it; those that are not set are empty."""
        given = {"state": self.state, "queue": self.queue, "actor": self.actor, "error": self.error, "tag": self.tag}
        given["argument"] = self.argument.text if self.argument else None
        return {name: value or "" for name, value in given.items()}

    @property
    def is_narrow(self) -> bool:
        """Must the bodies of messages be read to find them?"""
        return self.tag is not None or self.argument is not None or self.until != float("inf")


@frozen
class Results:
    """
    Messages that were found, and how many were *looked_at* for that.

    *after* goes on from there, ``""`` if there is no more.
    """

    records: tuple[MessageRecord, ...]
    after: str
    looked_at: int


def search(site: Site, wanted: Wanted, after: str = "", limit: int = 50, calls: int = MOST_CALLS) -> Results:
    """Return up to *limit* messages that come after *after*, those that *calls* calls of the broker find at most."""
    found: list[MessageRecord] = []
    fits, looked_at = _test(site, wanted), 0
    for _ in range(calls):
        size = MAX_LOOKED_AT if wanted.is_narrow else limit - len(found)
        page = _page(site, wanted, after, size)
        for at, record in enumerate(page.records, 1):
            if fits(record):
                found.append(record)
            if len(found) == limit and at < len(page.records):
                cut = _page(site, wanted, after, at)  # it goes on behind the last that is shown
                return Results(tuple(found), cut.after, looked_at + cut.looked_at)
        after, looked_at = page.after, looked_at + page.looked_at
        if not after or len(found) >= limit:
            break
    return Results(tuple(found), after, looked_at)


def _page(site: Site, wanted: Wanted, after: str, limit: int) -> MessagePage:
    return site.app.messages(
        state=wanted.state, queue=wanted.queue, actor=wanted.actor, error=wanted.error, after=after, limit=max(1, limit)
    )


def _test(site: Site, wanted: Wanted) -> Callable[[MessageRecord], bool]:
    """Return whether a message has the tag and the argument that are *wanted*, and if it is dead, died in time."""

    def fits(record: MessageRecord) -> bool:
        if wanted.state == "dead" and record.since > wanted.until:
            return False
        if wanted.tag is not None and wanted.tag not in record.tags:
            return False
        if wanted.argument is None:
            return True
        actor = site.app.registry.plan(record.actor_name).actor
        names = () if actor is None else actor.signature.positional_names
        return wanted.argument.fits(record.args, record.kwargs, names)

    return fits
