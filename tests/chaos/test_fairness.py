"""No worker hoards: what waits for one that is busy is run by another that is not."""

import time
from collections import Counter

from fq import App
from tests.chaos.harness import Rig

OPTIONS = ("--processes", "1", "--threads", "2")


def test_long_jobs_behind_a_flood_of_short_ones_are_shared_by_all_workers(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import nap, pid

    with rig.worker(*OPTIONS), rig.worker(*OPTIONS):
        for handle in app.send_many(pid.call() for _ in range(3_000)):
            handle.get(30_000)  # by now each worker takes itself for one that finishes hundreds at a time
        began = time.monotonic()
        ran = Counter(handle.get(30_000).unwrap() for handle in app.send_many(nap.call(1.0) for _ in range(12)))
        took = time.monotonic() - began

    assert sorted(ran.values()) == [6, 6], "two threads each, and twelve jobs of the same length"
    assert took < 5, "three rounds of a second; one worker alone would take six"


def test_a_slow_actor_does_not_hold_up_a_fast_one(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import nap, pid

    with rig.worker(*OPTIONS), rig.worker(*OPTIONS):
        slow = app.send_many(nap.call(3.0) for _ in range(3))  # of four threads, one is left
        fast = app.send_many(pid.call() for _ in range(200))
        for handle in fast:
            handle.get(2_500).unwrap()
        still = [handle for handle in slow if handle.status().state != "done"]
        for handle in slow:
            handle.get(30_000).unwrap()

    assert len(still) == 3
