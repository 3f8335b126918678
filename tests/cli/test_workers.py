"""``fq workers`` and ``fq health``."""

import json
import socket

from fq.brokers.records import ClaimRequest
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
