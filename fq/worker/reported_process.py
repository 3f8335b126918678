"""`ReportedProcess`: a worker process as its reports show it. Shell: it looks at the clock and at the memory of the process."""

import platform
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from time import monotonic

from attrs import frozen

from fq.execution.worker_reports import WorkerReport
from fq.runtime.process_memory import memory_of
from fq.worker.settings import WorkerSettings


@cache
def _versions() -> tuple[str, str]:
    return version("fq"), platform.python_version()


@frozen
class ReportedProcess:
    """The process *pid*, there since *started_at*, in seconds on the monotonic clock; *stops*: can an order stop it?"""

    pid: int
    started_at: float
    is_quiet: bool = False
    is_draining: bool = False
    stops: bool = True

    def report(self, program: str, settings: WorkerSettings, running: Iterable[tuple[str, float]]) -> WorkerReport:
        """Return its report; *running* are the ids of messages, with when they began, on the monotonic clock."""
        own_version, python = _versions()
        now = monotonic()
        return WorkerReport(
            program=program,
            pid=self.pid,
            version=own_version,
            python=python,
            memory=memory_of(self.pid),
            uptime=_ms(now - self.started_at),
            threads=settings.threads,
            concurrency=settings.concurrency,
            heartbeat=settings.heartbeat,
            is_quiet=self.is_quiet,
            is_draining=self.is_draining,
            stops=self.stops,
            running=tuple((message_id, _ms(now - started)) for message_id, started in running),
        )


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1_000))
