"""`Leases`: what the supervisor tells the broker of its children, which live on their leases. Mutable shell."""

from collections.abc import Callable, Iterable
from time import monotonic

from attrs import define

from fq.brokers.protocol import Broker
from fq.core.message import TIME_LIMIT
from fq.errors import FqError
from fq.runtime.logger import logger
from fq.worker.settings import WorkerSettings
from fq.worker.supervisor.child import Ward

log = logger("fq.worker")


@define(eq=False)
class Leases:
    """Renews leases every heartbeat, and hands back what the dead held. A broker that cannot be used just now is tried again at the next beat."""

    broker: Broker
    settings: WorkerSettings
    next_beat: float = 0.0

    def soon(self) -> None:
        """Renew at the next opportunity."""
        self.next_beat = 0.0

    def beat(self, wards: Iterable[Ward]) -> None:
        """Renew the leases of *wards* when it is time."""
        now = monotonic()
        if now >= self.next_beat:
            self.next_beat = now + self.settings.heartbeat / 1_000
            self.renew(wards, self.settings.lease)

    def renew(self, wards: Iterable[Ward], lease: int) -> None:
        """Let the leases of *wards* run for *lease* ms from now, but of those that have been stopped: what they hold is for others."""
        names = [ward.name for ward in wards if not ward.stopped]
        self._quietly(lambda: self.broker.renew(names, lease))

    def hand_back(self, ward: Ward) -> int | None:
        """Hand back what the dead *ward* held; return how many messages that was, None if the broker cannot be told: its lease does the rest."""
        running = frozenset(running.message_id for running in ward.board.read().running)
        reasons = dict.fromkeys(ward.interrupted, TIME_LIMIT)
        return self._quietly(lambda: self.broker.release(ward.name, reasons, ward.interrupted or running))

    def _quietly(self, call: Callable[[], int | None]) -> int | None:
        try:
            return call()
        except FqError as error:
            log.error("cannot use the broker: %s", error)
            return None
