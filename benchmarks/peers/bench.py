"""`Bench`: measures the queues of a group in the same way, from outside: by the number of messages that the store has left."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
from attrs import Factory, define, evolve

from benchmarks.measure import quantile
from benchmarks.peers import ACTOR, HERE, Peer, Store
from benchmarks.peers.environments import CannotMeasure
from benchmarks.peers.processes import cpu_of, memory_of, running
from benchmarks.peers.results import Key, Results

FIRST_MESSAGES, LEAST_MESSAGES, SPACED_SENDS, ATTEMPTS = 300, 100, 100, 4
ASKED_SECONDS = 0.002
"""How often the store is asked whether the first message is done."""

STALLED_SECONDS = 60.0
"""How long a queue may make no progress before its run is aborted."""


@define
class Bench:
    """
    Measures the queues of one group, under one condition. Mutable.

    Attributes:
        folder: for logs, and for the times that actors record.

        bins: the folder with the programs of each queue, by name.

        window: how long each rate is measured, in seconds.

        url: how workers and scripts reach the store, through a slow network perhaps.

        condition: what is special about it; empty for a store that nothing else uses, on the loopback interface.

        rates: messages a second of earlier runs, by queue and kind of actor. They say how many messages the next run needs.
    """

    group: str
    store: Store
    folder: Path
    bins: Mapping[str, Path]
    window: float
    results: Results
    url: str = ""
    condition: str = ""
    rates: dict[tuple[str, str], float] = Factory(dict)

    def record(self, peer: Peer, figures: Mapping[str, float]) -> None:
        """Record figures of one round."""
        for figure, value in figures.items():
            self.results.record(Key(self.group, self.condition, figure, peer.name), value)

    def ask(self, peer: Peer, *command: object) -> dict[str, float]:
        """Run a command of the script of *peer*, in its environment."""
        words = [str(self.bins[peer.name] / "python"), str(peer.script), *map(str, command)]
        done = subprocess.run(words, capture_output=True, text=True, env=self.environment(peer), cwd=self.folder, check=False)
        if done.returncode:
            raise CannotMeasure(f"{command[0]} failed: {done.stderr.strip()[-300:]}")
        answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return answer

    def environment(self, peer: Peer) -> dict[str, str]:
        """Return the environment variables of workers and scripts."""
        ours = {"BENCH_URL": self.url or self.store.url, "BENCH_STAMPS": str(self.folder / "stamps"), "PYTHONPATH": str(HERE)}
        return {**os.environ, **ours, **peer.environment}

    @contextmanager
    def worker(self, peer: Peer, processes: int = 1) -> Iterator[psutil.Popen]:
        """Run a worker of *peer*, until the context ends."""
        gaps = {"bin": self.bins[peer.name], "url": self.url or self.store.url, "processes": processes}
        words = [word.format(**gaps) for word in peer.worker]
        with self.log(peer).open("wb") as log:
            process = psutil.Popen(words, env=self.environment(peer), cwd=self.folder, stdout=log, stderr=log)
            with running(process):
                yield process

    def log(self, peer: Peer) -> Path:
        """Return the log file of the worker of *peer*."""
        return self.folder / f"{peer.name}.log"

    def until(self, peer: Peer, holds: Callable[[], bool], pause: float, seconds: float = float("inf")) -> None:
        """Wait until *holds* returns True, while the queue makes progress; at most *seconds*. Asking takes a tenth of the time at most."""
        end = time.monotonic() + seconds
        left, deadline = -1, time.monotonic() + STALLED_SECONDS
        while (asked := time.monotonic()) < end and not holds():
            time.sleep(max(pause, 9 * (time.monotonic() - asked)))
            if time.monotonic() > deadline:
                if (now := peer.left(self.store)) == left:
                    said = self.log(peer).read_text(errors="replace").strip()[-300:]
                    raise CannotMeasure(f"no progress for {STALLED_SECONDS:g} s; the worker's log ends with: {said}")
                left, deadline = now, time.monotonic() + STALLED_SECONDS

    # Rates.

    def drain(self, peer: Peer, colour: str, processes: int = 1) -> None:
        """
        Record the messages a second of one worker, and what each costs its processes and the server.

        If the messages were done in less than half of the window, it tries again with more.
        """
        name = f"{colour}, {processes} processes" if processes > 1 else colour
        rate = self.rates.get((peer.name, name), FIRST_MESSAGES / self.window)
        worker = server = 0.0
        for _ in range(ATTEMPTS):
            count = max(LEAST_MESSAGES, int(rate * self.window))
            rate, worker, server = self.drained(peer, colour, count, processes)
            if count > rate * self.window / 2:
                break
        self.rates[peer.name, name] = rate
        self.record(peer, {f"drain {name}": rate})
        if processes == 1:
            self.record(peer, {f"worker cpu {colour}": worker})
        if processes == 1 and self.store.cpu():
            self.record(peer, {f"server cpu {colour}": server})

    def drained(self, peer: Peer, colour: str, count: int, processes: int) -> tuple[float, float, float]:
        """
        Return the messages a second of one worker, and the µs of processor time a message of its processes and of the server.

        The clock runs from the first of *count* messages that is done to the last, but not much longer than the window.
        """
        store = self.store
        store.clear()
        evolve(self, url="").ask(peer, "fill", count, ACTOR[colour])  # past a slow network
        with self.worker(peer, processes) as process:
            self.until(peer, lambda: peer.left(store) < count, ASKED_SECONDS)
            began, first, worker, server = time.perf_counter(), peer.left(store), cpu_of(process), store.cpu()
            self.until(peer, lambda: peer.left(store) == 0, 0.005, seconds=2 * self.window)
            elapsed, done = time.perf_counter() - began, first - peer.left(store)
            if not done:  # all of them, before the clock ran
                return count / ASKED_SECONDS, 0.0, 0.0
            costs = [spent / done * 1e6 for spent in (cpu_of(process) - worker, store.cpu() - server)]
        return done / elapsed, costs[0], costs[1]

    def send(self, peer: Peer) -> None:
        """Record the rates of all ways to send."""
        self.store.clear()
        self.record(peer, self.ask(peer, "sends", self.window / 2))

    # One worker with little to do.

    def wait(self, peer: Peer, watch_seconds: float) -> None:
        """Record what a worker costs that has nothing to do, and how soon it starts a message: then, and at half load."""
        with self.idle(peer) as process:
            self.watch(peer, process, watch_seconds)
            self.start_times(peer)
            self.load(peer)

    def pick_up(self, peer: Peer) -> None:
        """Record how soon a worker that has nothing to do starts a message."""
        with self.idle(peer):
            self.start_times(peer)

    @contextmanager
    def idle(self, peer: Peer) -> Iterator[psutil.Popen]:
        """Run a worker that has nothing to do any more."""
        self.store.clear()
        with self.awake(peer) as process:
            yield process

    @contextmanager
    def awake(self, peer: Peer) -> Iterator[psutil.Popen]:
        """Run a worker that has started its first messages."""
        self.clear_stamps()
        with self.worker(peer) as process:
            self.ask(peer, "spaced", 2, self.window)
            self.until(peer, lambda: bool(self.delays()), 0.05)
            yield process

    def start_times(self, peer: Peer) -> None:
        """Record the delays of a worker that has nothing to do."""
        self.clear_stamps()
        self.ask(peer, "spaced", 1 + SPACED_SENDS, 2 * self.window)
        self.record_delays(peer, "idle", self.delays()[1:])  # without the one that opened the producer's connection

    def watch(self, peer: Peer, process: psutil.Popen, seconds: float) -> None:
        """Record what an idle worker asks of the server and of the processor, and its memory."""
        time.sleep(1.0)
        before = cpu_of(process)
        asked = self.store.watch(seconds)
        cpu = (cpu_of(process) - before) / seconds * 100
        self.record(peer, {**asked, "idle cpu": cpu, "memory": memory_of(process)})

    def load(self, peer: Peer) -> None:
        """
        Record the delays of a worker at half load.

        That is half of what the worker drains, or half of what one producer sends one by one, if that is less.
        """
        sends = self.results.middle(self.group, self.condition, "send", peer.name)
        drains = self.rates.get((peer.name, peer.latency))
        if not sends or not drains:
            return
        self.clear_stamps()
        reached = self.ask(peer, "steady", min(sends, drains) / 2, 2 * self.window, ACTOR[peer.latency])["rate"]
        self.until(peer, lambda: peer.left(self.store) == 0, 0.02, seconds=2 * self.window)
        self.record(peer, {"load rate": reached})
        self.record_delays(peer, "load", self.delays()[5:])  # without the first 100 ms

    def record_delays(self, peer: Peer, what: str, delays: list[float]) -> None:
        """Record the median and the 99th percentile of *delays*."""
        if not delays:
            raise CannotMeasure("no message was started in time")
        self.record(peer, {f"{what} p50": quantile(delays, 0.5) * 1_000, f"{what} p99": quantile(delays, 0.99) * 1_000})

    def clear_stamps(self) -> None:
        """Forget the delays so far."""
        (self.folder / "stamps").write_text("")

    def delays(self) -> list[float]:
        """Return the delays that the actor ``stamp`` has recorded, in seconds."""
        return [float(line) for line in (self.folder / "stamps").read_text().splitlines() if line]
