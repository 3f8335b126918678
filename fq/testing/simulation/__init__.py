"""
`simulate`: several workers on one thread, and everything that can go wrong between them, drawn from a seed.

The workers take turns at single steps, the handlers and the broker are real, the clock is not. ``fq.testing.simulation.player`` plays one seed,
``fq.testing.simulation.ledger`` keeps the account that the broker is held against.
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
from fq.testing.simulation.faults import Faults
from fq.testing.simulation.ledger import Flaw
from fq.testing.simulation.player import Play
from fq.testing.simulation.run import Run
from fq.testing.simulation.worker import Cast

WHATEVER = Faults()


@frozen
class Report:
    """
    What a simulation that found nothing has seen.

    Attributes:
        runs: how many seeds.

        messages: how many messages ended, in all runs.

        deliveries: how often one was claimed.

        stale: how many outcomes came too late and were refused, as they must be.

        faults: what went wrong, by kind.
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
    """A run of a simulation went wrong: *seed* plays it again, *flaws* say what, *trace* has the latest things that happened."""

    def __init__(self, seed: int, flaws: tuple[Flaw, ...], trace: tuple[str, ...]) -> None:
        said = "\n".join(f"  {flaw}" for flaw in flaws)
        happened = "\n".join(trace)
        super().__init__(f"seed {seed}:\n{said}\n\nthe latest that happened; play it again with seeds=[{seed}]:\n{happened}")
        self.seed = seed
        self.flaws = flaws
        self.trace = trace


def simulate(
    app: App | Callable[[], App],
    workload: Callable[[App], object],
    *,
    seeds: int | Iterable[int] = 200,
    workers: int = 3,
    faults: Faults = WHATEVER,
    check: Callable[[Run], object] | None = None,
    mend: Callable[[App], object] | None = None,
    broker: Callable[[ManualClock], Broker] = lambda clock: MemoryBroker(clock=clock),
    steps: int = 10_000,
) -> Report:
    """
    Run *workload* on several simulated workers, once for each of *seeds*, and account for every message.

    What happens when is settled by the seed alone: a failing seed fails again in the same way. Actors run for real, though sleeping in
    async code takes no time; the app's own broker is not touched. A run goes on until nothing moves any more. Then every message that was
    sent must be done, dead or dropped, and its result, its follow-ups and its groups there as often as committed outcomes say.

    >>> app = App("memory://")
    >>> @app.actor(max_retries=3)
    ... def add(a: int, b: int) -> int:
    ...     return a + b
    >>> simulate(app, lambda app: add.send(1, 2), seeds=20).runs
    20

    Args:
        app: an app, or a function that makes one for each run.

        workload: sends messages; what it returns is `Run.sent`.

        seeds: so many, from 0; or just these.

        workers: how many there are at a time; one that dies is replaced.

        faults: what may go wrong.

        mend: called when nothing moves any more, and perhaps before: makes actors succeed that failed. Then all dead letters are requeued, and the run
            goes on; what came after groups that had failed must go on, too. Let your *workload* break things again for the next run.

        check: called after each run that went well, to assert what your actors promise; what it raises is reported with the seed.

        broker: makes the broker under test.

        steps: a run that takes more is stuck.

    Raises:
        SimulationError: a run went wrong, the first of them; its text has the seed, what went wrong, and what happened before.
    """
    messages = deliveries = stale = runs = 0
    happened: Counter[str] = Counter()
    with _quiet(logging.getLogger("fq.worker")), closing(_casts(app)) as casts:
        for seed, cast in zip(range(seeds) if isinstance(seeds, int) else seeds, casts, strict=False):
            play = Play(seed, cast, faults, workers, broker, mend)
            with _named(seed):
                flaws = play.play(workload, check, steps)
            if flaws:
                raise SimulationError(seed, flaws, tuple(play.trace))
            runs, stale = runs + 1, stale + play.ledger.stale
            messages, deliveries = messages + len(play.ledger.ended), deliveries + play.ledger.deliveries
            happened += play.run.faults
    return Report(runs, messages, deliveries, stale, dict(happened))


def _casts(app: App | Callable[[], App]) -> Generator[Cast, None, None]:
    """Return a cast for every run: of one app, always the same."""
    while True:
        with closing(Cast(app if isinstance(app, App) else app())) as cast:
            yield cast
            while isinstance(app, App):
                yield cast


@contextmanager
def _named(seed: int) -> Iterator[None]:
    """Add *seed* to an error that ends a simulation, such as one of the workload, or Ctrl-C while an actor hangs."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in seed {seed} of a simulation; play it again with seeds=[{seed}]")
        raise


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Let *logger* say nothing: failures are what simulations are made of, and each would be logged."""
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
