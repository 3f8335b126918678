"""Finished jobs reach the dispatcher once, and wake it when there is something to do."""

import logging

import pytest

from fq.brokers.records import ACK, Commit, Delivery
from fq.execution.actor_plan import ActorPlan
from fq.middleware.stack import Stack
from fq.worker.claimed_job import Job
from fq.worker.compiled_actor import CompiledActor
from fq.worker.finished_jobs import MAX_GATHERED_JOBS, FinishedJobs, hand_back


def job(number: int = 0, finished: bool = True) -> Job:
    delivery = Delivery(f"m{number}", "default", "add", "token", b"", 1, 0)
    return Job(delivery, CompiledActor(ActorPlan.of(Stack())), Commit(f"m{number}", "default", "token", ACK) if finished else None)


class Woken:
    """An finished, and how often it has woken its dispatcher."""

    def __init__(self) -> None:
        self.count = 0
        self.finished = FinishedJobs(self.wake)

    def wake(self) -> None:
        self.count += 1


def test_the_first_job_wakes_the_dispatcher_and_those_behind_it_gather() -> None:
    woken = Woken()
    jobs = [job(n) for n in range(3)]
    for each in jobs:
        woken.finished.put(each, flush=False)

    assert (woken.count, len(woken.finished), woken.finished.has_changed) == (1, 3, True)
    assert woken.finished.take() == jobs
    assert not woken.finished


def test_a_flush_wakes_it_once_a_turn() -> None:
    woken = Woken()
    for number in range(3):
        woken.finished.put(job(number), flush=True)
    assert woken.count == 1

    woken.finished.begin_turn()
    woken.finished.put(job(3), flush=True)
    assert woken.count == 2


def test_many_jobs_leave_without_a_flush() -> None:
    woken = Woken()
    for number in range(MAX_GATHERED_JOBS):
        woken.finished.put(job(number), flush=False)

    assert woken.count == 2


def test_what_the_dispatcher_returns_itself_wakes_nothing() -> None:
    woken = Woken()
    woken.finished.return_unstarted(job(finished=False))

    assert (woken.count, len(woken.finished)) == (0, 1)


def test_an_outcome_that_comes_after_the_end_is_logged_and_what_has_not_run_is_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "fq")
    woken = Woken()
    woken.finished.put(job(1), flush=False)
    woken.finished.close()
    woken.finished.put(job(2), flush=False)
    woken.finished.put(job(3, finished=False), flush=False)

    assert [record.args for record in caplog.records] == [("add", "m1"), ("add", "m2")]
    assert woken.finished.closed


def test_a_job_that_is_handed_back_counts_as_a_delivery_only_if_asked() -> None:
    assert [hand_back(job(), counted).disposition.counted for counted in (False, True)] == [False, True]  # type: ignore[union-attr]
