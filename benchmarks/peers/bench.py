"""`Bench`: measures one queue after the other, all in the same way, and from outside: by what the server says that a queue has left."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psutil
import redis
from attrs import Factory, define

from benchmarks.measure import quantile
from benchmarks.peers import HERE, LIMIT, Peer
from benchmarks.peers.environments import Unable

ROOT = HERE.parent.parent
ACTOR = {"sync": "noop", "async": "anoop"}
CALIBRATE, SENDS, TOGETHER, SPACED = 3_000, 10_000, 20_000, 100
IDLE = 6.0
"""For so long, in seconds, an idle worker is listened to."""

PATIENCE = 60.0
"""For so long, in seconds, a queue may do nothing before its run is given up."""


@define
class Bench:
    """
    The figures of one run, and how they are got. Mutable.

    Attributes:
        folder: for logs, and for what actors note.

        bins: where the programs of each queue are.

        seconds: how long a run of draining is to take.

        figures: by what and whose, one value a round.

        waits: by whose, seconds from send to start.

        rates: by whose and colour, the latest rate of draining, which says how many messages the next run needs.
    """

    url: str
    folder: Path
    bins: dict[Peer, Path]
    seconds: float
    figures: dict[tuple[str, str], list[float]] = Factory(dict)
    waits: dict[str, list[float]] = Factory(dict)
    rates: dict[tuple[str, str], float] = Factory(dict)

    @property
    def server(self) -> "redis.Redis":
        """A client of the server."""
        return redis.Redis.from_url(self.url)

    def note(self, what: str, peer: Peer, figure: float) -> None:
        """Keep a figure."""
        self.figures.setdefault((what, peer.name), []).append(figure)

    def middle(self, what: str, name: str = "fq") -> float | None:
        """Return the median of a figure, None if there is none."""
        found = self.figures.get((what, name))
        return median(found) if found else None

    def measure(self, peer: Peer) -> None:
        """Measure one queue once."""
        for colour in peer.colours:
            self.note(f"drained, {colour}", peer, self.drained(peer, colour))
        if peer is LIMIT:
            return
        self.server.flushall()
        sent = self.ask(peer, "singly", SENDS)
        self.note("send", peer, sent["rate"])
        if "bare" in sent:
            self.note("bare command", peer, sent["bare"])
        if peer.asend:
            self.server.flushall()
            self.note("32 asend in flight", peer, self.ask(peer, "together", TOGETHER)["rate"])
        self.idle(peer)

    def ask(self, peer: Peer, *command: object) -> dict[str, float]:
        """Run a command of the script of *peer*, in its environment."""
        words = [str(self.bins[peer] / "python"), str(peer.script), *map(str, command)]
        done = subprocess.run(words, capture_output=True, text=True, env=self.environment, check=False)
        if done.returncode:
            raise Unable(f"{command[0]} failed: {done.stderr.strip()[-300:]}")
        answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return answer

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of workers and scripts."""
        paths = os.pathsep.join([str(HERE), str(ROOT)])
        return {**os.environ, "BENCH_URL": self.url, "BENCH_STAMPS": str(self.folder / "stamps"), "PYTHONPATH": paths}

    @contextmanager
    def worker(self, peer: Peer) -> Iterator[psutil.Popen]:
        """Run one worker process of *peer* for as long as the context lasts."""
        words = [word.format(bin=self.bins[peer], url=self.url) for word in peer.worker]
        with self.log(peer).open("wb") as log:
            process = psutil.Popen(words, env=self.environment, cwd=self.folder, stdout=log, stderr=log)
            try:
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except psutil.TimeoutExpired:
                    process.kill()
                    process.wait()

    def log(self, peer: Peer) -> Path:
        """Return where the worker of *peer* writes to."""
        return self.folder / f"{peer.name}.log"

    def drained(self, peer: Peer, colour: str) -> float:
        """Return how many messages a second one worker process is done with, in a run about as long as is wanted."""
        if (peer.name, colour) not in self.rates:
            self.rates[peer.name, colour] = self.drained_of(peer, colour, CALIBRATE)
        count = max(CALIBRATE, int(self.rates[peer.name, colour] * self.seconds))
        rate = self.rates[peer.name, colour] = self.drained_of(peer, colour, count, noting=True)
        return rate

    def drained_of(self, peer: Peer, colour: str, count: int, noting: bool = False) -> float:
        """Return how many messages a second one worker process is done with, from the first of *count* that is done to the last."""
        server = self.server
        server.flushall()
        filled = self.ask(peer, "fill", count, ACTOR[colour])
        if noting and peer.many:
            self.note("send_many", peer, filled["rate"])
        with self.worker(peer) as process:
            self.until(peer, lambda: peer.left(server) < count, 0.002)
            began, first, worker, servers = time.perf_counter(), peer.left(server), cpu_of(process), cpu_of_server(server)
            self.until(peer, lambda: peer.left(server) == 0, 0.005)
            elapsed = time.perf_counter() - began
            if noting:
                self.note(f"{colour}: worker's CPU", peer, (cpu_of(process) - worker) / first * 1e6)
                self.note(f"{colour}: server's CPU", peer, (cpu_of_server(server) - servers) / first * 1e6)
        return first / elapsed

    def until(self, peer: Peer, holds: Callable[[], bool], pause: float) -> None:
        """Wait until something *holds*, for as long as the queue gets on."""
        left, deadline, server = -1, time.monotonic() + PATIENCE, self.server
        while not holds():
            time.sleep(pause)
            if time.monotonic() > deadline:
                if (now := peer.left(server)) == left:
                    said = self.log(peer).read_text(errors="replace").strip()[-300:]
                    raise Unable(f"nothing was done for {PATIENCE:g} s; its worker said: {said}")
                left, deadline = now, time.monotonic() + PATIENCE

    def idle(self, peer: Peer) -> None:
        """Measure an idle worker: what it asks of the server, and how soon it starts what is sent."""
        server = self.server
        server.flushall()
        (self.folder / "stamps").write_text("")
        with self.worker(peer):
            self.ask(peer, "spaced", 1, "stamp")
            self.until(peer, lambda: len(self.noted()) == 1, 0.05)
            time.sleep(1.0)
            before = calls(server)
            self.note("sent", peer, commands_sent(server, IDLE) / IDLE)
            self.note("run", peer, (calls(server) - before - 2) / IDLE)  # but for ours: INFO and MONITOR
            self.ask(peer, "spaced", 1 + SPACED, "stamp")
            self.until(peer, lambda: len(self.noted()) == 2 + SPACED, 0.05)
        waits = self.noted()[2:]  # but for those with which the worker and the producer had their first connections
        self.waits.setdefault(peer.name, []).extend(waits)
        self.note("p50", peer, quantile(waits, 0.5) * 1_000)
        self.note("p99", peer, quantile(waits, 0.99) * 1_000)

    def noted(self) -> list[float]:
        """Return what the actor ``stamp`` has noted."""
        return [float(line) for line in (self.folder / "stamps").read_text().splitlines()]


def cpu_of(process: psutil.Process) -> float:
    """Return the time on a processor of *process* and of its children, in seconds."""
    return sum(sum(part.cpu_times()[:2]) for part in (process, *process.children(recursive=True)))


def cpu_of_server(server: "redis.Redis") -> float:
    """Return the same of the server."""
    cpu = server.info("cpu")
    return float(cpu["used_cpu_user"] + cpu["used_cpu_sys"])


def commands_sent(server: "redis.Redis", seconds: float) -> int:
    """Return how many commands the server's clients send within so many *seconds*."""
    count, deadline = 0, time.monotonic() + seconds
    with server.monitor() as monitor:
        while (left := deadline - time.monotonic()) > 0:
            if monitor.connection.can_read(left):
                count += monitor.next_command()["client_type"] != "lua"
    return count


def calls(server: "redis.Redis") -> int:
    """Return how many commands the server has run, those inside scripts among them."""
    return sum(command["calls"] for command in server.info("commandstats").values())
