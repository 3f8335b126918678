"""Workers that are alike in all that a machine can tell: one host name, process 1 of a container each, started in the same second."""

import shutil
import subprocess
import time

import pytest
from returns.pipeline import is_successful

from fq import App
from tests.chaos.harness import Rig
from tests.wait_until import wait_until

CONTAINER = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def can_be_contained() -> bool:
    """May this process make a namespace of process ids?"""
    return shutil.which("unshare") is not None and subprocess.run([*CONTAINER, "true"], check=False, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not can_be_contained(), reason="needs the right to make namespaces of process ids")


def test_what_a_container_held_that_vanished_runs_elsewhere_though_its_twin_lives(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import nap

    while time.time() % 1 > 0.2:  # what is derived from the second is the same for both
        time.sleep(0.01)
    twins = [rig.start("--processes", "1", "--threads", "2", "--heartbeat", "500", inside=CONTAINER) for _ in "ab"]
    try:
        wait_until(lambda: len(app.broker.workers()) == 2, what="two workers")
        handles = [nap.send(2.0) for _ in range(4)]
        wait_until(lambda: rig.runs("nap")["2.0"] == 4, what="the runs")
        twins[0].kill()  # and with it, all of the container

        assert all(is_successful(handle.get(60_000)) for handle in handles)
        assert 4 < rig.runs("nap")["2.0"] <= 6  # what the twin ran, it ran once
    finally:
        for twin in twins:
            twin.kill()
            twin.wait()
