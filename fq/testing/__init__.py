"""
What tests of tasks and layers need. `message` builds a message to hand to a handler.

`memory` lends an app a broker in memory, `drain` runs what waits there and fails with the first dead letter; as pytest fixtures: ``fq_app``, ``fq_bind``
and ``fq_clock``. `check_step` holds a layer of yours against the laws that layers obey. `simulate` runs a workload on several workers, with everything
that can go wrong between them.
"""

from fq.brokers.clock import ManualClock
from fq.frozen import frozen_dict
from fq.message import Message
from fq.testing.bind import DeadLetterError, drain, memory
from fq.testing.simulation import Report, SimulationError, simulate
from fq.testing.simulation.faults import Faults
from fq.testing.simulation.ledger import Finding
from fq.testing.simulation.run import Run


def message(
    actor_name: str,
    *args: object,
    message_id: str = "test",
    queue_name: str = "default",
    kwargs: dict[str, object] | None = None,
    message_timestamp: int = 0,
    received_at: int = 0,
    deliveries: int = 1,
    interrupted: str = "",
    **options: object,
) -> Message:
    """
    Return a message for *actor_name* with *args*, and every other keyword as one of its options.

    >>> message("add", 1, 2, retries=2).options
    {'retries': 2}
    """
    return Message(
        message_id=message_id,
        actor_name=actor_name,
        queue_name=queue_name,
        args=args,
        kwargs=kwargs or {},
        options=frozen_dict(options),
        message_timestamp=message_timestamp,
        received_at=received_at,
        deliveries=deliveries,
        interrupted=interrupted,
    )


__all__ = [
    "DeadLetterError",
    "Faults",
    "Finding",
    "ManualClock",
    "Report",
    "Run",
    "SimulationError",
    "drain",
    "memory",
    "message",
    "simulate",
]
