"""
What tests of tasks and layers need. `message` builds a message to hand to a handler.

`memory` lends an app a broker in memory, and `drain` runs what waits there and fails with the first dead letter; as pytest fixtures
there are ``fq_app``, ``fq_bind`` and ``fq_clock``. `check_step` holds a layer of yours against the laws that layers obey. `simulate`
runs a workload on several workers, with everything that can go wrong between them.
"""

from fq.brokers.clock import ManualClock
from fq.testing.broker_swap import DeadLetterError, drain, memory
from fq.testing.laws import check_step
from fq.testing.messages import message
from fq.testing.simulation import Report, SimulationError, simulate
from fq.testing.simulation.faults import Faults
from fq.testing.simulation.ledger import Flaw
from fq.testing.simulation.run import Run

__all__ = [
    "DeadLetterError",
    "Faults",
    "Flaw",
    "ManualClock",
    "Report",
    "Run",
    "SimulationError",
    "check_step",
    "drain",
    "memory",
    "message",
    "simulate",
]
