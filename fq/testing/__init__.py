"""
Tools for tests of actors and layers. `message` builds a message for a handler; `outcome_of` runs a call in its stack and returns the outcome.

`memory` gives an app a broker in memory, and `drain` runs its messages and raises the first dead letter. The pytest fixtures are ``fq_app``,
``fq_bind`` and ``fq_clock``. `check_step` checks a layer against the laws of layers. `simulate` runs a workload on several workers, with faults
between them.
"""

from fq.brokers.clock import ManualClock
from fq.testing.broker_swap import DeadLetterError, drain, memory
from fq.testing.laws import check_step
from fq.testing.messages import message
from fq.testing.outcomes import outcome_of
from fq.testing.simulation import Report, SimulationError, simulate
from fq.testing.simulation.entries import Violation
from fq.testing.simulation.faults import Faults
from fq.testing.simulation.run import Run

Flaw = Violation  # its former name, removed at 1.0

__all__ = [
    "DeadLetterError",
    "Faults",
    "ManualClock",
    "Report",
    "Run",
    "SimulationError",
    "Violation",
    "check_step",
    "drain",
    "memory",
    "message",
    "outcome_of",
    "simulate",
]
