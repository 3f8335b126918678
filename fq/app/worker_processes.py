"""The worker processes of an app: what the broker knows of them, what they report, and what a person can order them to do."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from attrs import frozen

from fq.brokers.protocol import Broker
from fq.brokers.records import WorkerStats
from fq.core.counted import counted
from fq.errors import OptionError
from fq.execution.worker_orders import Wanted, ask_for_stacks, want
from fq.execution.worker_reports import WorkerReport, read_reports

if TYPE_CHECKING:
    from fq.app.app import App

WANTED: Mapping[str, Wanted] = {"quiet_worker": "quiet", "resume_worker": "active", "stop_worker": "stop"}
"""What the actions on a whole worker want it to be. The action ``"stacks"`` is on one of its processes."""


@frozen
class WorkerProcess:
    """A worker process: *stats* by the broker, and its latest *report*, None if it has sent none yet, or an older fq runs it."""

    stats: WorkerStats
    report: WorkerReport | None = None

    @property
    def name(self) -> str:
        """What the broker knows it by."""
        return self.stats.worker

    @property
    def host(self) -> str:
        """The machine that it runs on."""
        return self.name.partition(":")[0]

    @property
    def worker(self) -> str:
        """The ``fq worker`` that it belongs to: host and process id, as people write it. Two containers may have the same."""
        return ":".join(self.name.split(":")[:2])

    @property
    def program(self) -> str:
        """The ``fq worker`` that it belongs to: a name that no other has, if it has reported."""
        return self.worker if self.report is None else self.report.program

    @property
    def is_alive(self) -> bool:
        """Has it a lease?"""
        return self.stats.lease_left > 0


def worker_processes(broker: Broker) -> tuple[WorkerProcess, ...]:
    """Return the worker processes, by name."""
    stats = broker.workers()
    reports = read_reports(broker, [each.worker for each in stats])
    return tuple(WorkerProcess(each, reports.get(each.worker)) for each in stats)


def chosen(processes: Sequence[WorkerProcess], words: Iterable[str]) -> list[WorkerProcess]:
    """
    Return those of *processes* that *words* name: a process, the worker that it belongs to, as ``host:pid``, or a host.

    Raises:
        OptionError: a word names none.
    """
    found: dict[str, WorkerProcess] = {}
    for word in words:
        fitting = [process for process in processes if word in (process.name, process.program, process.worker, process.host)]
        if not fitting:
            raise OptionError(_unknown(processes, word))
        found.update((process.name, process) for process in fitting)
    return list(found.values())


def _unknown(processes: Sequence[WorkerProcess], word: str) -> str:
    known = sorted({process.worker for process in processes} | {process.name for process in processes})
    near = get_close_matches(word, known, 1) or known[:1]
    return f"found no worker called {word!r}" + (
        f", expected one of {len(known)} names such as {near[0]}" if near else ": no worker has a lease"
    )


def order(app: "App", who: str, action: str, processes: Sequence[WorkerProcess]) -> int:
    """
    Order *processes* to do *action*, for *who*, and return how many workers, or processes, were ordered. They see it at their next heartbeat.

    ``"quiet_worker"``, ``"resume_worker"`` and ``"stop_worker"`` are for the whole worker that a process belongs to, ``"stacks"`` is for the process.

    Raises:
        OptionError: one has not reported, or cannot be stopped from outside.
    """
    reports = [_report(process, action) for process in processes]
    if action == "stacks":
        ask_for_stacks(app.broker, [process.name for process in processes], who, app.broker.now())
        return len(processes)
    programs = sorted({report.program for report in reports})
    want(app.broker, programs, WANTED[action], who, app.broker.now())
    return len(programs)


def _report(process: WorkerProcess, action: str) -> WorkerReport:
    report = process.report
    if report is None:
        raise OptionError(
            f"{process.name} has not reported yet, so it cannot be asked: try again in a moment; a worker of an older fq never does"
        )
    if action == "stop_worker" and not report.stops:
        raise OptionError(f"{process.name} runs inside a process of yours, so only that can stop it; to let it claim nothing, quiet it")
    return report


def shown_workers(processes: Sequence[WorkerProcess]) -> str:
    """Return how many workers *processes* are, in words."""
    workers = len({process.program for process in processes})
    return f"{counted(workers, 'worker')} ({counted(len(processes), 'process', 'processes')})"
