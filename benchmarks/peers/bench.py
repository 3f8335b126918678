"""`Bench`: measures all queues in the same way, from outside: by the number of messages that the server has left."""

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
from benchmarks.peers.environments import CannotMeasure

ROOT = HERE.parent.parent
ACTOR = {"sync": "noop", "async": "anoop"}
CALIBRATION_MESSAGES, SENDS, CONCURRENT_SENDS, SPACED_SENDS = 3_000, 10_000, 20_000, 100
IDLE_SECONDS = 6.0
"""How long the commands of an idle worker are counted."""

STALLED_SECONDS = 60.0
"""How long a queue may make no progress before its run is aborted."""


@define
class Bench:
    """
    Measures queues, and keeps their figures. Mutable.

    Attributes:
        folder: for logs, and for the times that actors record.

        bins: the folder with the programs of each queue.

        seconds: the duration of a draining run.

        figures: one value per round, by what is measured and by queue.

        waits: seconds from send to start, by queue.

        rates: the latest drain rate, by queue and colour; it determines the number of messages of the next run.
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

    def record(self, what: str, peer: Peer, figure: float) -> None:
        """Record a figure."""
        self.figures.setdefault((what, peer.name), []).append(figure)

    def middle(self, what: str, name: str = "fq") -> float | None:
        """Return the median of a figure, None if there is none."""
        found = self.figures.get((what, name))
        return median(found) if found else None

    def measure(self, peer: Peer) -> None:
        """Measure one queue once."""
        for colour in peer.colours:
            self.record(f"drained, {colour}", peer, self.drained(peer, colour))
        if peer is LIMIT:
            return
        self.server.flushall()
        sent = self.ask(peer, "singly", SENDS)
        self.record("send", peer, sent["rate"])
        if "bare" in sent:
            self.record("bare command", peer, sent["bare"])
        if peer.asend:
            self.server.flushall()
            self.record("32 asend in flight", peer, self.ask(peer, "together", CONCURRENT_SENDS)["rate"])
        self.idle(peer)

    def ask(self, peer: Peer, *command: object) -> dict[str, float]:
        """Run a command of the script of *peer*, in its environment."""
        words = [str(self.bins[peer] / "python"), str(peer.script), *map(str, command)]
        done = subprocess.run(words, capture_output=True, text=True, env=self.environment, check=False)
        if done.returncode:
            raise CannotMeasure(f"{command[0]} failed: {done.stderr.strip()[-300:]}")
        answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return answer

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of workers and scripts."""
        paths = os.pathsep.join([str(HERE), str(ROOT)])
        return {**os.environ, "BENCH_URL": self.url, "BENCH_STAMPS": str(self.folder / "stamps"), "PYTHONPATH": paths}

    @contextmanager
    def worker(self, peer: Peer) -> Iterator[psutil.Popen]:
        """Run one worker process of *peer*, until the context ends."""
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
        """Return the log file of the worker of *peer*."""
        return self.folder / f"{peer.name}.log"

    def drained(self, peer: Peer, colour: str) -> float:
        """Return the messages per second of one worker process, in a run of about the wanted duration."""
        if (peer.name, colour) not in self.rates:
            self.rates[peer.name, colour] = self.drained_of(peer, colour, CALIBRATION_MESSAGES)
        count = max(CALIBRATION_MESSAGES, int(self.rates[peer.name, colour] * self.seconds))
        rate = self.rates[peer.name, colour] = self.drained_of(peer, colour, count, recording=True)
        return rate

    def drained_of(self, peer: Peer, colour: str, count: int, recording: bool = False) -> float:
        """Return the messages per second of one worker process, from the first of *count* messages to the last."""
        server = self.server
        server.flushall()
        filled = self.ask(peer, "fill", count, ACTOR[colour])
        if recording and peer.many:
            self.record("send_many", peer, filled["rate"])
        with self.worker(peer) as process:
            self.until(peer, lambda: peer.left(server) < count, 0.002)
            began, first, worker, servers = time.perf_counter(), peer.left(server), cpu_of(process), cpu_of_server(server)
            self.until(peer, lambda: peer.left(server) == 0, 0.005)
            elapsed = time.perf_counter() - began
            if recording:
                self.record(f"{colour}: worker's CPU", peer, (cpu_of(process) - worker) / first * 1e6)
                self.record(f"{colour}: server's CPU", peer, (cpu_of_server(server) - servers) / first * 1e6)
        return first / elapsed

    def until(self, peer: Peer, holds: Callable[[], bool], pause: float) -> None:
        """Wait until *holds* returns True, while the queue makes progress."""
        left, deadline, server = -1, time.monotonic() + STALLED_SECONDS, self.server
        while not holds():
            time.sleep(pause)
            if time.monotonic() > deadline:
                if (now := peer.left(server)) == left:
                    said = self.log(peer).read_text(errors="replace").strip()[-300:]
                    raise CannotMeasure(f"no progress for {STALLED_SECONDS:g} s; the worker's log ends with: {said}")
                left, deadline = now, time.monotonic() + STALLED_SECONDS

    def idle(self, peer: Peer) -> None:
        """Measure an idle worker: the commands that it sends, and the time from send to start."""
        server = self.server
        server.flushall()
        (self.folder / "stamps").write_text("")
        with self.worker(peer):
            self.ask(peer, "spaced", 1, "stamp")
            self.until(peer, lambda: len(self.delays()) == 1, 0.05)
            time.sleep(1.0)
            before = calls(server)
            self.record("sent", peer, commands_sent(server, IDLE_SECONDS) / IDLE_SECONDS)
            self.record("run", peer, (calls(server) - before - 2) / IDLE_SECONDS)  # without our own INFO and MONITOR
            self.ask(peer, "spaced", 1 + SPACED_SENDS, "stamp")
            self.until(peer, lambda: len(self.delays()) == 2 + SPACED_SENDS, 0.05)
        waits = self.delays()[2:]  # without those that opened the first connections of worker and producer
        self.waits.setdefault(peer.name, []).extend(waits)
        self.record("p50", peer, quantile(waits, 0.5) * 1_000)
        self.record("p99", peer, quantile(waits, 0.99) * 1_000)

    def delays(self) -> list[float]:
        """Return the delays that the actor ``stamp`` has recorded."""
        return [float(line) for line in (self.folder / "stamps").read_text().splitlines()]


def cpu_of(process: psutil.Process) -> float:
    """Return the CPU time of *process* and its children, in seconds."""
    return sum(sum(part.cpu_times()[:2]) for part in (process, *process.children(recursive=True)))


def cpu_of_server(server: "redis.Redis") -> float:
    """Return the CPU time of the server, in seconds."""
    cpu = server.info("cpu")
    return float(cpu["used_cpu_user"] + cpu["used_cpu_sys"])


def commands_sent(server: "redis.Redis", seconds: float) -> int:
    """Return how many commands the clients of the server send within *seconds*."""
    count, deadline = 0, time.monotonic() + seconds
    with server.monitor() as monitor:
        while (left := deadline - time.monotonic()) > 0:
            if monitor.connection.can_read(left):
                count += monitor.next_command()["client_type"] != "lua"
    return count


def calls(server: "redis.Redis") -> int:
    """Return how many commands the server has run, including those inside scripts."""
    return sum(command["calls"] for command in server.info("commandstats").values())
