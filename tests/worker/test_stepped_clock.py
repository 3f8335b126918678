"""A worker whose host's wall clock is stepped while it works."""

import threading
from pathlib import Path

import pytest

from fq import App
from fq.brokers import SqliteBroker
from fq.brokers.clock import SystemClock
from fq.brokers.host_clocks import HostClocks, boot_id, wall_ms
from fq.brokers.records import ClaimRequest
from tests.wait_until import wait_until

HOUR = 3_600_000


@pytest.mark.skipif(not boot_id(), reason="the wall clock decides where no other can be told from it")
@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_what_runs_while_the_wall_clock_is_stepped_runs_once_and_what_is_delayed_is_in_time(tmp_path: Path, step: int) -> None:
    stepped = [0]
    host = HostClocks(wall=lambda: wall_ms() + stepped[0])
    app = App(broker=SqliteBroker(tmp_path / "jobs.db", clock=SystemClock(host)))
    other = SqliteBroker(tmp_path / "jobs.db", clock=SystemClock(host))
    starts, go_on = [], threading.Event()

    @app.actor
    def slow(number: int) -> int:
        starts.append(number)
        go_on.wait(60)
        return number

    @app.actor
    def later() -> str:
        return "in time"

    with app.worker(threads=2):
        handle, delayed = slow.send(1), later.call().delay(1_000).send()
        wait_until(lambda: bool(starts))
        stepped[0] = step
        found = [other.turn((), ClaimRequest("other", ("default",), 0)) for _ in range(10)]
        in_time = delayed.get_result(block=True, timeout=30_000)
        taken_back = other.status(handle.message_id).state
        go_on.set()
        value = handle.get_result(block=True, timeout=30_000)
    other.close()
    app.broker.close()

    assert (in_time, taken_back, value, starts) == ("in time", "running", 1, [1])
    assert not any(turn.deliveries for turn in found)
