"""`Run`: one seed of a simulation, as the user's check sees it."""

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
    One seed, as your own check sees it at the end. Mutable until then.

    Attributes:
        seed: of the run.

        app: the app whose messages ran.

        sent: the value that your workload returned.

        calls: how often each actor was called, by name. More than its messages if workers died or lost their lease.

        faults: number of faults, by kind.
    """

    seed: int
    app: App
    _ledger: Ledger = field(repr=False)
    sent: object = None
    calls: Counter[str] = field(factory=Counter)
    faults: Counter[str] = field(factory=Counter)

    @property
    def ended(self) -> Counter[str]:
        """The number of messages by how they ended: ``"done"``, which includes dropped ones, or ``"dead"``."""
        return Counter(self._ledger.ended.values())

    def result(self, handle: Handle[object] | str) -> Result[object, Fault] | None:
        """Return the latest stored result of *handle*, or of a message id, even if it has expired; None if there never was one."""
        message_id = handle if isinstance(handle, str) else handle.message_id
        kept = self._ledger.results.get(message_id)
        return None if kept is None else decode_result(kept[0])
