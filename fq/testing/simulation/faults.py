"""`Faults`: what may go wrong in a simulation, and how often."""

from functools import cached_property
from itertools import accumulate
from random import Random

import attrs
from attrs import field, frozen, validators

_weight = validators.ge(0)


@frozen(kw_only=True, slots=False)
class Faults:
    """
    What may go wrong between any two commands to the broker.

    Every kind has a weight, nought for never: how likely it is compared with the others.

    >>> Faults(overrun=2, repeat=0)
    Faults(crash=1, deaf=1, stall=2, outage=1, stop=1, repeat=0, requeue=1, cancel=0, overrun=2, rate=0.1, limit=4)

    Attributes:
        crash: a worker dies with all that it holds, which is handed back by its supervisor, or waits for its lease to run out.

        deaf: a worker dies after the broker has done what it asked, and before it hears so.

        stall: a worker stands still, or is cut off from the broker and goes on running, while its lease runs out; later it goes on as
            if nothing had been.

        outage: a command does not reach the broker, and is sent again later.

        stop: a worker is told to stop, commits what has run, hands back the rest, and another one starts.

        repeat: a producer who did not hear the broker's answer sends the same messages again, perhaps when they have been done already.

        requeue: somebody puts a dead letter back on its queue.

        cancel: somebody cancels a message, or all of a workflow, by one of the handles that your workload returned. Default never.

        overrun: an actor runs longer than its time limit, and is interrupted, or killed with its worker. Default never, since
            that is a failure like any other.

        rate: the chance of a fault at each step.

        limit: so many faults are the most in a run. Default 4: so that no message that does no harm is delivered so often that
            `PoisonLimit` takes it out.
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
        """Return what leaves everything well: only the order of things differs from seed to seed."""
        return cls(limit=0)

    def draw(self, random: Random) -> str:
        """Return the kind of the next fault."""
        names, weights = self._kinds
        return random.choices(names, cum_weights=weights)[0]

    @property
    def happen(self) -> bool:
        """May anything go wrong at all?"""
        return self.limit > 0 and self.rate > 0 and self._kinds[1][-1] > 0

    @cached_property
    def _kinds(self) -> tuple[list[str], list[float]]:
        names = [name for name in attrs.fields_dict(type(self)) if name not in ("rate", "limit")]
        return names, list(accumulate(getattr(self, name) for name in names))
