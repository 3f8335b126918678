"""
`simulate`: runs several workers on one thread, with faults between them that are drawn from a seed.

The workers take single steps in random order. The handlers and the broker are real, the clock is simulated. ``fq.testing.simulation.scenario`` runs
one seed, ``fq.testing.simulation.ledger`` records what the broker must then hold.
"""

import logging
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager

from attrs import frozen

from fq.app.app import App
from fq.brokers.clock import ManualClock
from fq.brokers.memory import MemoryBroker
from fq.brokers.protocol import Broker
from fq.core.duration import Duration, to_ms
from fq.testing.simulation.actors import Actors
from fq.testing.simulation.entries import Violation
from fq.testing.simulation.faults import Faults
from fq.testing.simulation.run import Run
from fq.testing.simulation.scenario import Scenario

DEFAULT_FAULTS = Faults()


@frozen
class Report:
    """
    The figures of a simulation that found no violation.

    Attributes:
        runs: number of seeds.

        messages: number of messages that ended, in all runs.

        deliveries: number of claimed messages, each time counted.

        stale: number of outcomes that came too late and were refused, as they must be.

        faults: number of faults, by kind.
    """

    runs: int
    messages: int
    deliveries: int
    stale: int
    faults: Mapping[str, int]

    def __str__(self) -> str:
        """Return it as one line."""
        faults = ", ".join(f"{count} {kind}" for kind, count in sorted(self.faults.items())) or "none"
        return f"{self.runs} runs, {self.messages} messages, {self.deliveries} deliveries, {self.stale} stale outcomes; faults: {faults}"


class SimulationError(AssertionError):
    """A run violated an invariant: *seed* reproduces it, *violations* say what went wrong, *trace* has the latest events."""

    def __init__(self, seed: int, violations: tuple[Violation, ...], trace: tuple[str, ...]) -> None:
        said = "\n".join(f"  {violation}" for violation in violations)
        happened = "\n".join(trace)
        super().__init__(f"seed {seed}:\n{said}\n\nlatest events; reproduce with seeds=[{seed}]:\n{happened}")
        self.seed = seed
        self.violations = violations
        self.trace = trace


def simulate(
    app: App | Callable[[], App],
    workload: Callable[[App], object],
    *,
    seeds: int | Iterable[int] = 200,
    workers: int = 3,
    faults: Faults = DEFAULT_FAULTS,
    check: Callable[[Run], object] | None = None,
    mend: Callable[[App], object] | None = None,
    broker: Callable[[ManualClock], Broker] = lambda clock: MemoryBroker(clock=clock),
    until: Duration = 0,
    steps: int = 10_000,
) -> Report:
    """
    Run *workload* on several simulated workers, once for each of *seeds*, and check that no message is lost or duplicated.

    The seed alone determines the order of events: a failing seed fails again in the same way. Actors really run, but sleeping in async code
    takes no time; the app's own broker is not used. A run ends when no worker and no timer has anything left to do. Then every message that was
    sent must be done, dead or dropped, and its result, follow-ups and groups must match the committed outcomes.

    >>> app = App("memory://")
    >>> @app.actor(max_retries=3)
    ... def add(a: int, b: int) -> int:
    ...     return a + b
    >>> simulate(app, lambda app: add.send(1, 2), seeds=20).runs
    20

    Args:
        app: an app, or a function that creates one for each run.

        workload: sends messages; what it returns is `Run.sent`.

        seeds: the number of seeds, from 0; or the seeds themselves.

        workers: number of workers at a time; a worker that dies is replaced.

        faults: the faults that may occur.

        mend: called when nothing is left to do, and perhaps earlier: lets failing actors succeed. Then all dead letters are requeued, and the run
            continues; groups that had failed must continue, too. Let your *workload* undo this for the next run.

        check: called after each run without violations, to assert what your actors promise; an error is reported with the seed.

        broker: creates the broker under test.

        until: schedules fire for so long, ms or a timedelta: those that the app declares, and those that *workload* puts. Then they stop, and the run
            ends when nothing else is left to do. Default: 0, never.

        steps: a run with more steps counts as stuck.

    Raises:
        SimulationError: of the first run with a violation; its text has the seed, the violations and the latest events.
    """
    messages = deliveries = stale = runs = 0
    happened: Counter[str] = Counter()
    with _quiet(logging.getLogger("fq.worker")), closing(_actors_of_runs(app)) as actors_of_runs:
        for seed, actors in zip(range(seeds) if isinstance(seeds, int) else seeds, actors_of_runs, strict=False):
            scenario = Scenario(seed, actors, faults, workers, broker, mend, to_ms(until))
            with _named(seed):
                violations = scenario.run_to_end(workload, check, steps)
            if violations:
                raise SimulationError(seed, violations, tuple(scenario.trace))
            runs, stale = runs + 1, stale + scenario.ledger.stale
            messages, deliveries = messages + len(scenario.ledger.ended), deliveries + scenario.ledger.deliveries
            happened += scenario.run.faults
    return Report(runs, messages, deliveries, stale, dict(happened))


def _actors_of_runs(app: App | Callable[[], App]) -> Generator[Actors, None, None]:
    """Yield the actors for each run; of one app, always the same ones."""
    while True:
        with closing(Actors(app if isinstance(app, App) else app())) as actors:
            yield actors
            while isinstance(app, App):
                yield actors


@contextmanager
def _named(seed: int) -> Iterator[None]:
    """Add *seed* to an error that ends the simulation, such as an error of the workload, or Ctrl-C while an actor hangs."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in seed {seed} of a simulation; reproduce with seeds=[{seed}]")
        raise


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Silence *logger*: a simulation causes many failures, and each would be logged."""
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
