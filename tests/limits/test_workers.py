"""The layers in real workers, on every broker, in both colours."""

import asyncio
import threading
import time

import pytest

from fq import App, concurrency_limit, rate_limit
from tests.limits.places import Place


class Meter:
    """Counts what runs, and how much of it ran at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.running = self.most = 0
        self.starts: list[float] = []

    def __enter__(self) -> None:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
            self.starts.append(time.monotonic())

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.running -= 1


def drained(app: App, meter: Meter, count: int) -> bool:
    until = time.monotonic() + 60
    with app.worker(threads=6):
        while time.monotonic() < until and (len(meter.starts) < count or meter.running):
            time.sleep(0.01)
    return len(meter.starts) == count and not app.broker.dead()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_no_more_than_two_run_at_once_and_all_of_them_do(live: Place, asynchronous: bool):
    app, meter = App(broker=live.broker), Meter()
    if asynchronous:

        @app.actor(concurrency_limit(limit=2), max_retries=0)
        async def work(n: int) -> None:
            with meter:
                await asyncio.sleep(0.01)
    else:

        @app.actor(concurrency_limit(limit=2), max_retries=0)
        def work(n: int) -> None:
            with meter:
                time.sleep(0.01)

    app.send_many(work.call(n) for n in range(40))

    assert drained(app, meter, 40)
    assert meter.most == 2


def test_no_more_than_five_start_in_half_a_second(live: Place):
    app, meter = App(broker=live.broker), Meter()

    @app.actor(rate_limit(limit=5, window=500), max_retries=0)
    def work(n: int) -> None:
        with meter:
            pass

    app.send_many(work.call(n) for n in range(15))

    assert drained(app, meter, 15)
    assert all(later - earlier > 0.4 for earlier, later in zip(meter.starts, meter.starts[5:], strict=False))
