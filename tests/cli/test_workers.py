"""``fq workers`` and ``fq health``."""

import json
import socket
from pathlib import Path

import pytest

from fq.brokers.records import ClaimRequest
from fq.execution.worker_reports import WorkerReport
from fq.worker.order_desk import OrderDesk
from tests.cli.conftest import Fq, sent

ME = f"{socket.gethostname()}:1:1"


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


def test_metrics_are_printed_without_a_worker(fq: Fq) -> None:
    sent(fq, "add", "1")

    ran = fq("metrics", "tasks:app", "--once")

    assert ran.exit_code == 0
    assert 'fq_ready_messages{queue_name="default"} 1.0' in ran.stdout
    assert "fq_workers_total 0.0" in ran.stdout


def test_metrics_say_what_is_wrong_with_an_address(fq: Fq) -> None:
    ran = fq("metrics", "tasks:app", "--listen", "nowhere")

    assert (ran.exit_code, "found the address 'nowhere', expected HOST:PORT" in ran.stderr) == (2, True)


PROGRAM = "host:1:b-program"


def report(broker, order_desk: OrderDesk | None = None) -> OrderDesk:
    """Let a worker report as it does with each heartbeat."""
    desk = order_desk or OrderDesk(PROGRAM)
    broker.turn([], ClaimRequest("host:1:a-1", ("default",), 0, lease=60_000))
    worker = WorkerReport(
        program=PROGRAM,
        pid=7,
        version="1.2",
        python="3.11",
        memory=84_000_000,
        uptime=90_000,
        threads=8,
        concurrency=1_000,
        heartbeat=5_000,
    )
    desk.heartbeat(broker, ["host:1:a-1"], 60_000, {"host:1:a-1": worker})
    return desk


def test_workers_are_listed_as_they_report_themselves(fq: Fq, broker) -> None:
    report(broker)
    (worker,) = json.loads(fq("workers", "tasks:app", "--json").stdout)
    shown = fq("workers", "tasks:app").stdout

    assert (worker["report"]["pid"], worker["report"]["version"], worker["report"]["program"]) == (7, "1.2", PROGRAM)
    assert ("84 MB" in shown, "1 m 30 s" in shown, "active" in shown) == (True, True, True)


def test_an_order_that_is_not_seen_in_time_is_exit_code_1(fq: Fq, broker) -> None:
    desk = report(broker)
    ran = fq("workers", "tasks:app", "quiet", "host:1", "--timeout", "0")

    assert (ran.exit_code, ran.stdout) == (1, "1 worker (1 process) ordered; not all have answered yet\n")
    assert desk.heartbeat(broker, [], 1_000, {}).wanted.wanted == "quiet"


def test_a_stop_asks_first_and_says_how_many(fq: Fq, broker) -> None:
    desk = report(broker)
    ran = fq("workers", "tasks:app", "stop", "--all", "--timeout", "0")

    assert (ran.exit_code, "Stop 1 worker (1 process)? [y/N]" in ran.output) == (1, True)
    assert desk.heartbeat(broker, [], 1_000, {}).wanted.wanted == ""


def test_an_order_is_an_event_for_the_layers_of_the_app(fq: Fq, broker, project: Path) -> None:
    report(broker)
    with (project / "tasks.py").open("a") as tasks:
        tasks.write(
            "\nfrom fq import Middleware\nclass Audit(Middleware):\n"
            "    def on_event(self, event):\n        print(type(event).__name__, event.what, *event.names)\n"
            "app.edit_stack(lambda stack: stack.add(Audit()))\n"
        )

    assert "Operated quiet_worker host:1:a-1" in fq("workers", "tasks:app", "quiet", "--all", "--timeout", "0").stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("quiet",), "expected the names of workers, or --all: fq workers tasks:app quiet WORKER"),
        (("stacks", "nope"), "found no worker called 'nope', expected one of 2 names such as host:1"),
        (("list", "host:1"), "found host:1, expected none after list"),
    ],
)
def test_a_wrong_order_says_what_to_type(fq: Fq, broker, arguments: tuple[str, ...], error: str) -> None:
    report(broker)
    ran = fq("workers", "tasks:app", *arguments)

    assert (ran.exit_code != 0, error in ran.output) == (True, True)
