"""``fq show``, ``fq cancel`` and ``fq dead``."""

import json
from collections import Counter
from collections.abc import Sequence
from unittest import mock

import pytest

from fq import App
from fq.brokers.clock import Clock, ManualClock, SystemClock
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import ClaimRequest
from fq.cli.message import _all
from tests.cli.conftest import Fq, die, sent


def test_a_message_is_shown_where_it_is(fq: Fq) -> None:
    message_id = sent(fq, "add", "1", "--delay", "60000")
    ran = fq("show", "tasks:app", message_id, "--json")

    assert (ran.exit_code, json.loads(ran.stdout)["state"]) == (0, "delayed")
    assert "state: delayed" in fq("show", "tasks:app", message_id).stdout


def test_an_unknown_message_is_exit_code_1(fq: Fq) -> None:
    assert fq("show", "tasks:app", "nobody").exit_code == 1


def test_a_waiting_message_is_cancelled_and_one_that_is_not_there_is_exit_code_1(fq: Fq, broker) -> None:
    message_id = sent(fq, "add", "1")

    assert fq("cancel", "tasks:app", message_id).exit_code == 0
    assert [delivery.interrupted for delivery in broker.turn([], ClaimRequest("a", ("default",), 1)).deliveries] == ["cancelled"]
    ran = fq("cancel", "tasks:app", "nobody")
    assert (ran.exit_code, ran.stderr) == (1, "nobody neither waits nor runs\n")


def test_dead_letters_are_listed_requeued_and_discarded(fq: Fq, broker) -> None:
    message_id = die(fq, broker)
    (letter,) = json.loads(fq("dead", "tasks:app", "--json").stdout)

    assert (letter["message_id"], letter["fault"]["type"]) == (message_id, "ValueError")
    assert fq("dead", "tasks:app", "--error", "KeyError", "--requeue").stdout == "0 dead letters requeued\n"
    assert fq("dead", "tasks:app", "--actor", "fails", "--requeue").stdout == "1 dead letter requeued\n"
    assert broker.status(message_id).state == "ready"


def test_dead_letters_that_are_named_are_discarded(fq: Fq, broker) -> None:
    message_id = die(fq, broker)

    assert fq("dead", "tasks:app", "--id", message_id, "--discard").stdout == "1 dead letter discarded\n"
    assert broker.dead_letters() == ()


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock()], ids=["as time goes by", "all in one moment"])
def test_all_that_was_dead_is_requeued_once_though_it_dies_again_at_once(clock: Clock) -> None:
    app = App(broker=MemoryBroker(clock=clock))

    @app.actor(max_retries=0)
    def fails() -> None:
        raise ValueError

    app.send_many(fails.call() for _ in range(250))
    app.run_until_idle()
    requeue, requeued = app.requeue, Counter[str]()

    def requeue_and_run(message_ids: Sequence[str]) -> int:
        requeued.update(message_ids)
        count = requeue(message_ids)
        app.run_until_idle()
        return count

    with mock.patch.object(app, "requeue", requeue_and_run), mock.patch("fq.cli.message.BATCH_SIZE", 100):
        assert _all(app, None, None, None, (), True) == 250

    assert set(requeued.values()) == {1}
    assert len(app.broker.dead_letters(limit=500)) == 250


def test_requeueing_and_discarding_at_once_is_refused(fq: Fq) -> None:
    assert fq("dead", "tasks:app", "--requeue", "--discard").exit_code == 2


def test_requeueing_or_discarding_all_dead_letters_asks_first(fq: Fq, broker) -> None:
    die(fq, broker)
    for option in ("--requeue", "--discard"):
        asked = fq("dead", "tasks:app", option)

        assert asked.exit_code == 1
        assert "all dead letters of sqlite:///" in asked.stdout
        assert "(1)?" in asked.stdout
    assert len(broker.dead_letters()) == 1
    assert fq("dead", "tasks:app", "--discard", "--yes").stdout == "1 dead letter discarded\n"


@pytest.mark.parametrize("filters", [("--queue", "default"), ("--actor", "fails"), ("--error", "ValueError")])
def test_with_a_filter_it_does_not_ask(fq: Fq, broker, filters: tuple[str, ...]) -> None:
    die(fq, broker)

    assert fq("dead", "tasks:app", "--discard", *filters).stdout == "1 dead letter discarded\n"
