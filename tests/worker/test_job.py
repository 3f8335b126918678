"""Each step of the pipeline of a claimed message, on its own."""

import logging

import pytest
from attrs import evolve

from fq import App, Message, Middleware
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import ACK, Bury, ClaimRequest, Commit, Delivery, Reschedule
from fq.core.events import Claimed, Committed, Committing, Event, Released, Started
from fq.core.outcome import DONE, Outcome
from fq.execution.handler import acall_directly, call_directly
from fq.worker.claimed_job import Job
from fq.worker.job import JobRunner


class Watches(Middleware):
    """Notes the events of messages."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event) -> None:
        if isinstance(event, Claimed | Started | Committing | Committed | Released):
            self.events.append(event)

    @property
    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


class Rig:
    """An app, and a runner for it."""

    def __init__(self, *layers: Middleware) -> None:
        self.broker = MemoryBroker()
        self.app = App(broker=self.broker) if not layers else App(broker=self.broker, middleware=layers[0])
        self.runner = JobRunner(self.app.registry, call_directly, acall_directly, 0)

        @self.app.actor
        def halve(n: int) -> float:
            return n / 2 if n else 1 / n

        self.halve = halve

    def claim(self, n: int = 4) -> Delivery:
        self.halve.send(n)
        (delivery,) = self.broker.turn((), ClaimRequest("w", ("default",), 1)).deliveries
        return delivery

    def job(self, n: int = 4) -> Job:
        job = self.runner.receive(self.claim(n))
        assert isinstance(job, Job)
        return job


def broken(delivery: Delivery, body: bytes = b"{nonsense") -> Delivery:
    return evolve(delivery, body=body)


def test_receive_finds_the_actor_and_leaves_the_message_to_the_thread_that_runs_it() -> None:
    rig = Rig()
    job = rig.job()

    assert job.actor.handler is not None
    assert job.actor.ahandler is None
    assert not hasattr(job, "message")
    assert rig.job().actor is job.actor, "it is compiled once"


def test_receive_reads_the_message_where_layers_watch() -> None:
    watches = Watches()
    job = Rig(watches).job()

    assert job.message.args == (4,)
    assert watches.names == ["Claimed"]


def test_receive_answers_with_a_commit_for_what_no_declared_actor_can_run() -> None:
    rig = Rig(Watches())
    commit = rig.runner.receive(broken(rig.claim()))

    assert isinstance(commit, Commit)
    assert isinstance(commit.disposition, Bury)


def test_decode_reads_the_message() -> None:
    rig = Rig()
    job = rig.job()

    assert rig.runner.decode(job)
    assert isinstance(job.message, Message)
    assert job.commit is None


def test_decode_buries_what_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    caplog.set_level(logging.CRITICAL, "fq")
    job = rig.runner.receive(broken(rig.claim()))
    assert isinstance(job, Job)

    assert not rig.runner.decode(job)
    assert job.commit is not None
    assert isinstance(job.commit.disposition, Bury)


def test_encode_makes_the_commit_of_an_outcome_and_tells_nothing() -> None:
    watches = Watches()
    rig = Rig(watches)
    job = rig.job()
    outcome = rig.runner.encode(job, DONE)

    assert outcome is DONE
    assert job.commit is not None
    assert job.commit.disposition == ACK
    assert watches.names == ["Claimed"]


def test_encode_returns_the_failure_of_what_cannot_be_encoded() -> None:
    rig = Rig()
    job = rig.job()
    rig.runner.decode(job)
    outcome = rig.runner.encode(job, Outcome.success(object()).also("no effect"))  # type: ignore[arg-type]

    assert not outcome.succeeded
    assert job.commit is not None
    assert isinstance(job.commit.disposition, Bury)


def test_report_logs_a_failure_and_tells_the_layers(caplog: pytest.LogCaptureFixture) -> None:
    watches = Watches()
    rig = Rig(watches)
    job = rig.job()
    outcome = rig.runner.encode(job, Outcome.failure(ValueError("no")))
    rig.runner.report(job, outcome)

    assert "halve(int) failed and is now a dead letter: ValueError: no" in caplog.text
    assert watches.names == ["Claimed", "Committing"]
    assert job.outcome is outcome


@pytest.mark.parametrize("stale", [False, True])
def test_after_commit_tells_the_layers_whether_it_came_too_late(stale: bool) -> None:
    watches = Watches()
    rig = Rig(watches)
    job = rig.job()
    rig.runner.run(job)
    rig.runner.after_commit(job, stale)

    assert watches.names == ["Claimed", "Started", "Committing", "Committed"]
    assert isinstance(last := watches.events[-1], Committed)
    assert last.stale is stale
    assert job.outcome is None, "an exception in it would keep the job alive"


def test_after_commit_tells_of_a_message_that_is_handed_back() -> None:
    watches = Watches()
    rig = Rig(watches)
    rig.runner.after_commit(rig.job(), stale=False)

    assert watches.names == ["Claimed", "Released"]


@pytest.mark.parametrize(("n", "disposition"), [(4, type(ACK)), (0, Reschedule)])
def test_the_whole_pipeline_ends_in_one_commit(n: int, disposition: type, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "fq")
    rig = Rig()
    job = rig.job(n)
    rig.runner.run(job)

    assert job.commit is not None
    assert isinstance(job.commit.disposition, disposition)


def test_fail_lets_the_layers_that_decide_judge_an_error_that_has_passed_them(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "fq")
    rig = Rig()
    job = rig.job()
    rig.runner.fail(job, ValueError("from outside"))

    assert job.commit is not None
    assert isinstance(job.commit.disposition, Reschedule)
