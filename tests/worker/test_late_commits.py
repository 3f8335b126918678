"""A worker may hold two claims of one message, when it has lost the first: what becomes of one is not told of the other."""

from collections.abc import Sequence

import pytest

from fq import App
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import CONTINUE, ClaimRequest, Commit, Turn
from fq.errors import BrokerError
from fq.worker.claimed_job import Job
from fq.worker.job import JobRunner
from fq.worker.late_commits import late_claims
from fq.worker.process.isolated_commits import Batch, IsolatedCommits

FIRST, SECOND, THIRD = (Commit("m", "q", token) for token in (1, 2, 3))
OTHER = Commit("n", "q", 2)


@pytest.mark.parametrize(
    ("commits", "stale", "late"),
    [
        ([FIRST], [], set()),
        ([FIRST, OTHER], ["m"], {("m", 1)}),
        ([FIRST, SECOND], ["m"], {("m", 1)}),
        ([SECOND, OTHER, FIRST], ["m"], {("m", 1)}),
        ([THIRD, SECOND, FIRST], ["m", "m"], {("m", 1), ("m", 2)}),
        ([FIRST, SECOND], ["m", "m"], {("m", 1), ("m", 2)}),
        ([Commit("m", "q", 1, CONTINUE), SECOND], ["m"], {("m", 1)}),
        ([Commit("m", "q", 1, CONTINUE), FIRST, SECOND], ["m", "m"], {("m", 1)}),
        ([FIRST], ["m", "not of this turn"], {("m", 1)}),
    ],
)
def test_the_earlier_claims_of_a_message_are_the_late_ones(commits: Sequence[Commit], stale: list[str], late: set[tuple[str, int]]) -> None:
    assert late_claims(commits, stale) == late


def test_two_claims_of_one_message_are_committed_one_by_one_each_for_its_own_run() -> None:
    broker = MemoryBroker()
    app = App(broker=broker)

    @app.actor
    def work() -> None: ...

    work.send()
    runner = JobRunner(app.registry, lambda *_: None, lambda *_: None, 0)  # type: ignore[arg-type, return-value]
    jobs: list[Job] = []
    for _ in range(2):
        (delivery,) = broker.turn((), ClaimRequest("w", ("default",), 1)).deliveries
        job = runner.receive(delivery)
        assert isinstance(job, Job)
        jobs.append(job)
        if len(jobs) == 1:
            broker.release("w", {}, ())  # it comes again
    batch, committed, told = Batch(), list[Job](), list[tuple[str, ...]]()
    batch.add(jobs)

    def apply(commits: Sequence[Commit]) -> Turn:
        turn = broker.turn(commits, ClaimRequest("w", (), 0))
        told.append(turn.stale)
        return turn

    isolated = IsolatedCommits(apply, committed.extend, app.registry.apply_send_layers)

    assert isolated.commit_individually(batch, BrokerError("refused together"))
    assert committed == jobs
    assert told == [(jobs[0].delivery.message_id,), ()]
    assert (batch.jobs, batch.commits) == ([], [])
