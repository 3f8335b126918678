"""What a child needs, as a function of what is known of it."""

import pytest
from attrs import evolve

from fq.worker.scoreboard import RunningMessage, Snapshot
from fq.worker.settings import WorkerSettings
from fq.worker.supervisor.child import ChildHealth, Diagnosis, diagnose, overrunning

NOW = 1_000.0
SETTINGS = WorkerSettings(heartbeat=1_000, hard_limit_grace=5_000, max_tasks_per_child=100, max_memory_per_child=50)
LEASES = 3 * SETTINGS.lease / 1_000
"""Three leases, in seconds."""

BUSY = RunningMessage("m1", started=NOW - 60, deadline=NOW + 60)
FRESH = ChildHealth(Snapshot(last_heartbeat=NOW - 0.1, finished=5, running=()), NOW, memory=10, stopped=False)


def known(snapshot: Snapshot, **more: object) -> ChildHealth:
    return evolve(FRESH, snapshot=snapshot, **more)


def test_a_child_with_heartbeats_is_healthy() -> None:
    assert diagnose(FRESH, SETTINGS) == Diagnosis.HEALTHY
    assert diagnose(known(Snapshot(NOW - 0.1, 5, (BUSY,))), SETTINGS) == Diagnosis.HEALTHY


@pytest.mark.parametrize("settings", [SETTINGS, evolve(SETTINGS, heartbeat=60_000)])
def test_one_that_has_not_booted_is_waited_for_until_the_boot_timeout_and_for_three_leases_at_least(settings: WorkerSettings) -> None:
    limit = max(settings.boot_timeout, 3 * settings.lease) / 1_000
    unborn = known(Snapshot(0.0, 0, ()), started_at=NOW - limit)

    assert diagnose(evolve(unborn, started_at=NOW - limit + 0.1), settings) == Diagnosis.HEALTHY
    assert diagnose(evolve(unborn, started_at=NOW - limit - 0.1), settings) == Diagnosis.BOOT_TIMEOUT
    assert diagnose(evolve(unborn, started_at=NOW - limit - 0.1, continued_at=NOW - limit + 0.1), settings) == Diagnosis.HEALTHY
    assert diagnose(evolve(unborn, started_at=NOW - limit - 0.1, stopped=True), settings) == Diagnosis.HEALTHY


def test_a_child_that_runs_nothing_and_is_silent_for_three_leases_is_unresponsive() -> None:
    assert diagnose(known(Snapshot(NOW - LEASES + 0.1, 5, ())), SETTINGS) == Diagnosis.HEALTHY
    assert diagnose(known(Snapshot(NOW - LEASES - 0.1, 5, ())), SETTINGS) == Diagnosis.UNRESPONSIVE


def test_the_shortest_leases_leave_time_for_a_sign_of_life_a_second() -> None:
    assert diagnose(known(Snapshot(NOW - 3.0, 5, ())), WorkerSettings(heartbeat=50)) == Diagnosis.HEALTHY
    assert diagnose(known(Snapshot(NOW - 5.1, 5, ())), WorkerSettings(heartbeat=50)) == Diagnosis.UNRESPONSIVE


def test_one_that_runs_something_may_be_silent_for_as_long_as_it_takes() -> None:
    assert diagnose(known(Snapshot(NOW - 100 * LEASES, 5, (BUSY,))), SETTINGS) == Diagnosis.HEALTHY


def test_one_that_was_stopped_is_left_alone_and_given_time_once_it_goes_on() -> None:
    silent = Snapshot(NOW - 100 * LEASES, 5, ())

    assert diagnose(known(silent, stopped=True), SETTINGS) == Diagnosis.HEALTHY
    assert diagnose(known(silent, continued_at=NOW - 1.0), SETTINGS) == Diagnosis.HEALTHY
    assert diagnose(known(silent, continued_at=NOW - LEASES - 0.1), SETTINGS) == Diagnosis.UNRESPONSIVE


@pytest.mark.parametrize(("late", "said"), [(-1.0, Diagnosis.HEALTHY), (4.9, Diagnosis.HEALTHY), (5.1, Diagnosis.TIME_LIMIT_EXCEEDED)])
def test_one_whose_message_is_past_its_limit_and_the_grace_overran(late: float, said: Diagnosis) -> None:
    assert diagnose(known(Snapshot(NOW, 5, (BUSY, RunningMessage("m2", NOW - 60, NOW - late)))), SETTINGS) == said


def test_which_messages_overran_is_told() -> None:
    snapshot = Snapshot(NOW, 5, (BUSY, RunningMessage("m2", NOW - 60, NOW - 6), RunningMessage("m3", NOW - 60, NOW - 4)))

    assert overrunning(snapshot, NOW, 5_000) == {"m2"}


def test_a_stopped_child_overruns_nothing() -> None:
    late = Snapshot(NOW, 5, (RunningMessage("m2", NOW - 60, NOW - 50),))

    assert diagnose(known(late, stopped=True), SETTINGS) == Diagnosis.HEALTHY


def test_a_child_that_has_finished_enough_or_grown_too_large_is_due_for_recycling() -> None:
    assert diagnose(known(Snapshot(NOW, 99, ())), SETTINGS) == Diagnosis.HEALTHY
    assert diagnose(known(Snapshot(NOW, 100, ())), SETTINGS) == Diagnosis.DUE_FOR_RECYCLING
    assert diagnose(known(Snapshot(NOW, 5, ()), memory=SETTINGS.max_memory_per_child), SETTINGS) == Diagnosis.HEALTHY
    assert diagnose(known(Snapshot(NOW, 5, ()), memory=10**12), SETTINGS) == Diagnosis.DUE_FOR_RECYCLING


def test_a_child_that_is_too_large_before_its_first_message_is_not_replaced() -> None:
    assert diagnose(known(Snapshot(0.0, 0, ()), memory=10**12, started_at=NOW), SETTINGS) == Diagnosis.HEALTHY, "it boots"
    assert diagnose(known(Snapshot(NOW, 0, ()), memory=10**12), SETTINGS) == Diagnosis.OVERSIZED_AT_BOOT
    assert diagnose(known(Snapshot(NOW, 0, (BUSY,)), memory=10**12), SETTINGS) == Diagnosis.HEALTHY, "its first message may be to blame"
    assert diagnose(known(Snapshot(NOW, 1, ()), memory=10**12), SETTINGS) == Diagnosis.DUE_FOR_RECYCLING


def test_without_such_settings_no_child_is_recycled() -> None:
    assert diagnose(known(Snapshot(NOW, 10**9, ()), memory=10**15), WorkerSettings(heartbeat=1_000)) == Diagnosis.HEALTHY


def test_what_overran_counts_before_all_else() -> None:
    assert (
        diagnose(known(Snapshot(NOW, 100, (RunningMessage("m2", NOW - 60, NOW - 50),)), memory=10**12), SETTINGS)
        == Diagnosis.TIME_LIMIT_EXCEEDED
    )
