"""Two workers never have the same name: they would share a lease, and hand back each other's messages. Hosts and process ids repeat; random parts do not."""

import os
import socket
from threading import Event

import pytest

from fq import App
from fq.brokers.protocol import Broker
from fq.brokers.records import ClaimRequest
from fq.runtime.fresh_ids import fresh_worker_name
from tests.wait_until import wait_until


@pytest.fixture(autouse=True)
def one_box(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every host has the same name, and every process is the first."""
    monkeypatch.setattr(socket, "gethostname", lambda: "box")
    monkeypatch.setattr(os, "getpid", lambda: 1)


def test_a_name_tells_people_where_a_worker_is_and_is_never_drawn_twice() -> None:
    names = {fresh_worker_name("3") for _ in range(1_000)}

    assert len(names) == 1_000
    assert all(name.startswith("box:1:") and name.endswith("-3") for name in names)


def test_two_workers_in_processes_that_are_alike_are_two_to_the_broker(broker: Broker) -> None:
    with App(broker=broker).worker(queues=["default"]) as one, App(broker=broker).worker(queues=["default"]) as other:
        wait_until(lambda: {worker.worker for worker in broker.workers()} == {one.name, other.name}, what="both leases")

        assert one.name != other.name


def test_a_worker_that_stops_leaves_alone_what_its_twin_runs(broker: Broker) -> None:
    started, go_on = Event(), Event()
    runs = []
    app = App(broker=broker)

    @app.actor
    def slow() -> int:
        runs.append(1)
        started.set()
        go_on.wait(30)
        return 1

    with app.worker(threads=1):
        handle = slow.send()
        assert started.wait(30)
        with App(broker=broker).worker(queues=["default"]):
            pass
        go_on.set()

        assert handle.get_result(block=True, timeout=30_000) == 1
        assert len(runs) == 1


def test_a_worker_gets_its_name_when_it_starts_since_forks_may_start_one_copy_each(broker: Broker) -> None:
    worker = App(broker=broker).worker(queues=["default"])
    before = worker.name
    with worker:
        assert worker.name != before


def test_each_drain_has_a_name_of_its_own_and_is_no_worker_once_it_has_ended(broker: Broker) -> None:
    app = App(broker=broker)

    @app.actor
    def names() -> list[str]:
        return [worker.worker for worker in broker.workers()]

    seen = []
    for _ in range(2):
        handle = names.send()
        app.run_until_idle()
        seen += handle.get_result()
        assert broker.workers() == ()

    assert len(set(seen)) == 2


def test_a_drain_that_is_interrupted_hands_back_what_it_ran(broker: Broker) -> None:
    app = App(broker=broker)

    @app.actor(max_retries=0)
    def interrupted() -> None:
        raise KeyboardInterrupt

    interrupted.send()
    with pytest.raises(KeyboardInterrupt):
        app.run_until_idle()

    assert broker.workers() == ()
    (delivery,) = broker.turn((), ClaimRequest("w", ("default",), 1)).deliveries
    assert delivery.deliveries == 2
