"""What the benchmarks share: rates, quantiles, tables, a worker process."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from fq.app.app import App

console = Console()


def rate(count: int, call: Callable[[], object]) -> float:
    """Return the rate per second at which *call* processes *count* items."""
    began = time.perf_counter()
    call()
    return count / (time.perf_counter() - began)


def microseconds(call: Callable[[], object], number: int = 20_000, rounds: int = 7) -> float:
    """Return the time of one *call*, in µs: the minimum of several rounds, since noise only adds time."""
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(number):
            call()
        best = min(best, time.perf_counter() - began)
    return best / number * 1e6


def quantile(values: list[float], q: float) -> float:
    """Return the *q* quantile of *values*."""
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


@contextmanager
def worker(url: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``fq worker`` with the benchmark tasks, until the context ends."""
    command = [sys.executable, "-m", "fq", "worker", "benchmarks.tasks:app", *options]
    process = subprocess.Popen(command, env={**os.environ, "FQ_URL": url}, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def waiting(app: App) -> int:
    """Return how many messages are not done."""
    return sum(queue.ready + queue.delayed + queue.in_flight for queue in app.broker.queues())


def drain_rate(app: App, url: str, count: int, *options: str) -> float:
    """Return how many of *count* waiting messages one worker finishes per second, measured from the first to the last."""
    with worker(url, "--processes", "1", *options):
        while (left := waiting(app)) == count:
            time.sleep(0.002)
        began, first = time.perf_counter(), left
        while waiting(app):
            time.sleep(0.01)
        return first / (time.perf_counter() - began)


def report(title: str, rows: list[tuple[str, str, str]]) -> None:
    """Print *rows* of (what, figure, target)."""
    table = Table("what", "measured", "target", title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def matrix(title: str, columns: list[str], rows: list[tuple[str, ...]]) -> None:
    """Print *rows* with a figure for each of *columns*."""
    table = Table(*columns, title=title, title_justify="left", show_lines=any("\n" in cell for row in rows for cell in row))
    for row in rows:
        table.add_row(*row)
    console.print(table)


def format_figures(figures: list[float]) -> str:
    """Return the median of *figures*, and their range."""
    if not figures:
        return ""
    digits = ",.0f" if median(figures) >= 100 else ".2f"
    spread = f"\n({min(figures):{digits}}–{max(figures):{digits}})" if len(figures) > 1 else ""
    return f"{median(figures):{digits}}{spread}"


def ratio(what: str, figure: float | None, other: float | None, target: float) -> tuple[str, str, str]:
    """Return the row about the ratio of *figure* to *other*."""
    if not figure or not other:
        return what, "not measured", f">= {target:g} ×"
    return what, f"{figure / other:.2f} ×", with_verdict(figure >= target * other, f">= {target:g} ×")


def with_verdict(holds: bool, target: str) -> str:
    """Return *target* with whether it is met."""
    return f"{target}  {'holds' if holds else '[red]missed[/red]'}"


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
