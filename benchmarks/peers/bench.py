"""`Bench`: measures one queue after the other, all in the same way, from outside: by what the server has left."""

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from attrs import Factory, define

from benchmarks.measure import console, quantile
from benchmarks.peers import FQ, HERE, LIMIT, Peer
from benchmarks.peers.environments import Unable

ROOT = HERE.parent.parent
ACTOR = {"sync": "noop", "async": "anoop"}
CALIBRATE, SENDS, TOGETHER, SPACED = 3_000, 10_000, 20_000, 100
PATIENCE = 60.0
"""For so long, in seconds, a queue may do nothing before its run is given up."""


@define
class Bench:
    """
    One run of the benchmark. Mutable.

    Attributes:
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

    @property
    def stamps(self) -> Path:
        """Where actors note when they started."""
        return self.folder / "stamps"

    def introduce(self) -> None:
        """Print what is measured, and on what."""
        info = self.server.info("server")
        kind = info.get("server_name", "redis")
        version = info.get("valkey_version", info["redis_version"])
        settings = ", ".join(f"{name} {value or chr(34) * 2}" for name, value in SETTINGS.items())
        console.print(f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {kind} {version} ({settings})")
        for peer in self.bins:
            versions = ", ".join(f"{name} {version}" for name, version in self.ask(peer, "versions").items())
            console.print(f"  {peer.name}: {versions}; {peer.settings}")

    def round(self, number: int) -> None:
        """Measure everybody once; another begins each time."""
        peers = list(self.bins)
        first = number % len(peers)
        for peer in peers[first:] + peers[:first]:
            try:
                self.measure(peer)
            except Unable as error:
                console.print(f"{peer.name}: {error}", style="yellow")

    def measure(self, peer: Peer) -> None:
        """Measure one queue."""
        for colour in peer.colours:
            self.note(f"drained, {colour}", peer, self.drained(peer, colour))
        if peer is LIMIT:
            return
        sent = self.ask(peer, "singly", SENDS)
        self.note("send", peer, sent["rate"])
        if "bare" in sent:
            self.note("bare command", peer, sent["bare"])
        self.server.flushall()
        if peer.asend:
            self.note("32 asend in flight", peer, self.ask(peer, "together", ASENDS)["rate"])
        self.idle(peer)

    def note(self, what: str, peer: Peer, figure: float) -> None:
        """Keep a figure."""
        self.figures.setdefault((what, peer.name), []).append(figure)

    def ask(self, peer: Peer, *command: object) -> dict[str, float]:
        """Run a command of the peer's script, in its environment."""
        words = [str(self.bins[peer] / "python"), str(peer.script), *map(str, command)]
        done = subprocess.run(words, capture_output=True, text=True, env=self.environment, check=False)
        if done.returncode:
            raise Unable(f"{command[0]} failed: {done.stderr.strip()[-300:]}")
        answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return answer

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of workers and scripts."""
        paths = os.pathsep.join([str(FQ.script.parent), str(ROOT)])
        return {**os.environ, "BENCH_URL": self.url, "BENCH_STAMPS": str(self.stamps), "PYTHONPATH": paths}

    @contextmanager
    def worker(self, peer: Peer) -> Iterator[None]:
        """Run one worker process of *peer* for as long as the context lasts."""
        words = [word.format(bin=self.bins[peer], url=self.url) for word in peer.worker]
        with (self.folder / f"{peer.name}.log").open("wb") as log:
            process = subprocess.Popen(words, env=self.environment, cwd=self.folder, stdout=log, stderr=log)
            try:
                yield
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def drained(self, peer: Peer, colour: str) -> float:
        """Return how many messages a second one worker process is done with, in a run of the length that is wanted."""
        count = int(self.rates.get((peer.name, colour), 0) * self.seconds)
        if not count:
            self.rates[peer.name, colour] = self._drained(peer, colour, CALIBRATE)
            return self.drained(peer, colour)
        rate = self._drained(peer, colour, count)
        self.rates[peer.name, colour] = rate
        return rate

    def _drained(self, peer: Peer, colour: str, count: int) -> float:
        server = self.server
        server.flushall()
        filled = self.ask(peer, "fill", count, ACTOR[colour])
        if peer.many and count > 10 * CALIBRATE:
            self.note("send_many", peer, filled["rate"])
        with self.worker(peer):
            first = self.until(peer, lambda: 0 <= peer.left(server) < count, 0.002) and peer.left(server)
            began = time.perf_counter()
            self.until(peer, lambda: peer.left(server) == 0, 0.005)
            return first / (time.perf_counter() - began)

    def until(self, peer: Peer, holds: Callable[[], bool], pause: float) -> bool:
        """Wait until something *holds*."""
        left, deadline, server = -1, time.monotonic() + PATIENCE, self.server
        while not holds():
            time.sleep(pause)
            if time.monotonic() > deadline:
                if (now := peer.left(server)) == left:
                    log = (self.folder / f"{peer.name}.log").read_text(errors="replace")
                    raise Unable(f"nothing was done for {PATIENCE:g} s; its worker said: {log.strip()[-300:]}")
                left, deadline = now, time.monotonic() + PATIENCE
        return True

    def idle(self, peer: Peer) -> None:
        """Measure an idle worker: what it asks of the server, and how soon it starts what is sent."""
        server = self.server
        server.flushall()
        self.stamps.unlink(missing_ok=True)
        with self.worker(peer):
            self.ask(peer, "spaced", 1, "stamp")
            self.until(peer, lambda: len(self._noted()) == 1, 0.05)
            time.sleep(1.0)
            before, began = _calls(server), time.monotonic()
            time.sleep(5.0)
            self.note("commands/s while idle", peer, (_calls(server) - before - 1) / (time.monotonic() - began))
            self.ask(peer, "spaced", SPACED, "stamp")
            self.until(peer, lambda: len(self._noted()) == 1 + SPACED, 0.05)
        waits = self._noted()[1:]
        self.waits.setdefault(peer.name, []).extend(waits)
        self.note("send to start p50, ms", peer, quantile(waits, 0.5) * 1_000)
        self.note("send to start p99, ms", peer, quantile(waits, 0.99) * 1_000)

    def _noted(self) -> list[float]:
        return [float(line) for line in self.stamps.read_text().splitlines()] if self.stamps.exists() else []
