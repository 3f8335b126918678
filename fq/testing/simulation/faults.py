"""`Faults`: which faults may occur in a simulation, and how often."""

from functools import cached_property
from itertools import accumulate
from random import Random

import attrs
from attrs import field, frozen, validators

_weight = validators.ge(0)


@frozen(kw_only=True, slots=False)
class Faults:
    """
    The faults that may occur between any two commands to the broker.

    Each kind has a weight relative to the others; zero means never.

    >>> Faults(overrun=2, repeat=0)
    Faults(crash=1, deaf=1, stall=2, outage=1, stop=1, repeat=0, requeue=1, cancel=0, overrun=2, rate=0.1, limit=4)

    Attributes:
        crash: a worker dies. Its supervisor hands back its messages, or they wait until its lease expires.

        deaf: a worker dies after the broker has executed its command, and before the answer arrives.

        stall: a worker freezes, or loses the broker and keeps running, while its lease expires; later it continues.

        outage: a command does not reach the broker, and is sent again later.

        stop: a worker stops: it commits finished messages and hands back the others. Another worker starts.

        repeat: a producer that did not receive the broker's answer sends the same messages again, perhaps after they are done.

        requeue: a dead letter is put back on its queue.

        cancel: a message, or all of a workflow, is cancelled by one of the handles that your workload returned. Default never.

        overrun: an actor exceeds its time limit, and is interrupted, or killed with its worker. Default never, since the message then fails like
            any other.

        rate: the probability of a fault at each step.

        limit: the maximum number of faults in a run. Default 4, so that no harmless message is delivered so often that `PoisonLimit` makes it a
            dead letter.
    """

    crash: float = field(default=1, validator=_weight)
    deaf: float = field(default=1, validator=_weight)
    stall: float = field(default=2, validator=_weight)
    outage: float = field(default=1, validator=_weight)
    stop: float = field(default=1, validator=_weight)
    repeat: float = field(default=1, validator=_weight)
    requeue: float = field(default=1, validator=_weight)
    cancel: float = field(default=0, validator=_weight)
    overrun: float = field(default=0, validator=_weight)
    rate: float = field(default=0.1, validator=[validators.ge(0), validators.le(1)])
    limit: int = field(default=4, validator=validators.ge(0))

    @classmethod
    def none(cls) -> "Faults":
        """Return settings without faults: only the order of events differs between seeds."""
        return cls(limit=0)

    def draw(self, random: Random) -> str:
        """Return the kind of the next fault."""
        names, weights = self._kinds
        return random.choices(names, cum_weights=weights)[0]

    @property
    def happen(self) -> bool:
        """Can any fault occur?"""
        return self.limit > 0 and self.rate > 0 and self._kinds[1][-1] > 0

    @cached_property
    def _kinds(self) -> tuple[list[str], list[float]]:
        names = [name for name in attrs.fields_dict(type(self)) if name not in ("rate", "limit")]
        return names, list(accumulate(getattr(self, name) for name in names))
