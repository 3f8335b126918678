"""`LeaseRenewal`: the supervisor renews the leases of its children, and hands back what a dead child held. Mutable shell."""

from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import TypeVar

from attrs import define, field

from fq.brokers.protocol import Broker
from fq.core.message import TIME_LIMIT
from fq.errors import FqError
from fq.execution.worker_orders import Orders
from fq.execution.worker_reports import WorkerReport
from fq.runtime.fresh_ids import fresh_worker_name
from fq.runtime.logger import logger
from fq.worker.order_desk import OrderDesk
from fq.worker.reported_process import ReportedProcess
from fq.worker.settings import WorkerSettings
from fq.worker.supervisor.child import ChildProcess

log = logger("fq.worker")

T = TypeVar("T")

NO_ORDERS = Orders()


def _names(children: Iterable[ChildProcess]) -> list[str]:
    """Return the names of those of *children* whose leases are renewed: other workers may run what a stopped one holds."""
    return [child.name for child in children if not child.stopped]


@define(eq=False)
class LeaseRenewal:
    """Renews leases every heartbeat. When the broker cannot be reached, it tries again at the next one."""

    broker: Broker
    settings: WorkerSettings
    due_at: float = 0.0
    desk: OrderDesk = field(init=False, factory=lambda: OrderDesk(fresh_worker_name("program")))

    def renew_now(self) -> None:
        """Renew at the next call of `renew_if_due`."""
        self.due_at = 0.0

    def renew_if_due(self, children: Sequence[ChildProcess], is_quiet: bool) -> Orders:
        """Renew the leases of *children* when a heartbeat has passed, report how they are, and return what is asked of this worker."""
        now = monotonic()
        if now < self.due_at:
            return NO_ORDERS
        self.due_at = now + self.settings.heartbeat / 1_000
        reports = {child.name: self._report(child, is_quiet) for child in children}
        orders = self._log_errors(lambda: self.desk.heartbeat(self.broker, _names(children), self.settings.lease, reports))
        if self.desk.has_answers and orders:
            self.renew_now()
        return orders or NO_ORDERS

    def extend(self, children: Iterable[ChildProcess], lease: int) -> None:
        """Renew the leases of *children* for *lease* ms from now."""
        self._log_errors(lambda: self.broker.renew(_names(children), lease))

    def _report(self, child: ChildProcess, is_quiet: bool) -> WorkerReport:
        own = ReportedProcess(child.pid, child.started_at, is_quiet=is_quiet, is_draining=child.draining)
        running = ((each.message_id, each.started) for each in child.scoreboard.read().running)
        return own.report(self.desk.program, self.settings, running)

    def hand_back(self, child: ChildProcess) -> int | None:
        """Hand back what the dead *child* held; return the number of messages, or None if the broker cannot be reached: then the lease runs out."""
        running = frozenset(running.message_id for running in child.scoreboard.read().running)
        reasons = dict.fromkeys(child.interrupted, TIME_LIMIT)
        return self._log_errors(lambda: self.broker.release(child.name, reasons, child.interrupted or running))

    def _log_errors(self, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except FqError as error:
            log.error("cannot use the broker: %s", error)
            return None
