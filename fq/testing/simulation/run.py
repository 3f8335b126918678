"""`Run`: what there is to see of one seed of a simulation."""

from collections import Counter

from attrs import define, field
from returns.result import Result

from fq.app.app import App
from fq.calls.handle import Handle
from fq.core.fault import Fault
from fq.testing.simulation.ledger import Ledger
from fq.wire.codec import decode_result


@define(eq=False)
class Run:
    """
    One seed, as your own check sees it when nothing moves any more. Mutable until then.

    Attributes:
        seed: of the run.

        app: whose messages ran.

        sent: what your workload returned.

        calls: how often each actor was called, by name; more often than it has messages where workers died or lost their lease.

        faults: what went wrong, by kind.
    """

    seed: int
    app: App
    _ledger: Ledger = field(repr=False)
    sent: object = None
    calls: Counter[str] = field(factory=Counter)
    faults: Counter[str] = field(factory=Counter)

    @property
    def ended(self) -> Counter[str]:
        """How many messages ended how: ``"done"``, which includes those that were dropped, or ``"dead"``."""
        return Counter(self._ledger.ended.values())

    def result(self, handle: Handle[object] | str) -> Result[object, Fault] | None:
        """Return the latest result that was stored for *handle*, or a message id, even if its time is over; None if there never was one."""
        message_id = handle if isinstance(handle, str) else handle.message_id
        kept = self._ledger.results.get(message_id)
        return None if kept is None else decode_result(kept[0])
