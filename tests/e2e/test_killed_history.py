"""A worker is killed with SIGKILL while an actor runs: the record of the message says that a run was lost. Real processes."""

import os
import signal
import sys
from pathlib import Path

from fq import App, keep
from tests.processes import running
from tests.wait_until import wait_until

TASKS = """
import os, pathlib, time
from fq import App, get_current_message, keep

app = App("sqlite:///jobs.db")


@app.actor(keep())
def work() -> None:
    if get_current_message().deliveries == 1:
        pathlib.Path("pid.new").write_text(str(os.getpid()))
        os.rename("pid.new", "pid")
        time.sleep(600)
"""


def test_the_record_of_a_message_says_that_a_run_was_lost(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    app = App(f"sqlite:///{tmp_path}/jobs.db")

    @app.actor(keep())
    def work() -> None: ...

    handle = work.send()
    command = [sys.executable, "-m", "fq", "worker", "tasks:app", "--processes", "1", "--threads", "1", "--heartbeat", "300"]
    with (
        (tmp_path / "worker.log").open("ab") as log,
        running(command, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True) as worker,
    ):
        wait_until((tmp_path / "pid").exists, what="the first delivery")
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        wait_until(lambda: handle.status().state == "done", what="the end of the message")
        record = handle.history()
        worker.send_signal(signal.SIGTERM)
        worker.wait(60)
    counts = app.counters(hours=2)
    app.broker.close()

    assert record is not None
    assert record.outcome == "success"
    assert [(run.number, run.lost, bool(run.worker)) for run in record.attempts] == [(1, True, False), (2, False, True)]
    assert sum(row.processed for row in counts) == 1
