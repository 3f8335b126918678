"""`MessageReader`: the pages of messages that an app shows, those that wait, run, are dead or have ended. `Counters` is in ``fq.app.counters``."""

import asyncio
import json
from collections.abc import Iterator
from typing import cast, get_args

from attrs import frozen

from fq.brokers.browsing import MAX_LOOKED_AT, read_cursor
from fq.brokers.operations import FINISHED
from fq.brokers.protocol import Broker
from fq.calls.message_record import MessageOutcome, MessageRecord, MessageState, find_record, record_of_entry, record_of_mark
from fq.errors import BrokerError, OptionError

STATES: tuple[MessageState, ...] = ("running", "ready", "delayed", "dead", "finished")
"""The states in which every message is once, in the order of a page of all; a ``"retrying"`` one is ``"delayed"``, too."""

MARKS_PER_CALL = 200
"""How many records are read at a time to find those that fit."""


@frozen
class MessagePage:
    """
    Some *records* of messages, over which you can loop.

    *after* gets the next page, ``""`` if there is none. A page may have fewer records than asked for, even none, and still be followed by one: each reads
    a bounded part of what there is. *looked_at* is how many messages were looked at to find these.
    """

    records: tuple[MessageRecord, ...]
    after: str = ""
    looked_at: int = 0

    def __iter__(self) -> Iterator[MessageRecord]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)


@frozen
class Wanted:
    """Which messages a page shows: those of one *queue*, *actor*, type of the latest *error*, *tag* or *outcome*; None is any."""

    queue: str | None = None
    actor: str | None = None
    error: str | None = None
    tag: str | None = None
    outcome: MessageOutcome | None = None

    def fits(self, record: MessageRecord) -> bool:
        """Is *record* of one of them?"""
        return (
            self.queue in (None, record.queue_name)
            and self.actor in (None, record.actor_name)
            and self.error in (None, record.error.type if record.error else "")
            and (self.tag is None or self.tag in record.tags)
            and self.outcome in (None, record.outcome)
        )


class HasBroker:
    """The app, as its readers see it."""

    @property
    def broker(self) -> Broker:
        """See `App.broker`."""
        raise NotImplementedError  # the app has it


class MessageReader(HasBroker):
    """The methods of an `App` that show messages."""

    def message(self, message_id: str) -> MessageRecord | None:
        """
        Return what is known of a message, or None: it is not known, or has ended without a record. The layer `Keep` keeps records.

        >>> from fq import App
        >>> app = App("memory://")
        >>> @app.actor
        ... def add(a: int, b: int) -> int:
        ...     return a + b
        >>> record = app.message(add.send(1, 2).message_id)
        >>> record.state, record.args
        ('ready', (1, 2))
        """
        return find_record(self.broker, message_id)

    def messages(
        self,
        *,
        state: MessageState | None = None,
        queue: str | None = None,
        actor: str | None = None,
        error: str | None = None,
        tag: str | None = None,
        outcome: MessageOutcome | None = None,
        after: str = "",
        limit: int = 100,
    ) -> MessagePage:
        """
        Return a page of up to *limit* messages, of one state, queue, actor, type of the latest error, tag or outcome if given.

        ``state="finished"`` shows those that have ended, the latest first, as far as the layer `Keep` keeps records. Without a state, running messages
        come first, then ready, delayed, dead and finished ones. *after*, from the page before, goes on from there. A call reads at most 1,000 messages
        of each state.

        >>> from fq import App, keep
        >>> app = App("memory://")
        >>> @app.actor(keep(), tags=["sums"])
        ... def add(a: int, b: int) -> int:
        ...     return a + b
        >>> handles = app.send_many(add.call(n, n) for n in range(3))
        >>> app.run_until_idle()
        3
        >>> page = app.messages(state="finished", tag="sums", limit=2)
        >>> len(page), len(app.messages(state="finished", tag="sums", limit=2, after=page.after))
        (2, 1)

        Raises:
            OptionError: an unknown state or outcome, a limit below 1, or an *after* that is no text.
            BrokerError: *after* is not from a page of this broker.
        """
        if type(limit) is not int or limit < 1:
            raise OptionError(f"found limit={limit!r}, expected a whole number from 1")
        if state not in (None, "retrying", *STATES):
            raise OptionError(f"found state={state!r}, expected one of retrying, {', '.join(STATES)}")
        if outcome is not None and outcome not in get_args(MessageOutcome):
            raise OptionError(f"found outcome={outcome!r}, expected one of {', '.join(get_args(MessageOutcome)[1:])}")
        if not isinstance(after, str):
            raise OptionError(f"found after={after!r}, expected the text in `MessagePage.after` of an earlier page")
        wanted = Wanted(queue, actor, error, tag, outcome)
        return _page(self.broker, state, wanted, after, limit) if state else _page_of_all(self.broker, wanted, after, limit)

    async def amessage(self, message_id: str) -> MessageRecord | None:
        """`message`, for async callers."""
        return await asyncio.to_thread(find_record, self.broker, message_id)

    async def amessages(
        self,
        *,
        state: MessageState | None = None,
        queue: str | None = None,
        actor: str | None = None,
        error: str | None = None,
        tag: str | None = None,
        outcome: MessageOutcome | None = None,
        after: str = "",
        limit: int = 100,
    ) -> MessagePage:
        """`messages`, for async callers."""
        return await asyncio.to_thread(
            lambda: self.messages(state=state, queue=queue, actor=actor, error=error, tag=tag, outcome=outcome, after=after, limit=limit)
        )


def _page_of_all(broker: Broker, wanted: Wanted, after: str, limit: int) -> MessagePage:
    first, _, cursor = after.partition("|") if after else (STATES[0], "", "")
    if first not in STATES:
        raise BrokerError(f"found after={after!r}, expected what `MessagePage.after` of an earlier page says")
    found: list[MessageRecord] = []
    looked_at = 0
    for state in STATES[STATES.index(first) :]:
        page = _page(broker, state, wanted, cursor, limit - len(found))
        found += page.records
        looked_at += page.looked_at
        cursor = page.after
        if cursor or len(found) == limit:
            return MessagePage(tuple(found), f"{state}|{cursor}" if cursor else _begin_after(state), looked_at)
    return MessagePage(tuple(found), "", looked_at)


def _begin_after(state: MessageState) -> str:
    following = STATES[STATES.index(state) + 1 :]
    return f"{following[0]}|" if following else ""


def _page(broker: Broker, state: MessageState, wanted: Wanted, after: str, limit: int) -> MessagePage:
    if state == "finished":
        return _finished_page(broker, wanted, after, limit)
    if wanted.outcome:
        return MessagePage(())
    page = broker.browse(state, queue=wanted.queue, actor=wanted.actor, error=wanted.error, after=after, limit=limit)
    return MessagePage(tuple(filter(wanted.fits, map(record_of_entry, page.entries))), page.after, page.looked_at)


def _finished_page(broker: Broker, wanted: Wanted, after: str, limit: int) -> MessagePage:
    place = read_cursor(after, int, str)
    cursor = cast("tuple[int, str] | None", place or None)
    found: list[MessageRecord] = []
    looked_at = 0
    while looked_at < MAX_LOOKED_AT:
        asked = min(limit if wanted == Wanted() else MARKS_PER_CALL, MAX_LOOKED_AT - looked_at)
        marks = broker.marks_in(FINISHED, after=cursor, limit=asked, latest_first=True)
        for mark in marks:
            cursor, looked_at = (mark.order, mark.key), looked_at + 1
            if (record := record_of_mark(mark)) and wanted.fits(record):
                found.append(record)
            if len(found) == limit:
                return MessagePage(tuple(found), json.dumps(cursor), looked_at)
        if len(marks) < asked:
            return MessagePage(tuple(found), "", looked_at)
    return MessagePage(tuple(found), json.dumps(cursor), looked_at)
