"""Every broker: pages of messages show each message once, can be narrowed, and read a bounded part of what there is."""

from typing import Any

import pytest

from fq import MessagePage, OptionError
from fq.brokers.browsing import Page
from fq.brokers.operations import FINISHED, Mark, SetMarkOp
from fq.brokers.protocol import Broker
from fq.brokers.records import ClaimRequest
from fq.errors import BrokerError
from fq.wire.codec import encode_value
from tests.app.kept import Kept, failing


def test_pages_show_each_message_once_in_every_state(kept: Kept) -> None:
    app, act = kept.app, kept.actors["sync"]
    kept.run("sync")
    kept.run("async")
    late = act.call(2).delay(60_000_000).send()
    act.send(3)
    (running,) = app.broker.turn((), ClaimRequest("w", ("default",), 1)).deliveries
    ready = act.send(4)
    pages = [page := app.messages(limit=2)]
    while page.after:
        pages.append(page := app.messages(limit=2, after=page.after))
    shown = [(record.state, record.message_id) for page in pages for record in page]

    assert shown[:3] == [("running", running.message_id), ("ready", ready.message_id), ("delayed", late.message_id)]
    assert [state for state, _ in shown[3:]] == ["finished", "finished"]
    assert [len(page) for page in pages] == [2, 2, 1]
    app.broker.release("w", {})


def test_pages_can_be_narrowed(kept: Kept) -> None:
    kept.run("sync")
    kept.run("async", failing(9))
    tagged = kept.actors["sync"].call(1).with_options(tags=["billing", "tenant-7"], queue="other").send()
    kept.behave = lambda: None
    kept.app.run_until_idle()

    def ids(page: MessagePage) -> list[str]:
        return [record.message_id for record in page]

    messages = kept.app.messages
    assert ids(messages(tag="tenant-7")) == ids(messages(queue="other")) == [tagged.message_id]
    assert [record.actor_name for record in messages(state="finished", error="ValueError")] == ["aact"]
    assert [record.actor_name for record in messages(actor="aact", outcome="dead")] == ["aact"]
    assert len(messages(state="finished", outcome="success")) == 2
    assert len(messages(state="dead", actor="aact")) == 1


def test_a_page_reads_a_bounded_part_of_many_records(kept: Kept) -> None:
    app = kept.app
    finish(app.broker, 2_500)
    page = app.messages(state="finished", tag="none")
    pages = 1
    while page.after:
        page = app.messages(state="finished", tag="none", after=page.after)
        pages += 1

    assert pages == 3, "a thousand records each"


def test_what_is_no_page_or_state_is_refused(kept: Kept) -> None:
    with pytest.raises(BrokerError, match="found after='what'"):
        kept.app.messages(after="what")
    with pytest.raises(BrokerError, match="found after='what'"):
        kept.app.messages(state="finished", after="what")
    for after in ('["key"]', '["key", 1]', "[1]", "[]", f'[{10**30}, "key"]', "finished"):
        with pytest.raises(BrokerError, match="found after="):
            kept.app.messages(state="finished", after=after)
    with pytest.raises(OptionError, match="found state='gone', expected one of retrying, running"):
        kept.app.messages(state="gone")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="found outcome='lost', expected one of success, dead"):
        kept.app.messages(outcome="lost")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="found limit=0"):
        kept.app.messages(limit=0)
    with pytest.raises(OptionError, match="found limit='9', expected a whole number from 1"):
        kept.app.messages(limit="9")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="found after=5, expected the text in"):
        kept.app.messages(after=5)  # type: ignore[arg-type]


def finish(broker: Broker, count: int) -> None:
    """Set records of *count* messages that have ended, as a worker does."""
    body = encode_value({"outcome": "success", "actor": "act", "queue": "default"})
    for first in range(0, count, 500):
        broker.set_marks([SetMarkOp(f"finished:{n}", body, 0, index=FINISHED, order=n) for n in range(first, first + 500)])


class Reads:
    """Counts the marks and the messages that a broker returns."""

    def __init__(self, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
        self.marks, self.entries, self.calls = 0, 0, 0
        marks_in, browse = broker.marks_in, broker.browse

        def counted_marks(*args: Any, **kwargs: Any) -> tuple[Mark, ...]:
            found = marks_in(*args, **kwargs)
            self.marks, self.calls = self.marks + len(found), self.calls + 1
            return found

        def counted_browse(*args: Any, **kwargs: Any) -> Page:
            found = browse(*args, **kwargs)
            self.entries, self.calls = self.entries + len(found.entries), self.calls + 1
            return found

        monkeypatch.setattr(broker, "marks_in", counted_marks)
        monkeypatch.setattr(broker, "browse", counted_browse)


def test_a_page_of_thousands_of_records_and_messages_reads_a_thousand_of_each(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = kept.app.broker
    finish(broker, 3_000)
    kept.app.send_many(kept.actors["sync"].call(n) for n in range(3_000))
    reads = Reads(broker, monkeypatch)

    assert [record.message_id for record in kept.app.messages(state="finished", limit=2)] == ["2999", "2998"]
    assert (reads.marks, reads.calls) == (2, 1)
    assert len(kept.app.messages(state="finished", tag="none")) == 0
    assert (reads.marks, reads.calls) == (1_002, 6)
    assert len(kept.app.messages(state="ready", tag="none")) == 0
    assert reads.entries <= 1_000
    assert reads.calls == 7
