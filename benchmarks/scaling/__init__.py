"""
What a namespace spread over many Redis nodes would do: a simulation, event by event, with measured costs as its input.

`Costs` and `Cluster` are the input, `simulate` is a pure function of them and of a seed, and `Result` is what it returns. ``docs/scaling.md`` explains the
figures; ``python -m benchmarks.scaling`` measures the costs of this machine, and compares a real run with the simulation of it.
"""

from benchmarks.scaling.engine import simulate
from benchmarks.scaling.figures import best_throughput, ceilings
from benchmarks.scaling.records import Cluster, Costs, Failure, Result

__all__ = ["Cluster", "Costs", "Failure", "Result", "best_throughput", "ceilings", "simulate"]
