"""No worker hoards: what waits for one that is busy is run by another that is not."""

from collections import Counter

from fq import App
from tests.chaos.harness import Rig

OPTIONS = ("--processes", "1", "--threads", "2")


def test_long_jobs_behind_a_flood_of_short_ones_are_shared_by_all_workers(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import nap, pid

    with rig.worker(*OPTIONS), rig.worker(*OPTIONS):
        for handle in app.send_many(pid.call() for _ in range(3_000)):
            handle.get(60_000)  # by now each worker takes itself for one that finishes hundreds at a time
        ran = Counter(handle.get(60_000).unwrap() for handle in app.send_many(nap.call(1.0) for _ in range(12)))

    assert len(ran) == 2
    assert min(ran.values()) >= 4, "two threads each, and twelve jobs of the same length: six each, if the machine serves both alike"


def test_a_slow_actor_does_not_hold_up_a_fast_one(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import gate_of, pid, wait_at_gate

    with rig.worker(*OPTIONS), rig.worker(*OPTIONS):
        slow = app.send_many(wait_at_gate.call(number) for number in range(3))  # of four threads, one is left
        fast = app.send_many(pid.call() for _ in range(200))
        for handle in fast:
            handle.get(60_000).unwrap()
        still = [handle for handle in slow if handle.status().state != "done"]
        gate_of(rig.folder).touch()
        for handle in slow:
            handle.get(60_000).unwrap()

    assert len(still) == 3
