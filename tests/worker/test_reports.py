"""What running actors tell, on its way to the broker: how often it leaves, and what becomes of it when the broker is away."""

from collections.abc import Sequence

import pytest

from fq import App, emit, progress
from fq.brokers.memory import MemoryBroker
from fq.brokers.operations import message_key
from fq.brokers.records import ClaimRequest, Commit, Continue, Release, SetMarkOp, Turn
from fq.errors import BrokerError, BrokerUnavailable
from fq.execution.handler import acall_directly, call_directly
from fq.runtime.reported import MAX_STREAM_LENGTH, Reported
from fq.worker.claimed_job import Job
from fq.worker.finished_jobs import hand_back
from fq.worker.job import JobRunner
from fq.worker.reports import Reports
from tests.wait_until import wait_until


def test_the_latest_leaves_at_once_and_the_next_after_the_interval() -> None:
    reported = Reported()
    reported.tell(b"1")
    first = reported.take(100.0, 0.2)
    reported.tell(b"2")
    reported.tell(b"3")
    too_soon = reported.take(100.19, 0.2)
    second = reported.take(100.2, 0.2)

    assert first is not None
    assert second is not None
    assert (first.progress, too_soon, second.progress) == (b"1", None, b"3")
    assert not reported.has_news


def test_values_stay_until_the_broker_has_them_and_are_bounded() -> None:
    reported = Reported()
    for n in range(MAX_STREAM_LENGTH + 2):
        reported.emit(b"%d" % n)
    report = reported.take(0.0, 0.0)
    assert report is not None
    reported.emit(b"last")
    reported.confirm(report)

    assert report.chunks[0] == (2, b"2")
    assert reported.close().chunks == ((MAX_STREAM_LENGTH + 2, b"last"),)
    assert reported.take(1.0, 0.0) is None, "it has ended"


def test_what_was_not_sent_leaves_again_unless_there_is_news() -> None:
    reported = Reported()
    reported.tell(b"1")
    report = reported.take(0.0, 0.0)
    assert report is not None
    reported.restore(report)
    again = reported.take(0.0, 0.0)
    reported.restore(report)
    reported.tell(b"2")
    news = reported.take(0.0, 0.0)

    assert again is not None
    assert news is not None
    assert (again.progress, news.progress) == (b"1", b"2")


class Rig:
    """A job that runs, and what it tells."""

    def __init__(self, interval: float = 0.0) -> None:
        self.broker = MemoryBroker()
        self.app = App(broker=self.broker)
        self.wakes = 0
        self.reports = Reports(self._wake, interval)
        self.runner = JobRunner(self.app.registry, call_directly, acall_directly, 0, on_report=self.reports.add)
        self.taken: list[list[Commit]] = []

    def _wake(self) -> None:
        self.wakes += 1

    def take(self) -> None:
        """Take what may leave now, and note it."""
        self.taken.append(self.reports.take("w", 0))

    def job(self) -> Job:
        """Claim and run the message that waits."""
        (delivery,) = self.broker.turn((), ClaimRequest("w", ("default",), 1)).deliveries
        job = self.runner.receive(delivery)
        assert isinstance(job, Job)
        self.runner.run(job)
        return job

    def turn(self, commits: Sequence[Commit]) -> Turn:
        return self.broker.turn(commits, ClaimRequest("w", ("default",), 0))


def test_a_report_is_a_commit_that_goes_on_and_the_last_one_deletes_the_progress() -> None:
    rig = Rig()

    @rig.app.actor(emits=int)
    def work() -> None:
        progress(1)
        emit(1)
        rig.take()
        rig.reports.sent()
        emit(2)

    work.send()
    job = rig.job()
    ((first,),) = rig.taken
    assert job.commit is not None
    rig.take()

    assert isinstance(first.disposition, Continue)
    assert [op.key.partition(":")[0] for op in first.operations if isinstance(op, SetMarkOp)] == ["progress", "stream"]
    assert [op.body is None for op in job.commit.operations if isinstance(op, SetMarkOp)] == [True, False]
    assert rig.taken[-1] == [], "after the end nothing leaves but with its commit"
    assert not rig.reports
    assert rig.wakes == 3
    assert rig.turn((first, job.commit)).stale == ()
    assert rig.broker.marks([message_key("progress", job.delivery.message_id)]) == {}


def test_what_was_never_sent_needs_no_deletion() -> None:
    rig = Rig(interval=60.0)

    @rig.app.actor
    def work() -> None:
        progress(1)

    work.send()
    job = rig.job()

    assert job.commit is not None
    assert job.commit.operations == ()


def test_within_the_interval_the_dispatcher_is_not_woken_again() -> None:
    rig = Rig(interval=60.0)

    @rig.app.actor
    def work() -> None:
        progress(1)
        rig.take()
        rig.reports.sent()
        for n in range(100):
            progress(n)

    work.send()
    rig.job()

    assert rig.wakes == 1
    assert 1 <= rig.reports.wait_ms() <= 60_000


@pytest.mark.parametrize(("again", "left"), [(True, True), (False, False)])
def test_what_the_broker_has_not_got_leaves_again_or_is_dropped(again: bool, left: bool) -> None:
    rig = Rig()
    waiting: list[bool] = []

    @rig.app.actor(emits=int)
    def work() -> None:
        progress(1)
        emit(1)
        rig.take()
        rig.reports.not_sent(again)
        waiting.append(bool(rig.reports))
        rig.take()

    work.send()
    rig.job()

    assert waiting == [left]
    assert (rig.taken[1] == rig.taken[0]) is left
    assert bool(rig.taken[1]) is left


def test_a_message_that_tells_nothing_costs_nothing() -> None:
    rig = Rig()

    @rig.app.actor
    def work() -> None: ...

    work.send()
    job = rig.job()

    assert job.reported is None
    assert not rig.reports
    assert job.commit is not None
    assert job.commit.operations == ()


def test_a_job_that_is_handed_back_deletes_its_progress() -> None:
    rig = Rig()
    released: list[Commit] = []

    @rig.app.actor
    def work() -> None:
        progress(1)
        rig.take()
        job = next(iter(rig.reports._sending))[0]
        released.append(hand_back(job))

    work.send()
    rig.job()

    assert isinstance(released[0].disposition, Release)
    assert [op.body for op in released[0].operations if isinstance(op, SetMarkOp)] == [None]


class Flaky(MemoryBroker):
    """Raises *error* for the first turns that tell something, *times* of them."""

    def __init__(self, error: Exception, times: int) -> None:
        super().__init__()
        self.error, self.times = error, times

    def turn(self, commits: Sequence[Commit], request: ClaimRequest) -> Turn:
        if self.times and any(isinstance(commit.disposition, Continue) for commit in commits):
            self.times -= 1
            raise self.error
        return super().turn(commits, request)


@pytest.mark.parametrize("error", [BrokerUnavailable("away"), BrokerError("no")])
def test_a_worker_outlives_a_broker_that_does_not_take_what_is_told(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", "fq")
    broker = Flaky(error, 2)
    app = App(broker=broker)

    @app.actor
    def work() -> int:
        progress(1)
        wait_until(lambda: broker.times < 2)
        for n in range(3):
            progress(n)
        return 1

    handle = work.send()
    with app.worker(threads=1):
        assert handle.get_result(block=True, timeout=60_000) == 1

    assert broker.dead_letters() == ()
