"""SQLite: sending, draining by one process and by eight, latency, an idle worker, many waiting messages, and the sizes of the file and its log."""

import tempfile
import time
from pathlib import Path

import psutil

from benchmarks import file_size, sqlite_depth
from benchmarks.measure import drain_rate, quantile, rate, report, worker
from benchmarks.tasks import anoop, noop, stamp
from fq import App

SENDS, MESSAGES = 10_000, 100_000


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [*measure(f"sqlite:///{Path(folder)}/bench.db"), *sqlite_depth.rows(folder), *file_size.rows(folder)]
    report("sqlite", rows)


def measure(url: str) -> list[tuple[str, str, str]]:
    """Return the rows of the table."""
    app = App(url)
    for actor in (noop, anoop, stamp):
        actor.owner.app = None
        app.include(actor)
    rows = [("send, one by one", f"{rate(SENDS, lambda: [noop.send() for _ in range(SENDS)]):,.0f}/s", ">= 8,000/s")]
    many = MESSAGES - SENDS
    rows.append(("send_many", f"{rate(many, lambda: app.send_many(noop.call() for _ in range(many))):,.0f}/s", ">= 50,000/s"))
    rows.append(("drained by one worker process, sync no-op", f"{drain_rate(app, url, MESSAGES):,.0f}/s", ">= 15,000/s"))
    app.send_many(anoop.call() for _ in range(MESSAGES))
    rows.append(("drained by one worker process, async no-op", f"{drain_rate(app, url, MESSAGES):,.0f}/s", ">= 15,000/s"))
    app.send_many(noop.call() for _ in range(MESSAGES))
    rows.append(("drained by eight worker processes, sync no-op", f"{drain_rate(app, url, MESSAGES, '--processes', '8'):,.0f}/s", ""))
    with worker(url, "--processes", "1") as process:
        noop.send()
        time.sleep(1)
        rows += latency_rows(1_000)
        rows.append(("an idle worker, supervisor and child", f"{idle_cpu(process.pid):.2f} % CPU", "< 1 %"))
    return rows


def latency_rows(count: int) -> list[tuple[str, str, str]]:
    """Return the row about the time from send to start on an idle worker."""
    waits = []
    for _ in range(count // 5):
        sent = time.time()
        started = stamp.send().get_result(block=True)
        waits.append((started - sent) * 1_000)
        time.sleep(0.02)
    return [("send to start, idle worker, p50 / p99", f"{quantile(waits, 0.5):.1f} / {quantile(waits, 0.99):.1f} ms", "p50 <= 10 ms")]


def idle_cpu(pid: int, seconds: float = 5.0) -> float:
    """Return the share of one processor, in percent, that a process and its children use."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]

    def used() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in processes)

    before = used()
    time.sleep(seconds)
    return (used() - before) / seconds * 100
