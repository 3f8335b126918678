"""``fq queues``, ``fq pause``, ``fq resume`` and ``fq purge``."""

import json
from collections.abc import Callable

import pytest

from fq import App
from fq.brokers.records import ClaimRequest, EnqueueOp
from tests.cli.conftest import Fq, sent

EMPTY = {"ready": 0, "delayed": 0, "in_flight": 0, "dead": 0, "oldest": 0, "paused": False, "at_least": []}


def fill(fq: Fq, work: Callable[[], int]) -> None:
    """Leave one dead letter, two ready messages and one delayed in the default queue, and one ready in another."""
    fq("send", "tasks:app", "fails")
    work()
    for _ in range(2):
        fq("send", "tasks:app", "add", "1")
    fq("send", "tasks:app", "add", "1", "--delay", "600000")
    fq("send", "tasks:app", "send_mail", "a")


def test_the_queues_are_shown_with_what_waits_in_them(fq: Fq, work: Callable[[], int]) -> None:
    fill(fq, work)
    ran = fq("queues", "tasks:app")
    rows = [line.split() for line in ran.stdout.splitlines() if line.startswith(("default", "mail"))]

    assert (ran.exit_code, ran.stderr) == (0, "")
    assert [(name, ready, delayed, flying, dead) for name, ready, _, _, delayed, flying, dead in rows] == [
        ("default", "2", "1", "0", "1"),
        ("mail", "1", "0", "0", "0"),
    ]
    assert all(unit in ("ms", "s") for _, _, _, unit, *_ in rows)


def test_as_json_they_are_objects_with_ages_in_ms(fq: Fq, work: Callable[[], int]) -> None:
    fill(fq, work)
    default, mail = json.loads(fq("queues", "tasks:app", "--json").stdout)

    assert default | {"oldest": 0} == {**EMPTY, "queue_name": "default", "ready": 2, "delayed": 1, "dead": 1}
    assert mail | {"oldest": 0} == {**EMPTY, "queue_name": "mail", "ready": 1}
    assert 0 <= default["oldest"] < 60_000


def test_a_paused_queue_is_marked(fq: Fq) -> None:
    fq("send", "tasks:app", "add", "1")
    assert fq("pause", "tasks:app", "default").exit_code == 0

    assert "default (paused)" in fq("queues", "tasks:app").stdout
    assert fq("resume", "tasks:app", "default").exit_code == 0
    assert "(paused)" not in fq("queues", "tasks:app").stdout


@pytest.mark.parametrize("name", ["x[/red]", "[bold]vip", "[link=http://a]b[/link]", ":warning:", "a" * 200])
def test_a_queue_is_called_what_it_is_called(fq: Fq, name: str) -> None:
    App("sqlite:///jobs.db").broker.enqueue([EnqueueOp("m", name, "add", 0, 0, b"{}")])

    assert f"\n{name} " in fq("queues", "tasks:app").stdout


def test_no_queues_are_no_error(fq: Fq) -> None:
    assert fq("queues", "tasks:app").exit_code == 0
    assert json.loads(fq("queues", "tasks:app", "--json").stdout) == []


def test_no_worker_claims_from_a_paused_queue_until_it_is_resumed(fq: Fq, broker) -> None:
    sent(fq, "add", "1")
    fq("pause", "tasks:app", "default")
    paused = broker.turn([], ClaimRequest("a", ("default",), 1)).deliveries
    fq("resume", "tasks:app", "default")

    assert (len(paused), len(broker.turn([], ClaimRequest("a", ("default",), 1)).deliveries)) == (0, 1)


def test_a_queue_is_purged_if_that_is_confirmed(fq: Fq, broker) -> None:
    broker.enqueue([EnqueueOp("m1", "default", "add", 0, 0, b"{}"), EnqueueOp("m2", "default", "add", 0, 60_000, b"{}")])

    asked = fq("purge", "tasks:app", "default")
    assert (asked.exit_code, asked.stdout.strip()) == (1, "")  # click 8.2 ends the line of a question there
    assert "Delete 2 waiting messages of the queue default of sqlite:///" in asked.stderr
    assert fq("purge", "tasks:app", "default", "--yes").stdout == "2 messages deleted\n"


@pytest.mark.parametrize("command", [("pause",), ("resume",), ("purge", "--yes")])
def test_a_queue_that_does_not_exist_is_an_error(fq: Fq, command: tuple[str, ...]) -> None:
    ran = fq(command[0], "tasks:app", "mial", *command[1:])

    assert (ran.exit_code, ran.stderr) == (2, "Error: no queue called mial: did you mean mail?\n")


def test_a_queue_that_only_messages_name_can_be_paused(fq: Fq, broker) -> None:
    broker.enqueue([EnqueueOp("m", "once", "add", 0, 0, b"{}")])

    assert fq("pause", "tasks:app", "once").exit_code == 0


def test_counts_stop_at_ten_thousand_and_go_on_with_exact(fq: Fq, broker) -> None:
    broker.enqueue([EnqueueOp(f"m{n}", "default", "add", 0, 0, b"{}") for n in range(10_001)])
    (bounded,), (exact,) = (json.loads(fq("queues", "tasks:app", "--json", *options).stdout) for options in ((), ("--exact",)))

    assert (bounded["ready"], bounded["at_least"]) == (10_000, ["ready"])
    assert (exact["ready"], exact["at_least"]) == (10_001, [])
    assert "10000+" in fq("queues", "tasks:app").stdout
    assert "Delete more than 10000 waiting messages of the queue default" in fq("purge", "tasks:app", "default").output
