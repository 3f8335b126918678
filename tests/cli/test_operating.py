"""``fq workers``, ``health``, ``show``, ``cancel``, ``dead``, ``pause``, ``resume``, ``purge``: what operators type."""

import json
import socket
from collections import Counter
from collections.abc import Sequence
from unittest import mock

import pytest

from fq import App
from fq.brokers.clock import Clock, ManualClock, SystemClock
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import Bury, ClaimRequest, Commit, EnqueueOp
from fq.cli.message import _all
from fq.core.fault import Fault
from tests.cli.conftest import Fq

URL = "sqlite:///jobs.db"
ME = f"{socket.gethostname()}:1:1"


@pytest.fixture
def broker(fq: Fq):
    """The broker of the application in the folder that the commands run in."""
    broker = App(URL).broker
    yield broker
    broker.close()


def sent(fq: Fq, *arguments: str) -> str:
    return fq("send", "tasks:app", *arguments).stdout.strip()


def die(fq: Fq, broker) -> str:
    """Let a message become a dead letter."""
    message_id = sent(fq, "fails")
    app = App(broker=broker)

    @app.actor(max_retries=0)
    def fails() -> int:
        raise ValueError("out of paper")

    app.run_until_idle()
    return message_id


def test_without_a_worker_health_is_bad(fq: Fq) -> None:
    ran = fq("health", "tasks:app")

    assert (ran.exit_code, ran.stdout) == (1, "0 worker processes alive\n")


def test_with_a_worker_on_this_host_health_is_good(fq: Fq, broker) -> None:
    broker.turn([], ClaimRequest(ME, ("default",), 0, lease=60_000))

    assert fq("health", "tasks:app").exit_code == 0


def test_a_worker_elsewhere_counts_only_if_asked_for(fq: Fq, broker) -> None:
    broker.turn([], ClaimRequest("elsewhere:1:1", ("default",), 0, lease=60_000))

    assert (fq("health", "tasks:app").exit_code, fq("health", "tasks:app", "--any-host").exit_code) == (1, 0)


def test_workers_are_listed_with_what_they_hold(fq: Fq, broker) -> None:
    message_id = sent(fq, "add", "1")
    broker.turn([], ClaimRequest(ME, ("default",), 1, lease=60_000))
    (worker,) = json.loads(fq("workers", "tasks:app", "--json").stdout)

    assert (worker["worker"], worker["in_flight"], worker["held"][0]["message_id"], worker["held"][0]["actor_name"]) == (
        ME,
        1,
        message_id,
        "add",
    )
    assert ME in fq("workers", "tasks:app").stdout


def test_workers_are_listed_with_the_queues_that_they_claim_from(fq: Fq, broker) -> None:
    broker.turn([], ClaimRequest(ME, ("mail", "[bold]vip"), 0, lease=60_000))
    (worker,) = json.loads(fq("workers", "tasks:app", "--json").stdout)

    assert worker["queues"] == ["[bold]vip", "mail"]
    assert "[bold]vip, mail" in fq("workers", "tasks:app").stdout


@pytest.mark.parametrize("columns", ["1", "40", "80"])
@pytest.mark.parametrize("terminal", [True, False])
def test_no_id_is_cut_however_narrow_the_place(fq: Fq, broker, monkeypatch: pytest.MonkeyPatch, columns: str, terminal: bool) -> None:
    message_ids = [sent(fq, "add", "1") for _ in range(2)]
    (held, *_) = broker.turn([], ClaimRequest(ME, ("default",), 1, lease=60_000)).deliveries
    dead_id = die(fq, broker)
    monkeypatch.setenv("COLUMNS", columns)
    if terminal:
        monkeypatch.setenv("TTY_COMPATIBLE", "1")

    assert {held.message_id} == ids_in(fq("workers", "tasks:app").stdout, [*message_ids, dead_id])
    assert ME in fq("workers", "tasks:app").stdout
    assert dead_id in ids_in(fq("dead", "tasks:app").stdout, [dead_id])
    assert f"message_id: {held.message_id}\n" in fq("show", "tasks:app", held.message_id).stdout


def ids_in(text: str, message_ids: list[str]) -> set[str]:
    """Those of *message_ids* that *text* has whole, on one line."""
    return {message_id for message_id in message_ids if message_id in text}


def test_whoever_reads_from_a_pipe_gets_each_message_on_a_line_of_its_own(fq: Fq, broker, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.enqueue([EnqueueOp("m", "q", "act", 0, 0, b"{}")])
    (delivery,) = broker.turn([], ClaimRequest("w", ("q",), 1)).deliveries
    bury = Bury(Fault("ValueError", "[red]a long story[/], " * 20 + "end"))
    broker.turn([Commit("m", "q", delivery.token, bury)], ClaimRequest("w", ("q",), 0))
    monkeypatch.setenv("COLUMNS", "40")
    (line,) = [line for line in fq("dead", "tasks:app").stdout.splitlines() if "│ m " in line]

    assert "ValueError: [red]a long story[/], [red]a long" in line
    assert "end │" in line


def test_what_cannot_be_seen_is_written_out(fq: Fq, broker) -> None:
    broker.enqueue([EnqueueOp("m", "bell\x07\n\x1b[31m", "act", 0, 0, b"{}")])

    assert r"│ bell\x07\n\x1b[31m │" in fq("queues", "tasks:app").stdout


def test_a_message_is_shown_where_it_is(fq: Fq) -> None:
    message_id = sent(fq, "add", "1", "--delay", "60000")
    ran = fq("show", "tasks:app", message_id, "--json")

    assert (ran.exit_code, json.loads(ran.stdout)["state"]) == (0, "delayed")
    assert "state: delayed" in fq("show", "tasks:app", message_id).stdout


def test_a_message_that_nobody_knows_is_exit_code_1(fq: Fq) -> None:
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


def test_a_paused_queue_is_claimed_by_nobody_until_it_is_resumed(fq: Fq, broker) -> None:
    sent(fq, "add", "1")
    fq("pause", "tasks:app", "default")
    paused = broker.turn([], ClaimRequest("a", ("default",), 1)).deliveries
    fq("resume", "tasks:app", "default")

    assert (len(paused), len(broker.turn([], ClaimRequest("a", ("default",), 1)).deliveries)) == (0, 1)


def test_a_queue_is_purged_if_that_is_confirmed(fq: Fq, broker) -> None:
    broker.enqueue([EnqueueOp("m1", "default", "add", 0, 0, b"{}"), EnqueueOp("m2", "default", "add", 0, 60_000, b"{}")])

    assert fq("purge", "tasks:app", "default", "--yes").stdout == "2 messages deleted\n"


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


@pytest.mark.parametrize("command", [("pause",), ("resume",), ("purge", "--yes")])
def test_a_queue_that_does_not_exist_is_said_so(fq: Fq, command: tuple[str, ...]) -> None:
    ran = fq(command[0], "tasks:app", "mial", *command[1:])

    assert (ran.exit_code, ran.stderr) == (2, "Error: no queue called mial: did you mean mail?\n")


def test_a_queue_that_only_messages_name_can_be_paused(fq: Fq, broker) -> None:
    broker.enqueue([EnqueueOp("m", "once", "add", 0, 0, b"{}")])

    assert fq("pause", "tasks:app", "once").exit_code == 0
