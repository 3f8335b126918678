"""`LeaseRenewal`: the supervisor renews the leases of its children, and hands back what a dead child held. Mutable shell."""

from collections.abc import Callable, Iterable
from time import monotonic

from attrs import define

from fq.brokers.protocol import Broker
from fq.core.message import TIME_LIMIT
from fq.errors import FqError
from fq.runtime.logger import logger
from fq.worker.settings import WorkerSettings
from fq.worker.supervisor.child import ChildProcess

log = logger("fq.worker")


@define(eq=False)
class LeaseRenewal:
    """Renews leases every heartbeat. When the broker cannot be reached, it tries again at the next one."""

    broker: Broker
    settings: WorkerSettings
    due_at: float = 0.0

    def renew_now(self) -> None:
        """Renew at the next call of `renew_if_due`."""
        self.due_at = 0.0

    def renew_if_due(self, children: Iterable[ChildProcess]) -> None:
        """Renew the leases of *children* when a heartbeat has passed."""
        now = monotonic()
        if now >= self.due_at:
            self.due_at = now + self.settings.heartbeat / 1_000
            self.renew(children, self.settings.lease)

    def renew(self, children: Iterable[ChildProcess], lease: int) -> None:
        """Renew the leases of *children* for *lease* ms from now, except of stopped ones: other workers may run what those hold."""
        names = [child.name for child in children if not child.stopped]
        self._log_errors(lambda: self.broker.renew(names, lease))

    def hand_back(self, child: ChildProcess) -> int | None:
        """Hand back what the dead *child* held; return the number of messages, or None if the broker cannot be reached: then the lease runs out."""
        running = frozenset(running.message_id for running in child.scoreboard.read().running)
        reasons = dict.fromkeys(child.interrupted, TIME_LIMIT)
        return self._log_errors(lambda: self.broker.release(child.name, reasons, child.interrupted or running))

    def _log_errors(self, call: Callable[[], int | None]) -> int | None:
        try:
            return call()
        except FqError as error:
            log.error("cannot use the broker: %s", error)
            return None
